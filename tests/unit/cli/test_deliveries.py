"""What a run says of outputs that are gone, and of what the other backend did; what ``redo`` refuses."""

from pathlib import Path

import pytest

from cli.deliveries import redo_jobs, tend_deliveries
from cli.paths import Folders
from cli.status import overview_lines
from config.settings import Settings
from jobs.ledger import StepResult
from jobs.model import Checkpoint, JobSpec, RenderRef, SessionRef, State, Step
from jobs.overview import count_gone, read_overview

LEASE_S = 30.0


@pytest.fixture
def place(tmp_path):
    found = Folders(str(tmp_path / "inbox"), str(tmp_path / "outbox"), tmp_path / "state")
    for folder in ("inbox", "outbox"):
        (tmp_path / folder).mkdir()
    return found


def deliver(ledger, place, name, backend="local"):
    """A job that is done, with its source and its output."""
    for path in (source := f"{place.inbox}/{name}.mp4", output := f"{place.outbox}/{name}.mp4"):
        Path(path).write_text(name)
    ledger.submit(name, JobSpec(source=source, root=place.inbox), [output], note="4:1:")
    ledger.fetch_due(100, LEASE_S)
    job = ledger.claim(name, Step.UPLOAD, "w", LEASE_S)
    point = Checkpoint(
        session=SessionRef(session_id=f"s-{name}", backend=backend),
        render=RenderRef(render_id=f"render_{name}"),
        sha256="ab",
    )
    assert ledger.commit(job.evolve(checkpoint=point), StepResult(State.DONE, Step.DOWNLOAD), {}, ())
    return ledger.get(name)


def tend(ledger, place, *, redo=False, **settings):
    lines = []
    chosen = Settings(DROPSCORE_STATE_DIR=place.state, **settings)
    tend_deliveries(ledger, chosen, place, lines.append, redo_others=redo, may_pay=False)
    return lines


def remove(path):
    Path(path).unlink()


def test_what_is_gone_is_queued_again_and_what_is_there_is_left_alone(fake_ledger, place):
    gone, there = deliver(fake_ledger, place, "gone"), deliver(fake_ledger, place, "there")
    remove(gone.spec.output)
    (line,) = tend(fake_ledger, place)
    assert line.startswith("1 output gone from ")
    assert line.endswith("made again at no cost")
    assert (fake_ledger.get("gone").state, fake_ledger.get("gone").step) == (State.QUEUED, Step.POLL)
    assert fake_ledger.get("there") == there
    assert tend(fake_ledger, place) == []


def test_what_is_gone_is_counted_until_it_is_made_again(fake_ledger, place):
    jobs = [deliver(fake_ledger, place, name) for name in ("a", "b", "c")]
    deliver(fake_ledger, place, "cloud", "cloud")
    assert count_gone(fake_ledger, "local") == 0
    for job in jobs[:2]:
        remove(job.spec.output)
    seen = read_overview(fake_ledger, gone=count_gone(fake_ledger, "local"))
    assert "2 outputs gone; the next run makes them again" in map(str, overview_lines(seen))
    remove(f"{place.outbox}/cloud.mp4")
    assert (count_gone(fake_ledger, "local"), count_gone(fake_ledger, "cloud")) == (2, 1)
    tend(fake_ledger, place)
    assert count_gone(fake_ledger, "local") == 0


def test_who_moves_outputs_away_is_left_alone(fake_ledger, place):
    remove(deliver(fake_ledger, place, "moved").spec.output)
    assert tend(fake_ledger, place, DROPSCORE_RESTORE=False) == []
    assert fake_ledger.get("moved").state is State.DONE


def test_the_cloud_tells_what_the_studio_did_and_what_it_would_cost(fake_ledger, place):
    for name in ("a", "b"):
        deliver(fake_ledger, place, name)
    (line,) = tend(fake_ledger, place, DROPSCORE_BACKEND="cloud")
    assert line == (
        "2 files done by the local studio before; "
        "to have this one do them too (about 100 credits), add --redo"
    )
    assert {fake_ledger.get(name).state for name in ("a", "b")} == {State.DONE}


def test_an_output_of_the_other_backend_is_not_asked_of_this_one(fake_ledger, place):
    remove(deliver(fake_ledger, place, "a").spec.output)
    tend(fake_ledger, place, DROPSCORE_BACKEND="cloud")
    assert fake_ledger.get("a").state is State.DONE


def test_redo_pays_nothing_unless_it_is_told_to(fake_ledger, place, capsys):
    job = deliver(fake_ledger, place, "a", "cloud")
    settings = Settings(DROPSCORE_STATE_DIR=place.state, DROPSCORE_BACKEND="cloud")
    refused = redo_jobs(fake_ledger, [job], settings, (), may_pay=False)
    assert refused.exit_code == 1
    assert "costs about 50 credits; if that is right, add --pay" in capsys.readouterr().err
    remove(job.spec.output)
    done = redo_jobs(fake_ledger, [job], settings, (), may_pay=False)
    assert (done.exit_code, done.jobs[0].edited) == (0, False)
    running = redo_jobs(fake_ledger, [fake_ledger.get("a")], settings, (), may_pay=True)
    assert running.exit_code == 1


def test_of_a_file_that_was_tweaked_each_version_is_found(fake_ledger, place, clip):
    first = deliver(fake_ledger, place, "a")
    Path(first.spec.source).write_bytes(clip.read_bytes())
    settings = Settings(DROPSCORE_STATE_DIR=place.state, DROPSCORE_SETTLE=0)
    spec = first.spec.evolve(parent=first.id)
    fake_ledger.submit("tweak", spec, [f"{place.outbox}/a.v2.mp4"], note="4:1:")
    fake_ledger.fetch_due(100, LEASE_S)
    tweak = fake_ledger.claim("tweak", Step.UPLOAD, "w", LEASE_S)
    tweak = tweak.evolve(
        checkpoint=Checkpoint(
            session=SessionRef(session_id="s-a", backend="local"),
            render=RenderRef(render_id="render_t"),
            sha256="cd",
        )
    )
    assert fake_ledger.commit(tweak, StepResult(State.DONE, Step.DOWNLOAD), {}, ())
    Path(f"{place.outbox}/a.v2.mp4").write_text("tweak")
    remove(first.spec.output)
    (one,) = redo_jobs(fake_ledger, [fake_ledger.get("tweak")], settings, (), may_pay=False).jobs
    assert (one.job, one.output, one.edited) == ("a", first.spec.output, False)
    (new,) = redo_jobs(fake_ledger, [fake_ledger.get("tweak")], settings, ("softer",), may_pay=False).jobs
    assert (new.output, fake_ledger.get(new.job).spec.parent) == (f"{place.outbox}/a.v3.mp4", None)


def test_redo_edits_anew_what_is_still_there_as_its_next_version(fake_ledger, place, clip):
    job = deliver(fake_ledger, place, "a")
    Path(job.spec.source).write_bytes(clip.read_bytes())
    settings = Settings(DROPSCORE_STATE_DIR=place.state, DROPSCORE_SETTLE=0)
    done = redo_jobs(fake_ledger, [job], settings, ("softer",), may_pay=False)
    (new,) = done.jobs
    assert (new.edited, new.output) == (True, f"{place.outbox}/a.v2.mp4")
    assert fake_ledger.get(new.job).spec.instructions == ("softer",)
    again = redo_jobs(fake_ledger, [job], settings, ("softer",), may_pay=False)
    assert again.jobs[0].job == new.job
