"""The child processes of a run: what they are, how they are kept alive, and that none survives us.

Each child leads a process group of its own, so that Ctrl-C reaches only us and its own children (ffmpeg) end
with it. However a run ends, ``kill -9`` included, a watchdog beside it sees the pipe between them close and
ends every group that is left. Arguments hold no secret; settings go by the environment.
"""

import contextlib
import errno
import os
import signal
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from ipaddress import ip_address
from pathlib import Path
from typing import IO

from cli.errors import ChildFailed, Unusable
from cli.format import format_path
from cli.paths import Folders
from config.logs import masked
from config.settings import Settings, to_environment

WORKER, PRODUCER, STUDIO, PAGE = "worker", "producer", "studio", "page"
STUDIO_CREDITS = 1_000_000  # nobody pays for the local studio
LOOPBACK = "127.0.0.1"

MAX_ENDS, WINDOW_S = 5, 60.0
FIRST_WAIT_S, LONGEST_WAIT_S = 0.2, 5.0
STOP_S = 5.0
NATURAL_ENDS = frozenset({0, 1, 4})  # of a producer: all well; files were left out; outside the hours
USAGE = 2  # a child that ends with it was given bad settings: starting it again helps nobody
KEEP_LOG_BYTES = 8 * 1024 * 1024

WATCHDOG_GRACE_S = 3.0
_WATCHDOG = """
import os, signal, sys, time

def send(group, number):
    try:
        os.killpg(group, number)
        return True
    except OSError:
        return False

groups = set()
for line in sys.stdin:
    (groups.add if line[0] == "+" else groups.discard)(int(line[1:]))
left = {group for group in groups if send(group, signal.SIGTERM)}
gives_up = time.monotonic() + float(sys.argv[1])
while left and time.monotonic() < gives_up:
    time.sleep(0.05)
    left = {group for group in left if send(group, 0)}
for group in left:
    send(group, signal.SIGKILL)
"""
"""Reads ``+GROUP`` and ``-GROUP``; run without site-packages it costs a few milliseconds."""


@dataclass(frozen=True, slots=True)
class Child:
    """A process to run: its arguments hold no secret, its environment may."""

    name: str
    argv: tuple[str, ...]
    environment: Mapping[str, str] = field(repr=False)
    cwd: Path | None = None
    pass_fds: tuple[int, ...] = ()
    ends: bool = False  # it comes to an end by itself, with one of `NATURAL_ENDS`
    end: Callable[[], object] = lambda: None  # what makes it end sooner than the SIGTERM that follows


@dataclass(slots=True)
class _Running:
    child: Child
    process: "subprocess.Popen[bytes] | None" = None
    starts_at: float = 0.0
    done: bool = False
    ends: "deque[float]" = field(default_factory=lambda: deque(maxlen=MAX_ENDS))


