"""A job that a worker has claimed, and what its step is given."""

import random
import threading
from collections.abc import Callable
from typing import Any

import pytest

from config.settings import Settings
from jobs.lease import Lease
from jobs.ledger import Ledger
from jobs.limits import ConcurrencyLimiter, CreditBudget
from jobs.model import Checkpoint, InstructionState, Job, JobSpec, SessionRef, Step
from jobs.sessions import SharedSessions
from worker.context import Context, Limits

Claim = Callable[..., Context]


def claim_job(ledger: Ledger, spec: JobSpec, checkpoint: Checkpoint, step: Step) -> Job:
    """Submit a job, bring it to a step, and claim it."""
    ledger.submit("j1", spec, [spec.output or "/out/a.mp4"], checkpoint=checkpoint)
    ledger.client.hset("dropscore:job:j1", "step", step)
    ledger.client.zrem("dropscore:due:upload", "j1")
    ledger.client.zadd(f"dropscore:due:{step}", {"j1": ledger.now()})
    assert [due.job_id for due in ledger.fetch_due(9, 30)] == ["j1"]
    job = ledger.claim("j1", step, "w", 30)
    assert job is not None
    return job


@pytest.fixture
def claim(ledger: Ledger) -> Claim:
    """Make the context of a job at a step, with a client of the test's own."""

    def make(
        step: Step,
        client: Any,
        *,
        checkpoint: Checkpoint | None = None,
        spec: JobSpec | None = None,
        **chosen: Any,
    ) -> Context:
        spec = spec or JobSpec(source="/in/a.mp4", instructions=("add calm music",), skill="add-music")
        checkpoint = checkpoint or Checkpoint(
            session=SessionRef(session_id="s1"),
            instructions=tuple(InstructionState(text=text) for text in spec.instructions),
        )
        stopping = threading.Event()
        return Context(
            lease=Lease(claim_job(ledger, spec, checkpoint, step), ledger, 30),
            client=client,
            settings=Settings(DROPSCORE_BACKEND="local", **chosen),
            limits=Limits(
                ConcurrencyLimiter(ledger, "edit"), None, CreditBudget(ledger), SharedSessions(ledger)
            ),
            now=ledger.now,
            should_stop=stopping.is_set,
            rng=random.Random(1),
        )

    return make
