"""Which processes a run needs, and what each is told: arguments in the open, settings by environment."""

import os
import socket
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from cli.folders import Folders
from cli.supervise import Child
from config.settings import Settings, to_environment

WORKER, PRODUCER, STUDIO = "worker", "producer", "studio"
STUDIO_CREDITS = 1_000_000  # nobody pays for the local studio
LOOPBACK = "127.0.0.1"


def python(module: str, *arguments: str) -> tuple[str, ...]:
    """How one of our own modules is run: by this interpreter, and never from the current folder (-P)."""
    return (sys.executable, "-P", "-m", module, *arguments)


def environment(
    settings: Settings, state: Path, redis_url: str, studio_url: str | None = None
) -> dict[str, str]:
    """The environment of the worker and the producer.

    With a local studio its address takes the place of the service's, and a token of the service goes nowhere.
    """
    told = {
        **os.environ,
        **to_environment(settings),
        "DROPSCORE_STATE_DIR": str(state),
        "DROPSCORE_REDIS_URL": redis_url,
        "DROPSCORE_BACKEND": settings.backend,
    }
    if studio_url:
        told.pop("NEMO_TOKEN", None)
        told["NEMO_API_URL"] = studio_url
        told["NEMO_ALLOW_PRIVATE_URLS"] = "true"  # its downloads come from this machine
    return told


def worker(told: Mapping[str, str]) -> Child:
    """The Celery worker with its clock."""
    return Child(WORKER, python("worker"), told)


def producer(told: Mapping[str, str], folders: Folders, once: bool) -> Child:
    """The producer of one inbox; with ``once`` it ends when everything found is submitted."""
    flags = ["--once"] if once else []
    argv = python("producer", folders.inbox, "--outbox", folders.outbox, *flags)
    return Child(PRODUCER, argv, told, ends=once)


def studio(state: Path, listening: socket.socket, music: Path | None) -> Child:
    """The local studio on a socket that is ours, so that it keeps its address when it is started again.

    `music` is a folder of the user's own songs.
    """
    fd = listening.fileno()
    songs = ["--music", str(music)] if music else []
    argv = python(
        "studio", "--fd", str(fd), "--root", str(state / "studio"), "--credits", str(STUDIO_CREDITS), *songs
    )
    return Child(STUDIO, argv, _without_settings(), pass_fds=(fd,))


def studio_socket(state: Path, sleep: Callable[[float], None] = time.sleep) -> socket.socket:
    """A listening socket on loopback, on the port of the last run if it is free.

    Sessions, accounts and download addresses of jobs in work are bound to the address. So the port is waited
    for a little: the studio of a run that was killed a moment ago may still hold it.
    """
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if not _bound(listening, _last_port(state), sleep):
        listening.bind((LOOPBACK, 0))
    listening.listen(1024)
    _port_file(state).write_text(str(listening.getsockname()[1]), encoding="ascii")
    return listening


def _bound(listening: socket.socket, port: int, sleep: Callable[[float], None]) -> bool:
    for _ in range(40):
        try:
            listening.bind((LOOPBACK, port))
        except OverflowError:
            return False
        except OSError:
            sleep(0.1)
        else:
            return True
    return False


def _port_file(state: Path) -> Path:
    return state / "studio.port"


def _last_port(state: Path) -> int:
    kept = _port_file(state)
    known = kept.read_text(encoding="ascii", errors="replace").strip() if kept.exists() else ""
    return int(known) if known.isdecimal() else 0


def last_studio_url(state: Path) -> str | None:
    """Where the studio of the last run with this state folder was."""
    port = _last_port(state)
    return f"http://{LOOPBACK}:{port}" if port else None


def address(listening: socket.socket) -> str:
    """The URL of a listening socket."""
    return f"http://{LOOPBACK}:{listening.getsockname()[1]}"


def _without_settings() -> dict[str, str]:
    ours = ("NEMO_", "DROPSCORE_", "SKILL_", "AWS_")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)}
