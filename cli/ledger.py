"""Opens the ledger for a command: the server of a run, or one started for the moment."""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from cli import embedded_redis
from cli.errors import Unusable
from cli.format import format_path
from cli.paths import hold_state, prepare_state
from cli.processes import Supervisor
from cli.states import choose_state, find_former, find_only_state, find_state, find_state_below, list_states
from config.settings import Settings
from jobs.errors import LedgerUnreachable
from jobs.ledger import Ledger
from jobs.model import Job
from jobs.redis import connect, ping
from jobs.result import Result, load_result
from storage import is_remote

RESULT_THREADS = 8


@contextmanager
def open_ledger(settings: Settings, *, new: bool = False, about: str | None = None) -> Iterator[Ledger]:
    """Open the ledger these settings name, its clock read; with ``new`` it is made where there is none.

    ``about`` is a file the command is about: its state is found from any folder (`find_state_folder`).

    Raises:
        Unusable: nothing was ever run with this state folder.
        LedgerUnreachable: the server that is named does not answer.
    """
    state = find_state_folder(settings, about)
    if settings.redis_url:
        with _connect(settings.redis_url.get_secret_value()) as ledger:
            yield ledger
    elif embedded_redis.answers(state):
        with _connect(embedded_redis.socket_url(state)) as ledger:
            yield ledger
    elif new or embedded_redis.has_ledger(state):
        with _start_server(prepare_state(state)), _connect(embedded_redis.socket_url(state)) as ledger:
            yield ledger
    else:
        others = ", ".join(format_path(one) for one in list_states()[:3])
        hint = f"name one of its files, or its state folder with --state-dir: {others}" if others else ""
        raise Unusable("; ".join(("nothing was run here yet", hint or "dropscore run INBOX begins")))


def find_state_folder(settings: Settings, about: str | None = None) -> Path:
    """Find the state folder of what a command is about.

    As it is set; else the one that serves the file; else what an earlier edition left in the current folder;
    else the one that serves this folder, or something in it; else the only one there is.
    """
    if is_state_chosen(settings):
        return settings.state_dir.resolve()
    return _find_known(about) or settings.state_dir.resolve()


def _find_known(about: str | None) -> Path | None:
    if about is not None:
        path = about.rstrip("/") if is_remote(about) else str(Path(about).resolve())
        if found := find_state(path):
            return found
    here = str(Path.cwd())
    return find_former() or find_state(here) or find_state_below(here) or find_only_state()


def is_state_chosen(settings: Settings) -> bool:
    """Tell whether the state folder was named, or is shared by way of a server of the user's own."""
    return bool(settings.redis_url) or "state_dir" in settings.model_fields_set


def chosen_state(settings: Settings) -> Path | None:
    """Return the state folder that was chosen; None where each outbox has its own."""
    return settings.state_dir if is_state_chosen(settings) else None


def with_state_of(outbox: str, settings: Settings) -> Settings:
    """Return the settings with the state folder of an outbox in them, unless one was chosen."""
    if is_state_chosen(settings):
        return settings
    return settings.model_copy(update={"state_dir": choose_state(outbox)})


def with_state_for(output: str, settings: Settings) -> Settings:
    """Return the settings with the state folder for one output: one that is in use here, else its own."""
    if is_state_chosen(settings):
        return settings
    state = _find_known(output) or choose_state(str(Path(output).parent))
    return settings.model_copy(update={"state_dir": state})


def find_redis_url(settings: Settings, state: Path | None = None) -> str:
    """Return the address of a server that runs now, in this state folder if one is given; raises Unusable."""
    if settings.redis_url:
        return settings.redis_url.get_secret_value()
    state = state or find_state_folder(settings)
    if embedded_redis.answers(state):
        return embedded_redis.socket_url(state)
    raise Unusable("no Redis server runs here: set DROPSCORE_REDIS_URL, or use `dropscore run`")


@contextmanager
def _start_server(state: Path) -> Iterator[None]:
    with hold_state(state), ExitStack() as stack:
        stack.callback(embedded_redis.remove_socket_folder, state)
        supervisor = stack.enter_context(closing(Supervisor(state / "logs")))
        supervisor.start(embedded_redis.make_child(state))
        embedded_redis.wait_ready(supervisor, state)
        yield


@contextmanager
def _connect(url: str) -> Iterator[Ledger]:
    with closing(connect(url)) as client:
        if not ping(client):
            raise LedgerUnreachable("DROPSCORE_REDIS_URL: no Redis server answers there; start it")
        ledger = Ledger(client)
        ledger.sync_clock()
        yield ledger


def load_results(jobs: Iterable[Job]) -> list[Result]:
    """Load the results of jobs: a done job's from its result file, which says more than the ledger keeps."""
    with ThreadPoolExecutor(RESULT_THREADS) as pool:
        return list(pool.map(load_result, jobs))
