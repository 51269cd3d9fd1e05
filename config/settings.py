"""Everything the program is told, read once: flag > environment > ``dropscore.toml`` > default.

Each field is named in the environment as its alias (``NEMO_TOKEN``, ``DROPSCORE_LEASE``), and in
``dropscore.toml`` in lower case without the ``DROPSCORE_`` (``lease = 30``). Times are seconds.
A secret may come from a file too: ``NEMO_TOKEN_FILE=/run/secrets/token``.
"""

import json
import os
import re
import shlex
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.resources.abc import Traversable
from ipaddress import IPv4Address
from pathlib import Path
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import (
    AfterValidator,
    BeforeValidator,
    DirectoryPath,
    Field,
    FilePath,
    IPvAnyAddress,
    SecretStr,
    ValidationError,
    field_validator,
)
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
    TomlConfigSettingsSource,
)

from config.addresses import check_addresses, split_addresses
from config.errors import ConfigError
from config.hours import Hours
from config.roots import Root, SessionPer, Watch, parse_roots
from config.skills import Skill, pick, with_own

FILE_NAME = "dropscore.toml"
MOST_AT_ONCE = 1000
SECRETS = (
    "NEMO_TOKEN",
    "DROPSCORE_REDIS_URL",
    "DROPSCORE_FLOWER_AUTH",
    "DROPSCORE_NOTIFY",
    "DROPSCORE_WEB_PASSWORD",
)
Backend = Literal["local", "cloud"]
OnChange = Literal["ignore", "version"]
Order = Literal["name", "newest"]
MediaKind = Literal["video", "audio", "image"]
Export = Literal["stems", "midi", "wav"]
Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]
PositiveSeconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]


def _split(value: object) -> object:
    return [part.strip() for part in value.split(",")] if isinstance(value, str) else value


def check_text(value: str) -> str:
    """Return the text without white space around it; raises ValueError when nothing is left."""
    if not value.strip():
        raise ValueError("should not be empty")
    if any("\ud800" <= char <= "\udfff" for char in value):
        raise ValueError("half a character (a lone surrogate) is no text")
    return value.strip()


def check_hours(value: str) -> str:
    """Return hours that can be read; raises ValueError with an example."""
    Hours.parse(value)
    return value


def check_command(value: str) -> str:
    """Return a command that names a program; raises ValueError."""
    if not shlex.split(value):
        raise ValueError("should name a program")
    return value


def check_output(value: str) -> str:
    """Return an output template that names a file for each source; raises ValueError."""
    names = set(re.findall(r"\{([^{}]*)\}", value))
    known = {"folder", "stem", "name", "skill"}
    if unknown := names - known:
        raise ValueError(f"{{{min(unknown)}}} is not known; there are: {', '.join(sorted(known))}")
    if not names & {"stem", "name"}:
        raise ValueError("needs {stem} or {name}: else all files would have one name")
    parts = value.split("/")
    if not value.endswith(".mp4") or value.startswith("/") or ".." in parts or "\0" in value:
        raise ValueError("should be a name inside the outbox that ends with .mp4, as {folder}/{stem}.mp4")
    if parts[-1].startswith("."):
        raise ValueError("the name should not begin with a dot")
    return value


def check_url(value: str) -> str:
    """Return an address without a slash at its end; raises ValueError."""
    if not value.startswith(("http://", "https://")):
        raise ValueError("should begin with http:// or https://")
    return value.rstrip("/")


def find_state_home() -> Path:
    """Return the folder in which state folders are: ``$XDG_STATE_HOME/dropscore``."""
    base = os.environ.get("XDG_STATE_HOME")
    if base and Path(base).is_absolute():
        return Path(base, "dropscore")
    try:
        return Path.home() / ".local" / "state" / "dropscore"
    except RuntimeError:  # nobody's home is known
        return Path.cwd() / ".dropscore"


HttpUrl = Annotated[str, AfterValidator(check_url)]
AppriseUrls = Annotated[SecretStr, AfterValidator(check_addresses)]
Text = Annotated[str, AfterValidator(check_text)]
Command = Annotated[str, AfterValidator(check_command)]
Words = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)]


