"""The outbox itself: whether it can be written to, whether its disk is there, and whose it is."""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from config.errors import ConfigError
from storage import NotThere, is_remote, storage_for
from storage.mounts import MOUNTS_FILE, OWNER_FILE, is_unmounted, read_mounts

_MOST_OWNER_BYTES = 4096


def probe_writable(outbox: str) -> None:
    """Write a small file into a folder, made if need be, and remove it; raises OSError."""
    probe = f"{outbox}/.dropscore-{os.getpid()}.part"
    storage = storage_for(outbox)
    storage.write(probe, b"dropscore", "probe")
    storage.delete(probe)


def ensure_writable(outbox: str, state_dir: Path | str) -> None:
    """Make the outbox if need be, and write a file there; raises ConfigError.

    One whose disk was mounted when this state folder last used it, and is not now, is not made on another.
    """
    check_mounted(outbox, state_dir)
    try:
        probe_writable(outbox)
    except OSError as exc:
        why = exc.strerror or type(exc).__name__
        raise ConfigError(
            f"outbox {outbox}: nothing can be written there ({why}); choose another with --outbox"
        ) from exc


def check_mounted(outbox: str, state_dir: Path | str) -> None:
    """Make sure that a folder is on the disk it was on before; raises ConfigError, with one line."""
    point = read_mounts(state_dir).get(outbox, "/")
    if is_unmounted(outbox, point):
        raise ConfigError(
            f"{outbox}: {point} is not mounted; mount it, or choose another folder "
            f"(if it lies on this disk from now on, remove {Path(state_dir, MOUNTS_FILE)})"
        )


@contextmanager
def hold_outbox(outbox: str, ledger_id: str, state_dir: str) -> Iterator[None]:
    """Claim an outbox for a ledger, or find that it is its own; hold it, and let go of it afterwards.

    It goes on belonging to the ledger: what one has paid for, another does not pay for again. ``state_dir``
    is named to who comes with another ledger.

    Raises:
        ConfigError: it belongs to another ledger; one line that says which, and what to do.
        StorageError: its bucket does not answer.
    """
    path = f"{outbox}/{OWNER_FILE}"
    ours = json.dumps({"ledger": ledger_id, "state_dir": state_dir}).encode() + b"\n"
    if is_remote(path):
        storage = storage_for(outbox)
        try:
            _check_owner(outbox, storage.read(path, _MOST_OWNER_BYTES), ledger_id)
        except NotThere:
            storage.write(path, ours, "owner")
        yield
        return
    Path(outbox).mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o644)
    try:
        _lock(handle, fcntl.LOCK_SH)
        if not os.pread(handle, _MOST_OWNER_BYTES, 0).strip():
            _lock(handle, fcntl.LOCK_EX)
            if not os.pread(handle, _MOST_OWNER_BYTES, 0).strip():
                os.pwrite(handle, ours, 0)
                os.fsync(handle)
            _lock(handle, fcntl.LOCK_SH)
        _check_owner(outbox, os.pread(handle, _MOST_OWNER_BYTES, 0), ledger_id)
        yield
    finally:
        os.close(handle)


def _lock(handle: int, how: int) -> None:
    with suppress(OSError):  # a file system without locks: the identity alone must do
        fcntl.flock(handle, how)


def _check_owner(outbox: str, content: bytes, ledger_id: str) -> None:
    try:
        owner = json.loads(content)
        found, state_dir = str(owner["ledger"]), str(owner["state_dir"])
    except (ValueError, KeyError, TypeError, RecursionError):
        found, state_dir = "", "unknown"
    if found != ledger_id:
        raise ConfigError(
            f"outbox {outbox} belongs to another ledger (state folder {state_dir}), which knows "
            f"what was paid for: go on with that (--state-dir), or remove {OWNER_FILE} there to begin "
            "with a new one"
        )
