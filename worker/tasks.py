"""The Celery tasks: six, thin; each hands a job id to the runner."""

from collections.abc import Callable
from functools import partial
from typing import Any

from celery import Celery, bootsteps
from celery.worker import state

from config.celery_app import TASKS
from jobs.model import Step

EVENTS_EVERY_S = 0.25
MAX_EVENTS = 500


def register(app: Celery, run: Callable[[str, Step], None]) -> None:
    """Give the app one task a step: ``dropscore.upload`` … ``dropscore.download``."""
    app.steps["consumer"].add(TogetherEvents)
    for step in Step:
        app.task(_task(run, step), name=f"{TASKS}{step}", ignore_result=True)


def _task(run: Callable[[str, Step], None], step: Step) -> Callable[[str], None]:
    def task(job_id: str) -> None:
        run(job_id, step)

    task.__name__ = step.value
    return task


class TogetherEvents(bootsteps.StartStopStep):  # type: ignore[misc]  # celery ships no types
    """Sends the events of many tasks in one message, four times a second, instead of a message each.

    An event also wakes a loop that waits for a free thread; without, it would look again at its next timer.
    """

    requires = ("celery.worker.consumer.events:Events",)
    _timer: Any = None

    def start(self, c: Any) -> None:
        """Begin to send; Celery calls this again after a lost connection."""
        self.stop(c)
        c.event_dispatcher.on_send_buffered = partial(_wake, c)
        c.event_dispatcher.buffer_limit = MAX_EVENTS
        self._timer = c.timer.call_repeatedly(EVENTS_EVERY_S, c.event_dispatcher.flush)

    def stop(self, c: Any) -> None:
        """Stop sending."""
        if self._timer is not None:
            self._timer.cancel()


def _wake(c: Any) -> None:
    if len(state.reserved_requests) >= c.pool.num_processes - 1:
        c.hub.call_soon(_nothing)


def _nothing() -> None:
    """What a loop does that was only to be woken."""