class Supervisor:
    """The children of one run; used from the main thread alone."""

    def __init__(
        self, logs: Path, *, to_stderr: bool = False, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Write each child's output to ``<logs>/<name>.log``, or all of it to standard error."""
        self._logs = logs
        self._to_stderr = to_stderr
        self._clock = clock
        self._children: dict[str, _Running] = {}
        self._exit_codes: dict[str, int] = {}  # known after a child was stopped, too
        self._watchdog = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _WATCHDOG, str(WATCHDOG_GRACE_S)],
            stdin=subprocess.PIPE,
            start_new_session=True,
        )
        logs.mkdir(parents=True, exist_ok=True)

    def start(self, child: Child) -> None:
        """Start a child; raises ChildFailed when its program cannot be started at all."""
        log = self.log_of(child.name)
        with contextlib.suppress(OSError):
            if log.stat().st_size > KEEP_LOG_BYTES:
                log.replace(log.with_suffix(".log.1"))
        self._children[child.name] = running = _Running(child)
        self._spawn(running)

    def look(self) -> None:
        """Start again what ended; to be called a few times a second.

        Raises:
            ChildFailed: a child ended five times within a minute.
            Unusable: a child was given bad settings, or a library of its own is missing.
        """
        for running in self._children.values():
            if running.process is not None and running.process.poll() is not None:
                self._handle_end(running, running.process)
            elif running.process is None and not running.done and self._clock() >= running.starts_at:
                self._spawn(running)

    def ended(self, name: str) -> bool:
        """Tell whether that child has come to its natural end."""
        return self._children[name].done

    def exit_code(self, name: str) -> int:
        """Return the exit code with which that child came to its natural end; 0 before."""
        return self._exit_codes.get(name, 0)

    def alive(self, name: str) -> bool:
        """Tell whether that child runs now."""
        running = self._children.get(name)
        return bool(running and running.process and running.process.poll() is None)

    def stop(self, *names: str, within_s: float = STOP_S) -> None:
        """Ask these children to end, all at once, and make them after ``within_s`` seconds."""
        stopped = [self._children.pop(name) for name in names if name in self._children]
        processes = [running.process for running in stopped if running.process]
        for running in stopped:
            if running.process and running.process.poll() is None:
                running.child.end()
                _signal_group(running.process.pid, signal.SIGTERM)
        gives_up = self._clock() + within_s
        for process in processes:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(max(0.0, gives_up - self._clock()))
            self._end_group(process)

    def close(self) -> None:
        """Stop every child, the first started last, and the watchdog."""
        first, *others = [*self._children] or [""]
        self.stop(*others)
        self.stop(first)
        if self._watchdog.stdin:
            with contextlib.suppress(BrokenPipeError):
                self._watchdog.stdin.close()
        self._watchdog.wait()

    def log_of(self, name: str) -> Path:
        """Return where that child's output goes."""
        return self._logs / f"{name}.log"

    def last_words(self, name: str) -> str:
        """Return the last line that child wrote, without secrets; empty when it went to standard error."""
        with contextlib.suppress(OSError), self.log_of(name).open("rb") as log:
            log.seek(max(0, log.seek(0, os.SEEK_END) - 8192))
            lines = [line for line in log.read().decode("utf-8", "replace").splitlines() if line.strip()]
            return masked(lines[-1].strip()) if lines else ""
        return ""

    def _spawn(self, running: _Running) -> None:
        child = running.child
        log: contextlib.AbstractContextManager[IO[bytes]] = (
            contextlib.nullcontext(sys.stderr.buffer)
            if self._to_stderr
            else self.log_of(child.name).open("ab")
        )
        with log as out:
            try:
                running.process = subprocess.Popen(
                    child.argv,
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=out,
                    env=dict(child.environment),
                    cwd=child.cwd,
                    pass_fds=child.pass_fds,
                    start_new_session=True,
                )
            except OSError as exc:
                raise ChildFailed(f"the {child.name} does not start: {exc.strerror}") from exc
        self._tell_watchdog("+", running.process.pid)

    def _handle_end(self, running: _Running, process: "subprocess.Popen[bytes]") -> None:
        running.process, now = None, self._clock()
        self._end_group(process)
        if running.child.ends and process.returncode in NATURAL_ENDS:
            running.done, self._exit_codes[running.child.name] = True, process.returncode
            return
        running.ends.append(now)
        often = len(running.ends) == MAX_ENDS and now - running.ends[0] <= WINDOW_S
        if often or process.returncode == USAGE:
            name = running.child.name
            words = "" if self._to_stderr else self.last_words(name)
            words = words.removeprefix("dropscore ").removeprefix(f"{name}: ")
            if process.returncode == USAGE:
                raise Unusable(words or f"the {name} cannot go on; it says why above")
            how = f"ended {MAX_ENDS} times within a minute"
            where = "" if self._to_stderr else f" (more in {format_path(self.log_of(name))})"
            raise ChildFailed(f"the {name} {how}: {words or f'exit code {process.returncode}'}{where}")
        running.starts_at = now + min(LONGEST_WAIT_S, FIRST_WAIT_S * 2 ** (len(running.ends) - 1))

    def _end_group(self, process: "subprocess.Popen[bytes]") -> None:
        # A child's own children (ffmpeg) are in its group; what is left of it ends here.
        _signal_group(process.pid, signal.SIGKILL)
        process.wait()
        self._tell_watchdog("-", process.pid)

    def _tell_watchdog(self, sign: str, group: int) -> None:
        with contextlib.suppress(BrokenPipeError):
            if self._watchdog.stdin:
                self._watchdog.stdin.write(f"{sign}{group}\n".encode())
                self._watchdog.stdin.flush()


def _signal_group(group: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):  # nobody is left in it
        os.killpg(group, number)


# --- the parts of a run ---------------------------------------------------------------------------


def python(module: str, *arguments: str) -> tuple[str, ...]:
    """Build the command of a module: by this interpreter, and never from the current folder (-P)."""
    return (sys.executable, "-P", "-m", module, *arguments)


def build_environment(
    settings: Settings, state: Path, redis_url: str, studio_url: str | None = None
) -> dict[str, str]:
    """Build the environment of the worker and the producer.

    With a local studio its address takes the place of the service's, and a token of the service goes nowhere.
    """
    environment = {
        **os.environ,
        **to_environment(settings),
        "DROPSCORE_STATE_DIR": str(state),
        "DROPSCORE_REDIS_URL": redis_url,
        "DROPSCORE_BACKEND": settings.backend,
    }
    if studio_url:
        environment.pop("NEMO_TOKEN", None)
        environment["NEMO_API_URL"] = studio_url
        environment["NEMO_ALLOW_PRIVATE_URLS"] = "true"  # its downloads come from this machine
    return environment


