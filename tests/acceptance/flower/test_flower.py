"""A real Flower beside a real run: what an operator sees there, and what nobody can do there."""

import json
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from jobs.model import State, Step
from tests.chaos.stage import Stage
from tests.conftest import start_redis

pytestmark = pytest.mark.acceptance

CELERY = (sys.executable, "-m", "celery", "-q", "-A", "worker.app")
REPOSITORY = Path(__file__).parents[3]
NAMES = [f"dropscore.{step}" for step in Step]
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
    environment = {**stage.environment(), "FLOWER_BASIC_AUTH": ":".join(AUTH)}
    with (stage.folder / "flower.log").open("wb") as log:
        command = [*CELERY, "flower", f"--port={port}", "--address=127.0.0.1", "--read-only"]
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", auth=AUTH, timeout=10) as client:
            _run_three_jobs(stage, clip, client)
            yield client
    finally:
        process.terminate()
        process.wait(30)


def _run_three_jobs(stage: Stage, clip: Path, client: httpx.Client) -> None:
    stage.wait(lambda: _answers(client), 15)
    stage.worker()
    stage.wait(lambda: "flower_worker_online{" in client.get("/metrics").text, 20)
    for number in range(20):  # workers tell of tasks when Flower has asked them to, every five seconds
        if _succeeded(client, "dropscore.upload"):
            break
        first = stage.submit(clip, 1, start=100 + number)
        stage.wait(lambda first=first: stage.done(first) == 1, 30)  # type: ignore[misc]  # bound now
    ids = stage.submit(clip, 3)
    stage.wait(lambda: stage.done(ids) == 3, 30)
    stage.wait(lambda: len(_succeeded(client, "dropscore.download")) >= 3, 10)


def _answers(client: httpx.Client) -> bool:
    try:
        return client.get("/healthcheck").status_code == 200
    except httpx.TransportError:
        return False


def _succeeded(client: httpx.Client, name: str) -> list[dict[str, str]]:
    tasks = client.get("/api/tasks", params={"taskname": name, "limit": 1000}).json()
    return [task for task in tasks.values() if task["state"] == "SUCCESS"]


@pytest.mark.parametrize("name", NAMES)
def test_every_step_is_a_task_with_a_name(flower: httpx.Client, name: str) -> None:
    assert len(_succeeded(flower, name)) >= 3


def test_task_arguments_show_the_job_and_the_file_s_name_and_no_folder(
    stage: Stage, flower: httpx.Client, clip: Path
) -> None:
    ids = stage.ledger.ids(State.DONE, newest_first=True, limit=100)
    tasks = flower.get("/api/tasks", params={"limit": 1000}).json().values()
    shown = {task["args"] for task in tasks if task["args"]}
    assert len(shown) >= 3
    assert shown <= {f"('{job_id}', '{clip.name}')" for job_id in ids}
    assert {task["kwargs"] for task in tasks if task["kwargs"]} <= {"{}"}


def test_workers_and_their_queue_are_shown(flower: httpx.Client) -> None:
    workers = flower.get("/api/workers", params={"refresh": "1"}).json()
    (name,) = workers
    assert name.startswith("w@")
    assert {queue["name"] for queue in workers[name]["active_queues"]} == {"dropscore"}
    lengths = flower.get("/api/queues/length").json()["active_queues"]
    assert {queue["name"]: queue["messages"] for queue in lengths} == {"dropscore": 0}


def test_its_metrics_count_steps_and_workers(flower: httpx.Client) -> None:
    text = flower.get("/metrics", auth=None).text
    assert 'flower_worker_online{worker="w@' in text
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


def test_inspect_ping_is_the_health_check(stage: Stage, flower: httpx.Client) -> None:
    command = [*CELERY, "inspect", "ping", "--timeout=10", "--json"]
    ended = subprocess.run(
        command, env=stage.environment(), capture_output=True, timeout=90, check=False, text=True
    )
    assert ended.returncode == 0, ended.stderr
    (answer,) = json.loads(ended.stdout).values()
    assert answer == {"ok": "pong"}


def test_inspect_ping_fails_when_no_worker_answers(stage: Stage, tmp_path: Path) -> None:
    server, url = start_redis(tmp_path)
    command = [*CELERY, "inspect", "ping", "--timeout=1"]
    environment = {**stage.environment(), "DROPSCORE_REDIS_URL": url}
    ended = subprocess.run(command, env=environment, capture_output=True, timeout=90, check=False)
    server.kill()
    server.wait(30)
    assert ended.returncode != 0