class Settings(BaseSettings):
    """The settings of one process; frozen, and free of anything that was not asked for."""

    model_config = SettingsConfigDict(
        frozen=True,
        extra="forbid",
        populate_by_name=True,
        env_ignore_empty=True,
        toml_file=FILE_NAME,
        use_attribute_docstrings=True,  # what docs/settings.md says of each: python -m config.reference
        hide_input_in_errors=True,  # it may be a secret, and a stack trace shows it
    )

    nemo_token: SecretStr | None = Field(None, alias="NEMO_TOKEN")
    """Your account at the service; without it an anonymous one is made, which all workers share."""
    nemo_api_url: HttpUrl = Field("https://mega-api-prod.nemovideo.ai", alias="NEMO_API_URL")
    """Where the service is."""
    nemo_web_url: HttpUrl = Field("https://nemovideo.com", alias="NEMO_WEB_URL")
    """Where its pages are, for links alone."""
    nemo_client_id: UUID | None = Field(None, alias="NEMO_CLIENT_ID")
    """The identity of the anonymous account; made once and kept, if it is not said."""
    nemo_allow_private_urls: bool = Field(False, alias="NEMO_ALLOW_PRIVATE_URLS")
    """Let downloads and remote sources come from private addresses."""
    skill_source: str | None = Field(None, alias="SKILL_SOURCE", pattern=r"^[\w.-]{1,64}$")
    """The platform sent as `X-Skill-Platform`; detected, if it is not said."""

    state_dir: Path = Field(default_factory=lambda: find_state_home() / "shared", alias="DROPSCORE_STATE_DIR")
    """The ledger, the studio's files, logs; else one for each outbox in `~/.local/state/dropscore`."""
    redis_url: SecretStr | None = Field(None, alias="DROPSCORE_REDIS_URL")
    """A Redis or Valkey server of your own, for the ledger and the queues; else one is embedded."""
    redis_master: str = Field("mymaster", alias="DROPSCORE_REDIS_MASTER", min_length=1)
    """What the Sentinels call the server, if the address is `sentinel://host:port;sentinel://…`."""
    chosen_backend: Backend | None = Field(None, alias="DROPSCORE_BACKEND")
    """This machine (`local`), or NemoVideo (`cloud`), which `NEMO_TOKEN` and `NEMO_API_URL` choose too."""
    skill: str = Field("add-music", alias="DROPSCORE_SKILL")
    """Which way to ask the service; `dropscore skills` lists them."""
    session: SessionPer = Field("file", alias="DROPSCORE_SESSION")
    """One editing session a file, or one for the files of a folder, in which they go one after the other."""
    instruction: Text | None = Field(None, alias="DROPSCORE_INSTRUCTION")
    """What is asked for each file, an instruction a line; else the skill's own."""
    language: str | None = Field(None, alias="DROPSCORE_LANGUAGE", pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]+)*$")
    """The session's language: `en`, `zh-CN` …"""
    chosen_poll_interval_s: PositiveSeconds | None = Field(None, alias="DROPSCORE_POLL_INTERVAL")
    """Between two looks at a render, on average; unless it is said, 30 s, and at most 1 s locally."""
    max_polls: int = Field(10, alias="DROPSCORE_MAX_POLLS", ge=1)
    """Looks at a render that does not move, before it is given up."""
    rate_limit_wait_s: Seconds = Field(30, alias="DROPSCORE_RATE_LIMIT_WAIT")
    """After a 429 that names no time."""
    chosen_disconnect_waits_s: (
        Annotated[tuple[Seconds, ...], NoDecode, BeforeValidator(_split), Field(min_length=1)] | None
    ) = Field(None, alias="DROPSCORE_DISCONNECT_WAITS")
    """Between the looks at a timeline after a lost stream: `30,60,60,60,60`, locally `1,2,4,8,15`."""
    settle_s: Seconds = Field(2, alias="DROPSCORE_SETTLE")
    """How long a file must lie still before it is taken."""
    rescan_s: PositiveSeconds = Field(30, alias="DROPSCORE_RESCAN")
    """Between two full looks at the folders."""
    sidecar_wait_s: Seconds = Field(0, alias="DROPSCORE_SIDECAR_WAIT")
    """How long a video waits for a sidecar that comes after it."""
    watch: Watch = Field("auto", alias="DROPSCORE_WATCH")
    """How changes are noticed: by the system's events, by looking again, or as the file system allows."""
    ignore: Words = Field((), alias="DROPSCORE_IGNORE")
    """More names to leave alone, as globs with commas between them: `*.bak,drafts/*`."""
    only: Annotated[tuple[MediaKind, ...], NoDecode, BeforeValidator(_split)] = Field(
        (), alias="DROPSCORE_ONLY"
    )
    """Take these kinds of files alone: `video,audio,image`; all, if it is not said."""
    ignore_existing: bool = Field(False, alias="DROPSCORE_IGNORE_EXISTING")
    """Leave alone what is there when the program starts, and take what comes or changes from then on."""
    order: Order = Field("name", alias="DROPSCORE_ORDER")
    """Which files go first: by their names, or the newest."""
    hours: Annotated[str, AfterValidator(check_hours)] = Field("", alias="DROPSCORE_HOURS")
    """When new files are submitted, by the local time: `22:00-06:00,Sat,Sun`; always, if it is not said."""
    on_change: OnChange = Field("ignore", alias="DROPSCORE_ON_CHANGE")
    """New instructions for a file that was sent: only mentioned (`ignore`), or a further `version` of it."""
    restore: bool = Field(True, alias="DROPSCORE_RESTORE")
    """Make outputs again that are gone from the outbox, at no cost; `false` if you move them elsewhere."""
    output: Annotated[str, AfterValidator(check_output)] = Field(
        "{folder}/{stem}.mp4", alias="DROPSCORE_OUTPUT"
    )
    """The name of an output inside the outbox; `{folder}`, `{stem}`, `{name}`, `{skill}` are filled in."""
    preview: bool = Field(False, alias="DROPSCORE_PREVIEW")
    """A first look by the local studio, small and fast; `dropscore retry --full` makes the whole."""
    exports: Annotated[tuple[Export, ...], NoDecode, BeforeValidator(_split)] = Field(
        (), alias="DROPSCORE_EXPORT"
    )
    """What the local studio makes of its music beside each output: `stems,midi,wav`."""
    move_done: Path | None = Field(None, alias="DROPSCORE_MOVE_DONE")
    """Where originals are moved after success; they stay where they are, if it is not said."""
    hook_before: Command | None = Field(None, alias="DROPSCORE_HOOK_BEFORE")
    """A program that is run with a file's path before it is submitted; if it fails, the file waits."""
    hook_after: Command | None = Field(None, alias="DROPSCORE_HOOK_AFTER")
    """A program that is run with the path of an output that was delivered."""
    shrink: bool = Field(False, alias="DROPSCORE_SHRINK")
    """Compress what is larger than the service takes; the original stays."""
    convert: bool = Field(False, alias="DROPSCORE_CONVERT")
    """Convert what the service does not take (`.wmv .flv .ts` …); the original stays."""
    roots: Annotated[tuple[Root, ...], NoDecode, BeforeValidator(parse_roots)] = Field(
        (), alias="DROPSCORE_ROOTS"
    )
    """Folders to watch, each with a way of its own: see below. In the environment: paths, commas between."""
    lease_s: Annotated[float, Field(ge=0.5, allow_inf_nan=False)] = Field(30, alias="DROPSCORE_LEASE")
    """How long a dead worker holds a job."""
    gate_probe_s: PositiveSeconds = Field(60, alias="DROPSCORE_GATE_PROBE")
    """Between two looks at a closed gate."""
    concurrency: int = Field(1000, alias="DROPSCORE_CONCURRENCY", ge=1, le=10_000)
    """Steps at once in one worker."""
    follow_ups: int = Field(1, alias="DROPSCORE_FOLLOW_UPS", ge=0, le=5)
    """How often an agent that asks is told to choose by itself."""
    max_credits: int | None = Field(None, alias="DROPSCORE_MAX_CREDITS", ge=0)
    """The budget of a run."""
    max_rate: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = Field(
        None, alias="DROPSCORE_MAX_RATE"
    )
    """Requests a second, over all workers."""
    max_uploads: int | None = Field(None, alias="DROPSCORE_MAX_UPLOADS", ge=1)
    """How far uploads at once may grow, over all workers; 1,000, if it is not said."""
    max_edits: int | None = Field(None, alias="DROPSCORE_MAX_EDITS", ge=1)
    """How far edits at once may grow; 1,000, or your cores with the local studio."""
    max_renders: int | None = Field(None, alias="DROPSCORE_MAX_RENDERS", ge=1)
    """How far renders at once may grow; 1,000, or your cores with the local studio."""
    max_downloads: int | None = Field(None, alias="DROPSCORE_MAX_DOWNLOADS", ge=1)
    """How far downloads at once may grow; 1,000, if it is not said."""
    edit_credits: int = Field(50, alias="DROPSCORE_EDIT_CREDITS", ge=0)
    """What an edit costs; 0 leaves it to the service to refuse."""
    create_credits: int = Field(100, alias="DROPSCORE_CREATE_CREDITS", ge=0)
    """What making a video from words alone costs (`dropscore create`)."""
    flower_auth: SecretStr | None = Field(None, alias="DROPSCORE_FLOWER_AUTH")
    """`user:password` of the Flower page."""
    flower_url: Annotated[str, AfterValidator(check_url)] | None = Field(None, alias="DROPSCORE_FLOWER_URL")
    """Where Flower is: the page of `dropscore web` links to it."""
    web_host: IPvAnyAddress = Field(IPv4Address("127.0.0.1"), alias="DROPSCORE_WEB_HOST")
    """The address the page listens on; any but this machine's own needs a password."""
    web_port: int = Field(8765, alias="DROPSCORE_WEB_PORT", ge=0, le=65_535)
    """The port of the page, or any that is free if it is taken and this was not set."""
    web_names: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)] = Field(
        (), alias="DROPSCORE_WEB_NAMES"
    )
    """Host names by which the page may be asked for, besides addresses and `localhost`; commas between."""
    web_password: SecretStr | None = Field(None, alias="DROPSCORE_WEB_PASSWORD")
    """The password of the page."""
    music: DirectoryPath | None = Field(None, alias="DROPSCORE_MUSIC")
    """A folder of your own songs for the local studio to choose from."""
    soundfont: FilePath | Literal["none"] | None = Field(None, alias="DROPSCORE_SOUNDFONT")
    """A soundfont (SF2, SF3) for the local studio; when not set, one in the usual places, if any."""
    metrics_port: int | None = Field(None, alias="DROPSCORE_METRICS_PORT", ge=1, le=65_535)
    """Where a worker serves `/metrics` for Prometheus; off when not set."""
    metrics_host: IPvAnyAddress = Field(IPv4Address("127.0.0.1"), alias="DROPSCORE_METRICS_HOST")
    """The address that port listens on."""
    notify: AppriseUrls | None = Field(None, alias="DROPSCORE_NOTIFY")
    """Apprise URLs, separated by commas: told of a batch's end, of gates, of files that failed."""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", alias="DROPSCORE_LOG_LEVEL")
    """How much the parts tell."""
    log_json: bool = Field(False, alias="DROPSCORE_LOG_JSON")
    """Logs as JSON, a line each, for programs."""
    skills: dict[str, dict[str, Any]] = Field(default_factory=dict, alias="DROPSCORE_SKILLS")
    """Skills of your own: `[skills.NAME]` tables."""

    @field_validator("log_level", mode="before")
    @classmethod
    def _upper(cls, value: object) -> object:
        return value.upper() if isinstance(value, str) else value

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Flags, then the environment, then ``dropscore.toml``."""
        return init_settings, EnvSettingsSource(settings_cls), _TomlFile(settings_cls)

    @property
    def backend(self) -> Backend:
        """``cloud`` when it was chosen, or when a token or an address of it was given; else ``local``."""
        if self.chosen_backend is not None:
            return self.chosen_backend
        named = {"nemo_token", "nemo_api_url"} & self.model_fields_set
        return "cloud" if named else "local"

    @property
    def output_template(self) -> str:
        """How outputs are named: as set, and with ``.preview`` before the end if that is what they are."""
        return f"{self.output.removesuffix('.mp4')}.preview.mp4" if self.preview else self.output

    @property
    def poll_interval_s(self) -> float:
        """Seconds between two looks at a render: as set, else 30, or 1 for the local studio."""
        if self.chosen_poll_interval_s is not None:
            return self.chosen_poll_interval_s
        return 1.0 if self.backend == "local" else 30.0

    @property
    def disconnect_waits_s(self) -> tuple[float, ...]:
        """Seconds between the looks at a timeline after a lost stream (api-contract 3.5)."""
        if self.chosen_disconnect_waits_s is not None:
            return self.chosen_disconnect_waits_s
        return (1, 2, 4, 8, 15) if self.backend == "local" else (30, 60, 60, 60, 60)

    def ceilings(self) -> dict[str, int]:
        """Return how far each kind of work in flight may grow.

        The local studio works on as many as it has cores. Two more renders wait there, so that no core stands
        still until a poll has seen the end of the one before.
        """
        cores = (os.cpu_count() or 2) if self.backend == "local" else MOST_AT_ONCE
        return {
            "upload": self.max_uploads or MOST_AT_ONCE,
            "edit": self.max_edits or cores,
            "render": self.max_renders or min(cores + 2, MOST_AT_ONCE),
            "download": self.max_downloads or MOST_AT_ONCE,
        }

    @property
    def notify_urls(self) -> tuple[str, ...]:
        """The addresses of `notify`, one by one: secrets."""
        return split_addresses(self.notify.get_secret_value()) if self.notify else ()

    def all_skills(self) -> dict[str, Skill]:
        """The five published skills and those of ``[skills.NAME]``; raises ConfigError."""
        return with_own(self.skills)

    def chosen_skill(self) -> Skill:
        """The skill files get when nothing nearer names one; raises ConfigError."""
        return pick(self.all_skills(), self.skill)


class _TomlFile(TomlConfigSettingsSource):
    """``dropscore.toml`` with short keys: ``lease`` for ``DROPSCORE_LEASE``, ``nemo_token`` as it is."""

    def _read_file(self, file_path: Path | Traversable) -> dict[str, Any]:
        return _read_toml(file_path)


def _read_toml(path: Path | Traversable) -> dict[str, Any]:
    """Return the settings of a file by their names in the environment; raises ConfigError."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, RecursionError, ValueError) as exc:  # a broken TOML and a broken UTF-8 are ValueErrors
        why = exc.strerror if isinstance(exc, OSError) else f"not readable as TOML: {_one_line(exc)}"
        raise ConfigError(f"{path}: {why}") from exc
    names = {file_key(alias): alias for alias in environment_names()}
    if unknown := sorted(set(table) - set(names)):
        raise ConfigError(f"{path}: '{unknown[0]}' is no setting; there are: {', '.join(sorted(names))}")
    return {names[key]: value for key, value in table.items()}


