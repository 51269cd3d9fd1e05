"""Jobs and snapshots to look at, made up."""

from pathlib import Path

import pytest

from cli.output.snapshot import Snapshot
from cli.paths import Folders
from jobs.model import Checkpoint, Job, JobSpec, RenderRef, State, Step, StepRecord

NOW = 1_000_000.0


@pytest.fixture(autouse=True)
def state_home(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state-home"))


@pytest.fixture
def folders(tmp_path):
    return Folders(tmp_path / "inbox", tmp_path / "outbox", tmp_path / ".dropscore")


@pytest.fixture
def make_job(folders):
    def make(
        name="a.mp4", state=State.RUNNING, step=Step.POLL, *, percent=0.0, problem=None, updated=NOW, **more
    ):
        source = str(folders.inbox / name)
        spec = JobSpec(
            source=source,
            root=str(folders.inbox),
            output=str(folders.outbox / Path(name).with_suffix(".mp4").name),
            result="",
            skill="add-music",
            instructions=("music",),
            fingerprint="f",
            created=NOW - 10,
        )
        done = [*Step][: [*Step].index(step)]
        steps = tuple(StepRecord(step=one, started=NOW - 9, ended=NOW - 8, attempts=1) for one in done)
        return Job(
            id=more.pop("id", name),
            spec=spec,
            state=state,
            step=step,
            fence="f",
            attempts=0,
            crashes=0,
            until=0.0,
            reason=more.pop("reason", ""),
            checkpoint=Checkpoint(
                render=RenderRef(render_id="r", progress=percent), sha256=more.pop("sha256", "")
            ),
            steps=steps,
            problem=problem,
            started=NOW - 5,
            updated=updated,
        )

    return make


@pytest.fixture
def snapshot():
    def make(changed=(), in_work=(), gates=None, ended=None, now=NOW, duplicates=(), **counts):
        every = {state: counts.get(state.value, 0) for state in State}
        return Snapshot(
            now, tuple(changed), tuple(in_work), every, ended or {}, gates or {}, tuple(duplicates)
        )

    return make
