"""One clock: the server's, which never goes back, carried on by each host's own monotonic clock."""

import time
from datetime import datetime

import pytest

from jobs.ledger import SLOW_SAMPLE_S, Ledger, read_boot_clock
from jobs.model import State, Step
from tests.conftest import LIMITS, Wall
from tests.unit.jobs.actions import (
    LEASE_S,
    admit,
    admit_ids,
    check_sets,
    claim,
    claim_alone,
    due_at,
    end_step,
    step_server_clock,
    submit,
    try_claim,
)

HOUR_S = 3600.0


def test_the_ledgers_time_is_the_servers(ledger: Ledger) -> None:
    seconds, microseconds = ledger.client.time()
    assert ledger.now() == pytest.approx(seconds + microseconds / 1e6, abs=5)


def test_time_goes_on_with_the_hosts_own_clock_and_without_a_question(ledger: Ledger, wall: Wall) -> None:
    at = ledger.now()
    ledger.scripts.clock = None  # asked no more
    wall.go(12.5)
    assert ledger.now() == pytest.approx(at + 12.5, abs=1e-5)


@pytest.mark.parametrize("step_s", [HOUR_S, -HOUR_S])
def test_a_hosts_wall_clock_that_is_set_changes_nothing(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch, step_s: float
) -> None:
    """Set forward by 600 s, a host claimed every lease others held; set back, its own were born expired."""
    here = Ledger(ledger.client, limits=LIMITS)
    there = Ledger(ledger.client, limits=LIMITS)
    submit(here)
    held = claim(here)
    at, real = there.now(), time.time
    monkeypatch.setattr(time, "time", lambda: real() + step_s)
    assert there.now() == pytest.approx(at, abs=5)
    there.sync_clock("w", 4)
    assert there.now() == pytest.approx(at, abs=5)
    assert there.fetch_due(100, LEASE_S) == []
    assert there.renew({"j1": held.fence}, LEASE_S) == []
    assert here.save(held, {}) is True


def test_hosts_whose_clocks_show_anything_agree(ledger: Ledger) -> None:
    clocks = (lambda: 0.0, lambda: 1e6, lambda: 5e9)
    times = [Ledger(ledger.client, clock).now() for clock in clocks]
    assert max(times) - min(times) < 5


def test_what_one_host_sees_as_due_another_does_too(ledger: Ledger, wall: Wall) -> None:
    submit(ledger)
    assert end_step(ledger, claim(ledger), State.WAITING, Step.POLL, after_s=60)
    other = Ledger(ledger.client, lambda: wall() - 1e6, limits=LIMITS)
    assert other.fetch_due(10, LEASE_S) == []
    wall.go(61)
    assert [due.job_id for due in other.fetch_due(10, LEASE_S)] == ["j1"]


def test_a_server_whose_clock_is_set_back_goes_on_from_where_it_was(ledger: Ledger, wall: Wall) -> None:
    """A machine at -1 h: files were "due in 3,512 s", and 12 of 13 runs stood still."""
    step = step_server_clock(ledger)
    ledger.sync_clock()
    submit(ledger)
    assert end_step(ledger, claim(ledger), State.WAITING, Step.POLL, after_s=20)
    at = ledger.now()
    step(-HOUR_S)
    ledger.sync_clock()
    assert ledger.now() == pytest.approx(at, abs=2)
    late = Ledger(ledger.client, wall, limits=LIMITS)  # one that starts now agrees
    late.scripts.clock = ledger.scripts.clock
    assert late.now() == pytest.approx(at, abs=2)
    wall.go(21)
    assert admit_ids(ledger) == ["j1"]


def test_a_server_whose_clock_is_set_forward_ends_no_lease(ledger: Ledger, wall: Wall) -> None:
    """Redis, all workers and their clocks are on one machine: a step of an hour ended every lease."""
    step = step_server_clock(ledger)
    ledger.sync_clock()
    other = Ledger(ledger.client, wall, limits=LIMITS)
    other.scripts.clock = ledger.scripts.clock
    other.sync_clock()
    submit(ledger)
    held = claim(ledger)
    at = ledger.now()
    wall.go(5)
    step(HOUR_S + 5)
    other.sync_clock("w2", 4)
    assert other.now() == pytest.approx(at + 5, abs=2)
    assert other.fetch_due(100, LEASE_S) == []
    ledger.sync_clock("w1", 4)
    assert ledger.now() == pytest.approx(at + 5, abs=2)
    assert ledger.renew({"j1": held.fence}, LEASE_S) == []
    assert ledger.get("j1").crashes == 0
    check_sets(ledger)


