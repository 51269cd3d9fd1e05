"""The ledger: what is true of every job.  Operations of the domain over a dumb connection.

Time is passed in as ``now`` (seconds since the epoch, by the ledger's own clock: `Ledger.now`), so that
tests need no sleeping and hosts with a wrong clock agree with the rest.
"""

import hashlib
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from jobs.codec import pack, pack_steps, spec_fields, unpack
from jobs.connection import PREFIX, RedisClient, Scripts, reaching
from jobs.errors import NoSuchJob, NotAllowed
from jobs.model import ENDED, Checkpoint, Job, Problem, Spec, State, Step, StepRecord

GRACE_S = 30.0
"""How long a sent message may take to be claimed before it counts as lost; workers take their lease."""


@dataclass(frozen=True, slots=True)
class Submitted:
    """What became of a submission: a new job, or the one that is there already."""

    job_id: str
    new: bool
    state: State
    output: str = ""


@dataclass(frozen=True, slots=True)
class Due:
    """A message to send: the job, its step, and the lane (queue) it belongs to."""

    job_id: str
    step: Step
    lane: str


@dataclass(frozen=True, slots=True)
class Letter:
    """A message as it lies in the broker: its queue's key, and its text."""

    queue: str
    text: str


@dataclass(frozen=True, slots=True)
class Move:
    """What a fenced write makes of a running job; ``due`` None = out of the clock (it has ended)."""

    state: State
    step: Step
    until: float = 0.0
    due: float | None = None
    reason: str = ""
    attempts: int = 0
    started: float = 0.0
    problem: Problem | None = None
    letter: Letter | None = None  # goes out with the write
    came: Literal["", "through", "line"] = ""  # the step did what it is for; it stands in line for a turn