def file_key(alias: str) -> str:
    """Return a setting's name in ``dropscore.toml``."""
    return alias.removeprefix("DROPSCORE_").lower()


def environment_names() -> tuple[str, ...]:
    """Return the names the environment is asked for."""
    return tuple(field.alias for field in Settings.model_fields.values() if field.alias)


def load(flags: Mapping[str, object] | None = None, environ: Mapping[str, str] | None = None) -> Settings:
    """Read the settings; ``flags`` are field names with what the command line gave (None = not given).

    Raises:
        ConfigError: one line that names the setting and what is wrong with it.
    """
    found = os.environ if environ is None else environ
    chosen = {_alias(name): value for name, value in (flags or {}).items() if value is not None}
    in_file = _read_toml(Path(FILE_NAME)) if Path(FILE_NAME).is_file() else {}
    ignored = check_names(found)
    given: dict[str, Any] = {**read_secret_files(found, chosen, in_file), **chosen}
    try:
        with _without(ignored):
            settings = Settings(**given)
    except ValidationError as exc:
        raise ConfigError(_explain(exc, chosen, found, in_file)) from exc
    except SettingsError as exc:
        raise ConfigError(_explain_undecodable(exc)) from exc
    settings.chosen_skill()
    if settings.preview and settings.backend == "cloud":
        raise ConfigError(
            "DROPSCORE_PREVIEW: NemoVideo renders in one quality alone, and a render costs nothing; "
            "leave it out, and use `dropscore tweak` on what comes"
        )
    if settings.exports and settings.backend == "cloud":
        raise ConfigError(
            "DROPSCORE_EXPORT: NemoVideo gives the film alone; stems, MIDI and WAV files come from the local "
            "studio (--backend local)"
        )
    if settings.preview and settings.session == "folder":
        raise ConfigError(
            "DROPSCORE_PREVIEW: files that share a session cannot be made whole later; use --session file"
        )
    return settings


