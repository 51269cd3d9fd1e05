"""The ``run`` command: everything that is needed is started, followed, and ended in order."""

import signal
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, field
from types import FrameType
from typing import Protocol

from rich.console import Console

from cli import embedded_redis, processes
from cli import format as formats
from cli.deliveries import tend_deliveries
from cli.errors import Interrupted, Unusable
from cli.ledger import is_state_chosen
from cli.options import confirm_payment, open_console
from cli.output.live import LiveView
from cli.output.plain import PlainOutput
from cli.output.snapshot import Follower, Snapshot, nothing_left
from cli.output.summary import INTERRUPTED, OK, RunEnding, empty_ending, gather_ending, print_ending
from cli.paths import Folders, hold_state, holds_files, list_files, prepare_folders, remember_state
from cli.processes import PAGE, PRODUCER, STOP_S, STUDIO, WORKER, Supervisor
from config.settings import Settings
from config.skills import Skill, is_vague
from jobs.control import resume
from jobs.errors import LedgerUnreachable
from jobs.gates import Gates
from jobs.ledger import Ledger
from jobs.limits import CreditBudget
from jobs.model import PERSONAL, Gate, Step
from jobs.redis import connect, ping
from producer.estimate import estimate_run, has_new_files
from producer.roots import WatchedRoot
from storage import is_remote

