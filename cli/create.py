"""What ``create`` does: submits a job that has no file, and has it done, here or by the run that goes on."""

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from cli import embedded_redis, processes
from cli import format as formats
from cli.errors import AlreadyRunning, Interrupted, Unusable
from cli.ledger import find_redis_url, with_state_for
from cli.options import open_console
from cli.output.snapshot import Follower
from cli.output.summary import choose_exit_code
from cli.paths import Folders, hold_state, prepare_state
from cli.processes import STOP_S, STUDIO, WORKER, Supervisor
from cli.run import RunOptions, open_output, start_redis
from cli.run_loop import LOOK_S, Interrupts, Output, RunLoop
from cli.states import remember_state
from config.settings import Settings, check_text
from jobs.control import RETRIED, resume, retry
from jobs.errors import LedgerUnreachable
from jobs.gates import HOLDS, Gates
from jobs.ledger import Ledger, result_path
from jobs.limits import CreditBudget
from jobs.model import ACTIVE, FROM_WORDS, PERSONAL, Gate, Job, JobSpec, State, job_id_for
from jobs.redis import connect, ping
from jobs.result import Result, load_result
from jobs.sources import Sources
from jobs.stats import read_stats
from producer.deliveries import restore
from producer.outbox import probe_writable
from producer.outputs import absolute, read_delivery
from storage import StorageError, exists
from worker.agent_text import ask_for_video


@dataclass(frozen=True, slots=True)
class CreateOptions:
    """What the person asked for; ``more`` are instructions that come after the video is made."""

    words: str
    output: str
    more: tuple[str, ...]
    settings: Settings
    as_json: bool = False
    may_pay: bool = False  # although files of an earlier run go on, and are paid for


@dataclass(frozen=True, slots=True)
class Created:
    """How it ended; ``held`` are the gates it waits behind that only a person opens."""

    result: Result
    held: frozenset[Gate]
    advice: str = ""

    @property
    def exit_code(self) -> int:
        """Return the exit code, as a run's."""
        return choose_exit_code(set(self.held), Counter({self.result.state: 1}))

    def lines(self) -> Iterator[str]:
        """Yield where the video is, or why there is none."""
        held = f"waiting: {self.advice}" if self.held else ""
        yield held or formats.format_result(self.result)


def create(options: CreateOptions) -> Created:
    """Make a video from words alone.

    Raises:
        CliError, LedgerError: one line for the person.
    """
    spec = plan_job(options)
    settings = with_state_for(spec.output, options.settings)
    options, state = replace(options, settings=settings), prepare_state(settings.state_dir)
    folders = Folders(f'"{options.words}"', spec.output, state)
    run = RunOptions(options.words, options.output, True, settings, options.as_json)
    console = open_console(to_stderr=options.as_json)
    with ExitStack() as stack:
        try:
            stack.enter_context(hold_state(state))
        except AlreadyRunning:
            ledger = Ledger(stack.enter_context(closing(connect(find_redis_url(settings)))))
            return _follow(
                ledger, spec, settings, stack.enter_context(closing(open_output(run, folders, console)))
            )
        interrupts = stack.enter_context(Interrupts())
        stack.callback(embedded_redis.remove_socket_folder, state)
        supervisor = stack.enter_context(closing(Supervisor(folders.logs, to_stderr=settings.log_json)))
        redis_url = start_redis(settings, folders, supervisor, interrupts)
        if redis_url is None:
            raise Interrupted("interrupted before anything began")
        ledger = Ledger(stack.enter_context(closing(connect(redis_url))))
        if not ping(ledger.client):
            raise Unusable(
                "DROPSCORE_REDIS_URL: no Redis server answers there; start it, or unset the variable"
            )
        ledger.sync_clock()
        if settings.redis_url is None:
            ledger.release_leases()  # nobody else holds one: we started the server
        unended = read_stats(ledger).unended
        if unended and settings.backend == "cloud" and not options.may_pay:
            raise Unusable(
                f"{formats.format_count(unended, 'file')} of an earlier run would go on too, and may be paid "
                "for; add --yes if that is right, or --state-dir for a state folder of its own"
            )
        job = submit(ledger, spec, settings)
        remember_state(state, spec.output)
        if job.state is not State.DONE:
            output = stack.enter_context(closing(open_output(run, folders, console)))
            _work(options, ledger, redis_url, supervisor, interrupts, output, job.id, state)
        if not _is_over(ledger, job.id):
            raise Interrupted("Stopped. Nothing is lost: run the same command again to go on.")
        return _describe(ledger, job.id)


def plan_job(options: CreateOptions) -> JobSpec:
    """Return the job that is asked for, its words and its output checked. Raises Unusable."""
    try:
        words = " ".join(check_text(options.words).split())
        more = tuple(check_text(text) for text in options.more)
    except ValueError as exc:
        raise Unusable(
            'say what the video is to show, such as: dropscore create "a calm morning" -o out.mp4'
        ) from exc
    if not options.output.endswith(".mp4") or Path(options.output).name == ".mp4":
        raise Unusable(f"{options.output}: name a file that ends with .mp4")
    try:
        output = absolute(options.output)
        output = f"{output.removesuffix('.mp4')}.preview.mp4" if options.settings.preview else output
        probe_writable(output.rpartition("/")[0])
    except OSError as exc:
        why = str(exc) if isinstance(exc, StorageError) else exc.strerror or type(exc).__name__
        raise Unusable(
            f"{options.output}: nothing can be written there ({why}); choose another with -o"
        ) from exc
    return JobSpec(
        source=f"{FROM_WORDS}{words}",
        output=output,
        result=result_path(output),
        skill=options.settings.skill,
        instructions=(ask_for_video(words), *more),
        fingerprint=f"{FROM_WORDS}{words}\0{output}",
        language=options.settings.language,
        preview=options.settings.preview,
        exports=options.settings.exports,
    )