def _alias(name: str) -> str:
    alias = Settings.model_fields[name].alias
    return alias if alias else name


def read_secret_files(
    environ: Mapping[str, str], flags: Mapping[str, object], in_file: Mapping[str, object]
) -> dict[str, str]:
    """Return the secrets for which ``NAME_FILE`` names a file; the variable itself goes first.

    An empty file is no secret. A token of the service is not even read where the local studio was chosen, in
    whatever way: it has no business there. (pydantic's ``secrets_dir`` looks for fixed names in one folder;
    ``NAME_FILE`` is what the images of databases understand.)
    """
    backend = "DROPSCORE_BACKEND"
    chosen = flags.get(backend) or environ.get(backend) or in_file.get(backend)
    found = {}
    for name in SECRETS:
        path = environ.get(f"{name}_FILE")
        if not path or environ.get(name) or (name == "NEMO_TOKEN" and chosen == "local"):
            continue
        try:
            text = Path(path).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError, ValueError) as exc:
            raise ConfigError(f"{name}_FILE: {path} cannot be read; it should hold the secret alone") from exc
        if text:
            found[name] = text
    return found


_SERVICE_LINK = re.compile(
    r"DROPSCORE(_[A-Z0-9]+)*_(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)"
)
"""What Kubernetes (and old Docker links) put into the environment of a pod for a service ``dropscore-…``."""