IDLE_STOP_S, NOTIFY_STOP_S = 0.1, 1.0
TICK_S, LOOK_S = 0.05, 0.25
FEW, FEW_SHARE = 2, 1 / 40
"""With so few files in work a run looks more often, for this share of its time, to see its end soon."""


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What the person asked for."""

    inbox: str
    outbox: str | None
    once: bool
    settings: Settings
    as_json: bool = (
        False  # standard output gets the ending alone; what is shown meanwhile goes to standard error
    )
    may_pay: bool = False  # without a question, however many new files there are
    redo: bool = False  # what the other backend did is done by this one too
    web: bool = False  # serve the page too


class Output(Protocol):
    """How a run is shown: `cli.output.live` on a terminal, `cli.output.plain` elsewhere."""

    def say(self, line: str) -> None:
        """Show a line that belongs to no file."""

    def show_finishing(self, line: str) -> None:
        """Show that what runs is finished and nothing new started."""

    def show(self, snapshot: Snapshot) -> None:
        """Show one look at the ledger."""

    def close(self) -> None:
        """End the output."""


class Interrupts:
    """Counts Ctrl-C (SIGINT) and SIGTERM while entered; a closed terminal (SIGHUP) means stop at once.

    One finishes what runs, two stop now. While paid edits are open, the second only warns and a third stops.
    """

    TO_FINISH, TO_STOP, TO_STOP_PAID = 1, 2, 3

    def __init__(self) -> None:
        self.count = 0
        self.stops_at = self.TO_STOP
        self._former: dict[int, object] = {}

    def __enter__(self) -> "Interrupts":
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            # A SIGHUP that is ignored (`nohup`) stays ignored.
            if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
                self._former[number] = signal.signal(number, self._count)
        return self

    def __exit__(self, *_: object) -> None:
        for number, former in self._former.items():
            signal.signal(number, former)  # type: ignore[arg-type] # what signal.signal itself answered

    @property
    def asked_to_finish(self) -> bool:
        """Whether to finish what runs and start nothing new."""
        return self.count >= self.TO_FINISH

    @property
    def asked_twice(self) -> bool:
        """Whether somebody wants to stop at once."""
        return self.count >= self.TO_STOP

    @property
    def asked_to_stop(self) -> bool:
        """Whether to stop now."""
        return self.count >= self.stops_at

    def finish(self) -> None:
        """Finish what runs and start nothing new, as if somebody had asked for it."""
        self.count = max(self.count, self.TO_FINISH)

    def _count(self, number: int, _frame: FrameType | None) -> None:
        self.count = self.TO_STOP_PAID if number == signal.SIGHUP else self.count + 1


@dataclass(slots=True)
class Session:
    """The loop of a run: children kept alive, the ledger looked at, Ctrl-C heeded, the end noticed.

    ``is_over`` tells when nothing is left to do; ``paid``: an edit that is cut off may have been paid for.
    ``ready`` tells whether the server answers, so that no look waits for one that is down.
    ``begin_work`` starts who does the work, as soon as there is any.
    """

    supervisor: Supervisor
    ledger: Ledger
    follower: Follower
    output: Output
    interrupts: Interrupts
    is_over: Callable[[], bool]
    skills: Mapping[str, Skill] = field(default_factory=dict)
    paid: bool = False
    ready: Callable[[], bool] = lambda: True
    begin_work: Callable[[], None] | None = None
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic
    _draining: bool = field(default=False, init=False)
    _warned: bool = field(default=False, init=False)
    _away: bool = field(default=False, init=False)
    _is_few: bool = field(default=True, init=False)
    _vague: set[str] = field(default_factory=set, init=False)

    def explain_vague(self, instructions: Iterable[str], skill: str) -> None:
        """Say once of each vague instruction what to ask for in its place."""
        for text in instructions:
            if text not in self._vague and skill in self.skills and is_vague(text):
                self._vague.add(text)
                self.output.say(formats.escape_controls(self.skills[skill].explain_vague(text)))

    def go(self) -> None:
        """Run to the end; raises ChildFailed when a child cannot be kept alive."""
        looks_at = 0.0
        while not self._should_stop():
            self.supervisor.look()
            if (began := self.clock()) >= looks_at:
                if self._look():
                    return
                took_s = self.clock() - began
                looks_at = self.clock() + (min(LOOK_S, took_s / FEW_SHARE) if self._is_few else LOOK_S)
            self.sleep(TICK_S)

    def _should_stop(self) -> bool:
        """Whether to stop now; the second Ctrl-C asks for a third while paid edits are open."""
        if self.interrupts.asked_twice and self.paid and not self._warned:
            self._warned = True
            open_edits = 0
            with suppress(LedgerUnreachable):
                open_edits = self.follower.count_open_edits()
            if open_edits:
                self.interrupts.stops_at = Interrupts.TO_STOP_PAID
                edits = "1 paid edit is" if open_edits == 1 else f"{open_edits:,} paid edits are"
                those = "it" if open_edits == 1 else "them"
                self.output.say(
                    f"{edits} open; stopping now may leave {those} unconfirmed. Ctrl-C once more to stop."
                )
        return self.interrupts.asked_to_stop

    def _look(self) -> bool:
        """Look once; True when the run is over."""
        try:
            if not self.ready():
                raise LedgerUnreachable("the Redis server does not answer")
            if self.interrupts.asked_to_finish and not self._draining:
                self.ledger.drain(True)
                running = self.ledger.begun()
                files = formats.format_count(running, "file")
                work = f"Finishing {files} in work" if running else "Nothing is in work"
                self.output.show_finishing(
                    f"{work}, starting nothing new. Ctrl-C again stops now; nothing is lost."
                )
                self.supervisor.stop(PRODUCER, within_s=2.0)
                self._draining = True
            if self.begin_work is not None and not nothing_left(self.ledger):
                self.begin_work()
                self.begin_work = None
            # What is left is read before the last picture is drawn, so that the picture shows the end.
            over = self.ledger.begun() == 0 if self._draining else self.is_over()
            snapshot = self.follower.take_snapshot()
            for job in snapshot.changed:
                if job.step in (Step.UPLOAD, Step.EDIT) and not job.ended:
                    self.explain_vague(job.spec.instructions, job.spec.skill)
            self.output.show(snapshot)
            self._is_few = len(snapshot.in_work) <= FEW
            over = over or (self._draining and snapshot.all_held)
        except LedgerUnreachable as exc:
            if not self._away:
                self.output.say(f"{exc}; waiting for it, nothing is lost")
            self._away = True
            return False
        if self._away:
            self.output.say("the Redis server answers again")
        self._away = False
        return over


def run(options: RunOptions) -> int:
    """Process an inbox; answers the exit code (docs/using.md, `cli.output.summary.choose_exit_code`).

    A Ctrl-C that stops the run, or leaves work for the next one, answers 130.

    Raises:
        CliError, LedgerError: one line for the person.
    """
    settings = options.settings
    console = open_console(to_stderr=options.as_json)
    folders = prepare_folders(
        options.inbox, options.outbox, settings.state_dir, is_chosen=is_state_chosen(settings)
    )
    if not holds_files(folders.inbox):
        console.print(f"{formats.format_path(folders.inbox)} is empty: put videos into it", soft_wrap=True)
        if options.once and not embedded_redis.has_ledger(folders.state):
            if options.as_json:
                print(empty_ending(folders).model_dump_json(indent=2))
            return OK
    with ExitStack() as stack:
        stack.enter_context(hold_state(folders.state))
        remember_state(folders.state, folders.inbox, folders.outbox)
        interrupts = stack.enter_context(Interrupts())
        stack.callback(embedded_redis.remove_socket_folder, folders.state)
        supervisor = stack.enter_context(closing(Supervisor(folders.logs, to_stderr=settings.log_json)))
        redis_url = start_redis(settings, folders, supervisor, interrupts)
        if redis_url is None:
            return report_interrupt(options, console)
        ledger = Ledger(stack.enter_context(closing(connect(redis_url))))
        if not ping(ledger.client):
            raise Unusable(
                "DROPSCORE_REDIS_URL: no Redis server answers there; start it, or unset the variable"
            )
        ending = _process_inbox(options, folders, supervisor, interrupts, ledger, redis_url, console)
        if ending is None:
            words = "Stopped. Nothing is lost: run the same command again to go on."
            return report_interrupt(options, console, words)
        left_out = supervisor.exit_code(PRODUCER)
        if left_out and not ending.exit_code:
            ending = ending.model_copy(update={"exit_code": left_out})
        if options.as_json:
            print(ending.model_dump_json(indent=2))
        else:
            print_ending(ending, folders, console)
            if left_out:
                log = formats.format_path(supervisor.log_of(PRODUCER))
                console.print(f"Some files were left out or held back; {log} names each", soft_wrap=True)
        return ending.exit_code


def start_redis(
    settings: Settings, folders: Folders, supervisor: Supervisor, interrupts: Interrupts
) -> str | None:
    """Return the server's address, the embedded one started if none is named; None when interrupted."""
    if settings.redis_url:
        return settings.redis_url.get_secret_value()
    state = folders.state
    supervisor.start(embedded_redis.make_child(state))
    ready = embedded_redis.wait_ready(supervisor, state, stopped=lambda: interrupts.asked_to_finish)
    return embedded_redis.socket_url(state) if ready else None


