"""The Celery app: its settings, its messages, and what a person reads when it cannot start."""

import os
import subprocess
import sys
from typing import Any

import pytest

from jobs.ledger import DueJob
from jobs.model import Step


@pytest.fixture(scope="module")
def worker_app() -> Any:
    """The module, loaded as a worker would; its broker is never asked."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DROPSCORE_REDIS_URL", "unix:///nowhere/redis.sock")
        import worker.app  # noqa: PLC0415 - it reads the environment when it is loaded

        yield worker.app


def test_every_step_is_a_task_of_its_own_name(worker_app: Any) -> None:
    assert {step: task.name for step, task in worker_app.TASKS.items()} == {
        step: f"dropscore.{step}" for step in Step
    }
    assert set(worker_app.app.tasks) >= {f"dropscore.{step}" for step in Step}


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("/in/private folder/clip one.mp4", "clip one.mp4"),
        ("s3://bucket/in/clip.mp4", "clip.mp4"),
        ("https://example.com/a/clip.mp4?token=secret", "clip.mp4"),
    ],
)
def test_a_message_carries_a_job_s_id_and_shows_the_file_s_name(
    worker_app: Any, monkeypatch: pytest.MonkeyPatch, source: str, name: str
) -> None:
    sent: list[tuple[Any, dict[str, Any]]] = []
    task = worker_app.TASKS[Step.EDIT]
    monkeypatch.setattr(task, "apply_async", lambda args, **options: sent.append((args, options)))
    worker_app.send_message(DueJob("j1", Step.EDIT, source))
    ((args, options),) = sent
    assert args == ("j1",)
    assert options == {"argsrepr": f"('j1', {name!r})"}


def test_a_worker_survives_what_was_measured(worker_app: Any) -> None:
    conf = worker_app.app.conf
    assert worker_app.broker_url == "redis+socket:///nowhere/redis.sock"
    assert (conf.task_acks_late, conf.worker_disable_prefetch, conf.worker_prefetch_multiplier) == (
        False,
        True,
        1,
    )
    assert conf.worker_pool == "threads"
    assert conf.broker_connection_max_retries is None
    assert conf.worker_cancel_long_running_tasks_on_connection_loss is False
    assert conf.task_ignore_result is True
    assert conf.accept_content == ["json"]


def test_a_message_for_nobody_is_dropped(worker_app: Any) -> None:
    worker_app.run_step("j1", Step.EDIT)  # Flower and `inspect` load the module too


@pytest.mark.parametrize(
    ("environment", "line"),
    [
        (
            {},
            "dropscore worker: DROPSCORE_REDIS_URL: a worker needs the address of the ledger's Redis server",
        ),
        (
            {"DROPSCORE_REDIS_URL": "redis://h", "DROPSCORE_LEASE": "soon"},
            "dropscore worker: DROPSCORE_LEASE",
        ),
    ],
)
def test_a_mistake_in_the_settings_is_one_line_and_2(environment: dict[str, str], line: str) -> None:
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    command = [sys.executable, "-m", "celery", "-q", "-A", "worker.app", "worker"]
    ended = subprocess.run(
        command, env=kept | environment, capture_output=True, timeout=60, check=False, text=True
    )
    assert ended.returncode == 2
    assert ended.stderr.startswith(line)
    assert "Traceback" not in ended.stderr
