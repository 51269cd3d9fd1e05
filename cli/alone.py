"""The commands that run one part alone: it takes the place of this process, its signals included."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn

from cli import children
from cli.errors import Unusable
from cli.folders import prepare, prepare_state
from cli.reach import running_url
from config.settings import Settings


def worker(settings: Settings) -> NoReturn:
    """Become a worker; raises Unusable when there is no ledger or no service to work with."""
    state = prepare_state(settings.state_dir)
    told = children.environment(settings, state, running_url(settings), _studio_url(settings, state))
    _become(children.python("worker"), told)


def producer(settings: Settings, inbox: str | None, outbox: str | None, once: bool) -> NoReturn:
    """Become the producer of one inbox, or of the roots of the settings; raises Unusable."""
    if inbox is None and not settings.roots:
        raise Unusable("no folder to watch: name one, or list them as [[roots]] in dropscore.toml")
    folders = prepare(inbox, outbox, settings.state_dir) if inbox else None
    state = folders.state if folders else prepare_state(settings.state_dir)
    told = children.environment(settings, state, running_url(settings))
    if folders:
        _become(children.producer(told, folders, once).argv, told)
    target = ["--outbox", outbox] if outbox else []
    _become(children.python("producer", *target, *(["--once"] if once else [])), told)


def studio(arguments: list[str]) -> NoReturn:
    """Become a studio with these arguments of its own."""
    _become(children.python("studio", *arguments), os.environ)


def _studio_url(settings: Settings, state: Path) -> str | None:
    """Where the local studio of a run is, if that is the backend and nobody said otherwise."""
    if settings.backend == "cloud":
        return None
    if "nemo_api_url" in settings.model_fields_set:
        return settings.nemo_api_url
    if (url := children.last_studio_url(state)) is None:
        raise Unusable("no studio has run here: name one with NEMO_API_URL, or set DROPSCORE_BACKEND=cloud")
    return url


def _become(argv: tuple[str, ...], environment: Mapping[str, str]) -> NoReturn:
    os.execve(argv[0], argv, dict(environment))  # noqa: S606 - our own interpreter, and no shell is wanted