def _process_inbox(
    options: RunOptions,
    folders: Folders,
    supervisor: Supervisor,
    interrupts: Interrupts,
    ledger: Ledger,
    redis_url: str,
    console: Console,
) -> RunEnding | None:
    """Start the parts, follow them to the end, stop them; None when the person stopped the run."""
    settings, state = options.settings, folders.state
    ledger.sync_clock()
    ledger.drain(False)
    if options.settings.redis_url is None:
        ledger.release_leases()  # this run started the server: nobody else holds one
    since, gates = ledger.now(), Gates(ledger)
    roots = [WatchedRoot(folders.inbox, folders.outbox)]
    if settings.backend == "cloud" and not options.may_pay:
        estimate = estimate_run(settings, roots, ledger)
        if estimate.is_worth_a_question:
            confirm_payment(estimate.files, estimate.credits, lambda: interrupts.asked_to_finish)
    # The budget counts from here, and what gates held back is tried again: who runs again has seen to it.
    CreditBudget(ledger).begin(settings.max_credits)
    resume(gates, sorted(PERSONAL - {Gate.PAUSED}))
    follower = Follower(ledger, gates, since)
    with ExitStack() as stack:
        output = stack.enter_context(closing(open_output(options, folders, console)))
        session = Session(
            supervisor,
            ledger,
            follower,
            output,
            interrupts,
            is_over=lambda: options.once and supervisor.ended(PRODUCER) and nothing_left(ledger),
            skills=settings.all_skills(),
            paid=settings.backend == "cloud",
            ready=(lambda: True) if settings.redis_url else (lambda: embedded_redis.answers(state)),
        )
        session.explain_vague((settings.instruction or "").splitlines(), settings.skill)
        tend_deliveries(
            ledger, settings, folders, output.say, redo_others=options.redo, may_pay=options.may_pay
        )
        listening = studio_url = None
        if settings.backend == "local":
            listening = stack.enter_context(processes.open_studio_socket(state))
            studio_url = processes.socket_url(listening)
        environment = processes.build_environment(settings, state, redis_url, studio_url)

        def begin_work() -> None:
            supervisor.start(processes.worker_child(environment))  # it takes the longest to begin
            if listening is not None:
                supervisor.start(processes.studio_child(state, listening, settings))

        # A run that finds nothing new starts nobody to work on it, and ends at once.
        if options.once and nothing_left(ledger) and not _may_have_new_files(settings, roots, ledger):
            session.begin_work = begin_work
        else:
            begin_work()
        supervisor.start(processes.producer_child(environment, folders, options.once))
        if options.web:
            page = stack.enter_context(processes.open_page_socket(settings))
            supervisor.start(processes.page_child(environment, folders, page))
            output.say(f"The page is at {processes.page_url(page)}")
        session.go()
        # With nothing in work a kill loses nothing, and nobody waits for a broker's long poll to return.
        idle = False
        with suppress(LedgerUnreachable):
            idle = ledger.begun() == 0
        idle_s = NOTIFY_STOP_S if settings.notify_urls else IDLE_STOP_S
        supervisor.stop(PAGE, PRODUCER, WORKER, STUDIO, within_s=idle_s if idle else STOP_S)
    with suppress(LedgerUnreachable):  # jobs may begin again, as the next run or another host's worker should
        ledger.drain(False)
    if interrupts.asked_to_stop:
        return None
    ending = gather_ending(ledger, folders, since, list_files(folders.inbox), follower)
    cut_short = interrupts.asked_to_finish and ending.left
    return ending.model_copy(update={"exit_code": INTERRUPTED}) if cut_short else ending


