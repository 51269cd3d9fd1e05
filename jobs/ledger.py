"""The ledger: what is true of every job. Operations of the domain over a dumb connection.

Times are seconds of the ledger's own clock (`Ledger.now`): the Redis server's, never going back, carried
on by this host's monotonic clock. A host whose wall clock is wrong or stepped agrees with all others.
"""

import base64
import hashlib
import json
import math
import os
import re
import secrets
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import IntEnum
from typing import Any

from pydantic import BaseModel

from jobs.errors import LedgerUnreachable, NoSuchJob, NotAllowed, NotDurable
from jobs.gates import HOLDS, TRIALS
from jobs.model import (
    ENDED,
    LIMITED,
    STALE_CODES,
    Checkpoint,
    InstructionState,
    Job,
    JobSpec,
    Problem,
    RenderRef,
    SessionRef,
    State,
    Step,
    StepRecord,
    UploadRef,
)
from jobs.redis import PREFIX, WAIT_FOR_REPLICA_MS, RedisClient, Scripts, encode_argument, map_redis_errors

SLOW_SAMPLE_S = 0.25
"""A look at the server's clock that took longer says too little about it."""

_PARTS = {
    "session": SessionRef,
    "upload": UploadRef,
    "instructions": InstructionState,
    "render": RenderRef,
    "draft": None,
    "before_draft": None,
}
"""Parts of a checkpoint that are fields of their own in the job's hash: a poll writes its render alone."""


@dataclass(frozen=True, slots=True)
class NewJob:
    """A job to submit: see `Ledger.submit`."""

    job_id: str
    spec: JobSpec
    outputs: tuple[str, ...]
    note: str = ""
    problem: Problem | None = None
    checkpoint: Checkpoint | None = None

    @property
    def state(self) -> State:
        """Return how it begins: with a problem it has failed from the start."""
        return State.FAILED if self.problem else State.QUEUED


@dataclass(frozen=True, slots=True)
class Submission:
    """What became of a submission: a new job, or the one that is there already."""

    job_id: str
    new: bool
    state: State
    output: str = ""


@dataclass(frozen=True, slots=True)
class Delivery:
    """What a job that is done has delivered; ``backend`` "" = nothing is kept to make it again from."""

    job_id: str
    source: str
    output: str
    backend: str


@dataclass(frozen=True, slots=True)
class DueJob:
    """A job that was admitted: a worker is to claim it for this step."""

    job_id: str
    step: Step
    source: str


@dataclass(frozen=True, slots=True)
class LimitBounds:
    """Where a concurrency limit begins, how far it may grow, and its share of all workers' threads."""

    initial: int
    ceiling: int
    share: float = 1.0


@dataclass(frozen=True, slots=True)
class StepResult:
    """What the end of a step makes of a running job; ``due`` None = nothing more is to be done."""

    state: State
    step: Step
    due: float | None = None
    reason: str = ""
    attempts: int = 0
    started: float = 0.0
    problem: Problem | None = None
    accepted: str | None = None  # the kind of work that the service took on
    paid: bool = False  # what was set aside for the job is spent
    passed: bool = False  # the step did what it is for: a gate that it tried is open


@dataclass(frozen=True, slots=True)
class Claim:
    """Who takes a job's lease, under which fencing token, and for how long."""

    owner: str
    lease_s: float
    fence: str = field(default_factory=lambda: secrets.token_hex(8))


class Commit(IntEnum):
    """What became of a commit; `STALE` is falsy."""

    STALE = 0
    WRITTEN = 1
    CLAIMED = 2  # written, and the worker was given the next step


