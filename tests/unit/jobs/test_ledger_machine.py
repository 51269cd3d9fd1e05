"""Anything in any order: whatever producers, workers, people, gates and faults do, the ledger keeps its word.

Hypothesis draws the order. After every step each unfinished job is due once, what has ended holds nothing, no
kind of work is above its limit, the budget adds up, and no instruction was paid for more often than a person
allowed. In the end all faults are over, and every job must come to its end.

The model stands for what `worker/steps/edit.py` does around a paid message. Ten seconds by default;
``--hypothesis-profile long`` (``make test-long``) goes on for much longer.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import fakeredis
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from jobs import control
from jobs.errors import LeaseLost, NotAllowed, NotDurable
from jobs.gates import Gates
from jobs.lease import Lease
from jobs.ledger import DueJob, Ledger, LimitBounds, StepResult
from jobs.limits import CreditBudget
from jobs.model import (
    ENDED,
    LIMITED,
    SOURCE_GONE,
    Checkpoint,
    Gate,
    InstructionState,
    InstructionStatus,
    Problem,
    RenderRef,
    State,
    Step,
)
from jobs.sources import Sources
from tests.conftest import Wall
from tests.unit.jobs.actions import KINDS, LEASE_S, check_sets, count_in_flight, make_spec

IS_LONG = settings.get_current_profile_name() == "long"

PRICE = 50
BOUNDS = {kind: LimitBounds(2, 6, share=0.5) for kind in KINDS}
NEXT = dict(zip(Step, list(Step)[1:], strict=False))
SENDING, PENDING, CLOSED = InstructionStatus.SENDING, InstructionStatus.PENDING, InstructionStatus.CLOSED


@dataclass(slots=True)
class Worker:
    """A thread that holds a lease; ``is_sending`` between `sending` on disk and the end of the stream."""

    host: Ledger
    lease: Lease
    is_sending: bool = False
    has_paid: bool = False

    @property
    def step(self) -> Step:
        return self.lease.job.step


class Server:
    """The Redis server: its clock goes only when told to, and it can come back older than it was."""

    def __init__(self) -> None:
        self.client = fakeredis.FakeRedis(decode_responses=True)
        self.client.flushall()
        self.set_clock(1_800_000_000.0)

    def set_clock(self, at: float) -> None:
        self.at = at
        self.client.set("test:clock_us", f"{at * 1e6:.0f}")

    def let_scripts_read_the_clock(self, ledger: Ledger) -> None:
        stopped = (
            "(function() local t = tonumber(redis.call('GET', 'test:clock_us')) "
            "return {math.floor(t / 1000000), t % 1000000} end)()"
        )
        for name in ("clock", "rate_limit"):
            text = getattr(ledger.scripts, name).script
            text = text if isinstance(text, str) else text.decode()
            changed = self.client.register_script(text.replace("redis.call('TIME')", stopped))
            setattr(ledger.scripts, name, changed)

    def dump(self) -> dict[str, tuple[str, Any]]:
        """All it has, its clock left out."""
        readers: dict[str, Callable[[str], Any]] = {
            "hash": self.client.hgetall,
            "zset": lambda key: self.client.zrange(key, 0, -1, withscores=True),
            "string": self.client.get,
        }
        kinds = {key: self.client.type(key) for key in self.client.keys("dropscore:*")}
        return {key: (kind, readers[kind](key)) for key, kind in kinds.items()}

    def restore(self, dumped: dict[str, tuple[str, Any]]) -> None:
        """Come back as it was then."""
        for key in self.client.keys("dropscore:*"):
            self.client.delete(key)
        for key, (kind, value) in dumped.items():
            if kind == "hash":
                self.client.hset(key, mapping=value)
            elif kind == "zset":
                self.client.zadd(key, dict(value))
            else:
                self.client.set(key, value)


class LedgerMachine(RuleBasedStateMachine):
    """Two hosts, their workers, a producer, a person, a service that takes money, and all that goes wrong."""

    def __init__(self) -> None:
        super().__init__()
        self.server = Server()
        self.walls = [Wall(100.0), Wall(5e6)]  # monotonic clocks of two hosts
        self.hosts = [Ledger(self.server.client, wall, limits=dict(BOUNDS)) for wall in self.walls]
        for host in self.hosts:
            self.server.let_scripts_read_the_clock(host)
        self.messages: list[DueJob] = []
        self.workers: list[Worker] = []
        self.submitted: dict[str, dict[str, Any]] = {}
        self.forgotten: set[str] = set()
        self.superseded: set[str] = set()
        self.charges: Counter[str] = Counter()
        self.allowed: Counter[str] = Counter()
        self.kept: dict[str, tuple[str, Any]] = {}

    # --- the model's own pieces -------------------------------------------------------------------

    @initialize(threads=st.integers(4, 40), jobs=st.integers(1, 4), rounds=st.integers(0, 6))
    def start(self, threads: int, jobs: int, rounds: int) -> None:
        for number, host in enumerate(self.hosts):
            host.sync_clock(f"w{number}", threads)
        CreditBudget(self.hosts[0]).begin(None)
        self.kept = self.server.dump()
        for number in range(jobs):
            self.submit(number % 3 == 2, "g" if number == 1 else None, number)
        for _ in range(rounds):
            self.work(0, 1)

    @property
    def ledger(self) -> Ledger:
        return self.hosts[0]

    def pick(self, items: list[Any], number: int) -> Any:
        return items[number % len(items)]

    def unended(self) -> list[str]:
        jobs = self.ledger.many(self.submitted)
        return [job.id for job in jobs if not job.ended]

    def ended(self, *states: State) -> list[str]:
        return [job.id for job in self.ledger.many(self.submitted) if job.state in states]

    def write(self, worker: Worker, write: Callable[[], None]) -> bool:
        """Write as a worker does; one whose token is stale stops, and says so if its stream is open."""
        try:
            write()
        except LeaseLost:
            self.stop(worker)
            return False
        return True

    def stop(self, worker: Worker) -> None:
        self.workers.remove(worker)
        if worker.is_sending:
            worker.host.reassert(worker.lease.job, worker.lease.checkpoint, LEASE_S)

    def commit(self, worker: Worker, state: State, step: Step, after_s: float = 0.0, **fields: Any) -> None:
        due = None if state in ENDED else worker.host.now() + after_s
        result = StepResult(state, step, due, **fields)
        if self.write(worker, lambda: worker.lease.commit(result, worker.lease.job.steps)):
            self.workers.remove(worker)

    def set_instruction(self, worker: Worker, **changes: Any) -> Checkpoint:
        one = worker.lease.checkpoint.instructions[0].evolve(**changes)
        return worker.lease.checkpoint.evolve(instructions=(one,))

    # --- the producer and the schedulers ----------------------------------------------------------

    @rule(backlog=st.booleans(), group=st.sampled_from([None, None, "g", "h"]), name=st.integers(0, 3))
    def submit(self, backlog: bool, group: str | None, name: int) -> None:
        job_id = f"j{len(self.submitted)}"
        fields = {"source": f"/in/{job_id}.mp4", "backlog": backlog, "session_group": group, "root": "/in"}
        self.submitted[job_id] = fields | {"outputs": [f"/out/{name}.mp4", f"/out/{job_id}.mp4"]}
        self.allowed[job_id] = 1
        assert self.take_in(job_id)

    def take_in(self, job_id: str) -> bool:
        fields = dict(self.submitted[job_id])
        outputs = fields.pop("outputs")
        reached = Checkpoint(instructions=(InstructionState(text="add music"),))
        return self.ledger.submit(job_id, make_spec(**fields), outputs, checkpoint=reached).new

    @precondition(lambda self: self.submitted)
    @rule(number=st.integers(0, 99))
    def submit_again(self, number: int) -> None:
        job_id = self.pick(list(self.submitted), number)
        if job_id not in self.forgotten:
            assert not self.take_in(job_id)

    @rule(host=st.sampled_from([0, 1]), most=st.integers(1, 8))
    def schedule(self, host: int, most: int) -> None:
        ledger = self.hosts[host]
        found = ledger.fetch_due(most, LEASE_S)
        assert len(found) <= most
        assert len({due.job_id for due in found}) == len(found)
        for kind in KINDS:
            if any(due.step == kind for due in found):
                limit = ledger.client.hget(f"dropscore:limit:{kind}", "limit")
                assert count_in_flight(ledger, kind) <= int(limit or BOUNDS[kind].initial)
        self.messages += found

    @precondition(lambda self: self.messages)
    @rule(number=st.integers(0, 99), host=st.sampled_from([0, 1]), stays=st.booleans())
    def deliver(self, number: int, host: int, stays: bool) -> None:
        """Deliver a message; one that stays in the broker comes again, however late."""
        due = self.pick(self.messages, number)
        if not stays:
            self.messages.remove(due)
        job = self.hosts[host].claim(due.job_id, due.step, f"host{host}", LEASE_S)
        if job is not None:
            assert job.step is due.step
            lease = Lease(job, self.hosts[host], LEASE_S, sleep=lambda _: pytest.fail("it waited"))
            self.workers.append(Worker(self.hosts[host], lease))

    @precondition(lambda self: self.messages)
    @rule()
    def lose_the_queue(self) -> None:
        self.messages.clear()

    # --- workers ----------------------------------------------------------------------------------

    @rule(host=st.sampled_from([0, 1]), steps=st.integers(1, 3))
    def work(self, host: int, steps: int) -> None:
        """What goes on most of the time: jobs are admitted, claimed, and their steps end well."""
        for _ in range(steps):
            self.schedule(host, 8)
            while self.messages:
                self.deliver(0, host, False)
            for worker in list(self.workers):
                if worker in self.workers:
                    self.go_on(worker)

    @rule(host=st.sampled_from([0, 1]))
    def schedule_and_claim(self, host: int) -> None:
        self.schedule(host, 8)
        while self.messages:
            self.deliver(0, host, False)

    @rule()
    def begin_all_edits(self) -> None:
        for worker in self.editing(is_sending=False):
            if worker in self.workers:
                self.begin_an_edit(self.editing(is_sending=False).index(worker), True)

    @rule()
    def pay_for_all(self) -> None:
        for worker in self.editing(is_sending=True):
            self.pay(self.editing(is_sending=True).index(worker))

    @precondition(lambda self: self.workers)
    @rule(
        number=st.integers(0, 99), outcome=st.sampled_from(["next", "wait", "park", "fail", "again", "gone"])
    )
    def end_a_step(self, number: int, outcome: str) -> None:
        """End a step that costs nothing."""
        worker = self.pick(self.workers, number)
        step = worker.step
        if step is Step.EDIT:
            return
        if outcome == "wait":
            self.commit(worker, State.WAITING, step, after_s=7.0, attempts=1)
        elif outcome == "park":
            gates = Gates(worker.host)
            gates.close(Gate.DISK, probe_at=worker.host.now(), message="full", advice="make room")
            self.commit(worker, State.PARKED, step, reason="disk")
        elif outcome in {"fail", "gone"}:
            code = SOURCE_GONE if outcome == "gone" else "server_error"
            self.commit(worker, State.FAILED, step, problem=Problem(code=code))
        elif outcome == "again" and step in {Step.POLL, Step.DOWNLOAD}:
            worker.lease.checkpoint = worker.lease.checkpoint.evolve(render=None)
            self.commit(worker, State.QUEUED, Step.RENDER)
        elif step is Step.DOWNLOAD:
            self.commit(worker, State.DONE, step, accepted="download", passed=True)
        else:
            if step is Step.RENDER:
                render = RenderRef(render_id="r")
                worker.lease.checkpoint = worker.lease.checkpoint.evolve(render=render)
            accepted = LIMITED.get(step) if step is not Step.POLL else None
            self.commit(worker, State.QUEUED, NEXT[step], accepted=accepted, passed=True)

    def editing(self, *, is_sending: bool) -> list[Worker]:
        return [one for one in self.workers if one.step is Step.EDIT and one.is_sending is is_sending]

    @precondition(lambda self: self.editing(is_sending=False))
    @rule(number=st.integers(0, 99), confirms=st.sampled_from([True, True, True, False]))
    def begin_an_edit(self, number: int, confirms: bool) -> None:
        """Set credits aside, and put `sending` on disk; without a replica's word nothing is sent."""
        worker = self.pick(self.editing(is_sending=False), number)
        one = worker.lease.checkpoint.instructions[0]
        if one.status is not PENDING:
            self.read_back(worker, one)
            return
        CreditBudget(worker.host).reserve(worker.lease.job.id, PRICE)
        if not worker.lease.fresh:
            self.stop(worker)
            return
        sending = self.set_instruction(worker, status=SENDING, before="d0", attempts=one.attempts + 1)
        works = worker.host.save

        def save(*args: Any, **named: Any) -> bool:
            written = works(*args, **named)
            if written and not confirms:
                raise NotDurable("no replica")
            return written

        worker.host.save = save  # type: ignore[method-assign] # a replica that is away
        try:
            if self.write(worker, lambda: worker.lease.save(sending, durable=True)):
                worker.is_sending = True
                self.kept = self.server.dump()  # from here on nothing older can come back
        except NotDurable:
            worker.lease.checkpoint = self.set_instruction(worker, status=PENDING, attempts=one.attempts)
            CreditBudget(worker.host).commit(worker.lease.job.id, paid=False)
            self.commit(worker, State.WAITING, Step.EDIT, after_s=5.0)
        finally:
            worker.host.save = works  # type: ignore[method-assign] # as it was

    def read_back(self, worker: Worker, one: InstructionState) -> None:
        """A job that is found in `sending` is not sent again: its timeline is read."""
        if self.charges[worker.lease.job.id]:
            worker.lease.checkpoint = self.set_instruction(worker, status=CLOSED)
            CreditBudget(worker.host).commit(worker.lease.job.id, paid=True)
            self.commit(worker, State.QUEUED, Step.VERIFY)
        elif one.reads < 2:
            worker.lease.checkpoint = self.set_instruction(worker, reads=one.reads + 1)
            self.commit(worker, State.WAITING, Step.EDIT, after_s=5.0)
        else:
            self.commit(worker, State.UNCONFIRMED, Step.EDIT, problem=Problem(code="unconfirmed"))

    @precondition(lambda self: self.editing(is_sending=True))
    @rule(number=st.integers(0, 99))
    def pay(self, number: int) -> None:
        """The first byte leaves, if nobody else can have the job."""
        worker = self.pick(self.editing(is_sending=True), number)
        if worker.has_paid:
            return
        if not worker.lease.fresh:
            worker.is_sending = False
            self.stop(worker)
            return
        worker.has_paid = True
        self.charges[worker.lease.job.id] += 1
        worker.host.accept("edit")

    @precondition(lambda self: self.editing(is_sending=True))
    @rule(number=st.integers(0, 99), outcome=st.sampled_from(["closed", "lost", "refused", "gate"]))
    def end_a_stream(self, number: int, outcome: str) -> None:
        worker = self.pick(self.editing(is_sending=True), number)
        budget, job_id = CreditBudget(worker.host), worker.lease.job.id
        worker.is_sending = False
        if not worker.has_paid and outcome in {"refused", "gate"}:
            worker.lease.checkpoint = self.set_instruction(worker, status=PENDING)
            budget.commit(job_id, paid=False)
            if outcome == "gate":
                Gates(worker.host).close(Gate.CREDITS, probe_at=0, message="empty", advice="top up")
                self.commit(worker, State.PARKED, Step.EDIT, reason="credits")
            else:
                worker.host.back_off("edit")
                self.commit(worker, State.WAITING, Step.EDIT, after_s=3.0)
        elif worker.has_paid and outcome == "closed":
            worker.lease.checkpoint = self.set_instruction(worker, status=CLOSED)
            budget.commit(job_id, paid=True)
            self.commit(worker, State.QUEUED, Step.VERIFY)
        else:
            self.commit(worker, State.WAITING, Step.EDIT, after_s=3.0)

    @rule(host=st.sampled_from([0, 1]))
    def renew(self, host: int) -> None:
        """A heartbeat: it learns of lost leases as `jobs.lease.Heartbeat` does."""
        ledger, mine = self.hosts[host], {}
        for worker in self.workers:
            if worker.host is ledger:
                mine[worker.lease.job.id] = worker
        at = ledger.monotonic()
        lost = ledger.renew({job_id: worker.lease.job.fence for job_id, worker in mine.items()}, LEASE_S)
        for job_id, worker in mine.items():
            if job_id in lost:
                worker.lease.lost = True
                self.stop(worker)
            else:
                worker.lease.renewed = at

    @precondition(lambda self: self.workers)
    @rule(number=st.integers(0, 99))
    def kill_a_worker(self, number: int) -> None:
        self.workers.remove(self.pick(self.workers, number))

    # --- a person ---------------------------------------------------------------------------------

    @precondition(lambda self: self.submitted)
    @rule(number=st.integers(0, 99))
    def cancel(self, number: int) -> None:
        job_id = self.pick(list(self.submitted), number)
        if job_id in {job.id for job in self.ledger.many([job_id])}:
            try:
                self.ledger.transition(job_id, State.CANCELLED, among=control.CANCELLED)
            except NotAllowed:
                assert self.ledger.get(job_id).state in ENDED

    @precondition(lambda self: self.submitted)
    @rule(number=st.integers(0, 99), resend=st.booleans())
    def retry(self, number: int, resend: bool) -> None:
        """Try again; only a resend of what was sent may pay once more."""
        candidates = self.ended(*control.RETRIED)
        if not candidates:
            return
        job_id = self.pick(candidates, number)
        before = self.ledger.get(job_id)
        owners = self.ledger.client.hgetall("dropscore:outputs")
        control.retry(self.ledger, job_id, resend=resend)
        after = self.ledger.get(job_id)
        was_sent = before.checkpoint.instructions[0].status not in {PENDING, InstructionStatus.LANDED}
        if resend and was_sent and after.checkpoint.instructions[0].status is PENDING:
            self.allowed[job_id] += 1
        else:
            assert after.checkpoint.instructions[0].status is before.checkpoint.instructions[0].status
        taken = {key: owner for key, owner in owners.items() if owner != job_id}
        names = self.ledger.client.hgetall("dropscore:outputs")
        for key, owner in taken.items():  # a name that changed hands was that of a job that delivered nothing
            if names[key] != owner:
                assert self.ledger.get(owner).state in {State.FAILED, State.CANCELLED}

    @rule(gate=st.sampled_from(Gate), wait_s=st.sampled_from([0.0, 20.0]))
    def close_a_gate(self, gate: Gate, wait_s: float) -> None:
        """Close a gate; one at a time, or nothing would ever move."""
        for closed in Gates(self.ledger).closed():
            Gates(self.ledger).open(closed)
        at = self.ledger.now() + wait_s
        root = "/in" if gate is Gate.SOURCE else ""
        Gates(self.ledger).close(gate, probe_at=at, message="m", advice="a", root=root)

    @precondition(lambda self: Gates(self.ledger).closed())
    @rule()
    def open_the_gates(self) -> None:
        control.resume(Gates(self.ledger))

    @rule(on=st.sampled_from([True, False, False]))
    def drain(self, on: bool) -> None:
        self.ledger.drain(on)

    @precondition(lambda self: self.submitted)
    @rule(number=st.integers(0, 99))
    def supersede(self, number: int) -> None:
        for job in self.ledger.many([self.pick(list(self.submitted), number)]):
            if Sources(self.ledger).supersede(job):
                assert not self.charges[job.id]
                self.superseded.add(job.id)

    @precondition(lambda self: self.submitted)
    @rule(number=st.integers(0, 99))
    def move_a_file(self, number: int) -> None:
        for job in self.ledger.many([self.pick(list(self.submitted), number)]):
            if Sources(self.ledger).relocate(job, f"{job.spec.source}.moved"):
                assert self.ledger.get(job.id).step is Step.UPLOAD

    @rule()
    def forget(self) -> None:
        done = set(self.ended(State.DONE))
        forgotten = self.ledger.forget(-3.0, [State.DONE], lambda _: True)  # hosts agree to 3 s
        assert forgotten == len(done)
        self.forgotten |= done

    # --- what goes wrong --------------------------------------------------------------------------

    @rule(seconds=st.sampled_from([0.6, 4.0, 11.0, LEASE_S + 1]))
    def let_time_pass(self, seconds: float) -> None:
        for wall in self.walls:
            wall.go(seconds)
        self.server.set_clock(self.server.at + seconds)

    @rule(seconds=st.sampled_from([-3600.0, 3600.0, -0.4, 86400.0]), first=st.sampled_from([0, 1]))
    def set_the_servers_clock(self, seconds: float, first: int) -> None:
        before = [host.now() for host in self.hosts]
        self.server.set_clock(self.server.at + seconds)
        for number in (first, 1 - first):
            self.hosts[number].sync_clock()
        for was, host in zip(before, self.hosts, strict=True):
            assert abs(host.now() - was) < 3, "the ledger's time followed a clock that was set"

    @rule()
    def replicate(self) -> None:
        """A replica has everything now."""
        self.kept = self.server.dump()

    @rule()
    def fail_over(self) -> None:
        """A replica that lagged takes over; what a `WAIT` confirmed it has. The producer looks again."""
        self.server.restore(self.kept)
        for number, host in enumerate(self.hosts):
            host.sync_clock(f"w{number}", 8)
        known = {job.id for job in self.ledger.many(self.submitted)}
        self.forgotten -= known
        for job_id in self.submitted:
            if job_id not in known and job_id not in self.forgotten:
                assert not self.charges[job_id], "a paid job was lost"
                self.take_in(job_id)

    # --- what is always true ----------------------------------------------------------------------

    @invariant()
    def every_job_is_in_its_place(self) -> None:
        check_sets(self.ledger)

    @invariant()
    def nothing_is_paid_twice(self) -> None:
        for job_id, charges in self.charges.items():
            assert charges <= self.allowed[job_id], f"{job_id} was paid {charges} times"

    @invariant()
    def no_job_is_lost(self) -> None:
        found = {job.id for job in self.ledger.many(self.submitted)}
        assert set(self.submitted) - self.forgotten == found

    def teardown(self) -> None:
        """Everything works again: all that has not ended comes to its end, and leaves nothing behind."""
        if not self.kept:
            return
        self.ledger.drain(False)
        control.resume(Gates(self.ledger))
        self.workers.clear()
        for _ in range(40 * (1 + len(self.submitted))):
            if not self.unended():
                break
            self.let_time_pass(LEASE_S + 1)
            self.schedule(0, 8)
            while self.messages:
                self.deliver(0, 1, False)
                while self.workers:
                    self.go_on(self.workers[-1])
            self.nothing_is_paid_twice()
        assert self.unended() == []
        check_sets(self.ledger)
        assert [key for key in self.server.client.keys("dropscore:due:*")] == []
        assert [key for key in self.server.client.keys("dropscore:inflight:*")] == []
        assert [key for key in self.server.client.keys("dropscore:held*")] == []
        assert CreditBudget(self.ledger).spending().aside == 0

    def go_on(self, worker: Worker) -> None:
        number = self.workers.index(worker)
        if worker.step is not Step.EDIT:
            self.end_a_step(number, "next")
        elif worker.is_sending:
            self.pay(self.editing(is_sending=True).index(worker))
            if worker.is_sending:  # its lease had not ended
                self.end_a_stream(self.editing(is_sending=True).index(worker), "closed")
        else:
            self.begin_an_edit(self.editing(is_sending=False).index(worker), True)


TestLedgerMachine = LedgerMachine.TestCase
TestLedgerMachine.settings = (
    settings.get_profile("long")
    if IS_LONG
    else settings(
        max_examples=10, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
    )
)
pytestmark = pytest.mark.timeout(7200 if IS_LONG else 300)
