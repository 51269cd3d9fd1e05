"""What a person's folder may hold, and what they may ask for: done to a real file system."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from cli.states import choose_state
from config.errors import ConfigError
from config.settings import to_environment
from jobs import control
from jobs.errors import NotAllowed
from jobs.ledger import StepResult
from jobs.model import Problem, State, Step, UploadRef
from jobs.result import write_result
from producer import loop, service, transcode
from producer.backlog import Backlog
from producer.estimate import estimate_run, has_new_files
from producer.manifest import read_null_list, read_paths
from producer.roots import WatchedRoot, check_roots

pytestmark = pytest.mark.integration


# --- one real run over a folder of everything ------------------------------------------------------------

DROPSCORE = [sys.executable, "-P", "-c", "from cli.main import main; main()"]


def dropscore(folder: Path, *arguments: str, **environ: str) -> "subprocess.CompletedProcess[str]":
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("DROPSCORE", "NEMO"))}
    return subprocess.run(
        [*DROPSCORE, *arguments],
        cwd=folder,
        env={**kept, "DROPSCORE_SETTLE": "0.3", **environ},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )


class World:
    """A folder of everything, after one `dropscore run --once`."""

    def __init__(self, folder: Path, clip: bytes) -> None:
        self.folder, self.number = folder, 0
        self.inbox, self.outbox = folder / "in", folder / "out"
        self.inbox.mkdir(parents=True)
        self._clip = clip

    def put(self, name: str, content: bytes | None = None) -> Path:
        self.number += 1
        there = self.inbox / name
        there.parent.mkdir(parents=True, exist_ok=True)
        if content is None:
            content = self._clip + (16).to_bytes(4, "big") + b"free" + self.number.to_bytes(8, "big")
        there.write_bytes(content)
        return there

    def result(self, name: str) -> dict[str, object]:
        return json.loads((self.outbox / f"{name}.result.json").read_text())

    def code(self, name: str) -> str:
        return self.result(name)["error"]["code"]

    def instructions(self, name: str) -> list[str]:
        return [one["instruction"] for one in self.result(name)["instructions"]]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, clip: bytes) -> Iterator[World]:
    """Every case that one run can show, each with a file of its own."""
    world = World(tmp_path_factory.mktemp("world"), clip)
    put = world.put
    put("plain.mp4")
    put("Ü ñ 音 🎵.mp4")
    put("twins/a.mp4")
    put("twins/a.mov")
    for name, side, text in (
        ("upper.mp4", "UPPER.TXT", b"calm upper"),
        ("mixed.mp4", "mixed.mp4.TXT", b"calm mixed"),
        ("table.mp4", "table.toml", b'instructions = ["calm table"]'),
        ("two.mp4", "two.mp4.toml", b'language = "ja"'),
        ("odd.mp4", "odd.mp4.tmol", b"calm"),
        ("half.mp4", "half.mp4.toml", b'instructions = ["cal'),
        ("json.mp4", "json.mp4.json", b'{"instructions": ["calm"]}'),
        ("yaml.mp4", "yaml.mp4.yaml", b"skill: !!bool maybe"),
        ("digits.mp4", "digits.mp4.toml", b"priority = " + b"9" * 1900),
        ("surrogate.mp4", "surrogate.mp4.txt", b"calm \xed\xa0\x80"),
        ("talk.mp4", "talk.txt", b"what was said in a talk\n" * 900),
        ("quarrel.mp4", "quarrel.mp4.txt", b"calm"),
        ("ruled/x.mp4", "ruled/_dropscore.txt", b"calm"),
        ("subs.mp4", "subs.mp4.srt", b"1\n00:00:01 --> 00:00:02\nhello\n"),
    ):
        put(name)
        put(side, text)
    put("two.mp4.txt", b"calm two")
    put("quarrel.mp4.toml", b'instructions = ["loud"]')
    put("leak.mp4")
    (world.folder / "id_rsa").write_text("a secret key")
    (world.inbox / "leak.mp4.txt").symlink_to(world.folder / "id_rsa")
    put("empty.mp4", b"")
    put("words.mp4", b"just words")
    whole = put("whole.mp4").read_bytes()
    put("cut.mp4", whole[: len(whole) // 2])
    put("allocated.mp4", whole[:40] + bytes(400_000))
    for name in ("#recycle/a.mp4", "@Recycle/a.mp4", "$RECYCLE.BIN/a.mp4", "@eaDir/a.mp4", ".trash/a.mp4"):
        put(name)
    for name in ("a.sync-conflict-20260102-120000-ABCDEFG.mp4", "a (Ann's conflicted copy 2026-01-02).mp4"):
        put(name)
    for name in ("dl.f137.mp4", "dl.f140.m4a", "dl.mp4", "torrent.mp4", "torrent.mp4.aria2", "b.mp4.part"):
        put(name)
    put("ignored/a.mp4")
    put("draft-a.mp4")
    put(".dropscoreignore", b"ignored/\ndraft-*\n!draft-keep.mp4\n[\n")
    put("draft-keep.mp4")
    (world.inbox / b"bad\xff.mp4".decode("utf-8", "surrogateescape")).write_bytes(whole)
    (world.folder / "far.mp4").write_bytes(whole)
    (world.inbox / "link.mp4").symlink_to(world.folder / "far.mp4")
    os.mkfifo(world.inbox / "pipe.mp4")
    for path in sorted(world.inbox.rglob("*")):
        if path.is_file() and not path.is_symlink():
            os.utime(path, (1_700_000_000, 1_700_000_000))
    world.run = dropscore(world.folder, "run", "in", "--outbox", "out", "--once")
    world.logs = "".join(
        log.read_text() for log in choose_state(f"{world.folder}/out").glob("logs/producer*")
    )
    yield world


@pytest.mark.parametrize(
    "name",
    ["plain", "Ü ñ 音 🎵", "twins/a", "twins/a.mov", "upper", "mixed", "table", "two", "subs", "dl", "whole"],
)
def test_it_is_delivered(world, name):
    assert world.result(name)["state"] == "done", world.run.stdout + world.run.stderr
    assert (world.outbox / f"{name}.mp4").stat().st_size > 1000


@pytest.mark.parametrize(
    ("name", "instruction"),
    [("upper", "calm upper"), ("mixed", "calm mixed"), ("table", "calm table"), ("two", "calm two")],
)
def test_its_instruction_was_heard(world, name, instruction):
    assert instruction in json.dumps(world.result(name))


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("odd", "unusable_sidecar"),
        ("half", "unusable_sidecar"),
        ("json", "unusable_sidecar"),
        ("yaml", "unusable_sidecar"),
        ("digits", "unusable_sidecar"),
        ("surrogate", "unusable_sidecar"),
        ("talk", "unusable_sidecar"),
        ("quarrel", "unusable_sidecar"),
        ("ruled/x", "unusable_sidecar"),
        ("leak", "unusable_sidecar"),
        ("empty", "empty_file"),
        ("words", "unsupported_file"),
        ("cut", "unfinished_file"),
        ("allocated", "unfinished_file"),
    ],
)
def test_it_waits_unpaid_with_one_line_and_advice(world, name, code):
    result = world.result(name)
    assert (result["state"], world.code(name)) == ("failed", code)
    assert "\n" not in result["error"]["message"]
    assert result["error"]["advice"]
    assert not (world.outbox / f"{name}.mp4").exists()


@pytest.mark.parametrize(
    "name",
    [
        *("#recycle/a", "@Recycle/a", "$RECYCLE.BIN/a", "@eaDir/a", ".trash/a"),
        *("a.sync-conflict-20260102-120000-ABCDEFG", "a (Ann's conflicted copy 2026-01-02)"),
        *("dl.f137", "dl.f140", "torrent", "ignored/a", "draft-a", "link", "pipe"),
    ],
)
def test_it_is_left_alone(world, name):
    assert not (world.outbox / f"{name}.result.json").exists()
    assert not (world.outbox / f"{name}.mp4").exists()


def test_nothing_of_a_linked_secret_is_anywhere(world):
    for path in world.folder.rglob("*"):
        if path.is_file() and path.name not in {"id_rsa", "leak.mp4.txt"}:
            assert b"a secret key" not in path.read_bytes(), path


def test_what_was_left_out_though_it_may_be_meant_is_named_in_one_line(world):
    for words in ("bad\\udcff.mp4", "link.mp4"):
        assert sum(words in line and "left out" in line for line in world.logs.splitlines()) == 1, world.logs
    assert "Traceback" not in world.logs + world.run.stderr
    assert world.run.returncode == 1


def test_the_originals_are_as_they_were(world):
    kept = [path for path in world.inbox.rglob("*.mp4") if path.is_file() and not path.is_symlink()]
    assert {path.stat().st_mtime for path in kept} == {1_700_000_000.0}


def test_another_state_folder_is_noticed_before_anything_is_paid(world):
    elsewhere = world.folder / "elsewhere"
    elsewhere.mkdir()
    (world.folder / "in2").mkdir()
    (world.folder / "in2" / "new.mp4").write_bytes((world.inbox / "plain.mp4").read_bytes() + b"\0" * 8)
    state = ("--state-dir", "new")
    ended = dropscore(elsewhere, "run", "../in2", "--outbox", "../out", "--once", *state)
    assert ended.returncode != 0
    assert not (world.outbox / "new.mp4").exists()
    said = ended.stdout + ended.stderr
    said += "".join(log.read_text() for log in (elsewhere / "new" / "logs").glob("*"))
    assert "belongs to another ledger" in said
    assert "Traceback" not in said


# --- whole -----------------------------------------------------------------------------------------------


def test_a_file_that_is_held_open_is_taken_only_when_it_is_closed(bench, unlike):
    bench.start(settle_s=0.2)
    with (bench.inbox / "a.mp4").open("wb", buffering=0) as file:
        file.write(unlike(1))
        time.sleep(1.5)
        assert bench.jobs() == []
    bench.wait(1)


def test_an_unfinished_file_is_refused_in_the_end_and_taken_when_it_is_whole(bench, unlike):
    content = unlike(1, 100_000)
    bench.put("a.mp4", content[:60_000])
    bench.start(settle_s=0.1, rescan_s=0.5)
    (refused,) = bench.wait(1, 20)
    assert refused.problem.code == "unfinished_file"
    bench.put("a.mp4", content)
    states = {job.state for job in bench.wait(2, 20)}
    assert states == {State.FAILED, State.QUEUED}
    assert len({job.spec.output for job in bench.jobs()}) == 1


def test_once_ends_though_a_file_grows_for_ever(bench, unlike, capsys):
    bench.put("good.mp4", unlike(1))
    stop = threading.Event()

    def grow():
        with (bench.inbox / "log.mp4").open("wb", buffering=0) as file:
            while not stop.is_set():
                file.write(b"x" * 1000)
                time.sleep(0.05)

    thread = threading.Thread(target=grow)
    thread.start()
    try:
        began = time.monotonic()
        assert bench.once(settle_s=0.1) == 1
    finally:
        stop.set()
        thread.join()
    assert time.monotonic() - began < 30
    assert bench.sources() == ["good.mp4"]
    assert capsys.readouterr().out.count("it is not whole yet") == 1


# --- heard -----------------------------------------------------------------------------------------------


def test_a_sidecar_that_is_still_written_is_waited_for(bench, unlike):
    bench.start(settle_s=0.5)
    time.sleep(0.3)
    bench.put("a.mp4", unlike(1))
    with (bench.inbox / "a.txt").open("w", buffering=1) as file:
        for word in ("calm\n", "piano\n", "softly\n"):
            file.write(word)
            time.sleep(0.3)
    (job,) = bench.wait(1)
    time.sleep(1.0)
    assert [one.spec.instructions for one in bench.jobs() if one.state is State.QUEUED] == [
        ("calm", "piano", "softly")
    ]
    assert job.spec.source.endswith("a.mp4")


def test_a_sidecar_half_a_second_late_is_one_job_not_two(bench, unlike):
    bench.start(settle_s=0.1)
    time.sleep(0.3)
    bench.put("a.mp4", unlike(1))
    bench.wait(1)
    time.sleep(0.5)
    bench.put("a.mp4.txt", b"calm")
    bench.wait(2)
    assert [job.spec.instructions for job in bench.jobs() if job.state is not State.CANCELLED] == [("calm",)]


def test_a_folder_rule_that_changes_is_treated_as_a_sidecar_is(bench, unlike):
    bench.put("a.mp4", unlike(1))
    bench.once()
    (job,) = bench.jobs()
    _finish(bench, job)
    bench.put("_dropscore.toml", b'instructions = ["for all"]')
    bench.once()
    bench.once(instruction="for the run")
    assert len(bench.jobs()) == 1, "what was sent stays"
    bench.once(on_change="version")
    assert [Path(one.spec.output).name for one in bench.jobs() if one.state is State.QUEUED] == ["a.v2.mp4"]


# --- failed files ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("touched", [True, False])  # by a copy, by a rename
def test_put_the_file_back_and_run_again_works(bench, unlike, touched):
    there = bench.put("a.mp4", unlike(1))
    bench.once()
    (job,) = bench.jobs()
    ledger, held = bench.claim(job)
    there.rename(bench.inbox.parent / "aside.mp4")
    gone = StepResult(State.FAILED, Step.UPLOAD, problem=Problem(code="source_gone"))
    assert ledger.commit(held, gone, {}, ())
    bench.once()
    (bench.inbox.parent / "aside.mp4").rename(there)
    if touched:
        there.touch()
    bench.once()
    (job,) = bench.jobs()
    assert (job.state, job.spec.mtime_ns) == (State.QUEUED, there.stat().st_mtime_ns)


def test_a_file_that_only_its_worker_does_not_see_does_not_go_round(bench, unlike):
    there = bench.put("a.mp4", unlike(1))
    bench.once()
    (job,) = bench.jobs()
    ledger, held = bench.claim(job)
    gone = StepResult(State.FAILED, Step.UPLOAD, problem=Problem(code="source_gone"))
    assert ledger.commit(held, gone, {}, ())
    bench.client.hset(f"dropscore:job:{job.id}", "updated", there.stat().st_ctime + 3600)
    bench.once()
    assert [job.state for job in bench.jobs()] == [State.FAILED]


def test_a_file_that_was_touched_before_it_was_sent_is_sent_as_it_is(bench, unlike):
    there = bench.put("a.mp4", unlike(1))
    bench.once()
    there.touch()
    bench.once()
    (job,) = [job for job in bench.jobs() if job.state is State.QUEUED]
    assert job.spec.mtime_ns == there.stat().st_mtime_ns
    assert job.spec.output == str(bench.outbox / "a.mp4")


def test_a_file_that_changed_between_the_samples_is_mentioned_and_a_version_when_asked(bench, unlike, capsys):
    content = bytearray(unlike(1, 4 * 2**20))
    bench.put("a.mp4", bytes(content))
    bench.once()
    _finish(bench, bench.jobs()[0])
    content[len(content) // 18 + 40_000] ^= 1
    bench.put("a.mp4", bytes(content))
    bench.once()
    bench.once()
    assert len(bench.jobs()) == 1
    assert capsys.readouterr().out.count("written again since it was sent") == 1
    there = bench.put("a.mp4", bytes(content))
    os.utime(there, (1_700_000_000, 1_700_000_000))
    bench.once(on_change="version")
    assert sorted(Path(job.spec.output).name for job in bench.jobs()) == ["a.mp4", "a.v2.mp4"]


def once_without_special_rights(bench) -> int:
    """Run the producer as a process that may read no more than the rights of the files allow."""
    command = [sys.executable, "-m", "producer", str(bench.inbox), "--outbox", str(bench.outbox), "--once"]
    if os.geteuid() == 0:
        special = "-dac_override,-dac_read_search"
        command = ["setpriv", f"--bounding-set={special}", f"--inh-caps={special}", *command]
    environment = {**os.environ, **to_environment(bench.settings)}
    return subprocess.run(command, env=environment, timeout=100, check=False).returncode


@pytest.mark.skipif(os.geteuid() == 0 and not shutil.which("setpriv"), reason="the superuser may read all")
def test_a_chmod_is_noticed(bench, unlike):
    there = bench.put("a.mp4", unlike(1))
    there.chmod(0)
    once_without_special_rights(bench)
    assert [job.problem.code for job in bench.jobs()] == ["denied_file"]
    there.chmod(0o600)
    once_without_special_rights(bench)
    assert State.QUEUED in {job.state for job in bench.jobs()}


def test_a_file_that_changed_between_the_samples_before_it_was_sent_is_one_job(bench, unlike):
    content = bytearray(unlike(1, 4 * 2**20))
    bench.put("a.mp4", bytes(content))
    bench.once()
    (first,) = bench.jobs()
    content[len(content) // 18 + 40_000] ^= 1
    there = bench.put("a.mp4", bytes(content))
    bench.once()
    states = {job.id: job.state for job in bench.jobs()}
    assert states.pop(first.id) is State.CANCELLED
    assert list(states.values()) == [State.QUEUED]
    (waiting,) = (job for job in bench.jobs() if job.state is State.QUEUED)
    assert waiting.spec.mtime_ns == there.stat().st_mtime_ns


def test_a_file_that_changed_between_the_samples_after_its_edit_is_mentioned(bench, unlike, capsys):
    content = bytearray(unlike(1, 4 * 2**20))
    bench.put("a.mp4", bytes(content))
    bench.once()
    ledger, held = bench.claim(bench.jobs()[0])
    assert ledger.commit(held, StepResult(State.QUEUED, Step.RENDER, ledger.now()), {}, ())
    content[len(content) // 18 + 40_000] ^= 1
    bench.put("a.mp4", bytes(content))
    bench.once()
    assert len(bench.jobs()) == 1
    assert "written again since it was sent" in capsys.readouterr().out


def test_with_once_a_disk_without_room_ends_it_and_the_file_is_taken_when_there_is(bench, clip, monkeypatch):
    (bench.inbox / "a.flv").write_bytes(clip)
    monkeypatch.setattr(transcode, "_SPARE_BYTES", 2**60)
    began = time.monotonic()
    assert bench.once(convert=True, settle_s=0.1) == loop.SOME_LEFT_OUT
    assert time.monotonic() - began < 60
    assert bench.jobs() == []


def test_a_refused_file_is_never_uploaded_by_a_retry(bench):
    bench.put("empty.mp4", b"")
    bench.put("words.mp4", b"words")
    bench.once()
    for job in bench.jobs():
        with pytest.raises(NotAllowed, match="refused before anything was sent"):
            control.retry(bench.ledger, job.id)


# --- what people ask for ---------------------------------------------------------------------------------


def _finish(bench, job):
    """A worker delivers a job, as far as the producer can see."""
    ledger, held = bench.claim(job)
    output = Path(job.spec.output)
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_bytes(b"mp4")
    assert ledger.commit(held, StepResult(State.DONE, Step.DOWNLOAD), {}, ())
    write_result(held.evolve(state=State.DONE))


def test_originals_are_moved_after_success_and_nothing_is_replaced(bench, unlike, tmp_path):
    done = tmp_path / "done"
    bench.put("sub/a.mp4", unlike(1))
    bench.put("b.mp4", unlike(2))
    (done / "sub").mkdir(parents=True)
    (done / "sub" / "a.mp4").write_bytes(b"another")
    bench.start(move_done=done, settle_s=0.1)
    first, second = bench.wait(2)
    time.sleep(0.5)
    assert (bench.inbox / "b.mp4").exists(), "not before it is done"
    _finish(bench, second)
    _until((done / "sub" / "a.v2.mp4").exists)
    assert (done / "sub" / "a.mp4").read_bytes() == b"another"
    assert not (bench.inbox / "sub" / "a.mp4").exists()
    bench.put("b.mp4", unlike(3))  # written over meanwhile: it is not what was sent
    _finish(bench, first)
    time.sleep(1.0)
    assert (bench.inbox / "b.mp4").exists()


def test_a_large_original_that_was_written_again_after_it_was_sent_stays(bench, unlike, tmp_path, capsys):
    sent = {name: unlike(number, 2_000_000) for number, name in enumerate(("again.mp4", "touched.mp4"))}
    for name, content in sent.items():
        bench.put(name, content)
    bench.once()
    jobs = bench.jobs()
    ledger = bench.ledger
    for _ledger, held in [bench.claim(job) for job in jobs]:
        assert ledger.commit(held, StepResult(State.QUEUED, Step.RENDER, ledger.now()), {}, ())
    again = sent["again.mp4"][:300_000] + b"x" + sent["again.mp4"][300_001:]  # between the samples
    bench.put("again.mp4", again)
    bench.put("touched.mp4", sent["touched.mp4"])
    bench.once()  # which takes both for what was sent, by their samples
    running = bench.start(move_done=tmp_path / "done", settle_s=0.1)
    _until(lambda: "producer" in str(bench.client.keys("dropscore:producer:*")))
    for job, content in zip(jobs, sent.values(), strict=True):
        ledger.fetch_due(1000, 30)
        held = ledger.claim(job.id, Step.RENDER, "w", 30)
        Path(job.spec.output).write_bytes(b"mp4")
        upload = UploadRef(sha256=hashlib.sha256(content).hexdigest())
        write_result(held.evolve(state=State.DONE, checkpoint=held.checkpoint.evolve(upload=upload)))
        assert ledger.commit(held, StepResult(State.DONE, Step.DOWNLOAD), {}, ())
    _until((tmp_path / "done" / "touched.mp4").exists)
    running.end()
    assert "the original stays" in capsys.readouterr().out
    assert (bench.inbox / "again.mp4").read_bytes() == again


def test_hooks_run_before_and_after_and_a_hook_that_fails_holds_its_file(bench, unlike, tmp_path):
    said = tmp_path / "said"
    before, after = tmp_path / "before.sh", tmp_path / "after.sh"
    before.write_text(f'#!/bin/sh\necho "before $1" >> "{said}"\ncase "$1" in *no.mp4) exit 3;; esac\n')
    after.write_text(f'#!/bin/sh\necho "after $1 $DROPSCORE_SOURCE" >> "{said}"\n')
    for hook in (before, after):
        hook.chmod(0o755)
    bench.put("yes.mp4", unlike(1))
    bench.put("no.mp4", unlike(2))
    hooks = {"hook_before": str(before), "hook_after": str(after)}
    running = bench.start(settle_s=0.1, **hooks)
    (job,) = bench.wait(1)
    _finish(bench, job)
    _until(lambda: said.exists() and "after" in said.read_text())
    running.end()
    assert bench.sources() == ["yes.mp4"]
    lines = said.read_text().splitlines()
    assert lines.count(f"after {job.spec.output} {job.spec.source}") == 1
    assert f"before {bench.inbox / 'no.mp4'}" in lines
    second = bench.start(settle_s=0.1, **hooks)
    time.sleep(0.8)
    second.end()
    assert said.read_text().count("after") == 1, "once for each output"


def test_a_hook_that_is_not_there_holds_the_file_and_is_named(bench, unlike, capsys):
    bench.put("a.mp4", unlike(1))
    bench.once(hook_before="/no/such/program")
    assert bench.jobs() == []
    assert "the hook does not run" in capsys.readouterr().out


def test_the_newest_go_first(bench, unlike):
    for number, name in enumerate(("old.mp4", "middle.mp4", "new.mp4")):
        there = bench.put(name, unlike(number))
        os.utime(there, (1_700_000_000 + number, 1_700_000_000 + number))
    bench.once(order="newest", settle_s=0.0)  # all of them are due at once
    jobs = sorted(bench.jobs(), key=lambda job: job.updated)
    assert [Path(job.spec.source).name for job in jobs] == ["new.mp4", "middle.mp4", "old.mp4"]


def test_a_file_that_is_dropped_during_a_large_first_scan_goes_first(bench, unlike):
    for number in range(3000):
        bench.put(f"there/{number}.mp4", unlike(number))
    bench.start(watch="native")
    _until(lambda: bench.queued() >= 100, 60)
    bench.put("dropped.mp4", unlike(5000))
    bench.put("moved/in.mp4", unlike(5001))
    key = "dropscore:due:upload"
    _until(lambda: bench.client.zcard(key) == 2, 60)
    assert bench.queued() < 3002, "before those that were there"
    assert {Path(job.spec.source).name for job in bench.ledger.many(bench.client.zrange(key, 0, -1))} == {
        "dropped.mp4",
        "in.mp4",
    }
    _until(lambda: bench.queued() == 3002, 120)
    assert bench.client.zcard("dropscore:due:backlog") == 3000


def test_what_is_there_at_the_start_is_ignored_and_what_comes_or_changes_is_not(bench, unlike):
    bench.put("old.mp4", unlike(1))
    bench.put("changed.mp4", unlike(2))
    bench.start(ignore_existing=True, settle_s=0.1, rescan_s=0.5)
    time.sleep(1.0)
    bench.put("new.mp4", unlike(3))
    bench.put("changed.mp4", unlike(4, 5000))
    bench.wait(2)
    time.sleep(1.0)
    assert bench.sources() == ["changed.mp4", "new.mp4"]


def test_only_videos(bench, unlike):
    bench.put("a.mp4", unlike(1))
    bench.put("a.mp3", b"ID3")
    bench.put("a.png", b"\x89PNG")
    bench.once(only=("video",))
    assert bench.sources() == ["a.mp4"]


def test_an_output_template(bench, unlike):
    bench.put("sub/a.mov", unlike(1))
    bench.once(output="{folder}/{stem}.music.mp4")
    assert bench.jobs()[0].spec.output == str(bench.outbox / "sub" / "a.music.mp4")


def test_outside_the_hours_of_work_nothing_is_submitted(bench, unlike, monkeypatch):
    bench.put("a.mp4", unlike(1))
    night = datetime(2026, 11, 23, 23, 0).astimezone()
    at = [night.replace(hour=12)]
    real = service.Upkeep
    monkeypatch.setattr(service, "Upkeep", lambda *arguments: real(*arguments, now=lambda: at[0]))
    assert bench.once(hours="22:00-06:00") == loop.HELD
    assert bench.jobs() == []
    running = bench.start(hours="22:00-06:00", settle_s=0.1)
    time.sleep(1.0)
    assert bench.jobs() == []
    at[0] = night
    bench.wait(1)
    running.end()


def test_a_first_run_that_would_pay_for_many_files_is_worth_a_question(bench, unlike):
    for number in range(21):
        bench.put(f"{number}.mp4", unlike(number))
    roots = check_roots(bench.settings, [bench.inbox], bench.outbox)
    local = estimate_run(bench.settings, roots, bench.ledger)
    assert (local.files, local.credits, local.is_worth_a_question) == (21, 0, False)
    cloud = bench.settings.model_copy(update={"chosen_backend": "cloud"})
    first = estimate_run(cloud, roots, bench.ledger)
    assert (first.files, first.credits, first.is_worth_a_question) == (21, 21 * 50, True)
    bench.once()
    assert estimate_run(cloud, roots, bench.ledger).files == 0


def test_what_is_new_is_told_by_names_alone(bench, unlike):
    roots = check_roots(bench.settings, [bench.inbox], bench.outbox)
    assert not has_new_files(bench.settings, roots, bench.ledger)
    bench.put("a.mp4", unlike(1))
    bench.put("notes.txt", b"no media")
    assert has_new_files(bench.settings, roots, bench.ledger)
    bench.once()
    assert not has_new_files(bench.settings, roots, bench.ledger)
    bench.put("sub/b.mp4", unlike(2))
    assert has_new_files(bench.settings, roots, bench.ledger)


def test_two_runs_with_two_ledgers_never_pay_into_one_outbox(bench, unlike):
    bench.put("a.mp4", unlike(1))
    bench.once()
    bench.client.set("dropscore:id", "another ledger")
    with pytest.raises(ConfigError, match="belongs to another ledger"):
        bench.once()
    assert len(bench.jobs()) == 1


def test_a_submitted_file_has_the_rules_of_the_folders_above_it(bench, unlike):
    bench.put("_dropscore.toml", b'instructions = ["from above"]')
    there = bench.put("sub/x.mp4", unlike(1))
    backlog = Backlog(bench.ledger, bench.outbox, bench.settings)
    (row,) = backlog.plan(read_paths([str(there)], bench.inbox).whole(), sleep=lambda _s: None).rows
    assert row.prepared.spec.instructions == ("from above",)


def test_a_null_list_takes_every_name(bench, unlike):
    names = ["#a.mp4", " b.mp4", "line\nbreak.mp4", '"q".mp4']
    for number, name in enumerate(names):
        bench.put(name, unlike(number))
    text = "".join(f"{name}\0" for name in names)
    assert [entry.source for entry in read_null_list(text, bench.inbox).whole()] == [
        str(bench.inbox / name) for name in names
    ]


def test_a_flat_folder_is_listed_once_and_not_for_each_batch(bench, unlike, monkeypatch):
    for number in range(600):
        bench.put(f"{number}.mp4", b"")
    time.sleep(2.1)  # a folder that changed a moment ago may change again within the tick of its clock
    listed = []
    real = os.scandir
    monkeypatch.setattr(os, "scandir", lambda path: listed.append(path) or real(path))
    root = WatchedRoot(str(bench.inbox), str(bench.outbox))
    bench.outbox.mkdir()
    service.produce(
        bench.settings.model_copy(update={"settle_s": 0.0}),
        [root],
        threading.Event(),
        service.Options(once=True),
    )
    assert bench.ledger.counts()[State.FAILED] == 600
    assert listed.count(str(bench.inbox)) <= 8  # once for each scan, and one by the index


def _until(there, seconds=15.0):
    end = time.monotonic() + seconds
    while not there():
        assert time.monotonic() < end
        time.sleep(0.02)