class Ledger:
    """Every operation on jobs; all of them atomic, none walks all keys."""

    def __init__(self, client: RedisClient, wall: Callable[[], float] = time.time) -> None:
        """Take a client (`jobs.connection.connect`) and the local clock."""
        self.client = client
        self._wall = wall
        self._skew_s = 0.0
        self.scripts = Scripts(client)

    # --- time -------------------------------------------------------------------------------------

    def now(self) -> float:
        """Seconds since the epoch by the Redis server's clock, as last read by `sync_clock`."""
        return self._wall() + self._skew_s

    def sync_clock(self) -> float:
        """Read the server's clock; answers this host's deviation in seconds."""
        with reaching():
            seconds, micros = self.client.time()
        self._skew_s = seconds + micros / 1e6 - self._wall()
        return self._skew_s

    # --- taking in --------------------------------------------------------------------------------

    def submit(
        self,
        job_id: str,
        spec: Spec,
        outputs: Iterable[str],
        note: str = "",
        problem: Problem | None = None,
        checkpoint: Checkpoint | None = None,
    ) -> Submitted:
        """Take a job in, exactly once for its identity.

        ``outputs`` are the paths it may deliver to, the best first; the first that no other job has is its.
        ``note`` marks the source as seen (`seen`). With a ``problem`` the job is ``failed`` from the start;
        with a ``checkpoint`` it begins with what was reached there.
        """
        state = State.FAILED if problem else State.QUEUED
        fields = {
            **spec_fields(spec),
            "step": Step.UPLOAD,
            "started": self.now(),
            "steps": "",
            "checkpoint": pack(checkpoint) if checkpoint else "",
        }
        if problem:
            fields["problem"] = pack(problem)
        pairs = [part for path in outputs for part in (source_key(path), path)]
        head = [PREFIX, job_id, self.now(), state, spec.source, source_key(spec.source), f"{note} {job_id}"]
        args = [*head, len(pairs) // 2, *pairs, *_flat(fields)]
        with reaching():
            new, said = self.scripts.submit(args=args)
        return Submitted(job_id, bool(new), state if new else State(said), said if new else "")

    def seen(self, sources: Iterable[str]) -> list[tuple[str, str] | None]:
        """For each source, the (note, job id) it was last submitted with, or None."""
        keys = [source_key(source) for source in sources]
        with reaching():
            rows = self.client.hmget(f"{PREFIX}sources", keys) if keys else []
        return [(row.rpartition(" ")[0], row.rpartition(" ")[2]) if row else None for row in rows]

    # --- doing ------------------------------------------------------------------------------------

    def claim(self, job_id: str, step: Step, owner: str, lease_s: float) -> Job | None:
        """Take a lease under a new epoch; None when the job is elsewhere, ended, held, or not yet due."""
        with reaching():
            flat = self.scripts.claim(args=[PREFIX, job_id, step, self.now(), lease_s, owner])
        return unpack(job_id, _pairs(flat)) if flat else None

    def renew(self, held: Mapping[str, int], lease_s: float) -> list[str]:
        """Prolong leases (job id → epoch); answers the ids that another holds now."""
        pairs = [part for pair in held.items() for part in pair]
        with reaching():
            return list(self.scripts.renew(args=[PREFIX, self.now(), lease_s, *pairs])) if held else []

    def checkpoint(self, job: Job, checkpoint: Checkpoint) -> bool:
        """Keep what a running step has reached; False when the epoch is stale."""
        return self._write(job, None, {"checkpoint": pack(checkpoint)})

    def move(self, job: Job, move: Move, checkpoint: Checkpoint, steps: tuple[StepRecord, ...]) -> bool:
        """End the running of a step: the job's next state, step and time; False when the epoch is stale."""
        fields = {
            "step": move.step,
            "attempts": move.attempts,
            "crashes": 0,
            "started": move.started,
            "reason": move.reason,
            "checkpoint": pack(checkpoint),
            "steps": pack_steps(steps),
            "problem": pack(move.problem) if move.problem else "",
        }
        return self._write(job, move, fields)

    def _write(self, job: Job, move: Move | None, fields: Mapping[str, Any]) -> bool:
        head: list[Any] = [PREFIX, job.id, job.epoch, self.now()]
        if move:
            head += [move.state, move.until, "" if move.due is None else move.due, move.reason]
            head += [move.came, move.step]
            head += [move.letter.queue, move.letter.text] if move.letter else ["", ""]
        else:
            head += [""] * 8
        with reaching():
            return bool(self.scripts.write(args=[*head, *_flat(fields)]))

    # --- the clock --------------------------------------------------------------------------------

    def take_due(self, limit: int, grace_s: float = GRACE_S, *, room: int | None = None) -> list[Due]:
        """What somebody must look at now; each due job goes to one caller, however many ask.

        Up to ``limit`` jobs that have begun come first, then up to ``room`` (as many) that have not.
        """
        with reaching():
            args = [PREFIX, self.now(), limit, grace_s, limit if room is None else room]
            flat = self.scripts.take(args=args)
        triples = zip(flat[::3], flat[1::3], flat[2::3], strict=True)
        return [Due(job_id, Step(step), lane) for job_id, step, lane in triples]

    def messages_waiting(self, queues: Iterable[str]) -> list[int]:
        """How many messages the broker holds in each queue (its key names, with its own prefix)."""
        with reaching(), self.client.pipeline(transaction=False) as pipe:
            for queue in queues:
                pipe.llen(queue)
            return list(pipe.execute())

    def post(self, letters: Iterable[Letter]) -> None:
        """Put messages into their queues; one that is lost is brought back by the clock."""
        with reaching(), self.client.pipeline(transaction=False) as pipe:
            for letter in letters:
                pipe.lpush(letter.queue, letter.text)
            pipe.execute()

    # --- a person's word --------------------------------------------------------------------------

    def order(
        self, job_id: str, state: State, *, among: Iterable[State], due: float | None, **fields: Any
    ) -> State:
        """Move a job by a person's word, fencing whoever holds it; answers its former state.

        Raises:
            NoSuchJob: no job has that id.
            NotAllowed: the job is in none of the states ``among``.
        """
        allowed = "," + ",".join(among) + ","
        args = [PREFIX, job_id, self.now(), allowed, state, "" if due is None else due, *_flat(fields)]
        with reaching():
            former = self.scripts.order(args=args)
        if former is None:
            raise NoSuchJob(f"no job {job_id} in the ledger")
        if former == "":
            raise NotAllowed(f"job {job_id} is {self.get(job_id).state}; that needs {allowed.strip(',')}")
        return State(former)

    # --- looking ----------------------------------------------------------------------------------

    def get(self, job_id: str) -> Job:
        """One job; raises NoSuchJob."""
        with reaching():
            row = self.client.hgetall(f"{PREFIX}job:{job_id}")
        if not row:
            raise NoSuchJob(f"no job {job_id} in the ledger")
        return unpack(job_id, row)

    def many(self, job_ids: Iterable[str]) -> list[Job]:
        """These jobs, in this order, in one round trip; ids that are not there are left out."""
        ids = list(job_ids)
        with reaching(), self.client.pipeline(transaction=False) as pipe:
            for job_id in ids:
                pipe.hgetall(f"{PREFIX}job:{job_id}")
            rows = pipe.execute()
        return [unpack(job_id, row) for job_id, row in zip(ids, rows, strict=True) if row]

    def counts(self) -> dict[State, int]:
        """How many jobs are in each state."""
        with reaching(), self.client.pipeline(transaction=False) as pipe:
            for state in State:
                pipe.zcard(f"{PREFIX}in:{state}")
            return dict(zip(State, pipe.execute(), strict=True))

    def ended_since(self, since: float) -> int:
        """How many jobs have ended since then."""
        with reaching(), self.client.pipeline(transaction=False) as pipe:
            for state in sorted(ENDED):
                pipe.zcount(f"{PREFIX}in:{state}", since, "+inf")
            return sum(pipe.execute())

    def ids(
        self, state: State, *, since: float = 0.0, newest_first: bool = False, limit: int = 1000
    ) -> list[str]:
        """Ids of the jobs in a state that changed at ``since`` or later, oldest change first."""
        key = f"{PREFIX}in:{state}"
        with reaching():
            if newest_first:
                return list(self.client.zrevrangebyscore(key, "+inf", since, start=0, num=limit))
            return list(self.client.zrangebyscore(key, since, "+inf", start=0, num=limit))

    def all_in(self, state: State, page: int = 500) -> Iterator[Job]:
        """Every job in a state, a page at a time."""
        for start in range(0, self.counts()[state], page):
            with reaching():
                ids = self.client.zrange(f"{PREFIX}in:{state}", start, start + page - 1)
            yield from self.many(ids)

    # --- draining ---------------------------------------------------------------------------------

    def drain(self, on: bool) -> None:
        """While on, no job that has not begun is claimed; those that have go on to their end."""
        with reaching():
            if on:
                self.client.set(f"{PREFIX}draining", "1")
            else:
                self.client.delete(f"{PREFIX}draining")

    def begun(self) -> int:
        """How many jobs have begun and not ended, parked ones left out."""
        with reaching():
            return int(self.client.scard(f"{PREFIX}working"))


def source_key(path: str) -> str:
    """A path as a short key of the indexes by source and by output."""
    return hashlib.blake2b(path.encode("utf-8", "surrogateescape"), digest_size=10).hexdigest()


def _flat(fields: Mapping[str, Any]) -> list[Any]:
    return [part for pair in fields.items() for part in pair]


def _pairs(flat: list[str]) -> dict[str, str]:
    return dict(zip(flat[::2], flat[1::2], strict=True))
