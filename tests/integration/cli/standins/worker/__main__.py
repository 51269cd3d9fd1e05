"""A worker for tests of the command line: does one job after the other, at a pace of its own.

A source's first word says what becomes of it: ``fail`` ends it; ``credits`` and ``auth`` close that gate;
``open`` leaves its instruction on its way for good.
"""

import os
import time
from pathlib import Path

from config.settings import load
from jobs.errors import LedgerUnreachable
from jobs.gates import Gates
from jobs.ledger import Ledger, LimitBounds, StepResult, pack_checkpoint
from jobs.model import (
    Gate,
    InstructionState,
    InstructionStatus,
    Job,
    Problem,
    RenderRef,
    SessionRef,
    State,
    Step,
    StepRecord,
)
from jobs.redis import connect
from jobs.result import write_result
from jobs.stats import publish_ceilings

PACE_S = float(os.environ.get("STANDIN_PACE", "0.05"))
LIMITS = {kind: LimitBounds(100, 1000) for kind in ("upload", "edit", "render", "download")}
settings = load()
assert settings.redis_url
ledger = Ledger(connect(settings.redis_url.get_secret_value()), limits=LIMITS)
gates = Gates(ledger)


def perform(job: Job) -> None:
    began = ledger.now()
    point = job.checkpoint.evolve(session=SessionRef(session_id=job.id))
    if job.step is Step.EDIT:
        sending = InstructionState(text="music", status=InstructionStatus.SENDING)
        point = point.evolve(instructions=(sending,))
        ledger.save(job, pack_checkpoint(point))
        while word(job) == "open":
            ledger.renew({job.id: job.fence}, settings.lease_s)
            time.sleep(PACE_S)
    for percent in (10.0, 50.0, 90.0) if job.step is Step.POLL else (0.0,):
        point = point.evolve(render=RenderRef(render_id="r", progress=percent))
        ledger.save(job, pack_checkpoint(point))
        time.sleep(PACE_S)
    steps = (*job.steps, StepRecord(step=job.step, started=began, ended=ledger.now(), attempts=1))
    result = after(job)
    if result.state in (State.DONE, State.FAILED):
        point = point.evolve(sha256="0" if result.state is State.DONE else "")
        ended = job.evolve(state=result.state, problem=result.problem, checkpoint=point, steps=steps)
        write_result(ended.evolve(updated=ledger.now()))
    ledger.commit(job, result, pack_checkpoint(point), steps)


def word(job: Job) -> str:
    return Path(job.spec.source).stem.split("-")[0]


def after(job: Job) -> StepResult:
    if word(job) == "fail" and job.step is Step.EDIT:
        problem = Problem(
            code="refused", service_code=1, message="the edit was refused", advice="say it otherwise"
        )
        return StepResult(State.FAILED, job.step, problem=problem)
    if word(job) in ("credits", "auth") and job.step is Step.EDIT:
        gate = Gate(word(job))
        closed = f"The {gate} gate is closed."
        gates.close(gate, probe_at=ledger.now() + 60, message=closed, advice="Add some.")
        return StepResult(State.QUEUED, job.step, due=ledger.now())
    if job.step is Step.DOWNLOAD:
        Path(job.spec.output).write_text("done")
        return StepResult(State.DONE, job.step)
    following = [*Step][[*Step].index(job.step) + 1]
    return StepResult(State.QUEUED, following, due=ledger.now())


publish_ceilings(ledger)
while True:
    try:
        for due in ledger.fetch_due(1, settings.lease_s):
            if job := ledger.claim(due.job_id, due.step, "standin", settings.lease_s):
                perform(job)
    except LedgerUnreachable:
        continue
    time.sleep(0.01)