class Ledger:
    """Every operation on jobs; all of them atomic, none walks all keys."""

    def __init__(
        self,
        client: RedisClient,
        monotonic: Callable[[], float] | None = None,
        *,
        limits: Mapping[str, LimitBounds] | None = None,
        replicas: int = 0,
    ) -> None:
        """Take a client (`jobs.redis.connect`).

        ``limits`` are the bounds of the kinds of work; a worker needs them. ``replicas`` is how many replicas
        must confirm what is written before a paid call (`jobs.redis.check_durability`).
        """
        self.client = client
        self.monotonic = monotonic or read_boot_clock
        self.limits = dict(limits or {})
        self.replicas = replicas
        self.is_durable = False
        self.scripts = Scripts(client)
        self._offset_s = math.nan

    # --- time -------------------------------------------------------------------------------------

    def now(self) -> float:
        """Return the ledger's time; the first call asks the server. Raises LedgerUnreachable then."""
        if math.isnan(self._offset_s):
            self.sync_clock()
        return self.monotonic() + self._offset_s

    def sync_clock(self, worker: str | None = None, threads: int | None = None) -> None:
        """Ask the server for the time; a worker also tells how many threads it has.

        A slow answer is dropped unless it is the first: it may be off by as much as it took. When somebody
        sets the server's clock, the ledger's goes on as if nothing had happened.
        """
        asks_first = math.isnan(self._offset_s)
        for sure in (False, True):
            before = self.monotonic()
            expected_us = None if asks_first else round((before + self._offset_s) * 1e6)
            argument = encode_argument(
                expected_us=expected_us, sure=sure or None, worker=worker, threads=threads
            )
            with map_redis_errors():
                at_us, moved_us, set_forward = map(int, self.scripts.clock(args=argument))
            after = self.monotonic()
            is_quick = after - before <= SLOW_SAMPLE_S
            if not set_forward or not is_quick:
                break  # a look that took long may seem to be a step: the next one will tell
        if moved_us:
            import structlog  # noqa: PLC0415 - a tenth of a second that commands without a log are spared

            structlog.get_logger().warning(
                "the Redis server's clock was set; the ledger's goes on", by_s=round(-moved_us / 1e6, 1)
            )
        if asks_first or (is_quick and not set_forward) or moved_us > 0:
            self._offset_s = at_us / 1e6 - (before + after) / 2

    def takes_writes(self) -> bool:
        """Tell whether the server answers and takes a write now."""
        try:
            with map_redis_errors():
                return bool(self.client.set(f"{PREFIX}probe", "1", ex=60))
        except LedgerUnreachable:
            return False

    # --- submitting -------------------------------------------------------------------------------

    def submit(
        self,
        job_id: str,
        spec: JobSpec,
        outputs: Iterable[str],
        note: str = "",
        problem: Problem | None = None,
        checkpoint: Checkpoint | None = None,
    ) -> Submission:
        """Take a job in, exactly once for its identity, and ring the schedulers.

        ``outputs`` are the paths it may deliver to, the best first; it gets the first that no other job has.
        ``note`` marks the source as seen (`jobs.sources`). With a ``problem`` the job is ``failed`` from the
        start; with a ``checkpoint`` it begins with what was reached there.
        """
        entry = NewJob(job_id, spec, tuple(outputs), note, problem, checkpoint)
        return self.submit_many([entry])[0]

    def submit_many(self, entries: Sequence[NewJob]) -> list[Submission]:
        """Take jobs in, in their order and in one round trip: the server flushes its file once for all."""
        with map_redis_errors(), self.client.pipeline(transaction=False) as pipe:
            for entry in entries:
                self.scripts.submit(args=self._submit_argument(entry), client=pipe)
            answers = pipe.execute()
        return [
            Submission(entry.job_id, bool(new), entry.state if new else State(answer), answer if new else "")
            for entry, (new, answer) in zip(entries, answers, strict=True)
        ]

    def _submit_argument(self, entry: NewJob) -> list[str]:
        spec, checkpoint = entry.spec, entry.checkpoint
        fields = {"spec": pack_spec(spec), **(pack_checkpoint(checkpoint) if checkpoint else {})}
        if entry.problem:
            fields["problem"] = _pack(entry.problem)
        return encode_argument(
            id=entry.job_id,
            now=self.now(),
            state=entry.state,
            source=spec.source,
            source_key=path_key(spec.source),
            note=entry.note,
            outputs=[[path_key(path), path] for path in entry.outputs],
            lane="backlog" if spec.backlog else "hand",
            group=spec.session_group or "",
            fields=fields,
        )

    # --- admitting --------------------------------------------------------------------------------

    def fetch_due(self, most: int, lease_s: float, probe_s: float = 60.0) -> list[DueJob]:
        """Admit jobs that may run now; each is admitted by one caller, however many ask.

        No more are admitted than ``most`` that no worker has claimed yet.

        Steps are served from the last to the first; what is behind a closed gate is passed over, and each
        kind of work gets as many as its limit has free. An admitted job that nobody claims is due again
        after ``lease_s``.
        """
        argument = encode_argument(
            now=self.now(),
            most=most,
            lease_s=lease_s,
            probe_s=probe_s,
            holds=_HOLDS,
            trials=_TRIALS,
            limits=self._limits(),
        )
        with map_redis_errors():
            flat = self.scripts.fetch_due(args=argument)
        triples = zip(flat[::3], flat[1::3], flat[2::3], strict=True)
        return [DueJob(job_id, Step(step), source) for job_id, step, source in triples]

    def accept(self, kind: str) -> None:
        """Count one that the service took on: the limit of its kind may grow."""
        with map_redis_errors():
            self.scripts.limit_accept(args=encode_argument(now=self.now(), kind=kind, limits=self._limits()))

    def back_off(self, kind: str) -> int:
        """Halve the limit of a kind that the service refused, at most once in 10 s; answers the limit."""
        argument = encode_argument(now=self.now(), kind=kind, limits=self._limits())
        with map_redis_errors():
            return int(self.scripts.limit_back_off(args=argument))

    def _limits(self) -> dict[str, dict[str, float]]:
        return {
            kind: {"initial": bounds.initial, "ceiling": bounds.ceiling, "share": bounds.share}
            for kind, bounds in self.limits.items()
        }

    # --- running ----------------------------------------------------------------------------------

    def claim(self, job_id: str, step: Step, owner: str, lease_s: float) -> Job | None:
        """Take the lease of an admitted job under a new fencing token; None when it is not to be had."""
        argument = encode_argument(
            id=job_id,
            step=step,
            fence=secrets.token_hex(8),
            owner=owner,
            now=self.now(),
            lease_s=lease_s,
            holds=_HOLDS,
        )
        with map_redis_errors():
            flat = self.scripts.claim(args=argument)
        return unpack_job(job_id, dict(zip(flat[::2], flat[1::2], strict=True))) if flat else None

    def renew(self, held: Mapping[str, str], lease_s: float) -> list[str]:
        """Renew leases (job id → fencing token); answers the ids that are no longer held."""
        if not held:
            return []
        with map_redis_errors():
            return list(
                self.scripts.renew(args=encode_argument(now=self.now(), lease_s=lease_s, held=dict(held)))
            )

    def save(self, job: Job, fields: Mapping[str, str], *, durable: bool = False) -> bool:
        """Save packed parts of a checkpoint; False when the fencing token is stale.

        ``durable`` is for what must survive a power cut and a failover: the server's file is flushed before
        it answers, and the replicas that there are have it too.

        Raises:
            NotDurable: it is written, but no replica confirmed it in time.
        """
        argument = encode_argument(id=job.id, fence=job.fence, fields=dict(fields))
        with map_redis_errors():
            if not (durable and self.replicas):
                return bool(self.scripts.save(args=argument))
            with self.client.pipeline(
                transaction=False
            ) as pipe:  # WAIT counts the writes of its own connection
                self.scripts.save(args=argument, client=pipe)
                pipe.execute_command("WAIT", self.replicas, WAIT_FOR_REPLICA_MS)
                written, confirmed = pipe.execute()
        if written and int(confirmed) < self.replicas:
            raise NotDurable(f"job {job.id}: no replica of the Redis server confirmed the write in time")
        return bool(written)

    def commit(
        self,
        job: Job,
        result: StepResult,
        fields: Mapping[str, str],
        steps: tuple[StepRecord, ...],
        claim: Claim | None = None,
    ) -> Commit:
        """End the running of a step with its outcome; `Commit.STALE` when the fencing token is stale.

        With a ``claim`` the worker also takes the next step, if the scheduler would admit it now.
        Of a job that is done, its checkpoint says what is kept. The source of one that failed for its file's
        sake counts as seen no longer: it is looked at again when it is back.
        """
        done, code = result.state is State.DONE, result.problem.code if result.problem else ""
        written = {
            **fields,
            "reason": result.reason,
            "problem": _pack(result.problem) if result.problem else "",
        }
        written |= {"attempts": str(result.attempts), "crashes": "0", "started": repr(result.started)}
        if len(steps) > len(job.steps):
            written["steps"] = pack_steps(steps)
        if done:
            spec, kept = pack_spec(job.spec.shorten()), pack_kept(job.checkpoint)
            written = {"output": pack_output(job.spec.source, job.spec.output)}
            written |= {"spec": spec} if spec != "{}" else {}
            written |= {"kept": kept} if kept else {}
        argument = encode_argument(
            id=job.id,
            fence=job.fence,
            now=self.now(),
            state=result.state,
            step=result.step,
            due=result.due,
            fields=written,
            accepted=result.accepted if result.accepted in self.limits else None,
            passed=result.passed or None,
            paid=result.paid or None,
            unmark=path_key(job.spec.source) if code in STALE_CODES else None,
            limits=self._limits(),
            **({"claim": asdict(claim), "holds": _HOLDS} if claim else {}),
        )
        with map_redis_errors():
            return Commit(self.scripts.commit(args=argument))

    def reassert(self, job: Job, checkpoint: Checkpoint, retry_after_s: float) -> bool:
        """Put back that the current instruction was sent, if the ledger has lost it; whether it had.

        For a worker that follows a stream and finds that the ledger came back older than it was.
        """
        now = self.now()
        argument = encode_argument(
            id=job.id,
            now=now,
            current=checkpoint.current,
            due=now + retry_after_s,
            fields=pack_checkpoint(checkpoint),
        )
        with map_redis_errors():
            return bool(self.scripts.reassert(args=argument))

    def release_leases(self) -> int:
        """Make every running job due now: nobody holds a lease, because this server was only just started."""
        now = self.now()
        count = 0
        for job in self.all_in(State.RUNNING):
            key = f"{PREFIX}due:{'backlog' if job.step is Step.UPLOAD and job.spec.backlog else job.step}"
            with map_redis_errors(), self.client.pipeline(transaction=False) as pipe:
                pipe.zadd(key, {job.id: now}, xx=True, ch=True)
                if job.step in LIMITED and job.step is not Step.POLL:  # a render goes on at the service
                    pipe.zrem(f"{PREFIX}inflight:{LIMITED[job.step]}", job.id)
                count += int(pipe.execute()[0])
        return count

    # --- commands of a person ---------------------------------------------------------------------

    def transition(
        self,
        job_id: str,
        state: State,
        *,
        among: Iterable[State],
        step: Step | None = None,
        checkpoint: Checkpoint | None = None,
        outputs: Iterable[str] | None = None,
        spec: JobSpec | None = None,
    ) -> State:
        """Move a job at a person's command, whoever holds it; answers its former state.

        A job that becomes ``queued`` begins to count its attempts anew, and takes the first free name of
        ``outputs``. ``spec`` gives back to a job that is done what the ledger let go of.

        Raises:
            NoSuchJob: no job has that id.
            NotAllowed: the job is in none of the states ``among``.
        """
        allowed = list(among)
        begins = state is State.QUEUED
        fields = {"problem": "", **(pack_checkpoint(checkpoint) if checkpoint else {})}
        fields |= {"spec": pack_spec(spec)} if spec else {}
        if begins:
            fields |= {"attempts": "0", "crashes": "0", "started": "0"}
        argument = encode_argument(
            id=job_id,
            now=self.now(),
            among=dict.fromkeys(allowed, True),
            state=state,
            step=step,
            due=self.now() if begins else None,
            outputs=[[path_key(path), path] for path in outputs] if outputs is not None else None,
            fields=fields,
            delete=["kept"],
        )
        with map_redis_errors():
            former = self.scripts.transition(args=argument)
        if former is None:
            raise NoSuchJob(f"no job {job_id} in the ledger")
        if former == "":
            needed = ", ".join(sorted(allowed))
            raise NotAllowed(f"job {job_id} is {self.get(job_id).state}; this needs {needed}")
        return State(former)

    def move_output(self, job_id: str, output: str) -> bool:
        """Note that the output of a job that is done lies elsewhere now; its former name stays its own.

        False when the job is not done, or the new name is another job's.
        """
        argument = encode_argument(id=job_id, now=self.now(), output=output, output_key=path_key(output))
        with map_redis_errors():
            return bool(self.scripts.move_output(args=argument))

    def drain(self, on: bool) -> None:
        """While on, nothing is admitted that stands before its upload; the rest goes on to its end."""
        with map_redis_errors():
            if on:
                self.client.set(f"{PREFIX}draining", "1")
            else:
                self.client.delete(f"{PREFIX}draining")

    def forget(self, older_than_s: float, states: Iterable[State], exists: Callable[[str], bool]) -> int:
        """Let go of jobs that ended so long ago; answers how many.

        A source that still ``exists`` stays marked as seen, so that it is not taken in again.
        """
        count, until = 0, self.now() - older_than_s
        for state in states:
            if state not in ENDED:
                continue
            start = 0.0
            while ids := self._ids_between(state, start, until, 500):
                jobs = self.many(ids)
                rows = [
                    {
                        "id": job.id,
                        "output_key": path_key(job.spec.output),
                        **({} if exists(job.spec.source) else {"source_key": path_key(job.spec.source)}),
                    }
                    for job in jobs
                ]
                with map_redis_errors():
                    forgotten = int(self.scripts.forget(args=encode_argument(jobs=rows)))
                if not forgotten:
                    break  # only ids are left whose jobs are gone or were retried meanwhile
                count += forgotten
        return count

    def _ids_between(self, state: State, since: float, until: float, limit: int) -> list[str]:
        with map_redis_errors():
            return list(self.client.zrangebyscore(f"{PREFIX}in:{state}", since, until, start=0, num=limit))

    # --- reading ----------------------------------------------------------------------------------

    def get(self, job_id: str) -> Job:
        """Return one job; raises NoSuchJob."""
        found = self.many([job_id])
        if not found:
            raise NoSuchJob(f"no job {job_id} in the ledger")
        return found[0]

    def owns_output(self, job: Job) -> bool:
        """Tell whether the name of a job's output, and of its result, is still its own."""
        with map_redis_errors():
            return bool(self.client.hget(f"{PREFIX}outputs", path_key(job.spec.output)) == job.id)

    def many(self, job_ids: Iterable[str]) -> list[Job]:
        """Return these jobs, in this order, in one round trip; ids that are not there are left out."""
        ids = list(job_ids)
        with map_redis_errors(), self.client.pipeline(transaction=False) as pipe:
            for job_id in ids:
                pipe.hgetall(f"{PREFIX}job:{job_id}")
            rows = pipe.execute()
        return [unpack_job(job_id, row) for job_id, row in zip(ids, rows, strict=True) if row]

    def counts(self) -> dict[State, int]:
        """Count the jobs in each state."""
        with map_redis_errors(), self.client.pipeline(transaction=False) as pipe:
            for state in State:
                pipe.zcard(f"{PREFIX}in:{state}")
            return dict(zip(State, pipe.execute(), strict=True))

    def delivered(self, page: int = 1000) -> Iterator[Delivery]:
        """Yield what every job that is done has delivered, the oldest first; little of each is read."""
        for start in range(0, self.counts()[State.DONE], page):
            with map_redis_errors():
                ids = self.client.zrange(f"{PREFIX}in:{State.DONE}", start, start + page - 1)
                with self.client.pipeline(transaction=False) as pipe:
                    for job_id in ids:
                        pipe.hmget(f"{PREFIX}job:{job_id}", "source", "output", "kept")
                    rows = pipe.execute()
            for job_id, (source, output, kept) in zip(ids, rows, strict=True):
                if source and output:
                    yield Delivery(job_id, source, unpack_output(source, output), read_backend(kept or ""))

    def ended_since(self, since: float) -> int:
        """Count the jobs that have ended since then."""
        with map_redis_errors(), self.client.pipeline(transaction=False) as pipe:
            for state in sorted(ENDED):
                pipe.zcount(f"{PREFIX}in:{state}", since, "+inf")
            return sum(pipe.execute())

    def ids(
        self, state: State, *, since: float = 0.0, newest_first: bool = False, limit: int = 1000
    ) -> list[str]:
        """List the ids of the jobs in a state that changed at ``since`` or later, oldest change first."""
        key = f"{PREFIX}in:{state}"
        with map_redis_errors():
            if newest_first:
                return list(self.client.zrevrangebyscore(key, "+inf", since, start=0, num=limit))
            return list(self.client.zrangebyscore(key, since, "+inf", start=0, num=limit))

    def changed_at(self, state: State, job_id: str) -> float | None:
        """Return when a job came into a state; the record of one that is done has whole seconds only."""
        with map_redis_errors():
            found = self.client.zscore(f"{PREFIX}in:{state}", job_id)
        return None if found is None else float(found)

    def latest_changes(self, since: float, limit: int) -> list[str]:
        """List the ids of the jobs that changed at ``since`` or later: the latest ``limit`` of each state."""
        with map_redis_errors(), self.client.pipeline(transaction=False) as pipe:
            for state in State:
                pipe.zrevrangebyscore(f"{PREFIX}in:{state}", "+inf", since, start=0, num=limit)
            return [job_id for ids in pipe.execute() for job_id in ids]

    def changed_since(self, state: State, since: float, page: int = 500) -> Iterator[Job]:
        """Yield the jobs in a state that changed at ``since`` or later, oldest change first, each once."""
        at, seen_at = since, 0  # how many that changed at that very time were read already
        while True:
            with map_redis_errors():
                rows = self.client.zrangebyscore(
                    f"{PREFIX}in:{state}", at, "+inf", start=seen_at, num=page, withscores=True
                )
            yield from self.many(job_id for job_id, _ in rows)
            if len(rows) < page:
                return
            last = rows[-1][1]
            seen_at = sum(score == last for _, score in rows) + (seen_at if last == at else 0)
            at = last

    def all_in(self, state: State, page: int = 500) -> Iterator[Job]:
        """Yield every job in a state, a page at a time."""
        for start in range(0, self.counts()[state], page):
            with map_redis_errors():
                ids = self.client.zrange(f"{PREFIX}in:{state}", start, start + page - 1)
            yield from self.many(ids)

    def begun(self) -> int:
        """Count the unfinished jobs that have been uploaded, or are being uploaded now."""
        with map_redis_errors(), self.client.pipeline(transaction=False) as pipe:
            for step in (Step.EDIT, Step.VERIFY, Step.RENDER, Step.POLL, Step.DOWNLOAD):
                pipe.zcard(f"{PREFIX}due:{step}")
            pipe.zcount(f"{PREFIX}inflight:upload", self.now(), "+inf")
            return sum(pipe.execute())


