"""The folders a run works in, checked before anything starts."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile

from cli.errors import AlreadyRunning, Unusable


@dataclass(frozen=True, slots=True)
class Folders:
    """Absolute paths of the inbox, the outbox and the state folder; all of them exist."""

    inbox: Path
    outbox: Path
    state: Path

    @property
    def logs(self) -> Path:
        """Where the children's logs are."""
        return self.state / "logs"

    def short(self, path: str) -> str:
        """A source as the person knows it: relative to the inbox, if it is in there."""
        try:
            return str(Path(path).relative_to(self.inbox))
        except ValueError:
            return path


def prepare(inbox: Path, outbox: Path | None, state: Path) -> Folders:
    """Check the folders, and make the outbox and the state folder.

    Raises:
        Unusable: one line that names the folder and what is wrong with it.
    """
    if not inbox.is_dir():
        what = "is a file, not a folder" if inbox.exists() else "does not exist"
        raise Unusable(f"{inbox}: {what}; name the folder that holds your videos")
    chosen = outbox if outbox else Path(os.path.abspath(inbox)).with_name("outbox")  # noqa: PTH100 - resolve() would follow a link out of the folder the person sees
    if chosen.resolve() == inbox.resolve():
        raise Unusable(f"{chosen}: the outbox is the inbox; name another folder with --outbox")
    _writable(chosen, "outbox")
    return Folders(inbox.resolve(), chosen.resolve(), prepare_state(state))


def prepare_state(state: Path) -> Path:
    """Make the state folder, for nobody else to read; answers its absolute path.  Raises Unusable."""
    _writable(state, "state folder", mode=0o700)
    return state.resolve()


def _writable(folder: Path, role: str, mode: int = 0o777) -> None:
    try:
        folder.mkdir(mode=mode, parents=True, exist_ok=True)
        with TemporaryFile(dir=folder, prefix=".dropscore-"):
            pass
    except OSError as broken:
        reason = (broken.strerror or str(broken)).lower()
        raise Unusable(f"{folder}: the {role} cannot be written to ({reason}); choose another") from broken


def holds_files(folder: Path) -> bool:
    """Whether any file that is not hidden is in the folder or below it."""
    for _, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        if any(not name.startswith(".") for name in names):
            return True
    return False


@contextmanager
def held(state: Path) -> Iterator[None]:
    """Hold the state folder for this process; the lock ends with the process, however it ends.

    Raises:
        AlreadyRunning: another process holds it.
    """
    with (state / "run.lock").open("a+", encoding="ascii") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as taken:
            lock.seek(0)
            raise AlreadyRunning(
                f"another `dropscore run` works in {state} (process {lock.read().strip() or 'unknown'}); "
                "stop it, or give this one a state folder of its own with --state-dir"
            ) from taken
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield
