"""What ``doctor`` looks at: one small check for each thing that is needed, and how to fix it.

One model, printed or, with ``--json``, as it is (its keys are stable): `Checkup`.
"""

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import httpx
import imageio_ffmpeg
from pydantic import BaseModel, ConfigDict
from rich.console import Console
from rich.table import Table
from rich.text import Text

import nemovideo
from cli import account, embedded_redis
from cli import format as formats
from cli.errors import CliError, Unusable
from cli.ledger import find_state_folder
from config.errors import ConfigError
from config.roots import Root
from config.settings import FILE_NAME, Settings, load
from jobs.errors import LedgerUnreachable
from jobs.ledger import Ledger
from jobs.redis import check_durability, connect
from producer.outbox import probe_writable
from producer.outputs import default_outbox
from producer.watch import hears_no_events
from storage import BadPath, StorageError, is_remote, storage_for, tidy
from worker import notifications

State = Literal["ok", "warn", "fail"]
_MARKS = {"ok": ("✓", "green"), "warn": ("!", "yellow"), "fail": ("✗", "red")}
LITTLE_BYTES, TOO_LITTLE_BYTES = 5 * 10**9, 64 * 2**20
SKEW_S = 5.0
STUDIO_LIBRARIES = ("uvicorn", "starlette", "PIL", "python_multipart")  # of the extra "studio"
_TIMEOUT_S = 10.0
_TEST_NOTICE = notifications.Notice(
    "Dropscore: a test", "If you read this, notifications come through.", "info"
)
_WIKI = "The forms are listed at https://appriseit.com/services/"


@dataclass(frozen=True, slots=True)
class Where:
    """The folders to look at."""

    inboxes: tuple[str, ...]
    outbox: str


class Check(BaseModel):
    """One thing that is needed; ``fix`` says what to do where it is not ``ok``."""

    model_config = ConfigDict(frozen=True)

    name: str
    state: State
    message: str
    fix: str = ""


class Checkup(BaseModel):
    """All checks, in the order in which things are needed; ``well`` = none fails."""

    model_config = ConfigDict(frozen=True)

    well: bool
    checks: tuple[Check, ...]


def examine(flags: Mapping[str, object], where: Where, *, send_test: bool = False) -> Checkup:
    """Check everything; what is broken is a failed check, and nothing is raised for it.

    With ``send_test`` each address of ``DROPSCORE_NOTIFY`` gets a test message.
    """
    try:
        settings = load(flags)
    except ConfigError as exc:
        found = [Check(name="settings", state="fail", message=str(exc), fix="Correct it, then ask again.")]
    else:
        read_from = f"{FILE_NAME} and the environment" if Path(FILE_NAME).exists() else "the environment"
        by = "the local studio" if settings.backend == "local" else "the NemoVideo cloud"
        message = f"read from {read_from}; {by} edits, skill {settings.skill}"
        first = Check(name="settings", state="ok", message=message)
        found = [first, *check_all(settings, where, send_test=send_test)]
    return Checkup(well=all(check.state != "fail" for check in found), checks=tuple(found))


def check_all(settings: Settings, where: Where, *, send_test: bool) -> Iterator[Check]:
    """Check what is needed, in that order."""
    url = None
    if settings.redis_url:
        url = settings.redis_url.get_secret_value()
    elif embedded_redis.answers(state := find_state_folder(settings)):
        url = embedded_redis.socket_url(state)
    if url is None:
        yield check_embedded_redis(settings)
        yield from check_service(settings, None)
    else:
        with closing(connect(url)) as client:
            ledger = Ledger(client)
            redis = check_redis(ledger)
            yield redis
            if settings.redis_url and redis.state != "fail":
                yield check_writes(ledger, url)
            yield from check_service(settings, ledger if redis.state != "fail" else None)
    if settings.notify_urls or send_test:
        yield check_notifications(settings.notify_urls, send_test=send_test)
    yield check_ffmpeg()
    if settings.backend == "local" and find_spec("numpy") and find_spec("studio.music"):
        yield check_instruments(str(settings.soundfont or ""))
    yield check_disk("state folder", find_state_folder(settings))
    yield (
        check_bucket("outbox", where.outbox)
        if is_remote(where.outbox)
        else check_disk("outbox", Path(where.outbox))
    )
    named = [Root(path=path, outbox=where.outbox) for path in where.inboxes]
    for root in named or settings.roots:
        yield check_bucket("folder", root.path) if is_remote(root.path) else check_root(root, settings)
        if not named and (root.outbox or is_remote(root.path)):
            yield from _outbox(root)