def test_a_step_forward_and_back_again_leaves_time_as_it_was(ledger: Ledger, wall: Wall) -> None:
    step = step_server_clock(ledger)
    ledger.sync_clock()
    at = ledger.now()
    for seconds in (HOUR_S, -HOUR_S, -HOUR_S, HOUR_S, 86400.0):
        wall.go(5)
        step(seconds + 5)
        ledger.sync_clock()
    assert ledger.now() == pytest.approx(at + 25, abs=5)


def test_a_host_that_slept_does_not_hold_the_clock_of_the_others_back(ledger: Ledger, wall: Wall) -> None:
    """A virtual machine that was frozen for an hour comes back with a clock that knows nothing of it."""
    step = step_server_clock(ledger)
    ledger.sync_clock()
    frozen_wall = Wall(wall.at)
    frozen = Ledger(ledger.client, frozen_wall, limits=LIMITS)
    frozen.scripts.clock = ledger.scripts.clock
    frozen.sync_clock()
    at = ledger.now()
    for _ in range(4):
        wall.go(900)
        step(900)
        ledger.client.hset("dropscore:clock", "last", f"{ledger.now() * 1e6:.0f}")  # as its syncs on the way
        ledger.sync_clock()
    frozen.sync_clock()
    assert frozen.now() == pytest.approx(at + HOUR_S, abs=3)
    assert ledger.now() == pytest.approx(at + HOUR_S, abs=3)


