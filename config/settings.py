"""Everything the program is told, read once: flag > environment > ``dropscore.toml`` > default.

Each field is named in the environment as its alias (``NEMO_TOKEN``, ``DROPSCORE_LEASE``), and in
``dropscore.toml`` in lower case without the ``DROPSCORE_`` (``lease = 30``). Times are seconds.
A secret may come from a file too: ``NEMO_TOKEN_FILE=/run/secrets/token``.
"""

import json
import os
import tomllib
from collections.abc import Mapping
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
    TomlConfigSettingsSource,
)

from config import notify as told
from config import roots as watched
from config.errors import ConfigError
from config.roots import Root, SessionPer, Watch
from config.skills import Skill, pick, with_own

FILE_NAME = "dropscore.toml"
SECRETS = ("NEMO_TOKEN", "DROPSCORE_REDIS_URL", "DROPSCORE_FLOWER_AUTH", "DROPSCORE_NOTIFY")
Backend = Literal["local", "cloud"]
Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]
PositiveSeconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]


def _split(value: object) -> object:
    return [part.strip() for part in value.split(",")] if isinstance(value, str) else value


def _http_url(value: str) -> str:
    if not value.startswith(("http://", "https://")):
        raise ValueError("should begin with http:// or https://")
    return value.rstrip("/")


HttpUrl = Annotated[str, AfterValidator(_http_url)]
AppriseUrls = Annotated[SecretStr, AfterValidator(told.checked)]
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

    state_dir: Path = Field(Path(".dropscore"), alias="DROPSCORE_STATE_DIR")
    """The ledger of the embedded server, the studio's files, logs."""
    redis_url: SecretStr | None = Field(None, alias="DROPSCORE_REDIS_URL")
    """A Redis or Valkey server of your own, for the ledger and the queues; else one is embedded."""
    chosen_backend: Backend | None = Field(None, alias="DROPSCORE_BACKEND")
    """This machine (`local`), or NemoVideo (`cloud`), which `NEMO_TOKEN` and `NEMO_API_URL` choose too."""
    skill: str = Field("add-music", alias="DROPSCORE_SKILL")
    """Which way to ask the service; `dropscore skills` lists them."""
    session: SessionPer = Field("file", alias="DROPSCORE_SESSION")
    """One editing session a file, or one for the files of a folder, in which they go one after the other."""
    instruction: str | None = Field(None, alias="DROPSCORE_INSTRUCTION", min_length=1)
    """What is asked for each file, an instruction a line; else the skill's own."""
    language: str | None = Field(None, alias="DROPSCORE_LANGUAGE", pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]+)*$")
    """The session's language: `en`, `zh-CN` …"""
    chosen_poll_interval_s: PositiveSeconds | None = Field(None, alias="DROPSCORE_POLL_INTERVAL")
    """Between two looks at a render, on average; unless it is said, 30 s, and at most 1 s locally."""
    max_polls: int = Field(10, alias="DROPSCORE_MAX_POLLS", ge=1)
    """Looks at a render that does not move, before it is given up."""
    rate_limit_wait_s: Seconds = Field(30, alias="DROPSCORE_RATE_LIMIT_WAIT")
    """After a 429 that names no time."""
    disconnect_waits_s: Annotated[tuple[Seconds, ...], NoDecode, BeforeValidator(_split)] = Field(
        (30, 60, 60, 60, 60), alias="DROPSCORE_DISCONNECT_WAITS", min_length=1
    )
    """Between the looks at a timeline after a lost stream."""
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
    shrink: bool = Field(False, alias="DROPSCORE_SHRINK")
    """Compress what is larger than the service takes; the original stays."""
    convert: bool = Field(False, alias="DROPSCORE_CONVERT")
    """Convert what the service does not take (`.wmv .flv .ts` …); the original stays."""
    roots: Annotated[tuple[Root, ...], NoDecode, BeforeValidator(watched.said)] = Field(
        (), alias="DROPSCORE_ROOTS"
    )
    """Folders to watch, each with a way of its own: see below. In the environment: paths, commas between."""
    lease_s: Annotated[float, Field(ge=0.5)] = Field(30, alias="DROPSCORE_LEASE")
    """How long a dead worker holds a job."""
    gate_probe_s: PositiveSeconds = Field(60, alias="DROPSCORE_GATE_PROBE")
    """Between two looks at a closed gate."""
    concurrency: int = Field(500, alias="DROPSCORE_CONCURRENCY", ge=1, le=10_000)
    """Steps at once in one worker."""
    follow_ups: int = Field(1, alias="DROPSCORE_FOLLOW_UPS", ge=0, le=5)
    """How often an agent that asks is told to choose by itself."""
    max_credits: int | None = Field(None, alias="DROPSCORE_MAX_CREDITS", ge=0)
    """The budget of a run."""
    max_rate: Annotated[float, Field(gt=0)] | None = Field(None, alias="DROPSCORE_MAX_RATE")
    """Requests a second, over all workers."""
    max_edits: int = Field(500, alias="DROPSCORE_MAX_EDITS", ge=1)
    """Edits at once, over all workers."""
    max_renders: int | None = Field(None, alias="DROPSCORE_MAX_RENDERS", ge=1)
    """Renders at once, over all workers; 64, or your cores with the local studio, if it is not said."""
    max_transfers: int = Field(32, alias="DROPSCORE_MAX_TRANSFERS", ge=1)
    """Uploads and downloads at once, over all workers."""
    edit_credits: int = Field(50, alias="DROPSCORE_EDIT_CREDITS", ge=0)
    """What an edit costs; 0 leaves it to the service to refuse."""
    flower_auth: SecretStr | None = Field(None, alias="DROPSCORE_FLOWER_AUTH")
    """`user:password` of the Flower page."""
    music: DirectoryPath | None = Field(None, alias="DROPSCORE_MUSIC")
    """A folder of your own songs for the local studio to choose from."""
    metrics_port: int | None = Field(None, alias="DROPSCORE_METRICS_PORT", ge=1, le=65_535)
    """Where a worker serves `/metrics` for Prometheus; off when not set."""
    metrics_host: IPvAnyAddress = Field(IPv4Address("127.0.0.1"), alias="DROPSCORE_METRICS_HOST")
    """The address that port listens on."""
    notify: AppriseUrls | None = Field(None, alias="DROPSCORE_NOTIFY")
    """Apprise URLs, parted by commas: told of a batch's end, of gates, of files that failed."""
    otlp_endpoint: HttpUrl | None = Field(None, alias="OTEL_EXPORTER_OTLP_ENDPOINT")
    """An OpenTelemetry collector (OTLP over HTTP) that workers send a trace a file to; extra `tracing`."""
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
    def poll_interval_s(self) -> float:
        """Seconds between two looks at a render: as set, else 30, or 1 for the local studio."""
        if self.chosen_poll_interval_s is not None:
            return self.chosen_poll_interval_s
        return 1.0 if self.backend == "local" else 30.0

    @property
    def notify_urls(self) -> tuple[str, ...]:
        """The addresses of `notify`, one by one: secrets."""
        return told.apart(self.notify.get_secret_value()) if self.notify else ()

    def all_skills(self) -> dict[str, Skill]:
        """The five published skills and those of ``[skills.NAME]``; raises ConfigError."""
        return with_own(self.skills)

    def chosen_skill(self) -> Skill:
        """The skill files get when nothing nearer names one; raises ConfigError."""
        return pick(self.all_skills(), self.skill)


