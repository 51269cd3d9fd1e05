"""The Celery app: ``celery -A worker.app worker``, ``… flower``, ``… inspect ping``.

Six thin tasks, one for each step, that carry a job's id. A message is only a hint that a job may be claimed;
the ledger is the state, and the scheduler sends a lost one again.
"""

import importlib.util
import os
import signal
import sys
import threading
import warnings
from types import FrameType
from typing import Any

import structlog
from celery import Celery, Task, bootsteps, signals
from celery.exceptions import CPendingDeprecationWarning
from celery.worker.request import Request
from kombu.entity import Exchange, Queue

import config.logs
from config.errors import ConfigError
from config.settings import Settings, load
from jobs.ledger import DueJob
from jobs.model import Step, display_name
from worker.events import StepEvents, format_args, task_name

log = structlog.get_logger()

# Both are true and meant: a container's only user may be root, and early acknowledgement is decided.
warnings.filterwarnings("ignore", message=r"[\s\S]*superuser privileges")
warnings.filterwarnings("ignore", category=CPendingDeprecationWarning)

QUEUE = "dropscore"
STOP_WITHIN_S = 25.0
"""How long a step may go on after the first signal; supervisors commonly kill after 30 s."""

INTERRUPTED = 130


def load_settings() -> tuple[Settings, str]:
    """Read the settings and the broker's URL; a mistake in them ends the process with one line and 2."""
    try:
        settings = load()
        if settings.redis_url is None:
            raise ConfigError("DROPSCORE_REDIS_URL: a worker needs the address of the ledger's Redis server")
    except ConfigError as exc:
        print(f"dropscore worker: {exc}", file=sys.stderr, flush=True)
        raise SystemExit(2) from exc
    # kombu spells a Unix socket its own way; sentinel://…;sentinel://… is Celery's form already.
    return settings, settings.redis_url.get_secret_value().replace("unix://", "redis+socket://", 1)


settings, broker_url = load_settings()

app = Celery("dropscore", set_as_current=False, task_cls="worker.app:StepTask")
app.conf.update(
    broker_url=broker_url,
    broker_transport_options={
        "visibility_timeout": 7200,
        "socket_timeout": 5,
        "socket_connect_timeout": 5,
        "socket_keepalive": True,
        "health_check_interval": 10,
        "global_keyprefix": "dropscore:broker:",
        "master_name": settings.redis_master,
    },
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    broker_channel_error_retry=True,  # a server that is read-only or full for a while ends no worker
    worker_pool="threads",
    worker_concurrency=settings.concurrency,
    worker_disable_prefetch=True,
    worker_prefetch_multiplier=1,
    worker_cancel_long_running_tasks_on_connection_loss=False,
    worker_send_task_events=False,  # Flower switches them on when it listens
    worker_hijack_root_logger=False,
    worker_redirect_stdouts=False,
    task_acks_late=False,  # the lease and the scheduler own recovery
    task_ignore_result=True,  # the ledger is the state
    task_serializer="json",
    accept_content=["json"],
    task_default_queue=QUEUE,
    # The broker keeps no copy of what was taken: what is lost with its worker is due again in the ledger.
    task_queues=[Queue(QUEUE, Exchange(QUEUE), routing_key=QUEUE, no_ack=True)],
    task_send_sent_event=False,
)


class StepRequest(Request):  # type: ignore[misc]  # celery ships no types
    """A message that was taken: the broker keeps no copy, so there is nothing to acknowledge."""

    def acknowledge(self) -> None:
        """Do nothing: Celery would ask the broker all the same."""
        self.acknowledged = True


class StepTask(Task):  # type: ignore[misc]  # as above
    """The task of a step."""

    Request = StepRequest


def run_step(job_id: str, step: Step) -> None:
    """Hand a message to this process's runner."""
    if _process is not None:
        _process.runner.run(job_id, step)


@app.task(name=task_name(Step.UPLOAD))
def upload(job_id: str) -> None:
    """Open a session and send the source."""
    run_step(job_id, Step.UPLOAD)


@app.task(name=task_name(Step.EDIT))
def edit(job_id: str) -> None:
    """Send one instruction, which is paid."""
    run_step(job_id, Step.EDIT)


@app.task(name=task_name(Step.VERIFY))
def verify(job_id: str) -> None:
    """Look whether the timeline changed."""
    run_step(job_id, Step.VERIFY)


@app.task(name=task_name(Step.RENDER))
def render(job_id: str) -> None:
    """Submit the timeline for rendering."""
    run_step(job_id, Step.RENDER)


@app.task(name=task_name(Step.POLL))
def poll(job_id: str) -> None:
    """Ask how far the render is."""
    run_step(job_id, Step.POLL)


@app.task(name=task_name(Step.DOWNLOAD))
def download(job_id: str) -> None:
    """Fetch the output and put it in its place."""
    run_step(job_id, Step.DOWNLOAD)


TASKS: dict[Step, Task] = {
    Step.UPLOAD: upload,
    Step.EDIT: edit,
    Step.VERIFY: verify,
    Step.RENDER: render,
    Step.POLL: poll,
    Step.DOWNLOAD: download,
}


def send_message(job: DueJob) -> None:
    """Send the message for a job that was admitted; Flower shows the file's name beside the job's id."""
    TASKS[job.step].apply_async((job.job_id,), argsrepr=format_args(job.job_id, display_name(job.source)))