_HOLDS = {gate.value: sorted(step.value for step in steps) for gate, steps in HOLDS.items()}
_TRIALS = {gate.value: True for gate in TRIALS}


def read_boot_clock() -> float:
    """Return seconds of a clock that nobody sets, and that goes on while the machine sleeps."""
    if hasattr(time, "CLOCK_BOOTTIME"):
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()


def path_key(path: str) -> str:
    """Return a path as a short key of the indexes by source and by output: 72 bits in 12 letters."""
    digest = hashlib.blake2b(path.encode("utf-8", "surrogateescape"), digest_size=9).digest()
    return base64.urlsafe_b64encode(digest).decode()


def result_path(output: str) -> str:
    """``…/clip.mp4`` → ``…/clip.result.json``; a job without an output has no result file."""
    return output.removesuffix(".mp4") + ".result.json" if output else ""


def pack_spec(spec: JobSpec) -> str:
    """Pack a spec as compact JSON; ``source`` and ``output`` are fields of the hash."""
    kept_elsewhere = {"source", "output", "result"}
    body = spec.model_dump(mode="json", exclude_defaults=True, exclude=kept_elsewhere)
    return json.dumps(body, separators=(",", ":"))


def pack_checkpoint(checkpoint: Checkpoint) -> dict[str, str]:
    """Pack a checkpoint into the fields of the hash; what is empty is an empty text."""
    packed = {
        "checkpoint": json.dumps(
            checkpoint.model_dump(mode="json", exclude_defaults=True, exclude=set(_PARTS))
        )
    }
    for name in _PARTS:
        value: Any = getattr(checkpoint, name)
        if isinstance(value, tuple):
            rows = [one.model_dump(mode="json", exclude_defaults=True) for one in value]
            packed[name] = json.dumps(rows, separators=(",", ":")) if rows else ""
        elif isinstance(value, BaseModel):
            packed[name] = _pack(value)
        else:
            packed[name] = json.dumps(value, separators=(",", ":")) if value is not None else ""
    return packed


