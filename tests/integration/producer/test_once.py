"""One pass over a folder: each file once, each refusal said, nothing twice."""

import json
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from config.errors import ConfigError
from config.skills import PUBLISHED
from jobs.gates import Gates
from jobs.ledger import StepResult
from jobs.model import Gate, Problem, State, Step
from producer.roots import WatchedRoot
from producer.service import Options, produce

pytestmark = pytest.mark.integration


def results(bench):
    return {path.name: json.loads(path.read_text()) for path in bench.outbox.rglob("*.result.json")}


def deliver(job):
    output = Path(job.spec.output)
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_bytes(b"mp4")
    said = {"job": job.id, "state": "done", "bytes": 3}
    Path(job.spec.result).write_text(json.dumps(said))
    return output


def test_every_file_becomes_one_job(bench, unlike):
    for number, name in enumerate(("a.mp4", "sub/b c.mp4", "sub/deep/ü\n.mp4", "-x.mp4")):
        bench.put(name, unlike(number))
    bench.put("README.md", b"left alone")
    assert bench.once() == 0
    assert bench.sources() == ["-x.mp4", "a.mp4", "sub/b c.mp4", "sub/deep/ü\n.mp4"]
    assert [job.state for job in bench.jobs()] == [State.QUEUED] * 4
    assert bench.queued() == 4
    job = bench.jobs()[2]
    assert job.spec.output == str(bench.outbox / "sub" / "b c.mp4")
    assert job.spec.result == str(bench.outbox / "sub" / "b c.result.json")
    assert job.spec.duration_s == pytest.approx(1.0, abs=0.2)
    assert bench.once() == 0
    assert bench.queued() == 4


def test_an_empty_folder_is_fine(bench):
    assert bench.once() == 0
    assert bench.jobs() == []


def test_what_cannot_be_taken_gets_a_failed_result_and_the_rest_goes_on(bench, unlike):
    bench.put("good.mp4", unlike(1))
    bench.put("words.mp4", b"just words")
    bench.put("empty.mp4", b"")
    bench.put("also empty.mp4", b"")
    bench.put("cut.mp4", unlike(1)[:900])
    bench.put("old.wmv", unlike(2))
    bench.put("code.ts", b"export const answer = 42;\n")
    with (bench.inbox / "big.mp4").open("wb") as file:
        file.truncate(501 * 2**20)
    assert bench.once() == 0
    kinds = {name: said["error"]["code"] for name, said in results(bench).items()}
    assert kinds == {
        "words.result.json": "unsupported_file",
        "empty.result.json": "empty_file",
        "also empty.result.json": "empty_file",
        "cut.result.json": "unfinished_file",
        "old.result.json": "unsupported_file",
        "big.result.json": "file_too_large",
    }
    for said in results(bench).values():
        assert said["state"] == "failed"
        assert said["error"]["advice"]
        assert "\n" not in said["error"]["message"]
    assert bench.queued() == 1


def test_a_refused_file_that_is_mended_is_taken(bench, unlike):
    bench.put("a.mp4", b"words")
    bench.once()
    bench.put("a.mp4", unlike(1))
    bench.once()
    states = {job.state: job.spec.output for job in bench.jobs()}
    assert states == dict.fromkeys((State.FAILED, State.QUEUED), str(bench.outbox / "a.mp4"))


class _Killed(BaseException):
    """Stands for the end of the process at that very place."""


def killed(*_arguments):
    raise _Killed


def test_killed_before_a_result_is_written_it_is_written_later(bench, monkeypatch):
    there = bench.put("a.mp4", b"words")
    with monkeypatch.context() as patch, pytest.raises(_Killed):
        patch.setattr("producer.submit.result.write_result", killed)
        bench.once()
    assert results(bench) == {}
    bench.once()
    assert results(bench)["a.result.json"]["source"] == str(there)
    assert len(bench.jobs()) == 1


