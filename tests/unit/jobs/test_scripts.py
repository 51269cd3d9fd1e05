"""Every script meets a job that is not there, or is not its caller's, without a fault and without a write."""

import re
from collections.abc import Callable
from importlib.resources import files
from typing import Any

import pytest

from jobs.ledger import Ledger
from jobs.model import State, Step
from jobs.redis import encode_argument
from tests.unit.jobs.actions import check_sets, claim, end, submit

HOLDS = {"paused": ["upload"]}
BOUNDS = {"upload": {"initial": 4, "ceiling": 9, "share": 1.0}}

ARGUMENTS: dict[str, dict[str, Any]] = {
    "budget_commit": {"paid": True},
    "claim": {"step": "upload", "fence": "f", "owner": "w", "now": 1.0, "lease_s": 30, "holds": HOLDS},
    "commit": {"fence": "f", "now": 1.0, "state": "queued", "step": "edit", "due": 1.0, "fields": {"x": "y"}},
    "forget": {},
    "move_output": {"now": 1.0, "output": "/out/other.mp4", "output_key": "k"},
    "reassert": {"now": 1.0, "current": 0, "due": 2.0, "fields": {"x": "y"}},
    "relocate": {
        "now": 1.0,
        "was": "/in/other",
        "source": "/in/n",
        "codes": {"source_gone": True},
        "spec": "{}",
    },
    "renew": {"now": 1.0, "lease_s": 30},
    "save": {"fence": "f", "fields": {"x": "y"}},
    "supersede": {"now": 1.0, "output_key": "k"},
    "transition": {
        "now": 1.0,
        "among": {"failed": True},
        "state": "queued",
        "fields": {"x": "y"},
        "delete": [],
    },
}
"""What each script that is about one job is given, besides its id."""

WITHOUT_A_JOB = {
    "budget_reserve",
    "clock",
    "fetch_due",
    "gate_close",
    "gate_probe",
    "limit_accept",
    "limit_back_off",
    "notice_claim",
    "rate_limit",
    "submit",
}


def call(ledger: Ledger, name: str, job_id: str) -> Any:
    argument = {
        "id": job_id,
        "limits": BOUNDS,
        "held": {job_id: "f"},
        "jobs": [{"id": job_id, "output_key": "k"}],
    }
    return getattr(ledger.scripts, name)(args=encode_argument(**argument, **ARGUMENTS[name]))


def snapshot(ledger: Ledger) -> dict[str, Any]:
    client = ledger.client
    readers: dict[str, Callable[[str], Any]] = {
        "hash": client.hgetall,
        "zset": lambda key: client.zrange(key, 0, -1, withscores=True),
    }
    return {key: readers.get(client.type(key), client.get)(key) for key in client.keys("*")}


def test_every_script_is_looked_at_here() -> None:
    names = {file.name.removesuffix(".lua") for file in files("jobs").joinpath("lua").iterdir()}
    assert names - {"prelude"} == set(ARGUMENTS) | WITHOUT_A_JOB


@pytest.mark.parametrize("name", ARGUMENTS)
def test_a_job_that_is_not_there_is_no_fault_and_is_not_made(ledger: Ledger, name: str) -> None:
    answer = call(ledger, name, "nobody")
    assert answer in (None, 0, ["nobody"]) or (name == "budget_commit" and answer == 1)
    assert snapshot(ledger) == {}


@pytest.mark.parametrize("state", [State.QUEUED, State.RUNNING, State.DONE])
@pytest.mark.parametrize("name", sorted(set(ARGUMENTS) - {"supersede", "forget", "reassert", "move_output"}))
def test_a_stranger_changes_nothing(ledger: Ledger, name: str, state: State) -> None:
    submit(ledger)
    if state is State.RUNNING:
        claim(ledger)
    elif state is State.DONE:
        end(ledger, "j1")
    before = snapshot(ledger)
    call(ledger, name, "j1")
    assert snapshot(ledger) == before
    check_sets(ledger)


@pytest.mark.parametrize("name", ["supersede", "reassert"])
def test_what_is_done_stays_as_it_is(ledger: Ledger, name: str) -> None:
    submit(ledger)
    end(ledger, "j1")
    before = snapshot(ledger)
    assert call(ledger, name, "j1") == 0
    assert snapshot(ledger) == before


def test_what_goes_on_is_not_forgotten(ledger: Ledger) -> None:
    submit(ledger)
    before = snapshot(ledger)
    assert call(ledger, "forget", "j1") == 0
    assert snapshot(ledger) == before


def test_scripts_are_found_again_by_a_server_that_forgot_them(ledger: Ledger) -> None:
    submit(ledger, "a")
    ledger.client.script_flush()
    submit(ledger, "b")
    assert ledger.get("b").step is Step.UPLOAD
    ledger.client.script_flush()
    job = claim(ledger, "a")
    ledger.replicas = 0
    assert ledger.save(job, {}, durable=True) is True


def test_a_script_that_is_not_there_is_a_fault_at_once(ledger: Ledger) -> None:
    with pytest.raises(AttributeError, match="no_such_script"):
        ledger.scripts.no_such_script  # noqa: B018 - looking it up is the test


def test_every_script_says_what_it_is_given_and_what_it_answers() -> None:
    for file in files("jobs").joinpath("lua").iterdir():
        text = file.read_text(encoding="utf-8")
        head = "".join(re.findall(r"^--.*\n", text, re.MULTILINE)[:8])
        assert head, file.name
        if file.name not in {"prelude.lua", "limit_accept.lua", "save.lua", "budget_commit.lua"}:
            assert "Answers" in head, file.name