def pack_output(source: str, output: str) -> str:
    """Pack the output of a job that is done as what it does not share with its source: ``=9:4:out/clip``."""
    start = len(os.path.commonprefix([source, output]))  # noqa: RUF071 - what is shared, to the letter
    end = len(os.path.commonprefix([source[start:][::-1], output[start:][::-1]]))  # noqa: RUF071 - as above
    return f"={start}:{end}:{output[start : len(output) - end]}" if start + end > 8 else output


def unpack_output(source: str, packed: str) -> str:
    """Return the path that `pack_output` packed; a path as it is stays so."""
    if not packed.startswith("="):
        return packed
    start, end, middle = packed[1:].split(":", 2)
    return source[: int(start)] + middle + source[len(source) - int(end) :]


def pack_kept(checkpoint: Checkpoint) -> str:
    """Pack what a delivered output can be made from again: backend, render, session; "" without them.

    In 64 letters where ids are UUIDs: a longer field makes the server keep the record in twice the room.
    """
    session, render = checkpoint.session, checkpoint.render
    if not (checkpoint.sha256 and session and session.backend and render):
        return ""
    backend = _BACKENDS.get(session.backend, session.backend)
    return f"{backend} {_shorten_id(render.render_id)} {_shorten_id(session.session_id)}"


