"""A worker's numbers, as Prometheus reads them."""

import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from config.errors import ConfigError
from config.settings import load
from jobs.model import Gate, State, Step
from tests.conftest import start_redis
from tests.integration.worker.plant import FAST, Plant, Studio, open_plant
from worker.observe import Observer, Observers

pytestmark = pytest.mark.integration


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


class Page:
    """What ``/metrics`` says, by name and labels."""

    def __init__(self, port: int) -> None:
        self.text = httpx.get(f"http://127.0.0.1:{port}/metrics", timeout=10).text
        self._samples = {
            (sample.name, tuple(sorted(sample.labels.items()))): sample.value
            for family in text_string_to_metric_families(self.text)
            for sample in family.samples
        }

    def __call__(self, name: str, **labels: str) -> float:
        return self._samples[f"dropscore_{name}", tuple(sorted(labels.items()))]


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def watched(redis_url: str, studio: Studio, tmp_path: Path, port: int) -> Iterator[Plant]:
    with open_plant(
        redis_url, studio, tmp_path / "out", **FAST, DROPSCORE_METRICS_PORT=port, DROPSCORE_LEASE=0.5
    ) as found:
        found.shop.observe.start()
        yield found
        found.shop.observe.close()


def test_a_run_is_seen_in_steps_bytes_credits_and_retries(
    watched: Plant, studio: Studio, clip: Path, port: int
) -> None:
    before = Page(port)
    assert before("runs_total", step="download", outcome="done") == 0
    assert before("steps_in_flight", step="edit") == 0
    studio.faults({"endpoint": "upload", "kind": "reset", "count": 1})
    job_id = watched.submit(clip)
    watched.run()
    page = Page(port)
    assert all(page("step_seconds_count", step=step) == 1 for step in Step)
    assert page("step_seconds_sum", step="upload") > page("run_seconds_sum", step="upload")
    assert page("runs_total", step="upload", outcome="through") == 1
    assert page("runs_total", step="download", outcome="done") == 1
    assert page("retries_total", step="upload", error="ConnectionLost") == 1
    assert page("bytes_total", direction="up") == clip.stat().st_size
    assert page("bytes_total", direction="down") == watched.result(job_id)["bytes"]
    assert page("credits_spent_total") == 50
    assert page("credits_available") == 100_000
    assert page("files", state="done") == 1
    assert page("queue_age_seconds") == 0
    assert page("ledger_up") == 1


def test_a_closed_gate_and_what_waits_behind_it_are_seen(
    watched: Plant, studio: Studio, clip: Path, port: int
) -> None:
    watched.submit(clip, name="first")
    watched.run()
    studio.credits(0)
    watched.submit(clip)
    watched.run(until=lambda: watched.counts()[State.PARKED] == 1)
    page = Page(port)
    assert (page("gate_closed", gate="credits"), page("gate_parked", gate="credits")) == (1, 1)
    assert page("gate_closed", gate="plan") == 0
    assert page("files", state="parked") == 1
    assert sum(page("runs_total", step=step, outcome="parked") for step in ("upload", "edit")) == 1
    watched.shop.gates.open(Gate.CREDITS)
    assert Page(port)("gate_closed", gate="credits") == 0


def test_a_dead_worker_is_seen_by_how_long_its_file_lay(watched: Plant, clip: Path, port: int) -> None:
    job_id = watched.submit(clip)
    assert watched.shop.ledger.claim(job_id, Step.UPLOAD, "dead", 0.2)
    watched.run()
    page = Page(port)
    assert page("recovery_seconds_count") == 1
    assert 0 < page("recovery_seconds_sum") < 5
    assert "dropscore_failures_total{" not in page.text


def test_without_the_server_the_page_still_says_what_happened_here(
    studio: Studio, tmp_path: Path, port: int
) -> None:
    (tmp_path / "redis").mkdir()
    server, url = start_redis(tmp_path / "redis")
    with open_plant(url, studio, tmp_path / "out", **FAST, DROPSCORE_METRICS_PORT=port) as plant:
        plant.shop.observe.start()
        server.kill()
        server.wait()
        page = Page(port)
        assert page("ledger_up") == 0
        assert page("runs_total", step="edit", outcome="again") == 0
        assert "dropscore_files" not in page.text
        plant.shop.observe.close()


def test_a_port_that_is_taken_is_one_clear_line(redis_url: str, port: int) -> None:
    with socket.create_server(("127.0.0.1", port)):
        told = {"DROPSCORE_REDIS_URL": redis_url, "DROPSCORE_METRICS_PORT": str(port)}
        ended = subprocess.run(
            [sys.executable, "-m", "worker"],
            env=told,
            capture_output=True,
            timeout=30,
            text=True,
            check=False,
        )
    assert ended.returncode == 2
    assert ended.stdout.startswith(f"dropscore worker: DROPSCORE_METRICS_PORT: 127.0.0.1:{port} cannot be")
    assert ended.stdout.count("\n") == 1


def test_nothing_is_imported_for_a_worker_that_is_not_watched(redis_url: str) -> None:
    asked = (
        "import sys; from config.settings import load; from jobs.connection import connect; "
        "from jobs.ledger import Ledger; import nemo; from worker.shop import open_shop; "
        f"open_shop(load(), Ledger(connect({redis_url!r})), nemo.http_client(1), print); "
        "print(sorted({'prometheus_client', 'apprise', 'worker.tracing'} & set(sys.modules)))"
    )
    ended = subprocess.run(
        [sys.executable, "-c", asked], capture_output=True, timeout=30, text=True, check=True, env={}
    )
    assert ended.stdout.strip() == "[]"


def test_a_broken_observer_breaks_nothing(plant: Plant, clip: Path) -> None:
    class Broken(Observer):
        def claimed(self, job):
            raise RuntimeError("claimed")

        def ended(self, run):
            raise RuntimeError("ended")

    object.__setattr__(plant.shop, "observe", Observers(Broken()))
    job_id = plant.submit(clip)
    plant.run()
    assert plant.job(job_id).state is State.DONE


def test_an_address_that_is_none_is_refused() -> None:
    with pytest.raises(ConfigError, match="DROPSCORE_METRICS_HOST"):
        load(environ={}, flags={"metrics_host": "everywhere"})