def check_embedded_redis(settings: Settings) -> Check:
    """Check the server that the next run starts."""
    try:
        program = embedded_redis.find_program()
    except CliError as exc:
        fix = "Install valkey (apt install valkey-server), or set DROPSCORE_REDIS_URL."
        return Check(name="redis", state="fail", message=str(exc), fix=fix)
    kept = "its ledger is kept" if embedded_redis.has_ledger(find_state_folder(settings)) else "no ledger yet"
    return Check(name="redis", state="ok", message=f"{program.name} starts with the next run; {kept}")


def check_redis(ledger: Ledger) -> Check:
    """Check that the server answers, and its clock."""
    try:
        ledger.sync_clock()
        skew_s = ledger.now() - time.time()
    except LedgerUnreachable as exc:
        fix = "Start the server, or correct DROPSCORE_REDIS_URL."
        return Check(name="redis", state="fail", message=str(exc), fix=fix)
    return check_clock("redis", "answers", skew_s)


def check_writes(ledger: Ledger, url: str) -> Check:
    """Check that the server keeps what it is given (docs/operations.md)."""
    try:
        warnings = check_durability(ledger.client, through_sentinel=url.startswith("sentinel://")).warnings
    except LedgerUnreachable as exc:
        return Check(name="durability", state="fail", message=str(exc), fix="Start the server.")
    if warnings:
        return Check(
            name="durability", state="warn", message=" ".join(warnings), fix="See docs/operations.md."
        )
    return Check(name="durability", state="ok", message="every paid edit is on disk before it is sent")


def check_clock(name: str, message: str, skew_s: float) -> Check:
    """Compare a clock with ours."""
    off = f"{message}; its clock is {abs(skew_s):.0f} s {'ahead' if skew_s > 0 else 'behind'}"
    if abs(skew_s) > SKEW_S:
        fix = "Set the clocks by NTP (timedatectl set-ntp true); the ledger goes by the Redis server's."
        return Check(name=name, state="warn", message=off, fix=fix)
    return Check(name=name, state="ok", message=f"{message}; its clock agrees")


def check_service(settings: Settings, ledger: Ledger | None) -> Iterator[Check]:
    """Check the service, and the account where the ledger that keeps it answers."""
    missing = [name for name in STUDIO_LIBRARIES if find_spec(name) is None]
    if settings.backend == "local" and missing:
        fix = "pip install 'dropscore[studio]', or choose the cloud: --backend cloud"
        yield Check(name="service", state="fail", message=f"the local studio needs {missing[0]}", fix=fix)
        return
    try:
        served = account.resolve_service(settings)
    except Unusable:
        yield Check(name="service", state="ok", message="the local studio starts with the next run")
        return
    reachable = check_reachable(served, asleep=settings.backend == "local" and ledger is None)
    yield reachable
    if ledger is not None and reachable.state != "fail":
        yield check_account(settings, ledger)