class WorkerProcess:
    """What a worker process has besides Celery: runner, heartbeat, scheduler, metrics, notifications."""

    def __init__(self, settings: Settings) -> None:
        """Wait for the ledger, and open everything. Raises ConfigError."""
        import nemovideo  # noqa: PLC0415 - Flower and `inspect` load this module too, and need none of these
        from worker.delivery import remove_abandoned_parts  # noqa: PLC0415 - as above
        from worker.gates import GateProber  # noqa: PLC0415 - as above
        from worker.runner import Runner  # noqa: PLC0415 - as above
        from worker.runtime import connect_ledger, open_runtime, wait_for_ledger  # noqa: PLC0415 - as above
        from worker.scheduler import Scheduler, SchedulerThread  # noqa: PLC0415 - as above

        self.stopping = threading.Event()
        ledger = connect_ledger(settings)
        wait_for_ledger(ledger, settings, self.stopping.wait)
        self._http = nemovideo.http_client(settings.concurrency + 20)
        self.runtime = open_runtime(settings, ledger, self._http, wake=self._wake)
        prober = GateProber(ledger, self.runtime.gates, self.runtime.client, settings)
        scheduler = Scheduler(
            ledger,
            send_message,
            lease_s=settings.lease_s,
            probe_s=settings.gate_probe_s,
            worker=self.runtime.owner,
            threads=settings.concurrency,
        )
        self.scheduler = SchedulerThread(scheduler, prober, ledger)
        self.runner = Runner(self.runtime)
        self.consumer: Any = None
        self.runtime.middleware.add(StepEvents(self._send_event))
        self._extras = self._open_extras(settings)
        remove_abandoned_parts(settings)

    def _open_extras(self, settings: Settings) -> list[Any]:
        extras: list[Any] = []
        ledger, heartbeat = self.runtime.ledger, self.runtime.heartbeat
        if settings.metrics_port is not None:
            require_extra("prometheus_client", "metrics", "DROPSCORE_METRICS_PORT")
            from worker.metrics import Metrics  # noqa: PLC0415 - only for those who asked for it

            metrics = Metrics(ledger, heartbeat.count_held, str(settings.metrics_host), settings.metrics_port)
            self.runtime.middleware.add(metrics)
            extras.append(metrics)
        if settings.notify_urls:
            require_extra("apprise", "notifications", "DROPSCORE_NOTIFY")
            from worker.notifications import Notifier  # noqa: PLC0415 - only for those who asked for it

            extras.append(Notifier(ledger, settings.notify_urls))
        return extras

    def start(self) -> None:
        """Begin to renew leases, to schedule, to measure and to notify. Raises ConfigError."""
        from jobs.stats import publish_ceilings  # noqa: PLC0415 - as above

        publish_ceilings(self.runtime.ledger)
        for extra in self._extras:
            extra.start()
        self.runtime.heartbeat.start()
        self.scheduler.start()

    def _send_event(self, kind: str, **fields: Any) -> None:
        dispatcher = self.consumer and self.consumer.event_dispatcher
        if dispatcher:
            dispatcher.send(kind, **fields)

    def _wake(self) -> None:
        self.scheduler.wake()

    def begin_stop(self) -> None:
        """Leave streams and stop scheduling; steps of seconds finish."""
        self.runtime.stopping.set()
        self.stopping.set()
        self.scheduler.stop()

    def close(self) -> None:
        """Send the last notices. Leases are renewed for as long as the process lives."""
        for extra in self._extras:
            extra.close()


def require_extra(module: str, extra: str, setting: str) -> None:
    """Make sure that an optional library is installed. Raises ConfigError."""
    if importlib.util.find_spec(module) is None:
        raise ConfigError(f"{setting} needs an extra: pip install 'dropscore[{extra}]'; or leave it unset")


_process: WorkerProcess | None = None
_logs_configured = False


@signals.setup_logging.connect
def configure_logging(**_: Any) -> None:
    """Let Celery's lines go the way of ours; a second call leaves the filters that were added since."""
    global _logs_configured  # noqa: PLW0603 - as below
    if not _logs_configured:
        config.logs.configure(settings.log_level, settings.log_json)
        _logs_configured = True


if "flower" in sys.argv:  # it sends no signal, and leaves handlers alone that are there before its own
    configure_logging()


@signals.worker_init.connect
def open_process(**_: Any) -> None:
    """Open what a worker needs, before it takes the first message."""
    global _process  # noqa: PLW0603 - Celery's signals and tasks share nothing else
    configure_logging()  # Celery does so only after this
    try:
        _process = WorkerProcess(settings)
        _process.start()
    except ConfigError as exc:
        print(f"dropscore worker: {exc}", file=sys.stderr, flush=True)
        os._exit(2)
    except KeyboardInterrupt:  # while it waits for Redis; Celery would show a stack
        os._exit(INTERRUPTED)


@signals.worker_shutting_down.connect
def stop_soon(**_: Any) -> None:
    """First signal: streams are left, steps of seconds finish, for a while. Second: the process ends.

    A kill is harmless: whatever was cut off goes on elsewhere, and nothing is paid twice.
    """
    if _process is not None:
        _process.begin_stop()
    last = threading.Timer(STOP_WITHIN_S, os._exit, args=(0,))
    last.daemon = True
    last.start()

    def end_now(number: int, _frame: FrameType | None) -> None:
        os._exit(128 + number)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end_now)


@signals.worker_shutdown.connect
def close_process(**_: Any) -> None:
    """Everything has ended that was begun."""
    if _process is not None:
        _process.close()


class WaitForWrites(bootsteps.StartStopStep):  # type: ignore[misc]  # celery ships no types
    """Begin to consume when the server takes writes: a read-only one would be asked again in a tight loop."""

    requires = ("celery.worker.consumer.connection:Connection",)

    def start(self, consumer: Any) -> None:
        """Wait; Celery calls this again after each lost connection."""
        if _process is not None:
            _process.consumer = consumer
        while _process is not None and not _process.stopping.is_set():
            if _process.runtime.ledger.takes_writes():
                return
            _process.stopping.wait(2.0)


app.steps["consumer"].add(WaitForWrites)
