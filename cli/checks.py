"""What ``doctor`` looks at: one small check a matter, each with how to mend it.

The JSON of ``--json`` is stable: `Examination`.
"""

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path

import httpx
import imageio_ffmpeg
from rich.console import Console
from rich.table import Table
from rich.text import Text

import nemo
from cli import account, phrases, server
from cli.errors import CliError, Unusable
from cli.examined import Check, Examination, State
from cli.notified import notifications
from config.errors import ConfigError
from config.roots import Root
from config.settings import FILE_NAME, Settings, load
from jobs.connection import connect
from jobs.errors import LedgerUnreachable
from jobs.ledger import Ledger
from producer.mounts import is_deaf
from producer.naming import beside, probed
from stores import BadPath, StoreError, is_remote, store_of, tidy

_MARKS = {"ok": ("✓", "green"), "warn": ("!", "yellow"), "fail": ("✗", "red")}
LITTLE_BYTES, TOO_LITTLE_BYTES = 5 * 10**9, 64 * 2**20
SKEW_S = 5.0
_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class Where:
    """The folders to look at."""

    inboxes: tuple[str, ...]
    outbox: str


def examine(flags: Mapping[str, object], where: Where, *, tell: bool = False) -> Examination:
    """Check everything; what is broken is a failed check, and nothing is raised for it.

    With ``tell`` each address of ``DROPSCORE_NOTIFY`` gets a test message.
    """
    try:
        settings = load(flags)
    except ConfigError as wrong:
        found = [Check(name="settings", state="fail", said=str(wrong), mend="Correct it, then ask again.")]
    else:
        found = [_settings(settings), *_all(settings, where, tell=tell)]
    return Examination(well=all(check.state != "fail" for check in found), checks=tuple(found))


def _settings(settings: Settings) -> Check:
    read_from = f"{FILE_NAME} and the environment" if Path(FILE_NAME).exists() else "the environment"
    by = "the local studio" if settings.backend == "local" else "the NemoVideo cloud"
    said = f"read from {read_from}; {by} edits, skill {settings.skill}"
    return Check(name="settings", state="ok", said=said)


def _all(settings: Settings, where: Where, *, tell: bool) -> Iterator[Check]:
    url = _redis_url(settings)
    if url is None:
        yield _embedded(settings)
        yield from _service(settings, None)
    else:
        with closing(connect(url)) as client:
            ledger = Ledger(client)
            redis = _redis(ledger)
            yield redis
            yield from _service(settings, ledger if redis.state != "fail" else None)
    if settings.notify_urls or tell:
        yield notifications(settings.notify_urls, tell=tell)
    yield _ffmpeg()
    yield _disk("state folder", settings.state_dir)
    yield _bucket("outbox", where.outbox) if is_remote(where.outbox) else _disk("outbox", Path(where.outbox))
    named = [Root(path=path, outbox=where.outbox) for path in where.inboxes]
    for root in named or settings.roots:
        yield _bucket("folder", root.path) if is_remote(root.path) else _root(root, settings)
        if not named and (root.outbox or is_remote(root.path)):
            yield from _outbox(root)


def _redis_url(settings: Settings) -> str | None:
    if settings.redis_url:
        return settings.redis_url.get_secret_value()
    state = settings.state_dir.resolve()
    return server.url(state) if server.answers(state) else None


def _embedded(settings: Settings) -> Check:
    try:
        program = server.program()
    except CliError as none:
        mend = "Install valkey (apt install valkey-server), or set DROPSCORE_REDIS_URL."
        return Check(name="redis", state="fail", said=str(none), mend=mend)
    kept = "its ledger is kept" if server.has_ledger(settings.state_dir.resolve()) else "no ledger yet"
    return Check(name="redis", state="ok", said=f"{program.name} starts with the next run; {kept}")


def _redis(ledger: Ledger) -> Check:
    try:
        skew_s = ledger.sync_clock()
    except LedgerUnreachable as gone:
        mend = "Start the server, or correct DROPSCORE_REDIS_URL."
        return Check(name="redis", state="fail", said=str(gone), mend=mend)
    return _clock("redis", "answers", skew_s)


def _clock(name: str, said: str, skew_s: float) -> Check:
    off = f"{said}; its clock is {abs(skew_s):.0f} s {'ahead' if skew_s > 0 else 'behind'}"
    if abs(skew_s) > SKEW_S:
        mend = "Set the clocks by NTP (timedatectl set-ntp true); the ledger goes by the Redis server's."
        return Check(name=name, state="warn", said=off, mend=mend)
    return Check(name=name, state="ok", said=f"{said}; its clock agrees")


def _service(settings: Settings, ledger: Ledger | None) -> Iterator[Check]:
    try:
        served = account.served(settings)
    except Unusable:
        yield Check(name="service", state="ok", said="the local studio starts with the next run")
        return
    reachable = _reachable(served, asleep=settings.backend == "local" and ledger is None)
    yield reachable
    if ledger is not None and reachable.state != "fail":
        yield _account(settings, ledger)


