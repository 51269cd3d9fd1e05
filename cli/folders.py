"""The folders a run works in, checked before anything starts."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile

from cli.errors import AlreadyRunning, Unusable
from producer.naming import absolute, beside, probed
from stores import StoreError, is_remote, store_of, tidy


@dataclass(frozen=True, slots=True)
class Folders:
    """Absolute paths of the inbox, the outbox and the state folder; the first two may be in a bucket."""

    inbox: str
    outbox: str
    state: Path

    @property
    def logs(self) -> Path:
        """Where the children's logs are."""
        return self.state / "logs"

    def short(self, path: str) -> str:
        """A source as the person knows it: relative to the inbox, if it is in there."""
        return path.removeprefix(f"{self.inbox}/")


def prepare(inbox: str, outbox: str | None, state: Path) -> Folders:
    """Check the folders, and make the outbox and the state folder.

    Raises:
        Unusable: one line that names the folder and what is wrong with it.
    """
    try:
        found = _listed(inbox) if is_remote(inbox) else _there(Path(inbox))
        chosen = absolute(outbox) if outbox else beside(found if is_remote(inbox) else absolute(inbox))
        if not is_remote(chosen):
            chosen = str(Path(chosen).resolve())
        if chosen == found:
            raise Unusable(f"{outbox or chosen}: the outbox is the inbox; name another folder with --outbox")
        if is_remote(chosen):
            probed(chosen)
        else:
            _writable(Path(chosen), "outbox")
    except StoreError as broken:
        raise Unusable(str(broken)) from broken
    return Folders(found, chosen, prepare_state(state))


def _listed(inbox: str) -> str:
    path = tidy(inbox)
    next(iter(store_of(path).list(path)), None)
    return path


def _there(inbox: Path) -> str:
    if not inbox.is_dir():
        what = "is a file, not a folder" if inbox.exists() else "does not exist"
        raise Unusable(f"{inbox}: {what}; name the folder that holds your videos")
    return str(inbox.resolve())


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


def holds_files(folder: str) -> bool:
    """Whether any file that is not hidden is in the folder or below it; raises StoreError."""
    return next(iter(files(folder)), None) is not None


def files(folder: str) -> Iterator[str]:
    """The path of every file that is not hidden in the folder or below it; raises StoreError."""
    if is_remote(folder):
        for seen in store_of(folder).list(folder):
            inside = seen.path[len(folder) :]
            if "/." not in inside:
                yield seen.path
        return
    for root, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield from (f"{root}/{name}" for name in names if not name.startswith("."))


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
