"""``status``: the pace, the credits, and a JSON whose keys are those that are documented."""

import json

from cli.status import overview, overview_lines
from jobs.budget import Budget
from jobs.ledger import Ledger, Move
from jobs.model import Checkpoint, Spec, State, Step
from jobs.result import of
from tests.documented import documented


def submit(ledger: Ledger, name: str) -> None:
    spec = Spec(
        source=f"/in/{name}", root="", output="", result="", skill="s", instructions=("x",), fingerprint=name
    )
    ledger.submit(name, spec, [f"/out/{name}.mp4"])


def told(ledger: Ledger) -> str:
    return "\n".join(str(line) for line in overview_lines(overview(ledger)))


def test_pace_and_credits_are_told(ledger: Ledger) -> None:
    for name in ("a", "b", "c"):
        submit(ledger, name)
    job = ledger.claim("a", Step.UPLOAD, "w", 30)
    assert job is not None
    assert "Credits" not in told(ledger)
    assert "left" not in told(ledger)
    assert ledger.move(job, Move(State.DONE, Step.DOWNLOAD), Checkpoint(), ())
    budget = Budget(ledger)
    budget.begin(500)
    budget.reserve("a", 50, available=1000)
    budget.settle("a", paid=True)
    budget.reserve("b", 50, available=950)
    assert "50 spent, 50 in flight, 500 is the budget, 950 were left when last asked" in told(ledger)
    assert "0.1 files a minute; 2 left, about 20:00" in told(ledger)


def test_the_documented_keys_are_those_that_are_printed(ledger: Ledger) -> None:
    submit(ledger, "a")
    for heading, printed in (("status", overview(ledger)), ("status JOB", of(ledger.get("a")))):
        assert documented(heading) >= set(json.loads(printed.model_dump_json()))