def check_names(environ: Mapping[str, str]) -> frozenset[str]:
    """Refuse names that are no setting; return those of settings that hold a service's address instead."""
    known = {*environment_names(), *(f"{name}_FILE" for name in SECRETS)}
    links = set()
    for name in sorted(environ):
        if not name.startswith("DROPSCORE_"):
            continue
        is_link = _SERVICE_LINK.fullmatch(name) is not None
        if name.endswith("_PORT") and not name.endswith("_SERVICE_PORT"):
            # A service "dropscore-metrics" makes DROPSCORE_METRICS_PORT=tcp://…: a setting's name too.
            is_link = is_link and re.match(r"(tcp|udp|sctp)://", environ[name]) is not None
            if is_link and name in known:
                links.add(name)
        if name not in known and not is_link:
            raise ConfigError(f"{name} is no setting of Dropscore; docs/settings.md lists them all")
    return frozenset(links)


@contextmanager
def _without(names: frozenset[str]) -> Iterator[None]:
    """Hide some variables of the environment from what is read inside."""
    kept = {name: os.environ.pop(name) for name in names if name in os.environ}
    try:
        yield
    finally:
        os.environ.update(kept)


def _explain(
    error: ValidationError,
    flags: Mapping[str, object],
    environ: Mapping[str, str],
    in_file: Mapping[str, object],
) -> str:
    """Return one line on the first thing that is wrong, by the name under which the person gave it."""
    first = error.errors()[0]
    name = str(first["loc"][0]) if first["loc"] else "settings"
    from_file = name in in_file and name not in flags and not environ.get(name)
    shown = f"{FILE_NAME}: '{file_key(name)}'" if from_file else name
    value = "" if name in SECRETS or first["type"] == "missing" else f" {_one_line(repr(first['input']))}"
    reason = first["msg"].removeprefix("Value error, ")
    place = "".join(f"[{part}]" for part in first["loc"][1:])
    return f"{shown}{place}:{value} is not usable: {reason[:1].lower()}{_one_line(reason[1:])}"


def _explain_undecodable(error: SettingsError) -> str:
    field = re.search(r'field "(\w+)"', str(error))
    name = (
        _alias(field[1])
        if field and field[1] in Settings.model_fields
        else field[1]
        if field
        else "a setting"
    )
    return f"{name}: is not readable as JSON; tables are easier to write in {FILE_NAME}"


def _one_line(text: object, most: int = 200) -> str:
    line = " ".join(str(text).split())
    return line if len(line) <= most else f"{line[:most]} …"


def to_environment(settings: Settings) -> dict[str, str]:
    """Return the settings as environment variables, for a child process that must see the same."""
    given = settings.model_dump(mode="python", by_alias=True, exclude_unset=True)
    return {alias: _as_text(value) for alias, value in given.items() if value is not None}


def _as_text(value: object) -> str:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, tuple) and not any(isinstance(part, dict) for part in value):
        return ",".join(str(part) for part in value)
    if isinstance(value, (dict, tuple)):
        return json.dumps(value, default=str)
    return str(value)
