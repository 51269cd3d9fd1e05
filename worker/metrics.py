"""Metrics for Prometheus: what happened in this process, and what is true of all jobs when it is asked.

Each worker serves its own ``/metrics``. Of the first kind the sum over workers is the truth; the second kind
comes from the ledger, is the same from every worker, and its help text tells so.
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
from jobs.errors import LedgerUnreachable
from jobs.ledger import Ledger
from jobs.model import Gate, Job, State, Step
from jobs.redis import make_impatient
from jobs.stats import read_stats
from worker.middleware import Middleware, StepRun

RUN_BUCKETS_S = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 900)
STEP_BUCKETS_S = (*RUN_BUCKETS_S, 1800, 3600, 14_400)
RECOVERY_BUCKETS_S = (0.1, 0.5, 1, 2, 5, 10, 15, 30, 45, 60, 120, 300, 900)
OUTCOMES = ("through", "done", "failed", "unconfirmed", "parked", "retried", "again")
OF_ALL = "(of all workers: the same from each)"


class Metrics(Middleware):
    """Counts what this process does, and serves it with the stats of the ledger."""

    def __init__(
        self, ledger: Ledger, in_flight: Callable[[], Mapping[Step, int]], host: str, port: int
    ) -> None:
        """``in_flight`` counts the steps of each kind that run here now; nothing is served before `start`."""
        disable_created_metrics()  # the time each series began: a fifth of the page, and no use here
        self.registry = registry = CollectorRegistry()
        self._address = (host, port)
        self._run = Histogram(
            "dropscore_run_seconds", "One run of a step, from its claim on", ["step"],
            buckets=RUN_BUCKETS_S, registry=registry,
        )  # fmt: skip
        self._step = Histogram(
            "dropscore_step_seconds", "A whole step, with its waits and attempts", ["step"],
            buckets=STEP_BUCKETS_S, registry=registry,
        )  # fmt: skip
        self._recovery = Histogram(
            "dropscore_recovery_seconds", "From the end of a dead worker's lease to the claim that goes on",
            buckets=RECOVERY_BUCKETS_S, registry=registry,
        )  # fmt: skip
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
        # A series that begins at 0 shows its first event; one that begins at 1 does not.
        for step, outcome in product(Step, OUTCOMES):
            self._runs.labels(step, outcome)
        for step in Step:
            self._run.labels(step)
            self._step.labels(step)
        for direction in ("up", "down"):
            self._bytes.labels(direction)
        registry.register(_StepsInFlight(in_flight))
        registry.register(_LedgerStats(ledger))
        ProcessCollector(registry=registry)

    def start(self) -> None:
        """Serve; raises ConfigError when the port is taken."""
        host, port = self._address
        try:
            self._server, _ = start_http_server(port, host, self.registry)
        except OSError as exc:
            raise ConfigError(
                f"DROPSCORE_METRICS_PORT: {host}:{port} cannot be listened on ({exc.strerror}); "
                "name another port, one for each worker of a host"
            ) from exc

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()

    def before_step(self, job: Job) -> None:
        """Note how long a job lay there whose worker died."""
        if job.lapsed:
            self._recovery.observe(max(0.0, job.updated - job.lapsed))

    def after_step(self, run: StepRun) -> None:
        """Note a run."""
        before, after = run.before, run.after
        self._run.labels(before.step).observe(run.took_s)
        self._runs.labels(before.step, run.outcome).inc()
        if run.record is not None:
            self._step.labels(before.step).observe(max(0.0, run.record.ended - run.record.started))
        if run.outcome == "retried" and after.problem:
            self._retries.labels(before.step, after.problem.code).inc()
        if after.problem and after.state in {State.FAILED, State.UNCONFIRMED}:
            self._failures.labels(after.problem.code).inc()
        sent = after.checkpoint.upload
        if sent is not None and sent is not before.checkpoint.upload:
            self._bytes.labels("up").inc(sent.size_bytes)
        if after.state is State.DONE and after.checkpoint.sha256:
            self._bytes.labels("down").inc(after.checkpoint.size_bytes)


class _StepsInFlight(Collector):
    """Counts the leases this process holds."""

    def __init__(self, in_flight: Callable[[], Mapping[Step, int]]) -> None:
        self._in_flight = in_flight

    def collect(self) -> Iterable[Metric]:
        now = self._in_flight()
        yield _gauge(
            "steps_in_flight", "Steps in work here", "step", [(step, now.get(step, 0)) for step in Step]
        )


class _LedgerStats(Collector):
    """Asks the ledger when it is asked: one round trip, however many jobs there are."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._client = make_impatient(ledger.client)

    def describe(self) -> Iterable[Metric]:
        return []  # else the registry would ask the ledger to find the names out

    def collect(self) -> Iterable[Metric]:
        up = GaugeMetricFamily("dropscore_ledger_up", "1 while the Redis server answers this worker")
        try:
            stats = read_stats(self._ledger, self._client)
        except LedgerUnreachable:
            up.add_metric([], 0)
            yield up
            return
        up.add_metric([], 1)
        yield up
        closed = {gate: int(gate in stats.gates) for gate in Gate}
        limits = stats.limits.items()
        yield _gauge("files", f"Files in each state {OF_ALL}", "state", stats.jobs.items())
        yield _gauge("gate_closed", f"1 while a gate is closed {OF_ALL}", "gate", closed.items())
        yield _gauge("gate_parked", f"Files that wait behind a gate {OF_ALL}", "gate", stats.waiting.items())
        now = [(kind, limit.limit) for kind, limit in limits]
        yield _gauge("concurrency_limit", f"What may be in flight {OF_ALL}", "kind", now)
        flying = [(kind, limit.in_flight) for kind, limit in limits]
        yield _gauge("in_flight", f"What is in flight {OF_ALL}", "kind", flying)
        yield _number(
            "queue_age_seconds", f"How long the longest queued file waits {OF_ALL}", stats.queue_age_s
        )
        spent = CounterMetricFamily("dropscore_credits_spent", f"Credits spent on edits {OF_ALL}")
        spent.add_metric([], stats.spending.ever)
        yield spent
        yield _number(
            "credits_in_flight", f"Credits set aside for edits in work {OF_ALL}", stats.spending.aside
        )
        if stats.spending.available is not None:
            text = f"Credits the account had when an edit was last begun {OF_ALL}"
            yield _number("credits_available", text, stats.spending.available)
        if stats.spending.limit is not None:
            text = f"Credits that may be spent (DROPSCORE_MAX_CREDITS) {OF_ALL}"
            yield _number("credits_limit", text, stats.spending.limit)


def _number(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(f"dropscore_{name}", text, value=value)


def _gauge(name: str, text: str, label: str, values: Iterable[tuple[str, int]]) -> Metric:
    family = GaugeMetricFamily(f"dropscore_{name}", text, labels=[label])
    for value, count in values:
        family.add_metric([str(value)], count)
    return family