class _TomlFile(TomlConfigSettingsSource):
    """``dropscore.toml`` with short keys: ``lease`` for ``DROPSCORE_LEASE``, ``nemo_token`` as it is."""

    def _read_file(self, file_path: Path | Traversable) -> dict[str, Any]:
        try:
            table = tomllib.loads(file_path.read_text(encoding="utf-8-sig"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as broken:
            raise ConfigError(f"{file_path}: not readable as TOML: {broken}") from broken
        aliases = {file_key(alias): alias for alias in environment_names()}
        unknown = sorted(set(table) - set(aliases))
        if unknown:
            there_are = ", ".join(sorted(aliases))
            raise ConfigError(f"{file_path}: '{unknown[0]}' is no setting; there are: {there_are}")
        return {aliases[key]: value for key, value in table.items()}


def file_key(alias: str) -> str:
    """A setting's name in ``dropscore.toml``."""
    return alias.removeprefix("DROPSCORE_").lower()


def environment_names() -> tuple[str, ...]:
    """The names the environment is asked for."""
    return tuple(field.alias for field in Settings.model_fields.values() if field.alias)


def load(flags: Mapping[str, object] | None = None, environ: Mapping[str, str] | None = None) -> Settings:
    """Read the settings; ``flags`` are field names with what the command line gave (None = not given).

    Raises:
        ConfigError: one line that names the setting and what is wrong with it.
    """
    said = (flags or {}).items()
    there = os.environ if environ is None else environ
    _refuse_unknown(there)
    given: dict[str, Any] = _from_files(there)
    given |= {_alias(name): value for name, value in said if value is not None}
    try:
        settings = Settings(**given)
    except ValidationError as broken:
        raise ConfigError(_first_line(broken)) from broken
    settings.chosen_skill()
    return settings


def _alias(name: str) -> str:
    alias = Settings.model_fields[name].alias
    return alias if alias else name


def _from_files(environ: Mapping[str, str]) -> dict[str, str]:
    """The secrets for which ``NAME_FILE`` names a file; the variable goes first, and an empty file is none.

    A token of the service is not even read where the local studio was chosen: it has no business there.
    """
    found = {}
    for name in SECRETS:
        path = environ.get(f"{name}_FILE")
        unwanted = name == "NEMO_TOKEN" and environ.get("DROPSCORE_BACKEND") == "local"
        if not path or environ.get(name) or unwanted:
            continue
        try:
            text = Path(path).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as broken:
            raise ConfigError(
                f"{name}_FILE: {path} cannot be read; it should hold the secret alone"
            ) from broken
        if text:
            found[name] = text
    return found


def _refuse_unknown(environ: Mapping[str, str]) -> None:
    known = {*environment_names(), *(f"{name}_FILE" for name in SECRETS)}
    for name in sorted(environ):
        if name.startswith("DROPSCORE_") and name not in known:
            raise ConfigError(f"{name} is no setting of Dropscore; docs/settings.md has those there are")


def _first_line(broken: ValidationError) -> str:
    first = broken.errors()[0]
    name = str(first["loc"][0]) if first["loc"] else "settings"
    secret = name in SECRETS
    value = "" if secret or first["type"] == "missing" else f" {first['input']!r}"
    reason = first["msg"].removeprefix("Value error, ")
    place = "".join(f"[{part}]" for part in first["loc"][1:])
    return f"{name}{place}:{value} is not usable: {reason[:1].lower()}{reason[1:]}"


def to_environment(settings: Settings) -> dict[str, str]:
    """The settings as environment variables, for a child process that must see the same."""
    said = settings.model_dump(mode="python", by_alias=True, exclude_unset=True)
    return {alias: _as_text(value) for alias, value in said.items() if value is not None}


def _as_text(value: object) -> str:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, tuple) and not any(isinstance(part, dict) for part in value):
        return ",".join(str(part) for part in value)
    if isinstance(value, (dict, tuple)):
        return json.dumps(value, default=str)
    return str(value)
