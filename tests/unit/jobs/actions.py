"""What the tests of the ledger do again and again: submit a job, admit it, claim it, end its step."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from jobs.ledger import DueJob, Ledger, StepResult, pack_checkpoint
from jobs.model import LIMITED, Checkpoint, Job, JobSpec, Problem, State, Step

LEASE_S = 30.0
KINDS = ("upload", "edit", "render", "download")
DUE_SETS = (*(step.value for step in Step), "backlog")


def make_spec(source: str = "/in/clip.mp4", **fields: Any) -> JobSpec:
    """A spec as the producer makes one."""
    kept = {"skill": "background-music", "instructions": ("add music",), "fingerprint": source} | fields
    return JobSpec(source=source, **kept)


def submit(ledger: Ledger, job_id: str = "j1", source: str = "", output: str = "", **fields: Any) -> Job:
    """Submit a job that must be new; its source and its output are named after its id."""
    spec = make_spec(source or f"/in/{job_id}.mp4", **fields)
    assert ledger.submit(job_id, spec, [output or f"/out/{job_id}.mp4"]).new
    return ledger.get(job_id)


def admit(ledger: Ledger, most: int = 100) -> list[DueJob]:
    """Admit what may run."""
    return ledger.fetch_due(most, LEASE_S)


def admit_ids(ledger: Ledger, most: int = 100) -> list[str]:
    """Admit what may run; the ids, in the order in which they were admitted."""
    return [due.job_id for due in admit(ledger, most)]


def try_claim(ledger: Ledger, job_id: str, step: Step, owner: str = "w") -> Job | None:
    """Claim an admitted job for a step."""
    return ledger.claim(job_id, step, owner, LEASE_S)


def claim(ledger: Ledger, job_id: str = "j1", step: Step = Step.UPLOAD, owner: str = "w") -> Job:
    """Admit what is due, and claim this job, which must be among it."""
    admit(ledger)
    job = try_claim(ledger, job_id, step, owner)
    assert job is not None, f"{job_id} could not be claimed: {look_up(ledger, job_id)}"
    return job


def end_step(
    ledger: Ledger,
    job: Job,
    state: State = State.QUEUED,
    step: Step | None = None,
    after_s: float = 0.0,
    checkpoint: Checkpoint | None = None,
    **fields: Any,
) -> bool:
    """Commit a step of a claimed job: due after ``after_s`` seconds, or ended, as ``state`` says."""
    ended = state in {State.DONE, State.FAILED, State.CANCELLED, State.UNCONFIRMED}
    due = None if ended else ledger.now() + after_s
    written = pack_checkpoint(checkpoint) if checkpoint else {}
    return ledger.commit(job, StepResult(state, step or job.step, due, **fields), written, job.steps)


def claim_alone(ledger: Ledger, job_id: str, step: Step) -> Job:
    """Claim a job as if it alone had just been admitted: no other one is touched."""
    ledger.client.zadd("dropscore:admitted", {job_id: ledger.now() + LEASE_S})
    job = try_claim(ledger, job_id, step)
    assert job is not None
    return job


def bring_to(ledger: Ledger, job_id: str, step: Step) -> None:
    """Take a queued job through its steps until it stands, due now, before this one."""
    for here, after in zip(Step, list(Step)[1:], strict=False):
        if here is step:
            return
        if ledger.get(job_id).step is here:
            assert end_step(ledger, claim_alone(ledger, job_id, here), State.QUEUED, after)


def end(ledger: Ledger, job_id: str, state: State = State.DONE, code: str = "no_music") -> Job:
    """End a job at the step it stands before."""
    problem = None if state is State.DONE else Problem(code=code, message="why", advice="what to do")
    assert end_step(ledger, claim_alone(ledger, job_id, ledger.get(job_id).step), state, problem=problem)
    return ledger.get(job_id)


@dataclass(frozen=True, slots=True)
class Places:
    """In which of the ledger's sets a job is."""

    due: tuple[str, ...]
    states: tuple[str, ...]
    in_flight: tuple[str, ...]
    admitted: bool