def report_interrupt(options: RunOptions, console: Console, words: str = "") -> int:
    """Answer the exit code of a run that was cut short; for programs it is an error, without an ending."""
    if options.as_json:
        raise Interrupted(words or "interrupted before anything began")
    if words:
        console.print(words, soft_wrap=True)
    return INTERRUPTED


def _may_have_new_files(settings: Settings, roots: Sequence[WatchedRoot], ledger: Ledger) -> bool:
    """Tell whether a run may find work; the producer, which looks closely, says what there is."""
    try:
        return any(is_remote(root.path) for root in roots) or has_new_files(settings, roots, ledger)
    except OSError:
        return True


def open_output(options: RunOptions, folders: Folders, console: Console) -> Output:
    """Open the view that suits the terminal, the pipe or the program that reads."""
    settings = options.settings
    by = "local studio" if settings.backend == "local" else "NemoVideo"
    paths = f"{formats.format_path(folders.inbox)} → {formats.format_path(folders.outbox)}"
    title = f"{paths} · {settings.skill} · {by}"
    lively = console.is_terminal and not console.is_dumb_terminal
    if lively and not settings.log_json and not options.as_json:
        return LiveView(folders, title, console)
    output = PlainOutput(folders, lambda line: console.print(line, markup=False, soft_wrap=True))
    output.say(title)
    return output
