"""Files of a watched folder that is away are set aside, and those of other folders get their turn."""

import pytest

from jobs import control
from jobs.gates import Gates
from jobs.ledger import Ledger, LimitBounds
from jobs.model import Gate, State, Step
from jobs.sources import Sources
from jobs.stats import read_stats
from tests.conftest import Wall
from tests.unit.jobs.actions import (
    LEASE_S,
    admit,
    admit_ids,
    bring_to,
    check_sets,
    claim,
    due_at,
    end,
    end_step,
    submit,
    try_claim,
)

A, B = "/mnt/a", "/mnt/b"


def put(ledger: Ledger, job_id: str, root: str, **fields: object) -> None:
    submit(ledger, job_id, source=f"{root}/{job_id}.mp4", root=root, **fields)


def close(ledger: Ledger, root: str, probe_at: float = 0.0) -> bool:
    return Gates(ledger).close(
        Gate.SOURCE, probe_at=probe_at, message=f"{root} is away", advice="mount it", root=root
    )


def held(ledger: Ledger, root: str = A) -> list[str]:
    return list(ledger.client.zrange(f"dropscore:held:source:{root}", 0, -1))


def test_files_of_a_folder_that_is_away_wait_and_others_go_on(ledger: Ledger) -> None:
    """A backlog of a disk that was not mounted was claimed again and again, ahead of all that was there."""
    for number in range(40):
        put(ledger, f"a{number:02}", A, backlog=True)
    for number in range(3):
        put(ledger, f"b{number}", B, backlog=True)
    submit(ledger, "single")
    assert close(ledger, A)
    assert admit_ids(ledger) == ["single", "b0", "b1", "b2"]
    assert len(held(ledger)) == 40
    assert read_stats(ledger).waiting[Gate.SOURCE] == 40
    assert admit(ledger) == []
    check_sets(ledger)


def test_a_large_backlog_is_set_aside_a_piece_at_a_look(ledger: Ledger) -> None:
    for number in range(1100):
        put(ledger, f"a{number:04}", A, backlog=True)
    put(ledger, "b", B, backlog=True)
    close(ledger, A)
    looks = [admit_ids(ledger) for _ in range(3)]
    assert looks == [[], [], ["b"]]
    assert len(held(ledger)) == 1100


def test_when_the_folder_is_back_its_files_go_on_in_their_order(ledger: Ledger, wall: Wall) -> None:
    for number in range(3):
        put(ledger, f"a{number}", A, backlog=True)
        wall.go(1)
    put(ledger, "hand", A)
    close(ledger, A)
    assert admit(ledger) == []
    wall.go(3 * 86400)
    assert admit(ledger) == []
    assert Gates(ledger).open(Gate.SOURCE, A) == 4
    assert admit_ids(ledger) == ["hand", "a0", "a1", "a2"]
    assert not ledger.client.exists("dropscore:held", f"dropscore:held:source:{A}")
    assert ledger.client.hget("dropscore:job:a0", "held") is None
    check_sets(ledger)


def test_each_folder_has_a_gate_of_its_own_and_people_see_one(ledger: Ledger) -> None:
    put(ledger, "a", A)
    put(ledger, "b", B)
    gates = Gates(ledger)
    assert close(ledger, A, probe_at=20.0)
    assert close(ledger, B, probe_at=10.0)
    assert not close(ledger, B, probe_at=10.0)
    assert admit(ledger) == []
    found = gates.closed()[Gate.SOURCE]
    assert (found.roots, found.probe_at, found.message) == ((A, B), 10.0, f"{A} is away; {B} is away")
    assert gates.claim_probe(Gate.SOURCE, ledger.now() + 60, A)
    assert not gates.claim_probe(Gate.SOURCE, ledger.now() + 60, A)
    assert gates.open(Gate.SOURCE, B) == 1
    assert gates.closed()[Gate.SOURCE].roots == (A,)
    assert admit_ids(ledger) == ["b"]
    assert control.resume(gates) == {Gate.SOURCE: 1}
    assert admit_ids(ledger) == ["a"]


