"""The ``run`` command: everything that is needed is started, followed, and ended in order."""

from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass

from rich.console import Console

from cli import embedded_redis, processes
from cli import format as formats
from cli.deliveries import tend_deliveries
from cli.errors import Interrupted, Unusable
from cli.ledger import chosen_state, is_state_chosen
from cli.options import confirm_payment, open_console
from cli.output.live import LiveView
from cli.output.plain import PlainOutput
from cli.output.snapshot import Follower, nothing_left
from cli.output.summary import INTERRUPTED, OK, RunEnding, empty_ending, gather_ending, print_ending
from cli.paths import Folders, hold_state, holds_files, list_files, prepare_folders
from cli.processes import PAGE, PRODUCER, STOP_S, STUDIO, WORKER, Supervisor
from cli.run_loop import Interrupts, Output, RunLoop
from cli.states import find_former, remember_state
from config.settings import Settings
from jobs.control import resume
from jobs.errors import LedgerUnreachable
from jobs.gates import Gates
from jobs.ledger import Ledger
from jobs.limits import CreditBudget
from jobs.model import PERSONAL, Gate
from jobs.redis import connect, ping
from producer.estimate import estimate_run, has_new_files
from producer.roots import WatchedRoot
from storage import is_remote

IDLE_STOP_S, NOTIFY_STOP_S = 0.1, 1.0


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What the person asked for."""

    inbox: str
    outbox: str | None
    once: bool
    settings: Settings
    as_json: bool = False  # standard output gets the ending alone, standard error what goes on meanwhile
    may_pay: bool = False  # without a question, however many new files there are
    redo: bool = False  # what the other backend did is done by this one too
    web: bool = False  # serve the page too


def run(options: RunOptions) -> int:
    """Process an inbox; answers the exit code (docs/using.md, `cli.output.summary.choose_exit_code`).

    A Ctrl-C that stops the run, or leaves work for the next one, answers 130.

    Raises:
        CliError, LedgerError: one line for the person.
    """
    settings = options.settings
    console = open_console(to_stderr=options.as_json)
    folders = prepare_folders(options.inbox, options.outbox, chosen_state(settings))
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
        ending = InboxRun(options, folders, supervisor, interrupts, ledger, redis_url).process(console)
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


@dataclass(slots=True)
class InboxRun:
    """One run of an inbox, once its server answers: what is asked first, what is started, how it ends."""

    options: RunOptions
    folders: Folders
    supervisor: Supervisor
    interrupts: Interrupts
    ledger: Ledger
    redis_url: str

    def process(self, console: Console) -> RunEnding | None:
        """Work through the inbox to the end; None when the person stopped the run."""
        options, settings, ledger, folders = self.options, self.options.settings, self.ledger, self.folders
        since = self.take_over_ledger()
        follower = Follower(ledger, Gates(ledger), since)
        with ExitStack() as stack:
            output = stack.enter_context(closing(open_output(options, folders, console)))
            loop = RunLoop(
                self.supervisor,
                ledger,
                follower,
                output,
                self.interrupts,
                is_over=lambda: options.once and self.supervisor.ended(PRODUCER) and nothing_left(ledger),
                skills=settings.all_skills(),
                paid=settings.backend == "cloud",
                ready=lambda: settings.redis_url is not None or embedded_redis.answers(folders.state),
            )
            loop.explain_vague((settings.instruction or "").splitlines(), settings.skill)
            tend_deliveries(
                ledger, settings, folders, output.say, redo_others=options.redo, may_pay=options.may_pay
            )
            self.start_parts(loop, stack)
            loop.go()
            # With nothing in work a kill loses nothing, and nobody waits for a broker's long poll to return.
            idle = False
            with suppress(LedgerUnreachable):
                idle = ledger.begun() == 0
            idle_s = NOTIFY_STOP_S if options.settings.notify_urls else IDLE_STOP_S
            self.supervisor.stop(PAGE, PRODUCER, WORKER, STUDIO, within_s=idle_s if idle else STOP_S)
        with suppress(LedgerUnreachable):  # jobs may begin again, by the next run or another host's worker
            ledger.drain(False)
        if self.interrupts.asked_to_stop:
            return None
        ending = gather_ending(ledger, folders, since, list_files(folders.inbox), follower)
        cut_short = self.interrupts.asked_to_finish and ending.left
        return ending.model_copy(update={"exit_code": INTERRUPTED}) if cut_short else ending

    def take_over_ledger(self) -> float:
        """Make the ledger this run's, and return when the run began by its clock.

        What may be paid is asked about first. The budget counts from here, and what gates held back is tried
        again: who runs again has seen to it.

        Raises:
            Interrupted: the person does not want to pay.
            Unusable: nobody is there to be asked.
        """
        settings, ledger = self.options.settings, self.ledger
        ledger.sync_clock()
        ledger.drain(False)
        if settings.redis_url is None:
            ledger.release_leases()  # this run started the server: nobody else holds one
        since = ledger.now()
        if settings.backend == "cloud" and not self.options.may_pay:
            estimate = estimate_run(settings, self.roots, ledger)
            if estimate.is_worth_a_question:
                confirm_payment(estimate.files, estimate.credits, lambda: self.interrupts.asked_to_finish)
        CreditBudget(ledger).begin(settings.max_credits)
        resume(Gates(ledger), sorted(PERSONAL - {Gate.PAUSED}))
        return since

    def start_parts(self, loop: RunLoop, stack: ExitStack) -> None:
        """Start the parts of the run; those that do the work only once there is some."""
        options, settings, state = self.options, self.options.settings, self.folders.state
        listening = studio_url = None
        if settings.backend == "local":
            listening = stack.enter_context(processes.open_studio_socket(state))
            studio_url = processes.socket_url(listening)
        environment = processes.build_environment(settings, state, self.redis_url, studio_url)

        def begin_work() -> None:
            self.supervisor.start(processes.worker_child(environment))  # it takes the longest to begin
            if listening is not None:
                self.supervisor.start(processes.studio_child(state, listening, settings))

        if options.once and nothing_left(self.ledger) and not self.may_have_new_files():
            loop.begin_work = begin_work
        else:
            begin_work()
        self.supervisor.start(processes.producer_child(environment, self.folders, options.once))
        if options.web:
            page = stack.enter_context(processes.open_page_socket(settings))
            self.supervisor.start(processes.page_child(environment, self.folders, page))
            loop.output.say(f"The page is at {processes.page_url(page)}")

    def may_have_new_files(self) -> bool:
        """Tell whether the run may find work; the producer, which looks closely, says what there is."""
        try:
            return is_remote(self.folders.inbox) or has_new_files(
                self.options.settings, self.roots, self.ledger
            )
        except OSError:
            return True

    @property
    def roots(self) -> list[WatchedRoot]:
        """The inbox with its outbox, as the producer watches them."""
        return [WatchedRoot(self.folders.inbox, self.folders.outbox)]


def report_interrupt(options: RunOptions, console: Console, words: str = "") -> int:
    """Answer the exit code of a run that was cut short; for programs it is an error, without an ending."""
    if options.as_json:
        raise Interrupted(words or "interrupted before anything began")
    if words:
        console.print(words, soft_wrap=True)
    return INTERRUPTED


def open_output(options: RunOptions, folders: Folders, console: Console) -> Output:
    """Open the view that suits the terminal, the pipe or the program that reads."""
    settings = options.settings
    by = "local studio" if settings.backend == "local" else "NemoVideo"
    paths = f"{formats.format_path(folders.inbox)} → {formats.format_path(folders.outbox)}"
    title = f"{paths} · {settings.skill} · {by}"
    if folders.state == find_former() and not is_state_chosen(settings):
        title += f" · state in {formats.format_path(folders.state)}, as before"
    lively = console.is_terminal and not console.is_dumb_terminal
    if lively and not settings.log_json and not options.as_json:
        return LiveView(folders, title, console)
    output = PlainOutput(folders, lambda line: console.print(line, markup=False, soft_wrap=True))
    output.say(title)
    return output
