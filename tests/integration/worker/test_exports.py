"""Stems, MIDI and WAV come beside the output, from a service that makes them and from no other."""

import wave
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import nemovideo
from jobs.model import State
from producer.deliveries import restore
from tests.integration.worker.harness import FAST, Studio, WorkerHarness, open_worker, running_studio

pytestmark = pytest.mark.integration

NAMES = ["bass.wav", "drums.wav", "harmony.wav", "lead.wav", "music.mid", "music.wav"]
EVERYTHING = ("stems", "midi", "wav")


@pytest.fixture
def worker(redis_url: str, tmp_path: Path) -> Iterator[WorkerHarness]:
    """A worker whose state folder holds the studio's files too."""
    with (
        running_studio(tmp_path / "state" / "studio") as studio,
        open_worker(redis_url, studio, tmp_path / "out", **FAST) as found,
    ):
        yield found


def refuse(*_: object, **__: object) -> None:
    raise OSError(18, "Invalid cross-device link")


@pytest.mark.parametrize("linked", [True, False], ids=["linked", "fetched"])
def test_they_come_beside_the_output(
    worker: WorkerHarness, clip: Path, monkeypatch: pytest.MonkeyPatch, linked: bool
) -> None:
    if not linked:
        monkeypatch.setattr(nemovideo.NemoVideo, "hand_over", refuse)
    job_id = worker.submit(clip, exports=EVERYTHING)
    worker.run()
    job = worker.job(job_id)
    assert (job.state, job.problem) == (State.DONE, None)
    stem = Path(job.spec.output).with_suffix("")
    assert worker.result(job_id)["exports"] == [f"{stem}.{name}" for name in NAMES]
    assert sorted(path.name for path in worker.outbox.iterdir()) == sorted(
        [f"clip.{name}" for name in NAMES] + ["clip.mp4", "clip.result.json"]
    )
    with wave.open(f"{stem}.drums.wav") as file:
        length_s = file.getnframes() / file.getframerate()
    assert length_s == pytest.approx(worker.result(job_id)["duration_s"], abs=0.1)

    played = Path(f"{stem}.lead.wav")
    played.write_bytes(b"changed by hand")
    Path(job.spec.output).unlink()
    restore(worker.ledger, job, worker.runtime.settings)
    worker.run()
    assert Path(job.spec.output).exists()
    assert played.read_bytes() == b"changed by hand"  # what is there is not replaced
    assert worker.result(job_id)["exports"] == [f"{stem}.{name}" for name in NAMES]


def test_only_what_is_asked_for_is_made(worker: WorkerHarness, clip: Path) -> None:
    job_id = worker.submit(clip, exports=("midi",))
    worker.run()
    assert worker.job(job_id).state is State.DONE
    assert (worker.outbox / "clip.music.mid").read_bytes().startswith(b"MThd")
    assert not list(worker.outbox.glob("*.wav"))


def test_a_service_that_makes_none_is_paid_nothing(
    redis_url: str, studio: Studio, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_session = nemovideo.NemoVideo.open_session

    def open_plain(client: nemovideo.NemoVideo, *args: Any, **options: Any) -> nemovideo.Session:
        return replace(open_session(client, *args, **options), exports=frozenset())

    monkeypatch.setattr(nemovideo.NemoVideo, "open_session", open_plain)
    with open_worker(redis_url, studio, tmp_path / "out", **FAST) as worker:
        job_id = worker.submit(clip, exports=("stems", "wav"))
        worker.run()
        problem = worker.job(job_id).problem
    assert problem is not None
    assert (problem.code, problem.message) == (
        "exports_refused",
        "This service makes no stems, wav of its music.",
    )
    assert studio.charges() == 0
    assert "upload" not in studio.paths()
