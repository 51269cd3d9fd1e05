"""What Flower is told of steps that ran on in the message of another: each is shown as a task of its own."""

import threading
import time
from collections.abc import Callable

from celery import current_task
from celery.utils import uuid

from jobs.model import Job
from worker.middleware import Middleware, StepRun


def task_name(step: str) -> str:
    """Return the name of a step's task."""
    return f"dropscore.{step}"


def format_args(job_id: str, file_name: str) -> str:
    """Return what Flower shows as a task's arguments: the job's id, and the file's name beside it."""
    return f"({job_id!r}, {file_name!r})"


class StepEvents(Middleware):
    """Sends Celery's own task events for steps without a message; nothing is sent while nobody listens."""

    def __init__(self, send: Callable[..., None]) -> None:
        """``send`` takes an event's type and its fields."""
        self._send = send
        self._running = threading.local()

    def before_step(self, job: Job) -> None:
        """Say that a step has begun, unless the message is its own, which Celery tells of itself."""
        self._running.task = None
        name = task_name(job.step)
        if not current_task or current_task.name == name:
            return
        self._running.task, self._running.began = uuid(), time.monotonic()
        self._send(
            "task-received",
            uuid=self._running.task,
            name=name,
            args=format_args(job.id, job.spec.name),
            kwargs="{}",
            root_id=current_task.request.root_id,
            parent_id=current_task.request.id,
            retries=0,
        )
        self._send("task-started", uuid=self._running.task)

    def after_step(self, _run: StepRun) -> None:
        """Say that it has ended."""
        if self._running.task is not None:
            took_s = time.monotonic() - self._running.began
            self._send("task-succeeded", uuid=self._running.task, result="None", runtime=took_s)
