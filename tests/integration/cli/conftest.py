"""A real ``dropscore`` in a session of its own, with stand-ins for the parts it starts."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from cli import embedded_redis
from cli.paths import Folders
from cli.states import name_state

STANDINS = Path(__file__).with_name("standins")
COMMAND = (sys.executable, "-P", "-c", "from cli.main import main; main()")


@pytest.fixture(autouse=True, scope="session")
def signals_of_a_terminal() -> Iterator[None]:
    """Children inherit what is ignored, and this run itself may be in the background or under nohup."""
    former = {number: signal.getsignal(number) for number in (signal.SIGHUP, signal.SIGINT)}
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    for number, handler in former.items():
        signal.signal(number, handler)


def until(true: Callable[[], object], within_s: float = 10.0) -> bool:
    """Wait until something is true; False when it is not in time."""
    gives_up = time.monotonic() + within_s
    while time.monotonic() < gives_up:
        if true():
            return True
        time.sleep(0.02)
    return bool(true())


@dataclass
class Place:
    """A folder with an inbox, in which ``dropscore`` is run."""

    folder: Path

    def __post_init__(self) -> None:
        self.started: list[subprocess.Popen[str]] = []
        self.inbox.mkdir()

    @property
    def inbox(self) -> Path:
        return self.folder / "inbox"

    @property
    def state(self) -> Path:
        return self.folder / ".known" / "dropscore" / name_state(f"{self.folder}/outbox")

    def drop(self, *names: str) -> None:
        for name in names:
            (self.inbox / name).write_text(name)

    def environment(self, **extra: str) -> dict[str, str]:
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR", "LANG") if name in os.environ}
        return {
            **kept,
            "PYTHONPATH": str(STANDINS),
            "PYTHONUTF8": "1",
            "XDG_STATE_HOME": str(self.folder / ".known"),
            **extra,
        }

    def start(self, *arguments: str, **extra: str) -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            [*COMMAND, *arguments],
            cwd=self.folder,
            env=self.environment(**extra),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.started.append(process)
        return process

    def run(self, *arguments: str, **extra: str) -> "subprocess.CompletedProcess[str]":
        process = self.start(*arguments, **extra)
        out, err = process.communicate(timeout=60)
        return subprocess.CompletedProcess(arguments, process.returncode, out, err)

    def alive(self) -> dict[int, str]:
        """The processes that work in this folder, with their command lines."""
        found = {}
        for entry in Path("/proc").iterdir():
            with contextlib.suppress(OSError):
                if entry.name.isdecimal() and (entry / "cwd").readlink().is_relative_to(self.folder):
                    found[int(entry.name)] = (entry / "cmdline").read_text().replace("\0", " ")
        return found

    def pid_of(self, word: str) -> int:
        """The process whose command line holds that word; waits for it."""
        assert until(lambda: any(word in line for line in self.alive().values())), f"no {word} was started"
        return next(pid for pid, line in self.alive().items() if word in line)

    def done(self) -> int:
        """How many outputs there are."""
        return len([*(self.folder / "outbox").glob("*.mp4")])

    def close(self) -> None:
        for process in self.started:
            if process.poll() is None:
                process.kill()
            process.communicate()
        gone = until(lambda: not self.alive(), 8.0)
        for pid in self.alive():
            os.kill(pid, signal.SIGKILL)
        embedded_redis.remove_socket_folder(self.state)  # what a killed run could not
        assert gone, "processes of this test survived it"


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    here = Place(tmp_path.resolve())
    yield here
    here.close()


@pytest.fixture
def folders_of(tmp_path: Path) -> Folders:
    (tmp_path / "inbox").mkdir()
    return Folders(str(tmp_path / "inbox"), str(tmp_path / "outbox"), tmp_path / ".dropscore")
