"""``status``: the pace, the limits, the credits, and a JSON whose keys are those that are documented."""

import json
import re

from cli.control import cancel_jobs
from cli.status import overview_lines
from jobs.gates import Gates
from jobs.ledger import Ledger, StepResult
from jobs.limits import CreditBudget
from jobs.model import Gate, JobSpec, State, Step
from jobs.overview import read_overview
from jobs.result import describe_result
from jobs.stats import publish_ceilings
from tests.conftest import Wall
from tests.documented import documented


def submit(ledger: Ledger, name: str) -> None:
    spec = JobSpec(source=f"/in/{name}", skill="s", instructions=("x",), fingerprint=name)
    ledger.submit(name, spec, [f"/out/{name}.mp4"])


def deliver(ledger: Ledger) -> None:
    (due,) = ledger.fetch_due(1, 30)
    job = ledger.claim(due.job_id, Step.UPLOAD, "w", 30)
    assert job is not None
    assert ledger.commit(job, StepResult(State.DONE, Step.DOWNLOAD), {}, ())


def shown(ledger: Ledger) -> str:
    return "\n".join(str(line) for line in overview_lines(read_overview(ledger)))


def test_the_pace_is_that_of_what_was_delivered_lately_and_none_is_made_up(
    ledger: Ledger, wall: Wall
) -> None:
    for number in range(10):
        submit(ledger, f"f{number}")
    assert "left" not in shown(ledger)
    wall.go(3600)  # nothing ran for an hour, and then three files in 30 s
    for number in range(3):
        deliver(ledger)
        assert ("files a minute" in shown(ledger)) is (number == 2)
        wall.go(15)
    # 3 files in 45 s; of what is done the ledger keeps a time in whole seconds.
    assert re.search(r"2\.[5-8] files a minute; 7 left, about 2:[234]\d", shown(ledger))
    wall.go(3600)
    assert "files a minute" not in shown(ledger)


def test_no_end_is_promised_while_a_person_holds_files_back(ledger: Ledger, wall: Wall) -> None:
    for number in range(5):
        submit(ledger, f"f{number}")
    for _ in range(4):
        deliver(ledger)
        wall.go(10)
    Gates(ledger).close(Gate.CREDITS, probe_at=0.0, message="The account is empty", advice="Top it up")
    text = shown(ledger)
    assert "1 left" in text
    assert "about" not in text
    assert "The credits gate has been closed since" in text
    assert "1 file waiting" in text


def test_credits_are_counted_once_and_nothing_stays_in_flight_after_a_cancel(ledger: Ledger) -> None:
    for name in ("a", "b"):
        submit(ledger, name)
    assert "Credits" not in shown(ledger)
    budget = CreditBudget(ledger)
    budget.begin(500)
    budget.reserve("a", 50, available=1000)
    budget.commit("a", paid=True)
    budget.begin(500)  # another run
    budget.reserve("b", 50, available=950)
    assert (
        "Credits: 0 spent since the last run began, 50 in all, 50 set aside for edits in flight, "
        "the budget is 500, 950 left when last asked" in shown(ledger)
    )
    cancel_jobs(ledger, [ledger.get("b")])
    assert read_overview(ledger).credits.in_flight == 0


def test_limits_and_a_drain_are_shown(ledger: Ledger) -> None:
    publish_ceilings(ledger)
    submit(ledger, "a")
    ledger.fetch_due(10, 30)
    limit = read_overview(ledger).limits["upload"]
    assert (limit.in_flight, limit.ceiling >= limit.limit >= 1) == (1, True)
    assert f"In flight: 1 of {limit.limit:,} uploads" in shown(ledger)
    ledger.drain(True)
    assert read_overview(ledger).draining
    assert "Draining: what has begun is finished, nothing new begins." in shown(ledger)


def test_the_documented_keys_are_those_that_are_printed(ledger: Ledger) -> None:
    submit(ledger, "a")
    for heading, printed in (
        ("status", read_overview(ledger)),
        ("status JOB", describe_result(ledger.get("a"))),
    ):
        assert documented(heading) >= set(json.loads(printed.model_dump_json()))
