"""Messages as they lie in the broker, for the ledger to put there: with the write that ends a step, if any.

Sent by Celery, each would cost a round trip and as much processor time as a step's other bookkeeping. kombu
writes one of each kind when the worker starts; only the ids are filled in.
"""

import base64
import json
from collections.abc import Callable
from typing import Any
from uuid import uuid4

from celery import Celery

from config.celery_app import BACKLOG, BEGUN, KEY_PREFIX, NEW, TASKS
from jobs.ledger import Letter
from jobs.model import Step

_JOB, _TASK, _TAG, _BODY = "--job--", "--task--", "--tag--", "--body--"


QUEUES = {"begun": BEGUN, "new": NEW, "backlog": BACKLOG}

Write = Callable[[str, Step, str], Letter]
"""Writes the message that lets a job go on at a step: job id, step, lane."""


def letters(app: Celery) -> Write:
    """A function that writes messages; raises what kombu raises when the broker is away."""
    with app.connection_for_write() as connection, connection.channel() as channel:
        patterns = {(step, lane): _pattern(app, channel, step, lane) for step in Step for lane in QUEUES}

    def letter(job_id: str, step: Step, lane: str) -> Letter:
        text, rest = patterns[step, lane]
        body = base64.b64encode(json.dumps([[job_id], {}, rest]).encode()).decode()
        words = {_JOB: job_id, _TASK: str(uuid4()), _TAG: str(uuid4()), _BODY: body}
        for blank, word in words.items():
            text = text.replace(blank, word)
        return Letter(KEY_PREFIX + QUEUES[lane], text)

    return letter


def _pattern(app: Celery, channel: Any, step: Step, lane: str) -> tuple[str, Any]:
    """A step's message with blanks, and what its body holds besides the arguments."""
    caught: list[dict[str, Any]] = []
    channel._put = lambda _queue, message, **_: caught.append(message)
    with app.amqp.Producer(channel) as producer:
        to = {"queue": QUEUES[lane], "producer": producer, "retry": False}
        app.send_task(f"{TASKS}{step}", [_JOB], task_id=_TASK, ignore_result=True, **to)
    (message,) = caught
    _args, _kwargs, rest = json.loads(base64.b64decode(message["body"]))
    message["body"] = _BODY
    message["properties"]["delivery_tag"] = _TAG
    return json.dumps(message), rest
