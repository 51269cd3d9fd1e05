"""A real Flower beside a real run: what an operator sees there, and what nobody can do there."""

import json
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from config.celery_app import LANES
from jobs.model import State, Step
from tests.chaos.stage import Stage
from tests.conftest import start_redis

pytestmark = pytest.mark.acceptance

REPOSITORY = Path(__file__).parents[3]
NAMES = [f"dropscore.{step}" for step in Step]
ASKS_EVERY_S = 5
"""How often Flower tells workers to send events."""
AUTH = ("operator", "a good word")


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("flower")
    fast = {"DROPSCORE_POLL_INTERVAL": 0.1, "NEMO_ALLOW_PRIVATE_URLS": "true", "DROPSCORE_CONCURRENCY": 20}
    with Stage(folder, "--think-s", "0.05", **fast) as found:
        yield found


@pytest.fixture(scope="module")
def flower(stage: Stage, clip: Path) -> Iterator[httpx.Client]:
    """A Flower that has seen three jobs done by one worker."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    told = {**stage.environment(), "DROPSCORE_FLOWER_AUTH": ":".join(AUTH)}
    with (stage.folder / "flower.log").open("wb") as log:
        command = [sys.executable, "-m", "worker.flower", f"--port={port}"]
        process = subprocess.Popen(command, env=told, stdout=log, stderr=log)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", auth=AUTH, timeout=10) as client:
            _three_jobs(stage, clip, client)
            yield client
    finally:
        process.terminate()
        process.wait(10)


def _three_jobs(stage: Stage, clip: Path, client: httpx.Client) -> None:
    stage.wait(lambda: _answers(client), 15)
    stage.worker()
    stage.wait(lambda: "flower_worker_online{" in client.get("/metrics").text, 20)
    ids = stage.submit(clip, 3)
    stage.wait(lambda: stage.done(ids) == 3, 30)
    stage.wait(lambda: len(_succeeded(client, "dropscore.download")) == 3, 10)


def _answers(client: httpx.Client) -> bool:
    try:
        return client.get("/healthcheck").status_code == 200
    except httpx.TransportError:
        return False


def _succeeded(client: httpx.Client, name: str) -> list[dict[str, str]]:
    tasks = client.get("/api/tasks", params={"taskname": name, "limit": 1000}).json()
    return [task for task in tasks.values() if task["state"] == "SUCCESS"]


@pytest.mark.parametrize("name", NAMES)
def test_every_step_is_a_task_with_a_telling_name(flower: httpx.Client, name: str) -> None:
    assert len(_succeeded(flower, name)) >= 3


def test_task_arguments_are_a_job_id_and_nothing_else(stage: Stage, flower: httpx.Client) -> None:
    ids = stage.ledger.ids(State.DONE, newest_first=True, limit=10)
    tasks = flower.get("/api/tasks").json().values()
    assert {task["args"] for task in tasks if task["args"]} == {f"['{job_id}']" for job_id in ids}
    assert {task["kwargs"] for task in tasks if task["kwargs"]} <= {"{}"}


def test_workers_and_queues_say_what_they_are(flower: httpx.Client) -> None:
    workers = flower.get("/api/workers", params={"refresh": "1"}).json()
    (name,) = workers
    assert name.startswith("dropscore-")
    assert {queue["name"] for queue in workers[name]["active_queues"]} == set(LANES)
    lengths = flower.get("/api/queues/length").json()["active_queues"]
    assert {queue["name"]: queue["messages"] for queue in lengths} == dict.fromkeys(LANES, 0)


def test_its_metrics_count_steps_and_workers(flower: httpx.Client) -> None:
    text = flower.get("/metrics", auth=None).text
    assert 'flower_worker_online{worker="dropscore-' in text
    assert 'type="task-succeeded"' in text
    assert all(f'task="{name}"' in text for name in NAMES)


def test_the_dashboard_asks_for_numbers_that_are_there(flower: httpx.Client) -> None:
    board = json.loads((REPOSITORY / "docker/grafana/dashboards/dropscore.json").read_text())
    asked = {
        word
        for panel in board["panels"]
        for target in panel["targets"]
        for word in re.findall(r"flower_\w+", target["expr"])
    }
    text = flower.get("/metrics").text
    assert asked
    assert not [word for word in asked if f"{word}{{" not in text]


@pytest.mark.parametrize("path", ["/", "/tasks", "/api/workers", "/api/tasks", "/broker"])
def test_nothing_but_numbers_is_seen_without_the_password(flower: httpx.Client, path: str) -> None:
    assert httpx.get(flower.base_url.join(path)).status_code == 401
    assert httpx.get(flower.base_url.join(path), auth=("operator", "guess")).status_code == 401


def test_nobody_can_stop_a_worker_or_send_a_task(stage: Stage, flower: httpx.Client) -> None:
    (worker,) = flower.get("/api/workers").json()
    for path in (f"/api/worker/shutdown/{worker}", "/api/task/async-apply/dropscore.edit"):
        assert flower.post(path, json={"args": ["x"]}).status_code == 403
    assert stage.workers[0].poll() is None


@pytest.mark.parametrize("auth", [None, "nobody", ":word", "a:b,c:d", "ü:b"])
def test_without_a_good_password_it_does_not_start(stage: Stage, auth: str | None) -> None:
    told = {**stage.environment(), **({"DROPSCORE_FLOWER_AUTH": auth} if auth else {})}
    command = [sys.executable, "-m", "worker.flower"]
    ended = subprocess.run(command, env=told, capture_output=True, timeout=20, check=False)
    said = ended.stderr.decode()
    assert ended.returncode == 2
    assert said.startswith("dropscore flower: DROPSCORE_FLOWER_AUTH: should be user:password")
    assert said.count("\n") == 1


def test_it_ends_at_once_though_its_broker_is_gone(stage: Stage, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    server, url = start_redis(tmp_path)
    told = {**stage.environment(), "DROPSCORE_REDIS_URL": url, "DROPSCORE_FLOWER_AUTH": ":".join(AUTH)}
    command = [sys.executable, "-m", "worker.flower", f"--port={port}"]
    with (tmp_path / "flower.log").open("wb") as log:
        process = subprocess.Popen(command, env=told, stdout=log, stderr=log)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", auth=AUTH, timeout=1) as client:
            stage.wait(lambda: _answers(client), 20)
        server.kill()
        server.wait(10)
        time.sleep(ASKS_EVERY_S + 1)  # one of its threads asks the broker now, for ever
        process.terminate()
        assert process.wait(3) == 0
    finally:
        process.kill()
        process.wait(10)
        server.kill()
