"""Reaches the ledger for commands that look at it: the server of a run, or one started for the moment."""

from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from cli import server
from cli.errors import Unusable
from cli.folders import held, prepare_state
from cli.phrases import shown
from cli.supervise import Supervisor
from config.settings import Settings
from jobs.connection import connect, ping
from jobs.errors import LedgerUnreachable
from jobs.ledger import Ledger


@contextmanager
def reached(settings: Settings, *, new: bool = False) -> Iterator[Ledger]:
    """The ledger these settings name, its clock read; with ``new`` it is made where there is none.

    Raises:
        Unusable: nothing was ever run with this state folder.
        LedgerUnreachable: the server that is named does not answer.
    """
    state = settings.state_dir.resolve()
    if settings.redis_url:
        with _ledger(settings.redis_url.get_secret_value()) as ledger:
            yield ledger
    elif server.answers(state):
        with _ledger(server.url(state)) as ledger:
            yield ledger
    elif new or server.has_ledger(state):
        with _started(prepare_state(state)), _ledger(server.url(state)) as ledger:
            yield ledger
    else:
        raise Unusable(
            f"{shown(state)}: nothing was run here yet; name another state folder with --state-dir"
        )


def running_url(settings: Settings) -> str:
    """The address of a server that runs now, for a worker or a producer on its own; raises Unusable."""
    if settings.redis_url:
        return settings.redis_url.get_secret_value()
    state = settings.state_dir.resolve()
    if server.answers(state):
        return server.url(state)
    raise Unusable("no Redis server runs here: set DROPSCORE_REDIS_URL, or use `dropscore run`")


@contextmanager
def _started(state: Path) -> Iterator[None]:
    with held(state), ExitStack() as stack:
        stack.callback(server.tidy, state)
        supervisor = stack.enter_context(closing(Supervisor(state / "logs")))
        supervisor.start(server.child(state))
        server.wait_ready(supervisor, state)
        yield


@contextmanager
def _ledger(url: str) -> Iterator[Ledger]:
    with closing(connect(url)) as client:
        if not ping(client):
            raise LedgerUnreachable("DROPSCORE_REDIS_URL: no Redis server answers there; start it")
        ledger = Ledger(client)
        ledger.sync_clock()
        yield ledger
