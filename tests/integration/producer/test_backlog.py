"""`dropscore submit`: planned first, and nothing written before a person has seen the plan."""

from pathlib import Path

import pytest

from config.settings import load
from jobs.model import State
from producer.backlog import Action, Backlog
from producer.errors import UnusableManifest
from producer.instructions import InstructionSpec
from producer.manifest import Entry, read_manifest
from producer.submit import SubmissionOutcome, Submitter

pytestmark = pytest.mark.integration


def entry(source, **wish):
    return Entry(str(source), InstructionSpec.model_validate(wish))


@pytest.fixture
def backlog(bench):
    return Backlog(bench.ledger, bench.outbox, bench.settings)


@pytest.fixture
def submitter(bench):
    return Submitter(bench.ledger)


def plan(backlog, *entries):
    return backlog.plan(entries, sleep=lambda seconds: None)


def test_a_plan_says_what_it_costs_and_writes_nothing(bench, backlog, unlike):
    bench.put("album/a.mp4", unlike(1))
    bench.put("album/sub/b.mp4", unlike(2))
    bench.put("album/copy.mp4", unlike(1))
    bench.put("album/words.mp4", b"words")
    bench.put("album/code.ts", b"const x = 1;\n")
    there = plan(backlog, entry(bench.inbox / "album", instructions="calm\nsofter"))
    said = {Path(row.source).name: (row.action, row.why) for row in there.rows}
    assert said["a.mp4"] == (Action.SUBMIT, "")
    assert said["b.mp4"] == (Action.SUBMIT, "")
    assert said["copy.mp4"][0] is Action.SKIP
    assert "a.mp4, with the same instructions" in said["copy.mp4"][1]
    assert said["words.mp4"][0] is Action.REFUSE
    assert said["code.ts"] == (Action.SKIP, "no media")
    assert there.credits == 2 * 2 * bench.settings.edit_credits
    assert there.size_bytes == 2 * len(unlike(1))
    assert there.takes_s == (20.0, 40.0)
    assert bench.client.keys("dropscore:job:*") == []
    assert not bench.outbox.exists()


def test_a_first_look_has_a_name_of_its_own_in_an_outbox_that_is_there(bench, unlike):
    there = bench.put("a.mp4", unlike(1))
    bench.outbox.mkdir()
    first_look = bench.settings.model_copy(update={"preview": True})
    (row,) = plan(Backlog(bench.ledger, bench.outbox, first_look), entry(there)).rows
    assert row.output == str(bench.outbox / "a.preview.mp4")


def test_a_submitted_plan_waits_behind_files_dropped_by_hand(bench, backlog, submitter, unlike):
    bench.put("album/sub/b.mp4", unlike(2))
    bench.put("album/words.mp4", b"words")
    there = plan(backlog, entry(bench.inbox / "album"))
    assert [taken.fate for taken in backlog.submit(there, submitter)] == [
        SubmissionOutcome.REFUSED,
        SubmissionOutcome.NEW,
    ]
    (refused, queued) = sorted(bench.jobs(), key=lambda job: job.state)
    assert (refused.state, queued.state) == (State.FAILED, State.QUEUED)
    assert queued.spec.output == str(bench.outbox / "sub" / "b.mp4")
    assert queued.spec.backlog
    again = plan(backlog, entry(bench.inbox / "album"))
    assert {row.why for row in again.rows if row.action is Action.SKIP} == {
        f"submitted already (job {queued.id}, queued)"
    }
    assert [taken.fate for taken in backlog.submit(again, submitter)] == [SubmissionOutcome.KNOWN]


def test_urls_are_left_to_the_service_to_fetch(bench, backlog, submitter):
    url = "https://films.example/a%20b/clip%2F1.mp4?size=big"
    there = plan(backlog, entry(url), entry(url), entry("https://films.example/"))
    assert [row.action for row in there.rows] == [Action.SUBMIT, Action.SKIP, Action.SUBMIT]
    assert len(list(backlog.submit(there, submitter))) == 2
    outputs = {job.spec.source: job.spec.output for job in bench.jobs()}
    assert outputs == {
        url: str(bench.outbox / "1.mp4"),
        "https://films.example/": str(bench.outbox / "video.mp4"),
    }
    assert all(job.spec.is_url for job in bench.jobs())


def test_a_manifests_columns_reach_the_job(bench, backlog, submitter, unlike):
    bench.put("a.mp4", unlike(1))
    bench.put("a.mp4.txt", b"the sidecar is farther than the row\n")
    manifest = bench.inbox / "m.csv"
    manifest.write_text("path,instructions,output,priority\na.mp4,calm {stem},final/{stem},9\n")
    entries = read_manifest(manifest, bench.settings.all_skills()).whole()
    list(backlog.submit(plan(backlog, *entries), submitter))
    (job,) = bench.jobs()
    assert job.spec.instructions == ("calm a",)
    assert job.spec.output == str(bench.outbox / "final" / "a.mp4")
    assert job.spec.backlog


def test_a_file_that_is_still_written_is_not_submitted(bench, backlog, unlike):
    there = bench.put("a.mp4", unlike(1))

    def grow(seconds):
        assert seconds == bench.settings.settle_s
        with there.open("ab") as file:
            file.write(b"more")

    (row,) = backlog.plan([entry(there)], sleep=grow).rows
    assert row.action is Action.SKIP
    assert "not whole yet" in row.why


def test_a_link_that_a_person_names_is_followed_and_nothing_is_refused_silently(bench, backlog, unlike):
    bench.put("a.mp4", unlike(1))
    (bench.inbox / "link.mp4").symlink_to(bench.inbox / "a.mp4")
    (row,) = plan(backlog, entry(bench.inbox / "link.mp4")).rows
    assert row.source == str(bench.inbox / "a.mp4")
    with pytest.raises(UnusableManifest, match="is not a file"):
        plan(backlog, entry(bench.inbox / "none.mp4"))


def test_the_runs_wish_is_farther_than_a_sidecar_and_nearer_than_the_skill(bench, unlike):
    bench.put("a.mp4", unlike(1))
    bench.put("b.mp4", unlike(2))
    bench.put("b.mp4.txt", b"from the sidecar\n")
    flags = {"redis_url": "redis://unused", "instruction": "from the settings", "settle_s": 0}
    settings = load(flags, environ={})
    wish = InstructionSpec.model_validate({"instructions": "from the flag", "priority": 5})
    backlog = Backlog(bench.ledger, bench.outbox, settings, wish, skill="music-ab2n")
    specs = [row.prepared.spec for row in plan(backlog, entry(bench.inbox)).rows]
    assert [spec.instructions for spec in specs] == [("from the flag",), ("from the sidecar",)]
    assert {(spec.skill, spec.backlog) for spec in specs} == {("music-ab2n", True)}
