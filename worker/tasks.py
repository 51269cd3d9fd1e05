"""The Celery tasks: six, thin; each hands a job id to the runner."""

from collections.abc import Callable

from celery import Celery
from kombu.exceptions import OperationalError

from config.celery_app import BACKLOG, FRESH, TASKS
from jobs.model import Step

LANES = {"fresh": FRESH, "backlog": BACKLOG}


def register(app: Celery, run: Callable[[str, Step], None]) -> None:
    """Give the app one task a step: ``dropscore.upload`` … ``dropscore.download``."""
    for step in Step:
        app.task(_task(run, step), name=f"{TASKS}{step}", ignore_result=True)


def _task(run: Callable[[str, Step], None], step: Step) -> Callable[[str], None]:
    def task(job_id: str) -> None:
        run(job_id, step)

    task.__name__ = step.value
    return task


def sender(app: Celery, on_lost: Callable[[str, Exception], None]) -> Callable[[str, Step, str], None]:
    """A function that sends a job's message; a message that cannot be sent is the clock's business."""

    def send(job_id: str, step: Step, lane: str) -> None:
        try:
            app.send_task(f"{TASKS}{step}", args=[job_id], queue=LANES[lane], ignore_result=True, retry=False)
        except (OperationalError, OSError) as gone:
            on_lost(job_id, gone)

    return send