def look_up(ledger: Ledger, job_id: str) -> Places:
    """Find a job in all sets of the ledger."""

    def within(*names: str) -> tuple[str, ...]:
        return tuple(
            name.partition(":")[2]
            for name in names
            if ledger.client.zscore(f"dropscore:{name}", job_id) is not None
        )

    return Places(
        within(*(f"due:{name}" for name in DUE_SETS)),
        within(*(f"in:{state}" for state in State)),
        within(*(f"inflight:{kind}" for kind in KINDS)),
        ledger.client.zscore("dropscore:admitted", job_id) is not None,
    )


def due_at(ledger: Ledger, job_id: str) -> float:
    """When somebody must look at a job again, in seconds from now."""
    (name,) = look_up(ledger, job_id).due
    return float(ledger.client.zscore(f"dropscore:due:{name}", job_id)) - ledger.now()


def count_in_flight(ledger: Ledger, kind: str) -> int:
    """How many of a kind are in flight now."""
    return int(ledger.client.zcount(f"dropscore:inflight:{kind}", ledger.now(), "+inf"))


def check_sets(ledger: Ledger) -> None:
    """Every unfinished job is due once and in the set of its state; what has ended holds nothing."""
    groups = {"due": DUE_SETS, "in": tuple(State), "inflight": KINDS}
    names = [f"{group}:{name}" for group, members in groups.items() for name in members]
    with ledger.client.pipeline(transaction=False) as pipe:
        for name in [*names, "admitted"]:
            pipe.zrange(f"dropscore:{name}", 0, -1)
        *members, admitted = (set(found) for found in pipe.execute())
    within = dict(zip(names, members, strict=True))

    def find(group: str, job_id: str) -> list[str]:
        return [name for name in groups[group] if job_id in within[f"{group}:{name}"]]

    keys = ledger.client.keys("dropscore:job:*")
    jobs = ledger.many(key.rpartition(":")[2] for key in keys)
    for job in jobs:
        assert find("in", job.id) == [job.state], job
        due, in_flight = find("due", job.id), find("inflight", job.id)
        if job.ended:
            assert (due, in_flight, job.id in admitted) == ([], [], False), job
        else:
            name = "backlog" if job.step is Step.UPLOAD and job.spec.backlog else job.step
            assert due == [name], job
            assert set(in_flight) <= {LIMITED.get(job.step)}, job
        held = ledger.client.hget(f"dropscore:job:{job.id}", "held")
        assert held is None or (job.step is Step.UPLOAD and not job.ended), job
        if held is not None:
            assert ledger.client.zscore(f"dropscore:held:{held}", job.id) is not None, job
    held_keys = ledger.client.keys("dropscore:held:*")
    for key in held_keys:
        for job_id in ledger.client.zrange(key, 0, -1):
            assert f"dropscore:held:{ledger.client.hget(f'dropscore:job:{job_id}', 'held')}" == key, job_id
    known = {job.id for job in jobs}
    assert all(within[f"in:{state}"] <= known for state in State)
    check_budget(ledger)


def check_budget(ledger: Ledger) -> None:
    """What is set aside in all is the sum of what is set aside for each job, and no ended job has any."""
    row = ledger.client.hgetall("dropscore:budget")
    aside = {name.removeprefix("job:"): float(text) for name, text in row.items() if name.startswith("job:")}
    assert float(row.get("aside", 0)) == sum(aside.values())
    for job in ledger.many(aside):
        assert not job.ended, f"{aside[job.id]} credits stay aside for {job.id}, which is {job.state}"


def step_server_clock(ledger: Ledger) -> Callable[[float], None]:
    """Let a test step the clock of the ledger's server: the scripts read it through an offset in seconds."""
    stepped = (
        "(function() local t = redis.call('TIME') "
        "return {t[1] + tonumber(redis.call('GET', 'test:clock_offset') or 0), t[2]} end)()"
    )
    for name in ("clock", "rate_limit"):
        script = getattr(ledger.scripts, name)
        text = script.script if isinstance(script.script, str) else script.script.decode()
        assert "redis.call('TIME')" in text
        changed = ledger.client.register_script(text.replace("redis.call('TIME')", stepped))
        setattr(ledger.scripts, name, changed)

    def step(seconds: float) -> None:
        ledger.client.incrby("test:clock_offset", int(seconds))

    return step


def read_field(ledger: Ledger, job_id: str, name: str) -> Any:
    """A packed field of a job's hash."""
    text = ledger.client.hget(f"dropscore:job:{job_id}", name)
    return json.loads(text) if text else None
