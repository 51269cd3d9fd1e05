"""Two real workers that are watched: one notice a batch, numbers from both."""

import json
import re
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.chaos.stage import Stage
from tests.integration.worker.page import Page, free_port
from tests.integration.worker.receiver import Receiver

pytestmark = pytest.mark.acceptance

TOKEN = "s3cr3tpath"
FILES = 4


@dataclass
class Seen:
    """What the outside has seen of a run."""

    notices: list[dict[str, str]]
    pages: list[Page]
    logs: str


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory, clip: Path) -> Iterator[Seen]:
    """Four files through two workers with two threads each, that are politely stopped in the end."""
    fast = {"DROPSCORE_POLL_INTERVAL": 0.2, "NEMO_ALLOW_PRIVATE_URLS": "true", "DROPSCORE_CONCURRENCY": 2}
    with Receiver() as people:
        watched = {
            "DROPSCORE_NOTIFY": f"json://127.0.0.1:{people.port}/{TOKEN}",
            "DROPSCORE_LOG_LEVEL": "DEBUG",
        }
        with Stage(tmp_path_factory.mktemp("watched"), "--think-s", "0.2", **fast, **watched) as stage:
            stage.http.post(
                "/_studio/faults",
                json={"seed": 0, "rules": [{"endpoint": "upload", "kind": "reset", "count": 1}]},
            ).raise_for_status()
            ports = [free_port(), free_port()]
            for port in ports:
                stage.worker(DROPSCORE_METRICS_PORT=str(port))
            # Notices are of what comes after the first look of a worker.
            stage.wait(lambda: count_consumers(stage) == len(ports), 90)
            ids = stage.submit(clip, FILES)
            stage.wait(lambda: stage.done(ids) == FILES, 60)
            pages = [Page(port) for port in ports]
            for worker in stage.workers:
                worker.send_signal(signal.SIGTERM)
            for worker in stage.workers:
                worker.wait(15)
            logs = stage.logs()
        yield Seen([json.loads(body) for body in people.bodies()], pages, logs)


def count_consumers(stage: Stage) -> int:
    return sum(client["cmd"] == "brpop" for client in stage.client.client_list())


def test_the_end_of_the_batch_is_notified_once(seen: Seen) -> None:
    (notice,) = seen.notices
    assert notice["title"] == f"Dropscore: {FILES} files have ended"
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
    assert '"event": "notifying"' in seen.logs
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
