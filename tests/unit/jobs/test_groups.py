"""The line of a group: whoever is refused a turn is called, whenever the turn is given up."""

from jobs.groups import Groups
from jobs.ledger import Ledger, Move
from jobs.model import Checkpoint, Spec, State, Step

FOLDER = "/in/folder"


def running(ledger: Ledger, job_id: str) -> None:
    spec = Spec(
        source=f"/in/{job_id}", root="", output="", result="", skill="s", instructions=(), fingerprint=job_id
    )
    ledger.submit(job_id, spec, [f"/out/{job_id}.mp4"])
    assert ledger.claim(job_id, Step.UPLOAD, "w", 30)


def wait_in_line(ledger: Ledger, job_id: str) -> None:
    until = ledger.now() + 60
    move = Move(State.WAITING, Step.UPLOAD, until, until, came="line")
    assert ledger.move(ledger.get(job_id), move, Checkpoint(), ())


def due(ledger: Ledger) -> list[str]:
    return [one.job_id for one in ledger.take_due(5)]


def two_in_line(ledger: Ledger) -> Groups:
    groups = Groups(ledger)
    for job_id in ("first", "second", "third"):
        running(ledger, job_id)
    assert [groups.take(FOLDER, job_id) for job_id in ("first", "second", "third")] == [True, False, False]
    due(ledger)  # whatever is due is taken: what comes after was called
    return groups


def test_who_waits_is_called(ledger: Ledger) -> None:
    groups = two_in_line(ledger)
    wait_in_line(ledger, "second")
    wait_in_line(ledger, "third")
    assert due(ledger) == []
    groups.leave(FOLDER, "first")
    assert due(ledger) == ["second"]


def test_a_turn_given_up_between_the_refusal_and_the_wait_is_not_waited_for(ledger: Ledger) -> None:
    groups = two_in_line(ledger)
    groups.leave(FOLDER, "first")
    wait_in_line(ledger, "second")
    wait_in_line(ledger, "third")
    assert due(ledger) == ["second"]
    assert ledger.claim("second", Step.UPLOAD, "w", 30)
    assert groups.take(FOLDER, "second") is True


def test_one_that_comes_by_calls_who_was_refused_before_it(ledger: Ledger) -> None:
    groups = two_in_line(ledger)
    ledger.client.hdel(f"dropscore:group:{FOLDER}", "holder")  # its worker died before it could give it up
    assert groups.take(FOLDER, "third") is False
    wait_in_line(ledger, "second")
    assert due(ledger) == ["second"]
