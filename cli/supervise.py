"""Child processes: started, started again when they end unexpectedly, stopped; none survives the parent.

Each child has a session of its own, so that Ctrl-C reaches only us. Three things hold it to us: we stop it;
the keeper (`cli.keeper`) ends its whole group when we are gone; on Linux the kernel tells it of our death.
"""

import contextlib
import ctypes
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from cli import keeper
from cli.errors import ChildFailed
from cli.phrases import shown
from config.logs import masked

MAX_ENDS, WINDOW_S = 5, 60.0
FIRST_WAIT_S, LONGEST_WAIT_S = 0.2, 5.0
STOP_S = 5.0
USAGE = 2  # a child that ends with it was told something impossible: starting it again helps nobody
KEEP_LOG_BYTES, TRIM_EVERY_S = 8 * 1024 * 1024, 60.0
_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True, slots=True)
class Child:
    """A process to run: its arguments hold no secret, its environment may."""

    name: str
    argv: tuple[str, ...]
    environment: Mapping[str, str] = field(repr=False)
    cwd: Path | None = None
    pass_fds: tuple[int, ...] = ()
    ends: bool = False  # exit code 0 is its natural end


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
        self._keeper = _start_keeper()
        self._trims_at = 0.0
        logs.mkdir(parents=True, exist_ok=True)

    def start(self, child: Child) -> None:
        """Start a child; raises ChildFailed when its program cannot be started at all."""
        _trim(self.log_of(child.name))
        self._children[child.name] = running = _Running(child)
        self._spawn(running)

    def look(self) -> None:
        """Start again what ended; to be called a few times a second.

        Raises:
            ChildFailed: a child ended five times within a minute, or says that it was told nonsense.
        """
        if self._clock() >= self._trims_at:
            self._trims_at = self._clock() + TRIM_EVERY_S
            for name in self._children:
                _trim(self.log_of(name))
        for running in self._children.values():
            if running.process is not None and running.process.poll() is not None:
                self._note_end(running)
            elif running.process is None and not running.done and self._clock() >= running.starts_at:
                self._spawn(running)

    def ended(self, name: str) -> bool:
        """Whether that child has come to its natural end."""
        return self._children[name].done

    def alive(self, name: str) -> bool:
        """Whether that child runs now."""
        running = self._children.get(name)
        return bool(running and running.process and running.process.poll() is None)

    def stop(self, *names: str, within_s: float = STOP_S) -> None:
        """Ask these children to end, all at once, and make them after ``within_s`` seconds."""
        there = [self._children.pop(name) for name in names if name in self._children]
        processes = [running.process for running in there if running.process]
        for process in processes:
            keeper.send(process.pid, signal.SIGTERM)
        gives_up = self._clock() + within_s
        for process in processes:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(max(0.0, gives_up - self._clock()))
            self._bury(process)

    def close(self) -> None:
        """Stop every child, the last started last to go, and the keeper."""
        first, *others = [*self._children] or [""]
        self.stop(*others)
        self.stop(first)
        if self._keeper.stdin:
            with contextlib.suppress(BrokenPipeError):
                self._keeper.stdin.close()
        self._keeper.wait()

    def log_of(self, name: str) -> Path:
        """Where that child's output goes."""
        return self._logs / f"{name}.log"

    def last_words(self, name: str) -> str:
        """The last line that child wrote, without secrets; empty when it went to standard error."""
        with contextlib.suppress(OSError), self.log_of(name).open("rb") as log:
            log.seek(max(0, log.seek(0, os.SEEK_END) - 8192))
            lines = [line for line in log.read().decode("utf-8", "replace").splitlines() if line.strip()]
            return masked(lines[-1].strip()) if lines else ""
        return ""

    def _spawn(self, running: _Running) -> None:
        child = running.child
        with self._output(child.name) as out:
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
                    preexec_fn=_die_with_parent(),  # noqa: PLW1509 - one system call, made by the only thread
                )
            except OSError as broken:
                raise ChildFailed(f"the {child.name} does not start: {broken.strerror}") from broken
        self._tell_keeper("+", running.process.pid)

    def _output(self, name: str) -> contextlib.AbstractContextManager[IO[bytes]]:
        if self._to_stderr:
            return contextlib.nullcontext(sys.stderr.buffer)
        return self.log_of(name).open("ab")

    def _note_end(self, running: _Running) -> None:
        process, now = running.process, self._clock()
        if process is None:
            return
        running.process = None
        self._bury(process)
        if process.returncode == 0 and running.child.ends:
            running.done = True
            return
        running.ends.append(now)
        often = len(running.ends) == MAX_ENDS and now - running.ends[0] <= WINDOW_S
        if often or process.returncode == USAGE:
            raise ChildFailed(self._why(running.child.name, process.returncode, often))
        running.starts_at = now + min(LONGEST_WAIT_S, FIRST_WAIT_S * 2 ** (len(running.ends) - 1))

    def _why(self, name: str, code: int, often: bool) -> str:
        words = "" if self._to_stderr else self.last_words(name).removeprefix(f"dropscore {name}: ")
        if code == USAGE and words:
            return words
        said = words or f"exit code {code}"
        how = f"ended {MAX_ENDS} times within a minute" if often else "cannot go on"
        where = "" if self._to_stderr else f" (more in {shown(self.log_of(name))})"
        return f"the {name} {how}: {said}{where}"

    def _bury(self, process: "subprocess.Popen[bytes]") -> None:
        # A child's own children (ffmpeg) are in its group; what is left of it ends here.
        keeper.send(process.pid, signal.SIGKILL)
        process.wait()
        self._tell_keeper("-", process.pid)

    def _tell_keeper(self, order: str, group: int) -> None:
        with contextlib.suppress(BrokenPipeError):
            if self._keeper.stdin:
                self._keeper.stdin.write(f"{order}{group}\n".encode())
                self._keeper.stdin.flush()


def _start_keeper() -> "subprocess.Popen[bytes]":
    argv = [sys.executable, "-I", "-S", keeper.__file__]
    return subprocess.Popen(argv, stdin=subprocess.PIPE, start_new_session=True)


def _die_with_parent() -> Callable[[], None] | None:
    if sys.platform != "linux":
        return None
    prctl, parent = ctypes.CDLL(None).prctl, os.getpid()

    def tell_kernel() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
        if os.getppid() != parent:  # it died before the kernel was told
            os._exit(1)

    return tell_kernel


def _trim(log: Path) -> None:
    # The child goes on appending to the same file, so it is copied and emptied, not renamed.
    with contextlib.suppress(OSError):
        if log.stat().st_size > KEEP_LOG_BYTES:
            shutil.copyfile(log, log.with_suffix(".log.1"))
            os.truncate(log, 0)