def _reachable(served: Settings, asleep: bool, now: Callable[[], float] = time.time) -> Check:
    if asleep:
        return Check(name="service", state="ok", said="the local studio starts with the next run")
    url = served.nemo_api_url
    try:
        with nemo.http_client(2) as http:
            answer = http.get(url, timeout=_TIMEOUT_S)  # any answer will do: it is there
    except httpx.HTTPError as broken:
        mend = "Check the network, a proxy, and NEMO_API_URL."
        return Check(
            name="service", state="fail", said=f"{url} does not answer ({type(broken).__name__})", mend=mend
        )
    try:
        skew_s = parsedate_to_datetime(answer.headers.get("date", "")).timestamp() - now()
    except ValueError:
        return Check(name="service", state="ok", said=f"{url} answers")
    return _clock("service", f"{url} answers", skew_s)


def _account(settings: Settings, ledger: Ledger) -> Check:
    if not account.is_known(settings, ledger):
        return Check(name="account", state="ok", said="none yet; the first run makes an anonymous one")
    try:
        found = account.balance(settings, ledger)
    except CliError as refused:
        mend = "Set NEMO_TOKEN to a token that is valid, or leave it out for an anonymous account."
        return Check(name="account", state="fail", said=str(refused), mend=mend)
    said = account.words(found)[0]
    if found.available < settings.edit_credits:
        short = f"{said}; an edit takes {settings.edit_credits}"
        mend = "Top up the account, then: dropscore resume credits"
        return Check(name="account", state="warn", said=short, mend=mend)
    return Check(name="account", state="ok", said=said)


def _ffmpeg() -> Check:
    mend = "Install ffmpeg, or name one with IMAGEIO_FFMPEG_EXE."
    try:
        program = imageio_ffmpeg.get_ffmpeg_exe()
        done = subprocess.run([program, "-version"], capture_output=True, text=True, timeout=20, check=True)
    except (OSError, RuntimeError, subprocess.SubprocessError) as broken:
        return Check(name="ffmpeg", state="fail", said=f"does not run ({type(broken).__name__})", mend=mend)
    return Check(name="ffmpeg", state="ok", said=" ".join(done.stdout.split()[:3]))


def _disk(role: str, folder: Path) -> Check:
    there = next(parent for parent in (folder.absolute(), *folder.absolute().parents) if parent.exists())
    name = f"{role} {phrases.shown(folder)}"
    if not (there.is_dir() and os.access(there, os.W_OK | os.X_OK)):
        mend = f"Make {phrases.shown(there)} writable, or choose another folder."
        return Check(name=name, state="fail", said="cannot be written to", mend=mend)
    free = shutil.disk_usage(there).free
    state: State = "fail" if free < TOO_LITTLE_BYTES else "warn" if free < LITTLE_BYTES else "ok"
    mend = "" if state == "ok" else "Make room; with less than 64 MB nothing is edited."
    return Check(name=name, state=state, said=f"{free / 1e9:,.1f} GB are free", mend=mend)


def _outbox(root: Root) -> Iterator[Check]:
    """The outbox of a root of its own, if it is in a bucket."""
    try:
        target = root.outbox or beside(tidy(root.path))
    except BadPath as wrong:
        yield Check(name="outbox", state="fail", said=str(wrong), mend="Name an outbox for this root.")
        return
    if is_remote(target):
        yield _bucket("outbox", target)


def _bucket(role: str, path: str) -> Check:
    name = f"{role} {phrases.shown(path)}"
    try:
        next(iter(store_of(path).list(tidy(path))), None)
        if role == "outbox":
            probed(tidy(path))  # nothing else tells whether it can be written to; it is gone at once
    except StoreError as broken:
        mend = "Check AWS_ENDPOINT_URL, AWS_REGION, AWS_ACCESS_KEY_ID and the rights on the bucket."
        return Check(name=name, state="fail", said=broken.strerror or "cannot be used", mend=mend)
    return Check(name=name, state="ok", said="written to" if role == "outbox" else "listed")


def _root(root: Root, settings: Settings) -> Check:
    name = f"folder {phrases.shown(root.path)}"
    folder = Path(root.path)
    if not (folder.is_dir() and os.access(folder, os.R_OK | os.X_OK)):
        said = "cannot be read" if folder.exists() else "does not exist"
        return Check(name=name, state="fail", said=said, mend="Make it, mount it, or name another.")
    deaf, kind = is_deaf(root.path)
    asked = root.watch or settings.watch
    mode = asked if asked != "auto" else "poll" if deaf else "native"
    said = f"{kind or 'unknown'} file system, watched by {mode} ({'as set' if asked != 'auto' else 'chosen'})"
    if deaf and mode == "native":
        mend = "Other hosts' files are seen late: set DROPSCORE_WATCH=poll (or auto)."
        return Check(name=name, state="warn", said=said, mend=mend)
    return Check(name=name, state="ok", said=said)


def print_checks(examined: Examination, console: Console) -> None:
    """Print a line a check, with how to mend it below where it is not well."""
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    for overflow in ("ignore", "fold", "fold"):
        table.add_column(overflow=overflow)
    for check in examined.checks:
        mark, style = _MARKS[check.state]
        said = Text(phrases.printable(check.said))
        if check.mend:
            said.append(f"\n{check.mend}", style)
        table.add_row(Text(mark, style), Text(check.name), said)
    console.print(table)