@pytest.mark.parametrize("place", ["_agree", "prepare_by_full_hash"])
def test_killed_while_a_twin_is_compared_it_is_taken_later(bench, unlike, monkeypatch, place):
    size_bytes = 4 * 2**20
    one, two = bytearray(unlike(1, size_bytes)), bytearray(unlike(1, size_bytes))
    two[size_bytes // 18 + 40_000] ^= 1  # between two samples
    bench.put("a.mp4", bytes(one))
    bench.put("b.mp4", bytes(two))
    with monkeypatch.context() as patch, pytest.raises(_Killed):
        patch.setattr(f"producer.submit.{place}", killed)
        bench.once()
    assert bench.sources() == ["a.mp4"]
    bench.once()
    assert bench.sources() == ["a.mp4", "b.mp4"]


def test_copies_are_duplicates_of_the_first(bench, unlike):
    bench.put("a.mp4", unlike(1))
    bench.put("b/copy.mp4", unlike(1))
    bench.once()
    assert bench.sources() == ["a.mp4"]
    assert bench.duplicates() == {str(bench.inbox / "b/copy.mp4"): bench.jobs()[0].id}


def begin(bench, **result):
    """A worker takes the only job that is queued, and leaves it as `result` says."""
    (job,) = [job for job in bench.jobs() if job.state is State.QUEUED]
    ledger, held = bench.claim(job)
    if result.get("state") is State.PARKED:
        Gates(ledger).close(Gate.CREDITS, probe_at=0.0, message="none are left", advice="get some")
    if result:
        assert ledger.commit(held, StepResult(**result), {}, ())
    return ledger, held


def is_claimable(bench, job):
    with suppress(AssertionError):
        return bench.claim(job)[1] is not None
    return False


def test_a_file_moved_after_its_upload_is_a_duplicate(bench, unlike):
    there = bench.put("a.mp4", unlike(1))
    bench.once()
    begin(bench, state=State.QUEUED, step=Step.EDIT, due=0.0)
    there.rename(bench.inbox / "moved.mp4")
    bench.once()
    assert list(bench.duplicates()) == [str(bench.inbox / "moved.mp4")]
    assert bench.sources() == ["a.mp4"]
    assert bench.queued() == 1


@pytest.mark.parametrize(
    ("meanwhile", "after"),
    [
        ({}, State.QUEUED),
        ({"state": State.WAITING, "step": Step.UPLOAD, "due": 0.0}, State.WAITING),
        ({"state": State.PARKED, "step": Step.UPLOAD, "reason": "credits"}, State.PARKED),
        ({"state": State.FAILED, "step": Step.UPLOAD, "problem": Problem(code="source_gone")}, State.QUEUED),
    ],
)
def test_a_job_follows_its_file_that_was_moved_before_the_upload(bench, unlike, meanwhile, after):
    there = bench.put("a.mp4", unlike(1))
    bench.once()
    if meanwhile:
        begin(bench, **meanwhile)
    (bench.inbox / "final").mkdir()
    there.rename(bench.inbox / "final" / "b.mp4")
    bench.once()
    (job,) = bench.jobs()
    assert job.spec.source == str(bench.inbox / "final" / "b.mp4")
    assert job.spec.output == str(bench.outbox / "a.mp4")
    assert (job.state, job.problem) == (after, None)
    if after is not State.PARKED:
        assert is_claimable(bench, job)
    assert bench.duplicates() == {}
    bench.once()
    assert bench.sources() == ["final/b.mp4"]


def test_a_file_moved_under_a_worker_is_looked_at_again(bench, unlike):
    there = bench.put("a.mp4", unlike(1))
    bench.once()
    ledger, held = begin(bench)  # it runs
    there.rename(bench.inbox / "b.mp4")
    bench.once()
    assert bench.sources() == ["a.mp4"]
    (job,) = bench.jobs()
    gone = StepResult(State.FAILED, Step.UPLOAD, problem=Problem(code="source_gone"))
    assert ledger.commit(held, gone, {}, ())
    bench.once()
    (job,) = bench.jobs()
    assert (bench.sources(), job.state, job.problem) == (["b.mp4"], State.QUEUED, None)


def test_another_failure_is_not_forgotten_when_the_file_moves(bench, unlike):
    there = bench.put("a.mp4", unlike(1))
    bench.once()
    begin(bench, state=State.FAILED, step=Step.UPLOAD, problem=Problem(code="unsupported_file"))
    there.rename(bench.inbox / "b.mp4")
    bench.once()
    assert (bench.sources(), bench.jobs()[0].state) == (["a.mp4"], State.FAILED)


def test_files_whose_samples_agree_but_not_their_content_are_two_jobs(bench, unlike):
    size_bytes = 4 * 2**20
    one, two = bytearray(unlike(1, size_bytes)), bytearray(unlike(1, size_bytes))
    two[size_bytes // 18 + 40_000] ^= 1  # between two samples
    bench.put("a.mp4", bytes(one))
    bench.put("b.mp4", bytes(two))
    bench.once()
    assert bench.sources() == ["a.mp4", "b.mp4"]
    assert bench.duplicates() == {}
    bench.put("c.mp4", bytes(two))
    bench.once()
    assert bench.sources() == ["a.mp4", "b.mp4"]
    assert list(bench.duplicates()) == [str(bench.inbox / "c.mp4")]


def test_a_copy_of_what_was_written_to_since_is_still_a_copy(bench, unlike):
    bench.put("a.mp4", unlike(1))
    bench.once()
    bench.put("a.mp4", unlike(2))
    bench.put("copy.mp4", unlike(1))
    bench.once()
    assert list(bench.duplicates()) == [str(bench.inbox / "copy.mp4")]


def test_a_sidecar_that_comes_before_the_file_is_sent_changes_its_job(bench, unlike):
    bench.put("a.mp4", unlike(1))
    bench.once()
    for text, wanted in (("calm piano for {stem}", "calm piano for a"), ("drums", "drums")):
        bench.put("a.mp4.txt", text.encode())
        bench.once()
        (job,) = [job for job in bench.jobs() if job.state is State.QUEUED]
        assert job.spec.instructions == (wanted,)
        assert job.spec.output == str(bench.outbox / "a.mp4")
    (bench.inbox / "a.mp4.txt").unlink()
    for _ in range(2):
        bench.once()
        (job,) = [job for job in bench.jobs() if job.state is State.QUEUED]
        assert job.spec.instructions == (PUBLISHED["add-music"].instruction,)
        assert "drums" not in job.spec.instructions


def test_a_sidecar_that_comes_after_the_file_was_sent_is_mentioned_and_not_paid(bench, unlike, capsys):
    bench.put("a.mp4", unlike(1))
    bench.once()
    begin(bench, state=State.WAITING, step=Step.RENDER, due=0.0)
    bench.put("a.mp4.txt", b"calm piano")
    bench.put("_dropscore.toml", b'instructions = ["for all"]')
    bench.once()
    bench.once()
    assert len(bench.jobs()) == 1
    assert capsys.readouterr().out.count("changed after it was sent") == 1
    bench.put("a.mp4.txt", b"calm guitar")
    bench.once(on_change="version")
    second = max(bench.jobs(), key=lambda job: job.spec.created)
    assert (second.spec.instructions, Path(second.spec.output).name) == (("calm guitar",), "a.v2.mp4")
    bench.once(on_change="version")
    assert len(bench.jobs()) == 2


def test_again_makes_new_work_once_for_each_word(bench, unlike):
    bench.put("a.mp4", unlike(1))
    for again in ("", "x", "x", "y", ""):
        bench.once(again=again)
    assert len(bench.jobs()) == 3
    assert len({job.spec.output for job in bench.jobs()}) == 3


def new_ledger(bench):
    """The state folder is lost; the outbox is handed over to a new one, as the program advises."""
    bench.client.flushall()
    with pytest.raises(ConfigError, match="belongs to another ledger") as raised:
        bench.once()
    assert "remove .dropscore-outbox" in str(raised.value)
    assert bench.jobs() == [], "nothing is paid"
    (bench.outbox / ".dropscore-outbox").unlink()


def test_a_delivered_result_counts_even_with_an_empty_ledger(bench, unlike):
    bench.put("a.mp4", unlike(1))
    bench.once()
    output = deliver(bench.jobs()[0])
    new_ledger(bench)
    bench.once()
    assert bench.jobs() == []
    output.unlink()
    new_ledger(bench)
    bench.once()
    assert len(bench.jobs()) == 1


def test_a_strangers_file_in_the_outbox_is_not_replaced(bench, unlike):
    bench.outbox.mkdir()
    (bench.outbox / "a.mp4").write_bytes(b"a stranger's")
    bench.put("a.mp4", unlike(1))
    bench.once()
    assert bench.jobs()[0].spec.output == str(bench.outbox / "a.v2.mp4")


def test_outputs_that_would_collide_get_the_same_names_in_any_order(bench, unlike):
    for number, name in enumerate(("a.mov", "a.mkv", "a.mp4")):
        bench.put(name, unlike(number))
    bench.once()
    names = {Path(job.spec.source).name: Path(job.spec.output).name for job in bench.jobs()}
    assert names == {"a.mp4": "a.mp4", "a.mov": "a.mov.mp4", "a.mkv": "a.mkv.mp4"}


def test_the_outbox_and_the_state_inside_the_inbox_are_not_taken(bench, unlike):
    bench.outbox = bench.inbox / "done"
    bench.put("a.mp4", unlike(1))
    bench.put("done/old.mp4", unlike(2))
    bench.once()
    assert bench.sources() == ["a.mp4"]


def test_a_broken_sidecar_fails_its_file_before_anything_is_paid(bench, unlike):
    bench.put("a.mp4", unlike(1))
    bench.put("a.mp4.toml", b'instructions = ["x"]\nvolum = 3\n')
    bench.once()
    error = results(bench)["a.result.json"]["error"]
    assert error["code"] == "unusable_sidecar"
    assert "a.mp4.toml, line 2: " in error["message"]
    assert bench.queued() == 0
    bench.put("a.mp4.toml", b'instructions = ["x"]\npriority = 3\n')
    bench.once()
    assert sorted(job.state for job in bench.jobs()) == [State.FAILED, State.QUEUED]
    assert [job.spec.backlog for job in bench.jobs() if job.state is State.QUEUED] == [True]


def test_a_name_that_is_not_utf8_is_left_alone(bench, unlike):
    (bench.inbox / b"bad\xff.mp4".decode("utf-8", "surrogateescape")).write_bytes(unlike(1))
    bench.put("good.mp4", unlike(2))
    bench.once()
    assert bench.sources() == ["good.mp4"]


@pytest.mark.parametrize("wrong", ["missing", "file", "outbox is inbox", "outbox is a file"])
def test_folders_that_cannot_be_used_are_one_line(bench, wrong):
    if wrong == "missing":
        bench.inbox.rmdir()
    elif wrong == "file":
        bench.inbox.rmdir()
        bench.inbox.touch()
    elif wrong == "outbox is inbox":
        bench.outbox = bench.inbox / "." / ""
    else:
        bench.outbox.touch()
    with pytest.raises(ConfigError) as caught:
        bench.once()
    assert "\n" not in str(caught.value)
    assert bench.client.keys("dropscore:*") == []


def test_each_root_has_an_outbox_and_a_session_of_its_own(bench, unlike, tmp_path):
    bench.put("one/a.mp4", unlike(1))
    bench.put("two/a.mp4", unlike(2))
    one = WatchedRoot(str(bench.inbox / "one"), str(tmp_path / "out-one"))
    two = WatchedRoot(str(bench.inbox / "two"), str(tmp_path / "out-two"), session="folder")
    assert produce(bench.settings, [one, two], threading.Event(), Options(once=True)) == 0
    first, second = bench.jobs()
    assert (first.spec.root, first.spec.output) == (one.path, str(tmp_path / "out-one" / "a.mp4"))
    assert (second.spec.root, second.spec.output) == (two.path, str(tmp_path / "out-two" / "a.mp4"))
    assert (first.spec.session_group, bool(second.spec.session_group)) == (None, True)


def test_what_the_settings_ignore_is_left_alone(bench, unlike):
    bench.put("a.mp4", unlike(1))
    bench.put("drafts/b.mp4", unlike(2))
    bench.put("c-raw.mp4", unlike(3))
    bench.once(ignore=("drafts", "*-raw.*"))
    assert bench.sources() == ["a.mp4"]