def submit(ledger: Ledger, spec: JobSpec, settings: Settings) -> Job:
    """Submit the job, or let the one that is there go on; one that is done and in its place stays done.

    Raises:
        Unusable: another file has the output's name.
    """
    job_id = job_id_for(spec.fingerprint, spec.instructions, spec.skill)
    delivery = read_delivery(spec.output) if exists(spec.output) else None
    if exists(spec.output) and (delivery is None or delivery.job_id != job_id):
        raise Unusable(f"{formats.format_path(spec.output)}: is there already; name another file with -o")
    known = next(iter(ledger.many([job_id])), None)
    session = known.checkpoint.session if known is not None else None
    if known is not None and known.state is State.DONE and delivery is None:
        if session and session.backend == settings.backend:
            restore(ledger, known, settings)  # its output was removed: it is rendered again, and not paid
            return ledger.get(job_id)
        job_id = job_id_for(spec.fingerprint, spec.instructions, spec.skill, str(ledger.now()))
        known = None
    if known is not None and known.state in RETRIED:
        retry(ledger, job_id)
    if known is None:
        ledger.submit(job_id, spec.evolve(created=ledger.now()), [spec.output])
        names = {spec.output, spec.output.replace(".preview.mp4", ".mp4")}
        Sources(ledger).mark({name: ("", job_id) for name in names})  # `dropscore tweak out.mp4` finds it
    return ledger.get(job_id)


def _work(
    options: CreateOptions,
    ledger: Ledger,
    redis_url: str,
    supervisor: Supervisor,
    interrupts: Interrupts,
    output: Output,
    job_id: str,
    state: Path,
) -> None:
    """Start what does the work, follow the job to its end, and let what else has begun come to its end."""
    settings, gates = options.settings, Gates(ledger)
    ledger.drain(False)
    CreditBudget(ledger).begin(settings.max_credits)
    resume(gates, sorted(PERSONAL - {Gate.PAUSED}))
    with ExitStack() as stack:
        studio_url = None
        if settings.backend == "local":
            listening = stack.enter_context(processes.open_studio_socket(state))
            supervisor.start(processes.studio_child(state, listening, settings))
            studio_url = processes.socket_url(listening)
        environment = processes.build_environment(settings, state, redis_url, studio_url)
        supervisor.start(processes.worker_child(environment))
        loop = RunLoop(
            supervisor,
            ledger,
            Follower(ledger, gates, ledger.now()),
            output,
            interrupts,
            is_over=lambda: _is_over(ledger, job_id),
            skills=settings.all_skills(),
            paid=settings.backend == "cloud",
            ready=(lambda: True) if settings.redis_url else (lambda: embedded_redis.answers(state)),
        )
        loop.go()
        if not interrupts.asked_to_finish and ledger.begun():  # files of an earlier run
            interrupts.finish()
            loop.go()
        supervisor.stop(WORKER, STUDIO, within_s=STOP_S)
    with suppress(LedgerUnreachable):
        ledger.drain(False)


def _follow(ledger: Ledger, spec: JobSpec, settings: Settings, output: Output) -> Created:
    """Hand the job to the run that holds the state folder, and follow it. Raises Interrupted at Ctrl-C."""
    ledger.sync_clock()
    since, job = ledger.now(), submit(ledger, spec, settings)
    follower = Follower(ledger, Gates(ledger), since)
    try:
        while not _is_over(ledger, job.id):
            output.show(follower.take_snapshot())
            time.sleep(LOOK_S)
        output.show(follower.take_snapshot())
    except KeyboardInterrupt as exc:
        raise Interrupted(
            f"it goes on in the run that is open; to see it: dropscore status {job.id}"
        ) from exc
    return _describe(ledger, job.id)


def _is_over(ledger: Ledger, job_id: str) -> bool:
    job = ledger.get(job_id)
    return job.ended or bool(_find_gates(ledger, job))


def _find_gates(ledger: Ledger, job: Job) -> frozenset[Gate]:
    """Return the closed gates that hold the job and that only a person opens."""
    if job.state not in ACTIVE | {State.PARKED} or job.state is State.RUNNING:
        return frozenset()
    return frozenset(gate for gate in PERSONAL & set(Gates(ledger).closed()) if job.step in HOLDS[gate])


def _describe(ledger: Ledger, job_id: str) -> Created:
    job = ledger.get(job_id)
    held, closed = _find_gates(ledger, job), Gates(ledger).closed()
    said = [formats.join_sentences(closed[gate].message, closed[gate].advice) for gate in sorted(held)]
    return Created(load_result(job), held, " ".join(said))