def worker_child(environment: Mapping[str, str]) -> Child:
    """Describe the Celery worker with its scheduler."""
    return Child(WORKER, python("worker", "--quiet"), environment)


def producer_child(environment: Mapping[str, str], folders: Folders, once: bool) -> Child:
    """Describe the producer of one inbox; with ``once`` it ends when everything found is submitted."""
    flags = ["--once"] if once else []
    argv = python("producer", folders.inbox, "--outbox", folders.outbox, *flags)
    return Child(PRODUCER, argv, environment, ends=once)


def studio_child(state: Path, listening: socket.socket, settings: Settings) -> Child:
    """Describe the local studio on a socket of ours: it keeps its address when it is started again."""
    fd = str(listening.fileno())
    songs = ["--music", str(settings.music)] if settings.music else []
    argv = python(
        "studio", "--fd", fd, "--root", str(state / "studio"), "--credits", str(STUDIO_CREDITS), *songs
    )
    ours = ("NEMO_", "DROPSCORE_", "SKILL_", "AWS_")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    if settings.soundfont:
        environment["DROPSCORE_SOUNDFONT"] = str(settings.soundfont)
    return Child(STUDIO, argv, environment, pass_fds=(listening.fileno(),))


def page_child(environment: Mapping[str, str], folders: Folders, listening: socket.socket) -> Child:
    """Describe the page of one inbox on a socket of ours, so that it keeps its address."""
    fd = listening.fileno()
    argv = python("cli.page", folders.inbox, "--outbox", folders.outbox, "--fd", str(fd))
    return Child(PAGE, argv, environment, pass_fds=(fd,))


def open_page_socket(settings: Settings) -> socket.socket:
    """Open the listening socket of the page.

    Raises:
        Unusable: the port is taken, the page would be open to a network without a password, or a library of
            its own is missing.
    """
    if not all(map(find_spec, ("starlette", "uvicorn"))):
        raise Unusable("the page needs its extra: pip install 'dropscore[web]'")
    host, port = settings.web_host, settings.web_port
    if not host.is_loopback and settings.web_password is None:
        raise Unusable(
            f"DROPSCORE_WEB_HOST: {host} is open to others; set DROPSCORE_WEB_PASSWORD (or …_FILE) first"
        )
    listening = socket.socket(socket.AF_INET6 if host.version == 6 else socket.AF_INET)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((str(host), port))
    except OSError as exc:
        if "web_port" in settings.model_fields_set or exc.errno != errno.EADDRINUSE:
            listening.close()
            reason = (exc.strerror or str(exc)).lower()
            raise Unusable(
                f"the page cannot listen on {host}:{port} ({reason}); set another DROPSCORE_WEB_PORT"
            ) from exc
        listening.bind((str(host), 0))  # the page of another run has the usual port
    listening.listen(128)
    return listening


def page_url(listening: socket.socket) -> str:
    """Return the address a person opens."""
    host, port = listening.getsockname()[:2]
    address = ip_address(host)
    shown = "localhost" if address.is_unspecified else f"[{host}]" if address.version == 6 else host
    return f"http://{shown}:{port}/"


def open_studio_socket(state: Path, sleep: Callable[[float], None] = time.sleep) -> socket.socket:
    """Open a listening socket on loopback, on the port of the last run if it is free.

    Sessions, accounts and download addresses of jobs in work are bound to the address. So the port is waited
    for a little: the studio of a run that was killed a moment ago may still hold it.
    """
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    for attempt in range(41):
        port = _read_studio_port(state) if attempt < 40 else 0
        try:
            listening.bind((LOOPBACK, port))
            break
        except OverflowError:  # no port at all was written there
            listening.bind((LOOPBACK, 0))
            break
        except OSError:
            sleep(0.1)
    listening.listen(1024)
    (state / "studio.port").write_text(str(listening.getsockname()[1]), encoding="ascii")
    return listening


def _read_studio_port(state: Path) -> int:
    kept = state / "studio.port"
    known = kept.read_text(encoding="ascii", errors="replace").strip() if kept.exists() else ""
    return int(known) if known.isdecimal() else 0


def find_studio_url(state: Path) -> str | None:
    """Return where the studio of the last run with this state folder was, None when there was none."""
    port = _read_studio_port(state)
    return f"http://{LOOPBACK}:{port}" if port else None


def socket_url(listening: socket.socket) -> str:
    """Return the URL of a listening socket."""
    return f"http://{LOOPBACK}:{listening.getsockname()[1]}"
