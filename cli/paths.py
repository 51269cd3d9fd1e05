"""The folders a run works in, checked before anything starts."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile

from cli.errors import AlreadyRunning, Unusable
from cli.states import choose_state
from config.errors import ConfigError
from storage import StorageError, is_remote, storage_for, tidy


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

    def shorten(self, path: str) -> str:
        """Return a source as the person knows it: relative to the inbox, if it is in there."""
        return path.removeprefix(f"{self.inbox}/")


def prepare_folders(inbox: str, outbox: str | None, state: Path | None) -> Folders:
    """Check the folders, and make the outbox and the state folder.

    Without a state folder it is the outbox's own (`cli.states.choose_state`).

    Raises:
        Unusable: one line that names the folder and what is wrong with it.
    """
    # The producer's modules load FFmpeg; `status` and the like need none of them.
    from producer.outbox import check_mounted, probe_writable  # noqa: PLC0415 - as just said
    from producer.outputs import absolute, default_outbox  # noqa: PLC0415 - as just said

    try:
        if is_remote(inbox):
            found = tidy(inbox)
            next(iter(storage_for(found).scan()), None)
        elif Path(inbox).is_dir():
            found = str(Path(inbox).resolve())
        else:
            what = "is a file, not a folder" if Path(inbox).exists() else "does not exist"
            raise Unusable(f"{inbox}: {what}; name the folder that holds your videos")
        chosen = (
            absolute(outbox) if outbox else default_outbox(found if is_remote(inbox) else absolute(inbox))
        )
        if not is_remote(chosen):
            chosen = str(Path(chosen).resolve())
        if chosen == found:
            raise Unusable(f"{outbox or chosen}: the outbox is the inbox; name another folder with --outbox")
        kept = state or choose_state(chosen)
        if is_remote(chosen):
            probe_writable(chosen)
        else:
            check_mounted(chosen, kept)
            _make_writable(Path(chosen), "outbox")
    except (StorageError, ConfigError) as exc:
        raise Unusable(str(exc)) from exc
    return Folders(found, chosen, prepare_state(kept))


def prepare_state(state: Path) -> Path:
    """Make the state folder, for nobody else to read; answers its absolute path.  Raises Unusable."""
    _make_writable(state, "state folder", mode=0o700)
    with suppress(PermissionError):  # somebody else's folder that we may write to: theirs to guard
        state.chmod(0o700)
    return state.resolve()


def _make_writable(folder: Path, role: str, mode: int = 0o777) -> None:
    try:
        folder.mkdir(mode=mode, parents=True, exist_ok=True)
        with TemporaryFile(dir=folder, prefix=".dropscore-"):
            pass
    except OSError as exc:
        reason = (exc.strerror or str(exc)).lower()
        raise Unusable(f"{folder}: the {role} cannot be written to ({reason}); choose another") from exc


def holds_files(folder: str) -> bool:
    """Tell whether any file that is not hidden is in the folder or below it; raises StorageError."""
    return next(iter(list_files(folder)), None) is not None


def list_files(folder: str) -> Iterator[str]:
    """Yield the path of every file that is not hidden in the folder or below it; raises StorageError."""
    if is_remote(folder):
        for seen in storage_for(folder).scan():
            inside = seen.path[len(folder) :]
            if "/." not in inside:
                yield seen.path
        return
    for root, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield from (f"{root}/{name}" for name in names if not name.startswith("."))


@contextmanager
def hold_state(state: Path) -> Iterator[None]:
    """Hold the state folder for this process; the lock ends with the process, however it ends.

    Raises:
        AlreadyRunning: another process holds it.
    """
    with (state / "run.lock").open("a+", encoding="ascii") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as exc:
            lock.seek(0)
            raise AlreadyRunning(
                f"another `dropscore run` works in {state} (process {lock.read().strip() or 'unknown'}); "
                "stop it, or give this one a state folder of its own with --state-dir"
            ) from exc
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield
