"""Traces for OpenTelemetry: one a job, a span a step, whichever workers the steps ran in.

The ids follow from the job's own, so no worker has to hand a trace on, and nothing of it is kept. Spans are
made when a step has ended, of the times that the ledger has: a job waits for hours without anything open.

    job ─┬─ upload
         ├─ edit ─── attempt      a run that did not get through: an error that passes, a closed gate
         └─ verify …
"""

import hashlib
import os
import threading

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_INSTANCE_ID, SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.sdk.trace.sampling import Decision
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    Status,
    StatusCode,
    TraceFlags,
    set_span_in_context,
)
from opentelemetry.util.types import AttributeValue

from jobs.model import Job, State
from worker.observe import Observer, Run

CLOSE_S = 2.0
"""So long the end of a worker waits until its last spans are sent."""

_BAD = frozenset({State.FAILED, State.UNCONFIRMED})


class Tracing(Observer):
    """Sends spans by OTLP over HTTP, in batches, from a thread of the library's."""

    def __init__(self, endpoint: str, owner: str) -> None:
        """``endpoint`` is the collector's base address; ``owner`` names this worker.

        ``OTEL_SERVICE_NAME``, ``OTEL_EXPORTER_OTLP_HEADERS``, ``OTEL_TRACES_SAMPLER`` and the like count too.
        """
        name = os.environ.get("OTEL_SERVICE_NAME") or "dropscore"
        self._ids = _ChosenIds()
        self._provider = TracerProvider(
            resource=Resource.create({SERVICE_NAME: name, SERVICE_INSTANCE_ID: owner}),
            id_generator=self._ids,
            shutdown_on_exit=False,
        )
        self._batches = BatchSpanProcessor(OTLPSpanExporter(f"{endpoint}/v1/traces"))
        self._provider.add_span_processor(self._batches)
        self._tracer = self._provider.get_tracer("dropscore")

    def ended(self, run: Run) -> None:
        """Make the spans of a run that ended its step, its job, or in an error."""
        before, after, record = run.before, run.after, run.record
        trace, root = trace_id(before), span_id(before, "job")
        step = span_id(before, f"{before.step} {before.started!r}")
        if record is None:
            if after.problem is not None:
                self._span("attempt", (trace, _drawn()), step, (before.updated, after.updated), _said(run))
            return
        self._span(str(before.step), (trace, step), root, (record.started, record.ended), _said(run))
        if after.ended:
            began = min(at for at in (before.spec.created, *(each.started for each in after.steps)) if at)
            self._span("job", (trace, root), None, (began, record.ended), _said(run))

    def close(self) -> None:
        """Send what is left; a collector that hangs is not waited for."""
        last = threading.Thread(target=self._batches.shutdown, name="traces-end", daemon=True)
        last.start()
        last.join(CLOSE_S)

    def _span(
        self,
        name: str,
        ids: tuple[int, int],
        parent: int | None,
        times_s: tuple[float, float],
        said: dict[str, AttributeValue],
    ) -> None:
        trace = ids[0]
        context = Context()
        if parent is not None:
            decision = self._provider.sampler.should_sample(None, trace, "job").decision
            flags = TraceFlags(decision is Decision.RECORD_AND_SAMPLE)
            above = NonRecordingSpan(SpanContext(trace, parent, is_remote=True, trace_flags=flags))
            context = set_span_in_context(above, context)
        self._ids.choose(*ids)
        began, ended = (int(at * 1e9) for at in times_s)
        span = self._tracer.start_span(name, context, attributes=said, start_time=began)
        if "error.type" in said:
            span.set_status(Status(StatusCode.ERROR, str(said["error.type"])))
        span.end(max(began, ended))


class _ChosenIds(IdGenerator):
    """The ids of the span that this thread makes next."""

    def __init__(self) -> None:
        self._next = threading.local()

    def choose(self, trace: int, span: int) -> None:
        self._next.ids = (trace, span)

    def generate_trace_id(self) -> int:
        return int(self._next.ids[0])

    def generate_span_id(self) -> int:
        return int(self._next.ids[1])


def trace_id(job: Job) -> int:
    """The job's trace: the same in every worker, and another when the same work is taken in anew."""
    return _number(f"{job.id} {job.spec.created!r}", 16)


def span_id(job: Job, what: str) -> int:
    """The id of the job's own span (``job``), or of one of its steps."""
    return _number(f"{job.id} {job.spec.created!r} {what}", 8)


def _drawn() -> int:
    return int.from_bytes(os.urandom(8), "big") or 1


def _number(text: str, size: int) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=size).digest(), "big") or 1


def _said(run: Run) -> dict[str, AttributeValue]:
    """What a span says: no folder, no instruction, no address, nothing a service or an agent said."""
    before, after = run.before, run.after
    said: dict[str, AttributeValue] = {
        "dropscore.job": before.id,
        "dropscore.file": before.spec.name,
        "dropscore.skill": before.spec.skill,
        "dropscore.step": str(before.step),
        "dropscore.attempt": before.attempts + 1,
        "dropscore.outcome": run.outcome,
    }
    if after.problem is not None:
        said["error.type"] = after.problem.kind
    return said
