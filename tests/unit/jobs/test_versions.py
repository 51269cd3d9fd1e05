"""One version of a file stays in the outbox; the others step aside, and come back."""

import json
from pathlib import Path

import pytest

from jobs.control import tweak
from jobs.errors import NotAllowed
from jobs.ledger import Ledger, StepResult
from jobs.model import JobSpec, State, Step
from jobs.result import describe_result
from jobs.versions import keep


def deliver(ledger: Ledger, job_id: str, output: Path, source: str = "/in/clip.mp4") -> None:
    spec = JobSpec(source=source, skill="s", instructions=(job_id,), fingerprint="f", created=ledger.now())
    ledger.submit(job_id, spec, [str(output)])
    ledger.fetch_due(1, 30)
    job = ledger.claim(job_id, Step.UPLOAD, "w", 30)
    assert job is not None
    output.write_text(job_id)
    assert ledger.commit(job, StepResult(State.DONE, Step.DOWNLOAD), {}, ())
    result = describe_result(ledger.get(job_id)).model_copy(
        update={"output": str(output), "ids": {"session": "s1", "task": None}}
    )
    output.with_name(output.stem + ".result.json").write_text(result.model_dump_json())


def seen(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_the_others_step_aside_and_come_back(ledger: Ledger, tmp_path: Path) -> None:
    deliver(ledger, "v1", tmp_path / "clip.mp4")
    deliver(ledger, "v2", tmp_path / "clip.v2.mp4")
    deliver(ledger, "other", tmp_path / "other.mp4", "/in/other.mp4")
    before = seen(tmp_path)
    keep(ledger, "v2", ["v1", "v2", "other"])
    assert seen(tmp_path) == [
        "clip.v2.mp4",
        "clip.v2.result.json",
        "other versions/clip.mp4",
        "other versions/clip.result.json",
        "other.mp4",
        "other.result.json",
    ]
    aside = tmp_path / "other versions" / "clip.mp4"
    assert ledger.get("v1").spec.output == str(aside)
    assert json.loads(aside.with_name("clip.result.json").read_text())["output"] == str(aside)
    keep(ledger, "v2", ["v1", "v2"])  # twice is once
    keep(ledger, "v1", ["v1", "v2"])
    assert ledger.get("v1").spec.output == str(tmp_path / "clip.mp4")
    keep(ledger, "v2", ["v2"])
    assert [name for name in seen(tmp_path) if "/" not in name] == before


def test_a_version_that_stepped_aside_can_be_changed_too(ledger: Ledger, tmp_path: Path) -> None:
    deliver(ledger, "v1", tmp_path / "clip.mp4")
    deliver(ledger, "v2", tmp_path / "clip.v2.mp4")
    keep(ledger, "v2", ["v1", "v2"])
    made = tweak(ledger, "v1", "softer")
    assert ledger.get(made.job_id).spec.output == str(tmp_path / "clip.v3.mp4")


def test_what_delivered_nothing_cannot_stay(ledger: Ledger, tmp_path: Path) -> None:
    ledger.submit("new", JobSpec(source="/in/a.mp4"), [str(tmp_path / "a.mp4")])
    with pytest.raises(NotAllowed, match="only a version that is done"):
        keep(ledger, "new", [])
    deliver(ledger, "gone", tmp_path / "gone.mp4", "/in/gone.mp4")
    (tmp_path / "gone.mp4").unlink()
    with pytest.raises(NotAllowed, match="not at"):
        keep(ledger, "gone", [])
