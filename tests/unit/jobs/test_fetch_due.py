"""Admission: from the end, within the limits, past closed gates, each job to one scheduler."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from jobs.gates import Gates
from jobs.ledger import Ledger, LimitBounds
from jobs.model import ENDED, Gate, Job, State, Step
from tests.conftest import LIMITS, Wall
from tests.unit.jobs.actions import (
    KINDS,
    LEASE_S,
    admit,
    admit_ids,
    bring_to,
    check_sets,
    claim,
    claim_alone,
    count_in_flight,
    due_at,
    end,
    end_step,
    look_up,
    step_server_clock,
    submit,
    try_claim,
)


def bound(ledger: Ledger, **initial: int) -> None:
    """Give kinds of work another limit."""
    ledger.limits |= {kind: LimitBounds(limit, limit) for kind, limit in initial.items()}


def close(ledger: Ledger, gate: Gate, probe_at: float = 0.0) -> None:
    Gates(ledger).close(gate, probe_at=probe_at, message="why", advice="what to do")


def snapshot(ledger: Ledger) -> dict[str, object]:
    """All that is in the server: hashes, sets and their scores."""
    client = ledger.client
    readers = {"hash": client.hgetall, "zset": lambda key: client.zrange(key, 0, -1, withscores=True)}
    return {key: readers.get(client.type(key), client.get)(key) for key in client.keys("*")}


def test_steps_are_served_from_the_end(ledger: Ledger) -> None:
    submit(ledger, "backlog", backlog=True)
    for step in Step:
        submit(ledger, f"at-{step}")
        bring_to(ledger, f"at-{step}", step)
    expected = ["at-download", "at-poll", "at-render", "at-verify", "at-edit", "at-upload", "backlog"]
    found = admit(ledger)
    assert [due.job_id for due in found] == expected
    assert [due.step for due in found][-2:] == [Step.UPLOAD, Step.UPLOAD]
    assert found[0].source == "/in/at-download.mp4"


def test_a_finished_render_never_waits_behind_a_backlog(ledger: Ledger) -> None:
    """A backlog of thousands stopped every download: they stood in one line with all uploads."""
    submit(ledger, "rendered")
    bring_to(ledger, "rendered", Step.DOWNLOAD)
    for number in range(50):
        submit(ledger, f"old{number:02}", backlog=True)
    assert admit_ids(ledger, most=1) == ["rendered"]


def test_within_a_step_the_longest_due_goes_first(ledger: Ledger, wall: Wall) -> None:
    for job_id in ("c", "a", "b"):
        submit(ledger, job_id)
        wall.go(1)
    assert admit_ids(ledger, most=2) == ["c", "a"]


@pytest.mark.parametrize("step", [Step.EDIT, Step.RENDER, Step.DOWNLOAD])
def test_a_file_dropped_by_hand_goes_before_the_backlog_at_each_step(
    ledger: Ledger, wall: Wall, step: Step
) -> None:
    for job_id in ("b1", "b2", "hand"):
        submit(ledger, job_id, backlog=job_id != "hand")
        bring_to(ledger, job_id, step)
        wall.go(5)
    assert admit_ids(ledger) == ["hand", "b1", "b2"]
    check_sets(ledger)


def test_a_backlog_is_not_uploaded_faster_than_it_is_edited(ledger: Ledger) -> None:
    bound(ledger, edit=16)
    for number in range(33):
        submit(ledger, f"b{number:02d}", backlog=True)
        if number < 32:
            bring_to(ledger, f"b{number:02d}", Step.EDIT)
    submit(ledger, "hand")
    assert [due.step for due in admit(ledger)] == [*[Step.EDIT] * 16, Step.UPLOAD]
    assert look_up(ledger, "b32").in_flight == ()
    for job_id in [f"b{number:02d}" for number in range(16)]:
        job = try_claim(ledger, job_id, Step.EDIT)
        assert job is not None
        assert end_step(ledger, job, State.QUEUED, Step.VERIFY)
    assert "b32" in admit_ids(ledger)


def test_nothing_due_later_is_admitted(ledger: Ledger, wall: Wall) -> None:
    submit(ledger)
    assert end_step(ledger, claim(ledger), State.WAITING, Step.POLL, after_s=12)
    wall.go(11.9)
    assert admit(ledger) == []
    wall.go(0.2)
    assert [due.step for due in admit(ledger)] == [Step.POLL]


def test_no_more_are_admitted_than_workers_can_take_up(ledger: Ledger) -> None:
    bound(ledger, upload=50)
    for number in range(9):
        submit(ledger, f"j{number}")
    assert len(admit(ledger, most=5)) == 5
    assert admit(ledger, most=5) == []  # none of the five was claimed
    assert try_claim(ledger, "j0", Step.UPLOAD)
    assert try_claim(ledger, "j1", Step.UPLOAD)
    assert admit_ids(ledger, most=5) == ["j5", "j6"]


def test_messages_that_got_lost_do_not_hold_up_admission_for_ever(ledger: Ledger, wall: Wall) -> None:
    bound(ledger, upload=50)
    for number in range(6):
        submit(ledger, f"j{number}")
    assert len(admit(ledger, most=3)) == 3
    assert admit(ledger, most=3) == []
    wall.go(LEASE_S + 1)
    assert len(admit(ledger, most=3)) == 3


@pytest.mark.parametrize("kind", KINDS)
def test_no_more_are_in_flight_than_the_limit_of_their_kind(ledger: Ledger, kind: str) -> None:
    bound(ledger, upload=50, edit=50, render=50, download=50)
    for number in range(7):
        submit(ledger, f"j{number}")
        bring_to(ledger, f"j{number}", Step(kind))
    bound(ledger, **{kind: 3})
    first = admit_ids(ledger)
    assert len(first) == 3
    assert admit(ledger) == []
    assert count_in_flight(ledger, kind) == 3
    assert end_step(ledger, claim_admitted(ledger, first[0], Step(kind)), State.FAILED)
    assert len(admit(ledger)) == 1
    assert count_in_flight(ledger, kind) == 3


def claim_admitted(ledger: Ledger, job_id: str, step: Step) -> Job:
    job = try_claim(ledger, job_id, step)
    assert job is not None
    return job


def test_kinds_do_not_share_a_limit(ledger: Ledger) -> None:
    submit(ledger, "d")
    bring_to(ledger, "d", Step.DOWNLOAD)
    submit(ledger, "u")
    bound(ledger, upload=1, download=1)
    assert admit_ids(ledger) == ["d", "u"]


def test_a_verify_counts_as_nothing_and_needs_no_limit(ledger: Ledger) -> None:
    bound(ledger, upload=20)
    for number in range(9):
        submit(ledger, f"j{number}")
        bring_to(ledger, f"j{number}", Step.VERIFY)
    bound(ledger, upload=1, edit=1, render=1, download=1)
    assert len(admit(ledger)) == 9
    assert {look_up(ledger, f"j{number}").in_flight for number in range(9)} == {()}


def test_a_render_holds_its_place_until_its_last_poll(ledger: Ledger, wall: Wall) -> None:
    for job_id in ("a", "b"):
        submit(ledger, job_id)
        bring_to(ledger, job_id, Step.RENDER)
    bound(ledger, render=1)
    assert end_step(ledger, claim(ledger, "a", Step.RENDER), State.WAITING, Step.POLL, after_s=20)
    for _ in range(4):  # polled again and again, well past one lease
        assert admit(ledger) == []
        wall.go(20.5)
        assert admit_ids(ledger) == ["a"]
        job = claim_admitted(ledger, "a", Step.POLL)
        assert end_step(ledger, job, State.WAITING, Step.POLL, after_s=20)
        assert count_in_flight(ledger, "render") == 1
    wall.go(20.5)
    assert admit_ids(ledger) == ["a"]
    assert end_step(ledger, claim_admitted(ledger, "a", Step.POLL), State.QUEUED, Step.DOWNLOAD)
    assert admit_ids(ledger) == ["a", "b"]


def test_polls_go_on_however_many_renders_there_are(ledger: Ledger, wall: Wall) -> None:
    for number in range(4):
        submit(ledger, f"j{number}")
        bring_to(ledger, f"j{number}", Step.RENDER)
        job = claim(ledger, f"j{number}", Step.RENDER)
        assert end_step(ledger, job, State.WAITING, Step.POLL, after_s=5)
    bound(ledger, render=1)
    wall.go(6)
    assert len(admit(ledger)) == 4


def test_a_place_that_a_killed_worker_held_is_free_after_its_lease(ledger: Ledger, wall: Wall) -> None:
    bound(ledger, upload=1)
    submit(ledger, "dead")
    claim(ledger, "dead")
    submit(ledger, "next")
    assert admit(ledger) == []
    ledger.client.zrem("dropscore:due:upload", "dead")  # whatever becomes of the job itself
    wall.go(LEASE_S + 1)
    assert admit_ids(ledger) == ["next"]


@pytest.mark.parametrize("gate", sorted(set(Gate) - {Gate.PLAN, Gate.SOURCE}))
def test_what_is_behind_a_closed_gate_is_passed_over_without_a_write(ledger: Ledger, gate: Gate) -> None:
    """`pause` with 200 queued jobs made 200 claims and 200 result files."""
    for number in range(20):
        submit(ledger, f"j{number}", backlog=bool(number % 2))
    bring_to(ledger, "j0", Step.EDIT)
    close(ledger, gate)
    before = snapshot(ledger)
    for _ in range(3):
        assert admit(ledger) == []
    assert snapshot(ledger) == before
    Gates(ledger).open(gate)
    assert "j0" in admit_ids(ledger)


@pytest.mark.parametrize("gate", [Gate.CREDITS, Gate.BUDGET])
def test_a_gate_holds_its_own_steps_alone(ledger: Ledger, gate: Gate) -> None:
    for step in Step:
        submit(ledger, f"at-{step}")
        bring_to(ledger, f"at-{step}", step)
    close(ledger, gate)
    assert set(admit_ids(ledger)) == {"at-verify", "at-render", "at-poll", "at-download"}


def at_render(ledger: Ledger, count: int) -> None:
    bound(ledger, upload=50, edit=50)
    for number in range(count):
        submit(ledger, f"r{number}")
        bring_to(ledger, f"r{number}", Step.RENDER)


def test_exactly_one_tries_a_gate_that_only_a_real_request_can_probe(ledger: Ledger, wall: Wall) -> None:
    at_render(ledger, 5)
    close(ledger, Gate.PLAN, probe_at=ledger.now() + 10)
    assert admit(ledger) == []
    wall.go(11)
    assert len(admit(ledger)) == 1
    assert admit(ledger) == []
    wall.go(30)
    assert admit(ledger) == []  # its message may be lost; the next may try after a probe's time
    wall.go(31)
    assert len(admit(ledger)) == 1


def test_one_of_many_schedulers_sends_the_one_that_tries(ledger: Ledger) -> None:
    at_render(ledger, 5)
    close(ledger, Gate.PLAN)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: admit(ledger), range(16)))
    assert sum(map(len, found)) == 1


def test_the_one_that_tried_and_passed_opens_the_gate(ledger: Ledger) -> None:
    at_render(ledger, 3)
    close(ledger, Gate.PLAN)
    (tries,) = admit_ids(ledger)
    job = claim_admitted(ledger, tries, Step.RENDER)
    assert end_step(ledger, job, State.WAITING, Step.POLL, after_s=20, passed=True)
    assert Gates(ledger).closed() == {}
    assert len(admit(ledger)) == 2


@pytest.mark.parametrize("state", [State.PARKED, State.WAITING, State.FAILED])
def test_one_that_tried_in_vain_opens_nothing(ledger: Ledger, state: State) -> None:
    """The gate opened after any outcome of the job that tried, "in line" included."""
    at_render(ledger, 3)
    close(ledger, Gate.PLAN)
    (tries,) = admit_ids(ledger)
    job = claim_admitted(ledger, tries, Step.RENDER)
    assert end_step(ledger, job, state, Step.RENDER)
    assert set(Gates(ledger).closed()) == {Gate.PLAN}
    assert admit(ledger) == []


def test_one_that_tried_with_a_stale_token_opens_nothing(ledger: Ledger, wall: Wall) -> None:
    at_render(ledger, 1)
    close(ledger, Gate.PLAN)
    admit(ledger)
    stale = claim_admitted(ledger, "r0", Step.RENDER)
    wall.go(61)
    claim(ledger, "r0", Step.RENDER)
    assert not end_step(ledger, stale, State.WAITING, Step.POLL, passed=True)
    assert set(Gates(ledger).closed()) == {Gate.PLAN}


def test_a_job_of_another_step_does_not_open_the_gate(ledger: Ledger) -> None:
    submit(ledger)
    close(ledger, Gate.PLAN)
    assert end_step(ledger, claim(ledger), State.QUEUED, Step.EDIT, passed=True)
    assert set(Gates(ledger).closed()) == {Gate.PLAN}


def test_nobody_tries_while_another_gate_holds_the_step_too(ledger: Ledger) -> None:
    at_render(ledger, 2)
    close(ledger, Gate.PLAN)
    close(ledger, Gate.PAUSED)
    assert admit(ledger) == []
    Gates(ledger).open(Gate.PAUSED)
    assert len(admit(ledger)) == 1


def test_a_drain_lets_finish_what_was_uploaded_and_begins_nothing(ledger: Ledger) -> None:
    submit(ledger, "begun")
    bring_to(ledger, "begun", Step.EDIT)
    submit(ledger, "hand")
    submit(ledger, "backlog", backlog=True)
    ledger.drain(True)
    assert admit_ids(ledger) == ["begun"]
    ledger.drain(False)
    assert admit_ids(ledger) == ["hand", "backlog"]


def test_a_drain_ends_though_a_worker_died_in_an_upload(ledger: Ledger, wall: Wall) -> None:
    submit(ledger)
    claim(ledger)
    ledger.drain(True)
    assert ledger.begun() == 1
    wall.go(LEASE_S + 1)
    assert admit(ledger) == []
    assert ledger.begun() == 0
    ledger.drain(False)
    assert admit_ids(ledger) == ["j1"]


def test_what_has_begun_is_counted(ledger: Ledger) -> None:
    for job_id in ("queued", "uploading", "edited", "done"):
        submit(ledger, job_id)
    bring_to(ledger, "edited", Step.EDIT)
    end(ledger, "done")
    claim_alone(ledger, "uploading", Step.UPLOAD)
    assert ledger.begun() == 2


def test_files_of_one_session_go_one_after_the_other(ledger: Ledger, wall: Wall) -> None:
    for job_id in ("first", "second", "third"):
        submit(ledger, job_id, session_group="/in/folder")
        wall.go(1)
    submit(ledger, "alone")
    assert admit_ids(ledger) == ["first", "alone"]
    job = claim_admitted(ledger, "first", Step.UPLOAD)
    assert end_step(ledger, job, State.QUEUED, Step.EDIT)
    assert admit_ids(ledger) == ["first"]
    assert end_step(ledger, claim_admitted(ledger, "first", Step.EDIT), State.DONE)
    assert admit_ids(ledger) == ["second"]
    ledger.transition("third", State.CANCELLED, among=[State.QUEUED])
    ledger.transition("second", State.CANCELLED, among=[State.QUEUED])
    check_sets(ledger)


@pytest.mark.parametrize("state", sorted(ENDED))
def test_whatever_end_the_first_of_a_session_finds_the_next_goes_on(ledger: Ledger, state: State) -> None:
    for job_id in ("first", "second"):
        submit(ledger, job_id, session_group="g")
    assert end_step(ledger, claim(ledger, "first"), state)
    assert admit_ids(ledger) == ["second"]


def test_a_group_is_not_stopped_by_one_that_was_cancelled_before_it_began(ledger: Ledger) -> None:
    for job_id in ("first", "second", "third"):
        submit(ledger, job_id, session_group="g")
    ledger.transition("second", State.CANCELLED, among=[State.QUEUED])
    assert end_step(ledger, claim(ledger, "first"), State.DONE)
    assert admit_ids(ledger) == ["third"]


def test_one_that_leaves_a_group_from_behind_does_not_hurry_the_first(ledger: Ledger) -> None:
    for job_id in ("first", "second"):
        submit(ledger, job_id, session_group="g")
    assert end_step(ledger, claim(ledger, "first"), State.WAITING, Step.POLL, after_s=60)
    ledger.transition("second", State.CANCELLED, among=[State.QUEUED])
    assert due_at(ledger, "first") == pytest.approx(60, abs=0.01)


def test_a_retried_file_stands_behind_those_that_wait_for_its_session(ledger: Ledger) -> None:
    for job_id in ("first", "second", "third"):
        submit(ledger, job_id, session_group="g")
    assert end_step(ledger, claim(ledger, "first"), State.FAILED)
    ledger.transition("first", State.QUEUED, among=[State.FAILED])
    for expected in ("second", "third", "first"):
        assert admit_ids(ledger) == [expected]
        assert end_step(ledger, claim_admitted(ledger, expected, Step.UPLOAD), State.DONE)
    check_sets(ledger)


def test_two_groups_do_not_wait_for_each_other(ledger: Ledger) -> None:
    for job_id, group in (("a1", "a"), ("b1", "b"), ("a2", "a"), ("b2", "b")):
        submit(ledger, job_id, session_group=group)
    assert admit_ids(ledger) == ["a1", "b1"]


def test_a_lost_message_is_due_again(ledger: Ledger, wall: Wall) -> None:
    submit(ledger)
    assert admit_ids(ledger) == ["j1"]
    wall.go(LEASE_S - 1)
    assert admit(ledger) == []
    wall.go(2)
    assert admit_ids(ledger) == ["j1"]
    assert ledger.get("j1").crashes == 0
    assert claim_admitted(ledger, "j1", Step.UPLOAD).crashes == 0


def test_each_due_job_goes_to_one_of_many_schedulers(ledger: Ledger) -> None:
    bound(ledger, upload=100)
    for number in range(60):
        submit(ledger, f"j{number}")
    with ThreadPoolExecutor(8) as pool:
        batches = list(pool.map(lambda _: admit(ledger, most=1000), range(20)))
    found = [due.job_id for batch in batches for due in batch]
    assert sorted(found) == sorted(f"j{number}" for number in range(60))


def test_of_all_threads_each_kind_gets_its_share(ledger: Ledger) -> None:
    ledger.limits |= {"upload": LimitBounds(50, 100, share=0.1), "edit": LimitBounds(50, 100, share=0.7)}
    bound(ledger, download=50)
    for number in range(20):
        submit(ledger, f"e{number:02}")
        bring_to(ledger, f"e{number:02}", Step.EDIT)
    for number in range(20):
        submit(ledger, f"u{number:02}")
    ledger.sync_clock("w1", threads=6)
    ledger.sync_clock("w2", threads=4)
    steps = [due.step for due in admit(ledger)]
    assert steps == [Step.EDIT] * 7 + [Step.UPLOAD]


def test_a_share_is_never_nothing(ledger: Ledger) -> None:
    ledger.limits["upload"] = LimitBounds(50, 100, share=0.06)
    for number in range(3):
        submit(ledger, f"j{number}")
    ledger.sync_clock("w1", threads=1)
    assert len(admit(ledger)) == 1


def test_a_worker_that_is_gone_has_no_threads(ledger: Ledger, wall: Wall) -> None:
    step = step_server_clock(ledger)
    ledger.sync_clock("gone", threads=500)
    step(31)
    wall.go(31)
    ledger.sync_clock("here", threads=8)
    assert set(ledger.client.hgetall("dropscore:workers")) == {"here"}
    assert ledger.client.get("dropscore:threads") == "8"


def test_what_has_ended_or_moved_on_is_taken_out_of_a_due_set_it_is_still_in(ledger: Ledger) -> None:
    submit(ledger)
    assert end_step(ledger, claim(ledger), State.DONE)
    ledger.client.zadd("dropscore:due:upload", {"j1": 0, "nobody": 0})
    assert admit(ledger) == []
    assert ledger.client.zcard("dropscore:due:upload") == 0


def test_the_limits_of_a_ledger_do_not_change_those_of_another(ledger: Ledger) -> None:
    bound(ledger, upload=1)
    assert LIMITS["upload"] == LimitBounds(4, 100)
    assert replace(LIMITS["upload"], ceiling=1).ceiling == 1


@pytest.mark.parametrize("step", [Step.UPLOAD, Step.EDIT, Step.RENDER, Step.DOWNLOAD])
def test_what_a_dead_worker_held_goes_before_all_that_waits_longer(
    ledger: Ledger, wall: Wall, step: Step
) -> None:
    """Of a backlog of 2,000, uploads of a killed worker came when all others were through."""
    bound(ledger, **dict.fromkeys(KINDS, 2))
    for number in range(12):
        submit(ledger, f"b{number:02d}", backlog=True)
        bring_to(ledger, f"b{number:02d}", step)
        wall.go(1)
    held = admit_ids(ledger)
    assert held == ["b00", "b01"]
    for job_id in held:
        assert try_claim(ledger, job_id, step)
    wall.go(LEASE_S + 1)
    assert admit_ids(ledger) == held
    check_sets(ledger)


def test_a_dead_workers_uploads_go_on_while_enough_waits_to_be_edited(ledger: Ledger, wall: Wall) -> None:
    bound(ledger, edit=16, upload=2)
    for number in range(40):
        submit(ledger, f"b{number:02d}", backlog=True)
    held = admit_ids(ledger)
    for job_id in held:
        assert try_claim(ledger, job_id, Step.UPLOAD)
    for number in range(2, 38):
        bring_to(ledger, f"b{number:02d}", Step.EDIT)
    wall.go(LEASE_S + 1)
    due = {one.job_id: one.step for one in admit(ledger)}
    assert {job_id for job_id, step in due.items() if step is Step.UPLOAD} == set(held)
    assert try_claim(ledger, held[0], Step.UPLOAD)
