"""Metrics for Prometheus: what happened in this process, and what is true of all jobs when it is asked.

Each worker serves its own ``/metrics``. Of the first kind the sum over workers is the truth; the second kind
comes from the ledger, is the same from every worker, and says so in its help text.
"""

from collections.abc import Callable, Iterable, Mapping
from itertools import product

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    start_http_server,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from config.errors import ConfigError
from jobs import census
from jobs.connection import hurried
from jobs.errors import LedgerUnreachable
from jobs.ledger import Ledger
from jobs.model import Gate, Job, State, Step
from worker.observe import Observer, Run

RUN_BUCKETS_S = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 900)
STEP_BUCKETS_S = (*RUN_BUCKETS_S, 1800, 3600, 14_400)
RECOVERY_BUCKETS_S = (0.1, 0.5, 1, 2, 5, 10, 15, 30, 45, 60, 120, 300, 900)
OUTCOMES = ("through", "done", "failed", "unconfirmed", "parked", "retried", "again")
OF_ALL = "(of all workers: the same from each)"


class Metrics(Observer):
    """Counts what this process does, and serves it with a census of the ledger."""

    def __init__(
        self, ledger: Ledger, in_flight: Callable[[], Mapping[Step, int]], host: str, port: int
    ) -> None:
        """``in_flight`` tells how many steps of each kind run here now; nothing is served before `start`."""
        disable_created_metrics()  # the time each series began: a fifth of the page, and no use here
        self.registry = registry = CollectorRegistry()
        self._address = (host, port)
        self._run = Histogram(
            "dropscore_run_seconds",
            "One run of a step, from its claim on",
            ["step"],
            buckets=RUN_BUCKETS_S,
            registry=registry,
        )
        self._step = Histogram(
            "dropscore_step_seconds",
            "A whole step, with its waits and attempts",
            ["step"],
            buckets=STEP_BUCKETS_S,
            registry=registry,
        )
        self._runs = Counter("dropscore_runs", "Runs of steps", ["step", "outcome"], registry=registry)
        self._retries = Counter(
            "dropscore_retries", "Attempts that are made again", ["step", "error"], registry=registry
        )
        self._failures = Counter(
            "dropscore_failures", "Files that failed or are unconfirmed", ["error"], registry=registry
        )
        self._bytes = Counter(
            "dropscore_bytes", "Bytes of files moved to their end", ["direction"], registry=registry
        )
        self._recovery = Histogram(
            "dropscore_recovery_seconds",
            "From the end of a dead worker's lease to the claim that goes on",
            buckets=RECOVERY_BUCKETS_S,
            registry=registry,
        )
        self._show_zeros()
        registry.register(_InFlight(in_flight))
        registry.register(_OfAll(ledger))
        ProcessCollector(registry=registry)

    def _show_zeros(self) -> None:
        """A series that begins at 0 shows its first event; one that begins at 1 does not."""
        for step, outcome in product(Step, OUTCOMES):
            self._runs.labels(step, outcome)
        for step in Step:
            self._run.labels(step)
            self._step.labels(step)
        for direction in ("up", "down"):
            self._bytes.labels(direction)

    def start(self) -> None:
        """Serve; raises ConfigError when the port is not to be had."""
        host, port = self._address
        try:
            self._server, _ = start_http_server(port, host, self.registry)
        except OSError as taken:
            raise ConfigError(
                f"DROPSCORE_METRICS_PORT: {host}:{port} cannot be listened on ({taken.strerror}); "
                "name another port, one for each worker of a host"
            ) from taken

    def close(self) -> None:
        """Serve no more."""
        self._server.shutdown()
        self._server.server_close()

    def claimed(self, job: Job) -> None:
        """Note how long a job lay there whose holder died."""
        if job.lapsed:
            self._recovery.observe(max(0.0, job.updated - job.lapsed))

    def ended(self, run: Run) -> None:
        """Note a run."""
        before, after = run.before, run.after
        self._run.labels(before.step).observe(run.took_s)
        self._runs.labels(before.step, run.outcome).inc()
        if run.record is not None:
            self._step.labels(before.step).observe(max(0.0, run.record.ended - run.record.started))
        if run.outcome == "retried" and after.problem:
            self._retries.labels(before.step, after.problem.kind).inc()
        if after.problem and after.state in {State.FAILED, State.UNCONFIRMED}:
            self._failures.labels(after.problem.kind).inc()
        self._count_bytes(before, after)

    def _count_bytes(self, before: Job, after: Job) -> None:
        sent = after.checkpoint.upload
        if sent is not None and sent is not before.checkpoint.upload:
            self._bytes.labels("up").inc(sent.size_bytes)
        if after.state is State.DONE and after.checkpoint.sha256:
            self._bytes.labels("down").inc(after.checkpoint.size_bytes)


class _InFlight(Collector):
    """Read off the leases this process holds."""

    def __init__(self, in_flight: Callable[[], Mapping[Step, int]]) -> None:
        self._in_flight = in_flight

    def collect(self) -> Iterable[Metric]:
        now = self._in_flight()
        steps = [(step, now.get(step, 0)) for step in Step]
        yield _gauge("steps_in_flight", "Steps in work here", "step", steps)


class _OfAll(Collector):
    """Asks the ledger when it is asked: one round trip, however many jobs there are."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._client = hurried(ledger.client)

    def describe(self) -> Iterable[Metric]:
        return []  # else the registry would ask the ledger to find the names out

    def collect(self) -> Iterable[Metric]:
        up = GaugeMetricFamily("dropscore_ledger_up", "1 while the Redis server answers this worker")
        try:
            found = census.take(self._ledger, self._client)
        except LedgerUnreachable:
            up.add_metric([], 0)
            return [up]
        up.add_metric([], 1)
        return [up, *_families(found)]


def _families(found: census.Census) -> Iterable[Metric]:
    closed = {gate: int(gate in found.gates) for gate in Gate}
    yield _gauge("files", f"Files in each state {OF_ALL}", "state", found.jobs.items())
    yield _gauge("gate_closed", f"1 while a gate is closed {OF_ALL}", "gate", closed.items())
    yield _gauge("gate_parked", f"Files that wait behind a gate {OF_ALL}", "gate", found.parked.items())
    yield _number("queue_age_seconds", f"How long the longest queued file waits {OF_ALL}", found.queue_age_s)
    spending = found.spending
    spent = CounterMetricFamily("dropscore_credits_spent", f"Credits spent on edits {OF_ALL}")
    spent.add_metric([], spending.ever)
    yield spent
    yield _number("credits_in_flight", f"Credits set aside for edits in work {OF_ALL}", spending.aside)
    for name, value in (("available", spending.available), ("limit", spending.limit)):
        if value is not None:
            yield _number(f"credits_{name}", f"{_CREDITS[name]} {OF_ALL}", value)


_CREDITS = {
    "available": "Credits the account had when an edit was last begun",
    "limit": "Credits that may be spent (DROPSCORE_MAX_CREDITS)",
}


def _number(name: str, said: str, value: float) -> Metric:
    return GaugeMetricFamily(f"dropscore_{name}", said, value=value)


def _gauge(name: str, said: str, label: str, values: Iterable[tuple[str, int]]) -> Metric:
    family = GaugeMetricFamily(f"dropscore_{name}", said, labels=[label])
    for value, count in values:
        family.add_metric([str(value)], count)
    return family