def check_reachable(served: Settings, asleep: bool, now: Callable[[], float] = time.time) -> Check:
    """Check that the service answers, and its clock; ``asleep``: a studio that the next run starts."""
    if asleep:
        return Check(name="service", state="ok", message="the local studio starts with the next run")
    url = served.nemo_api_url
    try:
        with nemovideo.http_client(2) as http:
            answer = http.get(url, timeout=_TIMEOUT_S)  # any answer will do: it is there
    except httpx.HTTPError as exc:
        fix = "Check the network, a proxy, and NEMO_API_URL."
        return Check(
            name="service", state="fail", message=f"{url} does not answer ({type(exc).__name__})", fix=fix
        )
    try:
        skew_s = parsedate_to_datetime(answer.headers.get("date", "")).timestamp() - now()
    except ValueError:
        return Check(name="service", state="ok", message=f"{url} answers")
    return check_clock("service", f"{url} answers", skew_s)


def check_account(settings: Settings, ledger: Ledger) -> Check:
    """Check that the account is accepted and can pay for an edit."""
    if not account.has_account(settings, ledger):
        return Check(name="account", state="ok", message="none yet; the first run makes an anonymous one")
    try:
        found = account.read_balance(settings, ledger)
    except CliError as exc:
        fix = "Set NEMO_TOKEN to a token that is valid, or leave it out for an anonymous account."
        return Check(name="account", state="fail", message=str(exc), fix=fix)
    message = next(found.lines())
    if found.available < settings.edit_credits:
        short = f"{message}; an edit takes {settings.edit_credits}"
        fix = "Top up the account, then: dropscore resume credits"
        return Check(name="account", state="warn", message=short, fix=fix)
    return Check(name="account", state="ok", message=message)


def check_notifications(urls: Sequence[str], *, send_test: bool) -> Check:
    """Check the addresses, and whether they take a message; one holds a token: its number names it."""
    name = "notifications"
    if not urls:
        return Check(
            name=name, state="warn", message="nobody is notified", fix="Set DROPSCORE_NOTIFY, then ask again."
        )
    labels = [f"{number} ({notifications.scheme(url)})" for number, url in enumerate(urls, 1)]
    targets = [notifications.open_address(url) for url in urls]
    unknown = [label for label, target in zip(labels, targets, strict=True) if target is None]
    if unknown:
        message = f"no address that Apprise knows: {', '.join(unknown)}"
        return Check(name=name, state="fail", message=message, fix=f"Correct DROPSCORE_NOTIFY. {_WIKI}")
    if not send_test:
        return Check(name=name, state="ok", message=f"to {', '.join(labels)}; --notify sends a test message")
    refused = [
        label
        for label, target in zip(labels, targets, strict=True)
        if target and not notifications.send(target, _TEST_NOTICE)
    ]
    if refused:
        fix = "Check the address, its token and the network."
        return Check(
            name=name, state="fail", message=f"no test message accepted by {', '.join(refused)}", fix=fix
        )
    return Check(name=name, state="ok", message=f"a test message was sent to {', '.join(labels)}")


def check_ffmpeg() -> Check:
    """Check that ffmpeg runs."""
    fix = "Install ffmpeg, or name one with IMAGEIO_FFMPEG_EXE."
    try:
        program = imageio_ffmpeg.get_ffmpeg_exe()
        done = subprocess.run([program, "-version"], capture_output=True, text=True, timeout=20, check=True)
    except (OSError, RuntimeError, subprocess.SubprocessError) as exc:
        return Check(name="ffmpeg", state="fail", message=f"does not run ({type(exc).__name__})", fix=fix)
    return Check(name="ffmpeg", state="ok", message=" ".join(done.stdout.split()[:3]))


def check_instruments(named: str) -> Check:
    """Say who plays composed music: a soundfont, or the studio's own instruments."""
    from studio.music.soundfont import NotASoundfont, SoundFont, find_soundfont  # noqa: PLC0415 - numpy is slow

    more = "For recorded ones: apt install musescore-general-soundfont-small, or name an SF2 or SF3 file with"
    path = find_soundfont({"DROPSCORE_SOUNDFONT": named})
    if path is None:
        return Check(name="instruments", state="ok", message=f"the studio's own. {more} DROPSCORE_SOUNDFONT.")
    try:
        font = SoundFont(path)
    except (OSError, NotASoundfont):
        fix = "Name another with DROPSCORE_SOUNDFONT, or none: DROPSCORE_SOUNDFONT=none."
        message = f"{path} cannot be read; the studio's own instruments play"
        return Check(name="instruments", state="warn", message=message, fix=fix)
    return Check(name="instruments", state="ok", message=f"{font.name} ({path})")


