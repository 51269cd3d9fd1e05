"""A batch in numbers."""

from jobs.model import State
from web.models import WAITING, add_up


def test_files_are_counted_by_state(put, entries):
    put("a")
    put("b")
    put("c", state="failed")
    totals = add_up(entries())
    assert totals.files == 3
    assert totals.states == {State.DONE: 2, State.FAILED: 1}


def test_steps_are_added_up_and_so_is_waiting(put, entries):
    put("a", took={"upload": 1, "edit": 5})
    put("b", took={"upload": 3})
    shares = {share.step: share for share in add_up(entries()).shares}
    assert (shares["upload"].total_s, shares["upload"].median_s, shares["upload"].longest_s) == (4, 2, 3)
    assert shares[WAITING].total_s == 3
    assert sum(share.part for share in shares.values()) == 1
    assert "poll" not in shares


def test_retries_are_attempts_after_the_first(put, entries):
    step = {"step": "edit", "started": "2026-11-20T10:00:00Z", "ended": "2026-11-20T10:00:01Z", "attempts": 3}
    put("a", steps=[step])
    assert add_up(entries()).shares[0].retries == 2


def test_credits_are_what_the_files_cost_whatever_the_balance_did_meanwhile(put, entries):
    put("a", credits={"before": 1000, "after": 900, "spent": 50})  # both edits lie between its two looks
    put("b", credits={"before": 1000, "after": 900, "spent": 50})
    put("c", credits={"before": 900, "after": 900, "spent": None})
    assert add_up(entries()).spent == 100


def test_without_a_balance_there_are_no_credits(put, entries):
    put("a")
    assert add_up(entries()).spent is None


def test_problems_are_grouped_the_most_frequent_first(put, entries):
    put("a", state="failed", error={"class": "NoMusic", "message": "one", "advice": "say more"})
    for name in "bc":
        put(name, state="parked", error={"class": "OutOfCredits", "message": "empty", "advice": "top up"})
    put("d", state="unconfirmed")
    causes = add_up(entries()).causes
    assert [(cause.code, len(cause.entries)) for cause in causes] == [
        ("OutOfCredits", 2),
        ("NoMusic", 1),
        ("unconfirmed", 1),
    ]
    assert causes[0].advice == "top up"


def test_no_results_are_no_error():
    totals = add_up([])
    assert (totals.files, totals.shares, totals.causes, totals.spent) == (0, (), (), None)
