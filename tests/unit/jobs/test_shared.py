"""What all workers share besides jobs: notices, sessions of a folder, and the account."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import pytest

from jobs.errors import LedgerUnreachable
from jobs.ledger import Ledger
from jobs.model import SessionRef, State, Step
from jobs.notices import NoticeMarks
from jobs.redis import PREFIX
from jobs.sessions import SharedSessions
from jobs.token_store import LOCK_S, SharedTokenStore
from tests.conftest import Wall
from tests.unit.jobs.actions import admit_ids, claim, end, end_step, submit

# --- notices --------------------------------------------------------------------------------------


def test_one_of_many_gets_to_notify(ledger: Ledger) -> None:
    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(lambda n: NoticeMarks(ledger).claim("batch", "", f"{n}"), range(20)))
    assert won.count(True) == 1
    marks = NoticeMarks(ledger)
    known = marks.all()["batch"]
    assert known == str(won.index(True))
    assert marks.claim("batch", "stale", "x") is False
    assert marks.claim("batch", known, "next") is True
    assert marks.claim("batch", "next", "") is True
    assert marks.all() == {}
    assert marks.claim("batch", "", "again") is True


def test_subjects_do_not_touch_each_other(ledger: Ledger) -> None:
    marks = NoticeMarks(ledger)
    assert marks.claim("a", "", "1")
    assert marks.claim("b", "", "2")
    assert marks.all() == {"a": "1", "b": "2"}


def test_each_end_is_counted_in_one_stretch_of_time(ledger: Ledger, wall: Wall) -> None:
    times = [ledger.now()]
    for number in range(4):
        wall.go(1)
        submit(ledger, f"j{number}")
        state = State.FAILED if number % 2 else State.DONE
        end(ledger, f"j{number}", state)
        times.append(ledger.client.zscore(f"{PREFIX}in:{state}", f"j{number}"))
    marks, states = NoticeMarks(ledger), (State.DONE, State.FAILED)
    assert marks.count_ended(states, times[0], times[4]) == {State.DONE: 2, State.FAILED: 2}
    # What ended at the very moment up to which was counted belongs to that stretch, and to no other.
    parts = [sum(marks.count_ended(states, *pair).values()) for pair in pairwise(times)]
    assert parts == [1, 1, 1, 1]
    first = marks.first_ended(states, times[0], times[4], limit=3)
    assert [job.id for job in first] == ["j0", "j1", "j2"]
    assert [job.id for job in marks.first_ended([State.FAILED], times[1], times[4], 9)] == ["j1", "j3"]


# --- sessions of a folder -------------------------------------------------------------------------


def test_a_folders_session_is_kept_with_whose_file_lies_on_it(ledger: Ledger) -> None:
    sessions = SharedSessions(ledger)
    assert sessions.find("g") is None
    assert sessions.is_owner("g", "a")  # nobody's file lies on it yet
    session = SessionRef(session_id="s1", task_id="t1", user_id="u1")
    sessions.acquire("g", "a", session)
    assert sessions.find("g") == session
    assert (sessions.is_owner("g", "a"), sessions.is_owner("g", "b")) == (True, False)
    sessions.acquire("g", "b", session)
    assert (sessions.is_owner("g", "a"), sessions.is_owner("g", "b")) == (False, True)
    assert sessions.find("other") is None


def test_only_the_job_that_worked_in_a_lost_session_drops_it(ledger: Ledger) -> None:
    sessions = SharedSessions(ledger)
    sessions.acquire("g", "b", SessionRef(session_id="s2"))
    sessions.forget("g", "a")
    assert sessions.find("g") == SessionRef(session_id="s2")
    sessions.forget("g", "b")
    assert sessions.find("g") is None


def test_dropping_a_session_keeps_the_order_of_its_folder(ledger: Ledger) -> None:
    sessions = SharedSessions(ledger)
    for job_id in ("first", "second", "third"):
        submit(ledger, job_id, session_group="g")
    sessions.acquire("g", "first", SessionRef(session_id="s1"))
    assert end_step(ledger, claim(ledger, "first"), State.DONE)
    sessions.forget("g", "first")
    submit(ledger, "fourth", session_group="g")
    order = []
    for _ in range(3):
        (job_id,) = admit_ids(ledger)
        order.append(job_id)
        job = ledger.claim(job_id, Step.UPLOAD, "w", 30)
        assert job is not None
        assert end_step(ledger, job, State.DONE)
    assert order == ["second", "third", "fourth"]


# --- the account ----------------------------------------------------------------------------------

ACCOUNT = {"client_id": "c1", "token": "made-up", "expires": 1.5}


def test_the_account_of_a_service_is_kept_for_that_service(ledger: Ledger) -> None:
    store = SharedTokenStore(ledger, "https://api.example")
    assert store.load() is None
    store.save(ACCOUNT)
    assert store.load() == ACCOUNT
    assert SharedTokenStore(ledger, "https://api.example").load() == ACCOUNT
    assert SharedTokenStore(ledger, "https://other.example").load() is None


def test_one_at_a_time_asks_for_a_token(ledger: Ledger) -> None:
    inside, most = [0], [0]
    minted = []

    def mint(number: int) -> None:
        store = SharedTokenStore(ledger, "https://api.example")
        with store.lock():
            inside[0] += 1
            most[0] = max(most[0], inside[0])
            if store.load() is None:
                time.sleep(0.02)
                minted.append(number)
                store.save(ACCOUNT)
            inside[0] -= 1

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(mint, range(8)))
    assert (len(minted), most[0]) == (1, 1)


def test_the_lock_outlives_all_that_is_done_under_it(ledger: Ledger) -> None:
    """It lasted 120 s, and the sleep inside it could too."""
    with SharedTokenStore(ledger, "u").lock():
        left_s = ledger.client.pttl("dropscore:account:u:lock") / 1000
    assert LOCK_S - 5 < left_s <= LOCK_S
    assert LOCK_S > 2 * 120


def test_a_lock_that_cannot_be_had_is_an_error_of_ours(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobs.token_store.WAIT_FOR_LOCK_S", 0.2)
    with (
        SharedTokenStore(ledger, "u").lock(),
        pytest.raises(LedgerUnreachable, match="lock"),
        SharedTokenStore(ledger, "u").lock(),
    ):
        pytest.fail("two held it")


def test_a_lock_that_ended_under_its_holder_is_an_error_of_ours(ledger: Ledger) -> None:
    """`LockError` was not translated: it ended the worker's thread."""
    with pytest.raises(LedgerUnreachable), SharedTokenStore(ledger, "u").lock():
        ledger.client.delete("dropscore:account:u:lock")


def test_an_error_under_the_lock_gives_it_back(ledger: Ledger) -> None:
    store = SharedTokenStore(ledger, "u")
    with pytest.raises(ZeroDivisionError), store.lock():
        raise ZeroDivisionError
    taken = threading.Event()
    with store.lock():
        taken.set()
    assert taken.is_set()
