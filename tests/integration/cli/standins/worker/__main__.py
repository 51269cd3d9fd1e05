"""A worker for tests of the command line: does one job after the other, at a pace of its own.

A source's first word says what becomes of it: ``fail``, ``credits`` and ``auth`` end or park it.
"""

import os
import time
from pathlib import Path

from config.settings import load
from jobs.connection import connect
from jobs.errors import LedgerUnreachable
from jobs.gates import Gates
from jobs.ledger import Ledger, Move
from jobs.model import Gate, Job, Problem, RenderRef, SessionRef, State, Step, StepRecord

PACE_S = float(os.environ.get("STANDIN_PACE", "0.05"))
settings = load()
assert settings.redis_url
ledger = Ledger(connect(settings.redis_url.get_secret_value()))
gates = Gates(ledger)


def perform(job: Job) -> None:
    began = ledger.now()
    point = job.checkpoint.evolve(session=SessionRef(session_id=job.id))
    for percent in (10.0, 50.0, 90.0) if job.step is Step.POLL else (0.0,):
        point = point.evolve(render=RenderRef(render_id="r", progress=percent))
        ledger.checkpoint(job, point)
        time.sleep(PACE_S)
    steps = (*job.steps, StepRecord(step=job.step, started=began, ended=ledger.now(), attempts=1))
    ledger.move(job, after(job), point, steps)


def after(job: Job) -> Move:
    word = Path(job.spec.source).stem.split("-")[0]
    if word == "fail" and job.step is Step.EDIT:
        problem = Problem(code=1, kind="Refused", message="the edit was refused", advice="say it otherwise")
        return Move(State.FAILED, job.step, problem=problem)
    if word in ("credits", "auth") and job.step is Step.EDIT:
        gate = Gate(word)
        gates.close(
            gate, probe_at=ledger.now() + 60, message=f"The {word} gate is closed.", advice="Add some."
        )
        return Move(State.PARKED, job.step, due=ledger.now() + 3600, reason=gate)
    if job.step is Step.DOWNLOAD:
        Path(job.spec.output).write_text("done")
        return Move(State.DONE, job.step)
    following = [*Step][[*Step].index(job.step) + 1]
    return Move(State.QUEUED, following, due=ledger.now())


def finish(job_id: str, step: Step) -> None:
    while job := ledger.claim(job_id, step, "standin", settings.lease_s):
        perform(job)
        step = ledger.get(job_id).step


while True:
    try:
        for due in ledger.take_due(1, 0.2):
            finish(due.job_id, due.step)
    except LedgerUnreachable:
        continue
    time.sleep(0.01)