def unpack_kept(text: str) -> Checkpoint:
    """Return a checkpoint with what `pack_kept` kept."""
    _, render_id, session_id = text.split(" ", 2)
    session = SessionRef(session_id=_expand_id(session_id), backend=read_backend(text))
    return Checkpoint(session=session, render=RenderRef(render_id=_expand_id(render_id)))


def read_backend(kept: str) -> str:
    """Return the backend of what `pack_kept` kept; "" of nothing."""
    letter = kept.partition(" ")[0]
    return next((name for name, short in _BACKENDS.items() if short == letter), letter)


_BACKENDS = {"cloud": "c", "local": "l"}
_RENDER = re.compile(r"render_([0-9a-f]{16})")
_UUID = re.compile(r"[0-9a-f]{32}$|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")


def _shorten_id(text: str) -> str:
    """Write the UUID at the end of an id in 22 letters, after ``=`` (``~``: it had dashes).

    A render's id (``render_`` and 16 digits) is ``_`` and 11 letters.
    """
    if "=" in text or "~" in text or text.startswith("_"):
        return f"~~{text}"
    if render := _RENDER.fullmatch(text):
        return "_" + base64.urlsafe_b64encode(bytes.fromhex(render[1]))[:11].decode()
    found = _UUID.search(text)
    if not found:
        return text
    letters = base64.urlsafe_b64encode(bytes.fromhex(found[0].replace("-", "")))[:22].decode()
    return f"{text[: found.start()]}{'~' if found[1] else '='}{letters}"