def pause(ledger: Ledger, wall: Wall, seconds: float) -> Ledger:
    """A host beside ``ledger``'s that is paused so long, as a virtual machine is; the other asks each 5 s."""
    step = step_server_clock(ledger)
    ledger.sync_clock("awake", 4)
    paused = Ledger(ledger.client, Wall(wall.at), limits=LIMITS)
    paused.scripts.clock = ledger.scripts.clock
    paused.sync_clock("paused", 4)
    for _ in range(int(seconds // 5)):
        wall.go(5)
        step(5)
        ledger.sync_clock("awake", 4)
    wall.go(seconds % 5)
    step(seconds % 5)
    return paused


def test_a_paused_host_takes_no_lease_that_others_hold_and_what_it_claims_is_its_own(
    fake_ledger: Ledger, wall: Wall
) -> None:
    """What it claimed was born expired: the next look of any other took it away."""
    ledger = fake_ledger
    paused = pause(ledger, wall, 3602)
    submit(ledger)
    held = claim(ledger)
    submit(ledger, "j2")
    wall.go(5)
    ledger.sync_clock("awake", 4)
    assert admit_ids(paused) == ["j2"], "before it has asked for the time"
    assert try_claim(paused, "j2", Step.UPLOAD)
    assert due_at(ledger, "j2") == pytest.approx(LEASE_S, abs=5.1)
    assert admit(ledger) == []
    assert ledger.renew({"j1": held.fence}, LEASE_S) == []
    check_sets(ledger)


def test_a_paused_host_has_lost_what_others_took_over_and_keeps_what_nobody_did(
    fake_ledger: Ledger, wall: Wall
) -> None:
    ledger = fake_ledger
    submit(ledger, "taken")
    submit(ledger, "kept")
    old = {job_id: claim_alone(ledger, job_id, Step.UPLOAD) for job_id in ("taken", "kept")}
    paused = pause(ledger, wall, 62)
    assert claim(ledger, "taken")
    ledger.client.zrem("dropscore:admitted", "kept")
    assert paused.renew({job_id: job.fence for job_id, job in old.items()}, LEASE_S) == ["taken"]
    assert not paused.save(old["taken"], {})
    assert due_at(ledger, "kept") == pytest.approx(LEASE_S, abs=5.1)
    assert admit(ledger) == []


@pytest.mark.parametrize("seconds", [2, 4, 8, 14, 63])
def test_a_pause_does_not_set_the_ledgers_time_back(fake_ledger: Ledger, wall: Wall, seconds: int) -> None:
    """Paused for less than the others' 5 s, a host took the server's clock for set, and held all back."""
    ledger = fake_ledger
    at = ledger.now()
    paused = pause(ledger, wall, seconds)
    paused.sync_clock("paused", 4)
    ledger.sync_clock("awake", 4)
    assert paused.now() == pytest.approx(at + seconds, abs=0.5)
    assert ledger.now() == pytest.approx(at + seconds, abs=0.5)
    assert int(ledger.client.hget("dropscore:clock", "shift")) == 0


def test_where_all_were_paused_time_goes_on_from_where_it_was(fake_ledger: Ledger) -> None:
    """It cannot be told from a server whose clock was set; no lease ends, and nothing goes back."""
    ledger = fake_ledger
    step = step_server_clock(ledger)
    ledger.sync_clock("only", 4)
    submit(ledger)
    held = claim(ledger)
    at = ledger.now()
    step(HOUR_S)
    ledger.sync_clock("only", 4)
    assert ledger.now() == pytest.approx(at, abs=0.5)
    assert admit(ledger) == []
    assert ledger.renew({"j1": held.fence}, LEASE_S) == []
    fresh = Ledger(ledger.client, Wall(5.0), limits=LIMITS)
    fresh.scripts.clock = ledger.scripts.clock
    assert fresh.now() == pytest.approx(at, abs=0.5)


def test_a_slow_look_at_the_clock_is_dropped(ledger: Ledger, wall: Wall) -> None:
    at = ledger.now()
    works = ledger.scripts.clock

    def slow(**named: object) -> object:
        wall.go(2)  # on its way back
        return works(**named)

    ledger.scripts.clock = slow
    ledger.sync_clock()
    assert ledger.now() == pytest.approx(at + 2, abs=0.01)
    ledger.scripts.clock = works
    assert SLOW_SAMPLE_S < 2


def test_a_slow_look_is_taken_for_no_step_of_the_clock(ledger: Ledger, wall: Wall) -> None:
    step = step_server_clock(ledger)
    ledger.sync_clock()
    at, works = ledger.now(), ledger.scripts.clock

    def slow(**named: object) -> object:
        step(30)  # on its way there: the server's clock goes on as it should
        answer = works(**named)
        wall.go(30)
        return answer

    ledger.scripts.clock = slow
    ledger.sync_clock()
    ledger.scripts.clock = works
    ledger.sync_clock()
    assert ledger.now() == pytest.approx(at + 30, abs=2)
    assert int(ledger.client.hget("dropscore:clock", "shift")) == 0


def test_the_first_look_counts_however_slow_it_is(ledger: Ledger, wall: Wall) -> None:
    works = ledger.scripts.clock

    def slow(**named: object) -> object:
        wall.go(2)
        return works(**named)

    ledger.scripts.clock = slow
    seconds, _ = ledger.client.time()
    assert ledger.now() == pytest.approx(seconds, abs=5)


def test_time_never_goes_back_by_small_steps_either(ledger: Ledger) -> None:
    step = step_server_clock(ledger)
    ledger.sync_clock()
    seen = [int(ledger.client.hget("dropscore:clock", "last"))]
    for _ in range(5):
        step(-1)
        ledger.sync_clock()
        seen.append(int(ledger.client.hget("dropscore:clock", "last")))
    assert seen == sorted(seen)


def test_a_restarted_server_with_a_late_clock_leaves_what_waits_its_time(ledger: Ledger, wall: Wall) -> None:
    step = step_server_clock(ledger)
    ledger.sync_clock()
    submit(ledger)
    assert end_step(ledger, claim(ledger), State.WAITING, Step.POLL, after_s=60)
    step(-86400)
    fresh = Ledger(ledger.client, wall, limits=LIMITS)
    fresh.scripts.clock = ledger.scripts.clock
    assert due_at(fresh, "j1") == pytest.approx(60, abs=3)
    assert admit(fresh) == []


def test_the_clock_of_a_host_goes_on_while_it_sleeps_and_is_set_by_nobody() -> None:
    first = read_boot_clock()
    assert 0 <= read_boot_clock() - first < 5
    assert abs(read_boot_clock() - datetime.now().timestamp()) > 1e6  # no wall clock
