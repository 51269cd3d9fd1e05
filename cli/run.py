"""The ``run`` command: everything that is needed is started, followed, and ended in order."""

import sys
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass

from rich.console import Console

from cli import children, phrases, server, summary
from cli.errors import Interrupted, Unusable
from cli.folders import Folders, files, held, holds_files, prepare
from cli.follow import Follower
from cli.interrupts import Interrupts
from cli.options import print_model
from cli.plain import PlainTeller
from cli.session import Session, Teller, end_drain
from cli.supervise import STOP_S, Supervisor
from cli.view import LiveView
from config.settings import Settings
from jobs.budget import Budget
from jobs.connection import connect, ping
from jobs.errors import LedgerUnreachable
from jobs.gates import Gates
from jobs.ledger import Ledger
from jobs.model import PERSONAL, Gate
from jobs.orders import resume

PIPE_WIDTH = 160
IDLE_STOP_S = 0.3


@dataclass(frozen=True, slots=True)
class Order:
    """What the person asked for."""

    inbox: str
    outbox: str | None
    once: bool
    settings: Settings
    as_json: bool = False  # standard output gets the ending alone; what is told meanwhile goes to the other


@dataclass(frozen=True, slots=True)
class _Stage:
    order: Order
    folders: Folders
    supervisor: Supervisor
    interrupts: Interrupts
    console: Console


def run(order: Order) -> int:
    """Process an inbox; answers the exit code (expectations, "Conventions"; `summary.Ending.exit_code`).

    A second Ctrl-C answers 130, and so does a first one that leaves work for the next run.

    Raises:
        CliError, LedgerError: one line for the person.
    """
    console = console_for(sys.stdout.isatty(), to_stderr=order.as_json)
    folders = prepare(order.inbox, order.outbox, order.settings.state_dir)
    if not holds_files(folders.inbox):
        console.print(f"{phrases.shown(folders.inbox)} is empty: put videos into it", soft_wrap=True)
        if order.once and not server.has_ledger(folders.state):
            if order.as_json:
                print_model(summary.told(summary.NOTHING, folders, summary.OK))
            return summary.OK
    with ExitStack() as stack:
        stack.enter_context(held(folders.state))
        interrupts = stack.enter_context(Interrupts())
        stack.callback(server.tidy, folders.state)
        supervisor = Supervisor(folders.logs, to_stderr=order.settings.log_json)
        stack.enter_context(closing(supervisor))
        stage = _Stage(order, folders, supervisor, interrupts, console)
        redis_url = _redis(stage)
        if redis_url is None:
            return _interrupted(stage)
        ledger = Ledger(stack.enter_context(closing(connect(redis_url))))
        return _perform(stage, ledger, redis_url)


def console_for(terminal: bool, *, to_stderr: bool = False) -> Console:
    """The console of standard output, or of standard error; a pipe has room for whole lines."""
    return Console(highlight=False, width=None if terminal else PIPE_WIDTH, stderr=to_stderr)


def _redis(stage: _Stage) -> str | None:
    """The server's address, the embedded one started if none was named; None when interrupted before."""
    named = stage.order.settings.redis_url
    if named:
        return named.get_secret_value()
    state = stage.folders.state
    stage.supervisor.start(server.child(state))
    ready = server.wait_ready(stage.supervisor, state, stopped=lambda: stage.interrupts.asked_to_finish)
    return server.url(state) if ready else None


def _perform(stage: _Stage, ledger: Ledger, redis_url: str) -> int:
    if not ping(ledger.client):
        raise Unusable("DROPSCORE_REDIS_URL: no Redis server answers there; start it, or unset the variable")
    ledger.sync_clock()
    ledger.drain(False)
    since, gates = ledger.now(), Gates(ledger)
    _begin_anew(gates, Budget(ledger), stage.order.settings)
    with ExitStack() as stack:
        _start_children(stage, redis_url, stack)
        teller = _teller(stage)
        stack.enter_context(closing(teller))
        _session(stage, ledger, Follower(ledger, gates, since), teller).go()
        # With nothing in work a kill loses nothing, and nobody waits for a broker's long poll to return.
        within_s = IDLE_STOP_S if _idle(ledger) else STOP_S
        stage.supervisor.stop(children.PRODUCER, children.WORKER, children.STUDIO, within_s=within_s)
    end_drain(ledger)
    if stage.interrupts.asked_to_stop:
        return _interrupted(stage, "Stopped. Nothing is lost: run the same command again to go on.")
    ending = summary.gather(ledger, gates, stage.folders, since, files(stage.folders.inbox))
    cut_short = stage.interrupts.asked_to_finish and ending.left
    code = summary.INTERRUPTED if cut_short else ending.exit_code
    if stage.order.as_json:
        print_model(summary.told(ending, stage.folders, code))
    else:
        summary.tell(ending, stage.folders, stage.console)
    return code


def _interrupted(stage: _Stage, words: str = "") -> int:
    """The exit code of a run that was cut short; for programs an error, since there is no ending to tell."""
    if stage.order.as_json:
        raise Interrupted(words or "interrupted before anything began")
    if words:
        stage.console.print(words, soft_wrap=True)
    return summary.INTERRUPTED


def _idle(ledger: Ledger) -> bool:
    with suppress(LedgerUnreachable):
        return ledger.begun() == 0
    return False


def _begin_anew(gates: Gates, budget: Budget, settings: Settings) -> None:
    """Count the budget from here, and try again what gates held up: who runs again has seen to it."""
    budget.begin(settings.max_credits)
    resume(gates, sorted(PERSONAL - {Gate.PAUSED}))


def _session(stage: _Stage, ledger: Ledger, follower: Follower, teller: Teller) -> Session:
    state, embedded = stage.folders.state, stage.order.settings.redis_url is None
    return Session(
        stage.supervisor,
        ledger,
        follower,
        teller,
        stage.interrupts,
        once=stage.order.once,
        ready=(lambda: server.answers(state)) if embedded else (lambda: True),
    )


def _start_children(stage: _Stage, redis_url: str, stack: ExitStack) -> None:
    state, studio_url = stage.folders.state, None
    if stage.order.settings.backend == "local":
        listening = stack.enter_context(children.studio_socket(state))
        stage.supervisor.start(children.studio(state, listening, stage.order.settings.music))
        studio_url = children.address(listening)
    told = children.environment(stage.order.settings, state, redis_url, studio_url)
    stage.supervisor.start(children.worker(told))
    stage.supervisor.start(children.producer(told, stage.folders, stage.order.once))


def _teller(stage: _Stage) -> Teller:
    console, folders, settings = stage.console, stage.folders, stage.order.settings
    by = "local studio" if settings.backend == "local" else "NemoVideo"
    title = f"{phrases.shown(folders.inbox)} → {phrases.shown(folders.outbox)} · {settings.skill} · {by}"
    lively = console.is_terminal and not console.is_dumb_terminal
    if lively and not settings.log_json and not stage.order.as_json:
        return LiveView(folders, title, console)
    teller = PlainTeller(folders, lambda line: console.print(line, markup=False, soft_wrap=True))
    teller.say(title)
    return teller