def _expand_id(text: str) -> str:
    if text.startswith("~~"):
        return text[2:]
    if text.startswith("_") and len(text) == 12:
        return f"render_{base64.urlsafe_b64decode(f'{text[1:]}=').hex()}"
    head, mark, letters = text.partition("~") if "~" in text else text.partition("=")
    if not mark or len(letters) != 22:
        return text
    found = uuid.UUID(bytes=base64.urlsafe_b64decode(f"{letters}=="))
    return f"{head}{found if mark == '~' else found.hex}"


def pack_steps(steps: tuple[StepRecord, ...]) -> str:
    """Pack the records of the steps as compact JSON."""
    rows = [[record.step, record.started, record.ended, record.attempts] for record in steps]
    return json.dumps(rows, separators=(",", ":"))


def unpack_job(job_id: str, row: Mapping[str, str]) -> Job:
    """Read a job from the fields of its hash; a job that is done has only a few of them."""
    output = unpack_output(row["source"], row.get("output", ""))
    places = {"source": row["source"], "output": output, "result": result_path(output)}
    problem = row.get("problem")
    return Job(
        id=job_id,
        spec=JobSpec.model_validate(json.loads(row.get("spec") or "{}") | places),
        state=State(row["state"]),
        step=Step(row.get("step", Step.DOWNLOAD)),
        fence=row.get("fence", ""),
        attempts=int(row.get("attempts", 0)),
        crashes=int(row.get("crashes", 0)),
        until=float(row.get("until", 0)),
        reason=row.get("reason", ""),
        checkpoint=unpack_kept(row["kept"]) if row.get("kept") else _unpack_checkpoint(row),
        steps=tuple(
            StepRecord(step=Step(step), started=started, ended=ended, attempts=attempts)
            for step, started, ended, attempts in json.loads(row.get("steps") or "[]")
        ),
        problem=Problem.model_validate_json(problem) if problem else None,
        started=float(row.get("started", 0)),
        updated=float(row["updated"]),
        lapsed=float(row.get("lapsed", 0)) if int(row.get("crashes", 0)) else 0.0,
    )


def _unpack_checkpoint(row: Mapping[str, str]) -> Checkpoint:
    fields = json.loads(row.get("checkpoint") or "{}")
    fields |= {name: json.loads(row[name]) for name in _PARTS if row.get(name)}
    return Checkpoint.model_validate(fields)


def _pack(model: BaseModel) -> str:
    return json.dumps(model.model_dump(mode="json", exclude_defaults=True), separators=(",", ":"))