def test_only_what_is_still_to_be_read_waits_for_the_folder(ledger: Ledger) -> None:
    for step in Step:
        put(ledger, f"at-{step}", A)
        bring_to(ledger, f"at-{step}", step)
    close(ledger, A)
    assert sorted(admit_ids(ledger)) == sorted(f"at-{step}" for step in Step if step is not Step.UPLOAD)


def test_a_file_that_was_moved_out_of_the_folder_goes_on(ledger: Ledger) -> None:
    put(ledger, "a", A)
    put(ledger, "late", A)
    close(ledger, A)
    assert admit(ledger) == []
    assert Sources(ledger).relocate(ledger.get("a"), f"{B}/a.mp4")
    assert admit_ids(ledger) == ["a"]
    assert held(ledger) == ["late"]
    check_sets(ledger)


@pytest.mark.parametrize("backlog", [False, True])
def test_a_held_file_that_is_cancelled_and_retried_is_held_anew(ledger: Ledger, backlog: bool) -> None:
    put(ledger, "a", A, backlog=backlog)
    close(ledger, A)
    assert admit(ledger) == []
    ledger.transition("a", State.CANCELLED, among=[State.QUEUED])
    assert held(ledger) == []
    check_sets(ledger)
    ledger.transition("a", State.QUEUED, among=[State.CANCELLED])
    assert due_at(ledger, "a") <= 0
    assert admit(ledger) == []
    assert held(ledger) == ["a"]
    Gates(ledger).open(Gate.SOURCE)
    assert admit_ids(ledger) == ["a"]
    assert try_claim(ledger, "a", Step.UPLOAD)


def test_a_message_that_was_on_its_way_ends_behind_the_gate(ledger: Ledger) -> None:
    put(ledger, "a", A)
    job = claim(ledger, "a")
    close(ledger, A)
    assert end_step(ledger, job, State.PARKED, reason="source", attempts=2)
    assert admit(ledger) == []
    assert held(ledger) == ["a"]
    Gates(ledger).open(Gate.SOURCE)
    assert admit_ids(ledger) == ["a"]
    assert ledger.get("a").attempts == 2


def test_a_worker_that_renews_late_gets_its_file_back_from_the_gate(ledger: Ledger, wall: Wall) -> None:
    put(ledger, "a", A)
    job = claim(ledger, "a")
    close(ledger, A)
    wall.go(LEASE_S + 1)
    assert admit(ledger) == []
    assert held(ledger) == ["a"]
    assert ledger.renew({"a": job.fence}, LEASE_S) == []
    assert held(ledger) == []
    assert due_at(ledger, "a") == pytest.approx(LEASE_S, abs=1)
    Gates(ledger).open(Gate.SOURCE)
    assert admit(ledger) == []
    check_sets(ledger)


def test_the_files_of_a_session_group_wait_together(ledger: Ledger) -> None:
    for job_id in ("a1", "a2"):
        put(ledger, job_id, A, session_group="g")
    close(ledger, A)
    assert admit(ledger) == []
    Gates(ledger).open(Gate.SOURCE)
    assert admit_ids(ledger) == ["a1"]
    end(ledger, "a1")
    assert admit_ids(ledger) == ["a2"]


def test_the_limit_of_uploads_holds_for_what_comes_back(ledger: Ledger) -> None:
    ledger.limits["upload"] = LimitBounds(2, 2)
    for number in range(5):
        put(ledger, f"a{number}", A)
    close(ledger, A)
    assert admit(ledger) == []
    Gates(ledger).open(Gate.SOURCE)
    assert len(admit(ledger)) == 2
    check_sets(ledger)


def test_a_ledger_that_lost_the_record_of_a_held_file_goes_on(ledger: Ledger) -> None:
    put(ledger, "a", A)
    put(ledger, "b", A)
    close(ledger, A)
    assert admit(ledger) == []
    ledger.client.delete("dropscore:job:a")
    Gates(ledger).open(Gate.SOURCE)
    assert admit_ids(ledger) == ["b"]
    assert held(ledger) == []
