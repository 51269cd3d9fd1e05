"""The parts that run alone (``worker``, ``watch``, ``studio``): each takes the place of this process."""

import os
from collections.abc import Mapping
from contextlib import closing
from typing import NoReturn

from cli.errors import Unusable
from cli.ledger import chosen_state, find_redis_url, find_state_folder
from cli.paths import prepare_folders, prepare_state
from cli.processes import (
    build_environment,
    find_studio_url,
    open_page_socket,
    page_url,
    producer_child,
    python,
)
from cli.states import find_places, remember_state
from config.settings import Settings


def become_worker(settings: Settings) -> NoReturn:
    """Become a worker; raises Unusable when there is no ledger or no service to work with."""
    redis_url = find_redis_url(settings)
    state = prepare_state(find_state_folder(settings))
    studio_url = None
    if settings.backend == "local":
        named = "nemo_api_url" in settings.model_fields_set
        studio_url = settings.nemo_api_url if named else find_studio_url(state)
        if studio_url is None:
            raise Unusable(
                "no studio has run here: name one with NEMO_API_URL, or set DROPSCORE_BACKEND=cloud"
            )
    environment = build_environment(settings, state, redis_url, studio_url)
    _become(python("worker"), environment)


def become_producer(settings: Settings, inbox: str | None, outbox: str | None, once: bool) -> NoReturn:
    """Become the producer of one inbox, or of the roots of the settings; raises Unusable."""
    if inbox is None and not settings.roots:
        raise Unusable("no folder to watch: name one, or list them as [[roots]] in dropscore.toml")
    if inbox:
        folders = prepare_folders(inbox, outbox, chosen_state(settings))
        remember_state(folders.state, folders.inbox, folders.outbox)
        environment = build_environment(settings, folders.state, find_redis_url(settings, folders.state))
        _become(producer_child(environment, folders, once).argv, environment)
    state = prepare_state(settings.state_dir)
    target = ["--outbox", outbox] if outbox else []
    command = python("producer", *target, *(["--once"] if once else []))
    _become(command, build_environment(settings, state, find_redis_url(settings)))


def serve_page_alone(settings: Settings, inbox: str | None, outbox: str | None) -> None:
    """Serve the page of this inbox, else of the roots of the settings, else of what ran here last.

    Raises:
        Unusable: nothing runs, a folder is missing, or the port cannot be had.
    """
    from cli.page import serve  # noqa: PLC0415 - an extra, and a start that nobody else needs

    roots = [(root.path, root.outbox) for root in settings.roots]
    named = [(inbox, outbox)] if inbox else roots
    kept = chosen_state(settings) if inbox else find_state_folder(settings)
    folders = [prepare_folders(at, target, kept) for at, target in named]
    state = folders[0].state if folders else find_state_folder(settings)
    find_redis_url(settings, state)  # a server started for the moment would keep a run from starting
    settings = settings.model_copy(update={"state_dir": state})
    if folders:
        into = [one.inbox for one in folders]
        places = [at for one in folders for at in (one.inbox, one.outbox)]
    else:
        places = find_places(state)
        into = places[:1]
    with closing(open_page_socket(settings)) as listening:
        print(f"The page is at {page_url(listening)}", flush=True)
        serve(settings, into, places, listening)


def become_studio(arguments: list[str]) -> NoReturn:
    """Become a studio with these arguments of its own."""
    _become(python("studio", *arguments), os.environ)


def _become(argv: tuple[str, ...], environment: Mapping[str, str]) -> NoReturn:
    os.execve(argv[0], argv, dict(environment))  # noqa: S606 - our own interpreter, and no shell is wanted
