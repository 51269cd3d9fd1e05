"""Two real workers that are watched: one trace a file, one word a batch, numbers from both."""

import json
import re
import signal
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from jobs.model import Step
from tests.chaos.stage import Stage
from tests.integration.worker.page import Page, free_port
from tests.integration.worker.receiver import Receiver

pytestmark = pytest.mark.acceptance

TOKEN = "s3cr3tpath"
FILES = 4
CLOCKS_NS = 100_000_000


@dataclass
class Seen:
    """What the outside has seen of a run."""

    ids: list[str]
    spans: list[tuple[str, Span]]  # the worker that sent it, and the span
    notices: list[dict[str, str]]
    pages: list[Page]
    logs: str


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory, clip: Path) -> Iterator[Seen]:
    """Four files through two workers with two threads each, that are politely stopped in the end."""
    fast = {"DROPSCORE_POLL_INTERVAL": 0.2, "NEMO_ALLOW_PRIVATE_URLS": "true", "DROPSCORE_CONCURRENCY": 2}
    with Receiver() as collector, Receiver() as people:
        told = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{collector.port}",
            "DROPSCORE_NOTIFY": f"json://127.0.0.1:{people.port}/{TOKEN}",
            "DROPSCORE_LOG_LEVEL": "DEBUG",
        }
        with Stage(tmp_path_factory.mktemp("watched"), "--think-s", "0.2", **fast, **told) as stage:
            stage.http.post(
                "/_studio/faults",
                json={"seed": 0, "rules": [{"endpoint": "upload", "kind": "reset", "count": 1}]},
            ).raise_for_status()
            ports = [free_port(), free_port()]
            for port in ports:
                stage.worker(DROPSCORE_METRICS_PORT=str(port))
            stage.wait(lambda: _consuming(stage) == len(ports), 40)
            ids = stage.submit(clip, FILES)
            stage.wait(lambda: stage.done(ids) == FILES, 60)
            pages = [Page(port) for port in ports]
            for worker in stage.workers:
                worker.send_signal(signal.SIGTERM)
            for worker in stage.workers:
                worker.wait(15)
            logs = stage.logs()
        assert {path for path, _body in collector.got} == {"/v1/traces"}
        yield Seen(
            ids, spans_of(collector.bodies()), [json.loads(body) for body in people.bodies()], pages, logs
        )


def _consuming(stage: Stage) -> int:
    return sum(client["cmd"] == "brpop" for client in stage.client.client_list())


def spans_of(bodies: list[bytes]) -> list[tuple[str, Span]]:
    found = []
    for body in bodies:
        request = ExportTraceServiceRequest.FromString(body)
        for resource in request.resource_spans:
            said = {each.key: each.value.string_value for each in resource.resource.attributes}
            assert said["service.name"] == "dropscore"
            for scope in resource.scope_spans:
                found += [(said["service.instance.id"], span) for span in scope.spans]
    return found


def attributes(span: Span) -> dict[str, str]:
    return {each.key: each.value.string_value for each in span.attributes}


def test_each_file_has_one_trace_with_its_steps_under_one_root(seen: Seen) -> None:
    traces = {span.trace_id for _worker, span in seen.spans}
    assert len(traces) == FILES
    for trace in traces:
        spans = [span for _worker, span in seen.spans if span.trace_id == trace]
        (root,) = [span for span in spans if span.name == "job"]
        named = {span.name: span for span in spans if span.parent_span_id == root.span_id}
        assert root.parent_span_id == b""
        assert set(named) == set(Step)
        assert len(spans) == 1 + len(Step) + sum(span.name == "attempt" for span in spans)
        steps = [named[step] for step in Step]
        assert {attributes(span)["dropscore.job"] for span in spans} <= set(seen.ids)
        assert all(root.start_time_unix_nano <= span.start_time_unix_nano + CLOCKS_NS for span in spans)
        assert all(span.end_time_unix_nano <= root.end_time_unix_nano + CLOCKS_NS for span in spans)
        for earlier, later in pairwise(steps):  # each worker measures the server's clock for itself
            assert earlier.end_time_unix_nano <= later.start_time_unix_nano + CLOCKS_NS


def test_the_steps_of_a_file_ran_in_both_workers(seen: Seen) -> None:
    assert len({worker for worker, _span in seen.spans}) == 2
    by_trace = Counter(trace for trace, _worker in {(span.trace_id, worker) for worker, span in seen.spans})
    assert max(by_trace.values()) == 2


def test_an_attempt_that_broke_hangs_under_its_step(seen: Seen) -> None:
    (attempt,) = [span for _worker, span in seen.spans if span.name == "attempt"]
    (step,) = [span for _worker, span in seen.spans if span.span_id == attempt.parent_span_id]
    assert (step.name, step.trace_id) == ("upload", attempt.trace_id)
    assert attributes(attempt)["error.type"] == "ConnectionLost"
    assert attributes(attempt)["dropscore.outcome"] == "retried"
    assert attempt.status.code == attempt.status.STATUS_CODE_ERROR
    numbers = {each.key: each.value.int_value for each in step.attributes}
    assert (numbers["dropscore.attempt"], attributes(step)["dropscore.outcome"]) == (2, "through")


def test_a_span_shows_a_file_name_and_no_folder(seen: Seen) -> None:
    said = [attributes(span) for _worker, span in seen.spans]
    assert {one["dropscore.file"] for one in said} == {"clip.mp4"}
    assert not [value for one in said for value in one.values() if "/" in value or "music in" in value]


def test_the_end_of_the_batch_is_told_once(seen: Seen) -> None:
    (notice,) = seen.notices
    assert notice["title"] == f"Dropscore: {FILES} files are through"
    assert re.fullmatch(
        r"4 done\.\n200 credits spent, [\d,]+ left when the last edit began\.", notice["message"]
    )
    assert notice["type"] == "success"


def test_the_numbers_of_both_workers_add_up(seen: Seen) -> None:
    def total(name: str, **labels: str) -> float:
        return sum(page(name, **labels) for page in seen.pages)

    assert total("runs_total", step="download", outcome="done") == FILES
    assert total("step_seconds_count", step="edit") == FILES
    assert [page("files", state="done") for page in seen.pages] == [FILES, FILES]
    assert [page("credits_spent_total") for page in seen.pages] == [200, 200]


def test_no_log_of_any_level_holds_an_address(seen: Seen) -> None:
    assert '"event": "telling"' in seen.logs
    assert TOKEN not in seen.logs


def test_the_dashboard_asks_for_numbers_that_a_worker_has(seen: Seen) -> None:
    repository = Path(__file__).parents[3]
    board = json.loads((repository / "docker/grafana/dashboards/dropscore.json").read_text())
    asked = {
        word
        for panel in board["panels"]
        for target in panel["targets"]
        for word in re.findall(r"dropscore_\w+", target["expr"])
    }
    assert len(asked) > 8
    # What has labels that appear with the first error alone is there by its help text.
    text = "\n".join(page.text for page in seen.pages)
    assert not [word for word in asked if not re.search(rf"^(# HELP )?{word}[ {{]", text, re.M)]
