"""A worker's numbers, as Prometheus reads them."""

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobs.ledger import Ledger
from jobs.model import State, Step
from jobs.redis import connect
from tests.conftest import start_redis
from tests.integration.worker.harness import FAST, open_worker, running_studio
from tests.integration.worker.page import Page, free_port
from worker.metrics import Metrics

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def pages(
    redis_url: str, clip: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Page, Page, Page]]:
    """Before anything; after a file whose worker died and whose upload broke once; with a file parked."""
    folder, port = tmp_path_factory.mktemp("metrics"), free_port()
    with running_studio(folder / "studio") as studio:
        settings = {**FAST, "DROPSCORE_METRICS_PORT": port, "DROPSCORE_LEASE": 2}
        with open_worker(redis_url, studio, folder / "out", **settings) as worker:
            before = Page(port)
            studio.faults({"endpoint": "upload", "kind": "reset", "count": 1})
            first = worker.submit(clip, name="first")
            worker.ledger.sync_clock("dead", 64)
            while not (due := worker.ledger.fetch_due(1, 0.2)):
                time.sleep(0.01)  # a clock that was asked again may be some milliseconds behind
            assert [job.job_id for job in due] == [first]
            assert worker.ledger.claim(first, Step.UPLOAD, "dead", 0.2)
            worker.run()
            done = Page(port)
            studio.credits(0)
            worker.submit(clip)
            worker.run(until=lambda: worker.counts()[State.PARKED] == 1)
            yield before, done, Page(port)


def test_every_series_begins_at_zero(pages: tuple[Page, Page, Page]) -> None:
    before, _done, _parked = pages
    assert before("runs_total", step="download", outcome="done") == 0
    assert before("steps_in_flight", step="edit") == 0
    assert before("files", state="done") == 0
    assert before("gate_closed", gate="credits") == 0


def test_a_file_is_seen_in_steps_bytes_credits_and_retries(
    pages: tuple[Page, Page, Page], clip: Path
) -> None:
    _before, done, _parked = pages
    assert all(done("step_seconds_count", step=step) == 1 for step in Step)
    assert done("step_seconds_sum", step="upload") > done("run_seconds_sum", step="upload") > 0
    assert done("runs_total", step="upload", outcome="through") == 1
    assert done("runs_total", step="download", outcome="done") == 1
    assert done("retries_total", step="upload", error="connection_lost") == 1
    assert done("bytes_total", direction="up") == clip.stat().st_size
    assert done("bytes_total", direction="down") > 1000
    assert done("credits_spent_total") == 50
    assert done("credits_available") == 100_000
    assert done("files", state="done") == 1
    assert done("queue_age_seconds") == 0
    assert done("ledger_up") == 1


def test_a_dead_worker_is_seen_by_how_long_its_file_lay(pages: tuple[Page, Page, Page]) -> None:
    _before, done, _parked = pages
    assert done("recovery_seconds_count") == 1
    assert 0 < done("recovery_seconds_sum") < 5


def test_a_closed_gate_and_what_waits_behind_it_are_seen(pages: tuple[Page, Page, Page]) -> None:
    _before, _done, parked = pages
    assert (parked("gate_closed", gate="credits"), parked("gate_parked", gate="credits")) == (1, 1)
    assert parked("concurrency_limit", kind="edit") == 8
    assert parked("gate_closed", gate="plan") == 0
    assert parked("files", state="parked") == 1
    assert sum(parked("runs_total", step=step, outcome="parked") for step in ("upload", "edit")) == 1


def test_without_the_server_the_page_still_says_what_happened_here(tmp_path: Path) -> None:
    server, url = start_redis(tmp_path)
    metrics = Metrics(Ledger(connect(url)), dict, "127.0.0.1", port := free_port())
    metrics.start()
    server.kill()
    server.wait()
    page = Page(port)
    assert page("ledger_up") == 0
    assert page("runs_total", step="edit", outcome="again") == 0
    assert "dropscore_files" not in page.text
    metrics.close()


def test_a_port_that_is_taken_is_one_clear_line(redis_url: str) -> None:
    port = free_port()
    with socket.create_server(("127.0.0.1", port)):
        settings = {"DROPSCORE_REDIS_URL": redis_url, "DROPSCORE_METRICS_PORT": str(port)}
        ended = subprocess.run(
            [sys.executable, "-m", "celery", "-q", "-A", "worker.app", "worker"],
            env=settings,
            capture_output=True,
            timeout=30,
            text=True,
            check=False,
        )
    assert ended.returncode == 2
    lines = [line for line in ended.stderr.splitlines() if "METRICS_PORT" in line]
    assert len(lines) == 1
    assert lines[0].startswith(f"dropscore worker: DROPSCORE_METRICS_PORT: 127.0.0.1:{port} cannot be")
    assert "Traceback" not in ended.stderr


def test_a_worker_without_metrics_and_notifications_imports_neither(redis_url: str) -> None:
    asked = (
        "import sys; from config.settings import load; from jobs.redis import connect; "
        "from jobs.ledger import Ledger; import nemovideo; from worker.runtime import open_runtime; "
        f"open_runtime(load(), Ledger(connect({redis_url!r})), nemovideo.http_client(1)); "
        "print(sorted({'prometheus_client', 'apprise'} & set(sys.modules)))"
    )
    ended = subprocess.run(
        [sys.executable, "-c", asked], capture_output=True, timeout=30, text=True, check=True, env={}
    )
    assert ended.stdout.strip() == "[]"