def check_disk(role: str, folder: Path) -> Check:
    """Check that a folder can be written to, and its room."""
    there = next(parent for parent in (folder.absolute(), *folder.absolute().parents) if parent.exists())
    name = f"{role} {formats.format_path(folder)}"
    if not (there.is_dir() and os.access(there, os.W_OK | os.X_OK)):
        fix = f"Make {formats.format_path(there)} writable, or choose another folder."
        return Check(name=name, state="fail", message="cannot be written to", fix=fix)
    free = shutil.disk_usage(there).free
    state: State = "fail" if free < TOO_LITTLE_BYTES else "warn" if free < LITTLE_BYTES else "ok"
    fix = "" if state == "ok" else "Make room; with less than 64 MB nothing is edited."
    return Check(name=name, state=state, message=f"{free / 1e9:,.1f} GB are free", fix=fix)


def _outbox(root: Root) -> Iterator[Check]:
    """The outbox of a root of its own, if it is in a bucket."""
    try:
        target = root.outbox or default_outbox(tidy(root.path))
    except BadPath as exc:
        yield Check(name="outbox", state="fail", message=str(exc), fix="Name an outbox for this root.")
        return
    if is_remote(target):
        yield check_bucket("outbox", target)


def check_bucket(role: str, path: str) -> Check:
    """Check that a bucket can be listed, and written to where it is an outbox."""
    name = f"{role} {formats.format_path(path)}"
    try:
        next(iter(storage_for(tidy(path)).scan()), None)
        if role == "outbox":
            probe_writable(tidy(path))  # nothing else tells whether it can be written to; it is gone at once
    except StorageError as exc:
        fix = "Check AWS_ENDPOINT_URL, AWS_REGION, AWS_ACCESS_KEY_ID and the rights on the bucket."
        return Check(name=name, state="fail", message=exc.strerror or "cannot be used", fix=fix)
    return Check(name=name, state="ok", message="written to" if role == "outbox" else "listed")


def check_root(root: Root, settings: Settings) -> Check:
    """Check that a watched folder can be read, and how it is watched."""
    name = f"folder {formats.format_path(root.path)}"
    folder = Path(root.path)
    if not (folder.is_dir() and os.access(folder, os.R_OK | os.X_OK)):
        message = "cannot be read" if folder.exists() else "does not exist"
        return Check(name=name, state="fail", message=message, fix="Make it, mount it, or name another.")
    deaf, kind = hears_no_events(root.path)
    asked = root.watch or settings.watch
    mode = asked if asked != "auto" else "poll" if deaf else "native"
    message = (
        f"{kind or 'unknown'} file system, watched by {mode} ({'as set' if asked != 'auto' else 'chosen'})"
    )
    if deaf and mode == "native":
        fix = "Other hosts' files are seen late: set DROPSCORE_WATCH=poll (or auto)."
        return Check(name=name, state="warn", message=message, fix=fix)
    return Check(name=name, state="ok", message=message)


def print_checks(checkup: Checkup, console: Console) -> None:
    """Print a line a check, with how to fix it below where it is not well."""
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    for overflow in ("ignore", "fold", "fold"):
        table.add_column(overflow=overflow)
    for check in checkup.checks:
        mark, style = _MARKS[check.state]
        words = Text(formats.escape_controls(check.message))
        if check.fix:
            words.append(f"\n{check.fix}", style)
        table.add_row(Text(mark, style), Text(check.name), words)
    console.print(table)
