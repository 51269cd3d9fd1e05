"""Inboxes in a bucket of a real S3 server: what is there is taken once, and nothing else is fetched."""

import os
import threading
import time
from pathlib import Path

import pytest

import storage
from config.errors import ConfigError
from jobs.model import State
from producer import loop
from producer.backlog import Action, Backlog
from producer.errors import SourceGone, UnusableManifest
from producer.fingerprint import fingerprint, open_source
from producer.manifest import read_paths
from producer.pipeline import Pipeline
from producer.preflight import inspect
from producer.roots import check_roots
from producer.service import Options, produce
from storage.s3 import BucketStorage
from tests.s3 import Bucket, bucket_of, serving, use

pytestmark = pytest.mark.integration

ODD = "Größe #1 100% ?&=+.mp4"


def once(bench, bucket: Bucket, *, stop: threading.Event | None = None, **changed) -> int:
    settings = bench.settings.model_copy(update=changed)
    roots = check_roots(settings, [bucket.path("in")], bucket.path("out"))
    return produce(settings, roots, stop or threading.Event(), Options(once=True))


def by_name(bench, bucket: Bucket):
    return {job.spec.source.removeprefix(bucket.path("in") + "/"): job for job in bench.jobs()}


def fetched(bucket: Bucket) -> int:
    return sum(line.startswith("GET") and "list-type" not in line for line in bucket.requests())


def test_objects_become_jobs_with_their_instructions(bench, bucket, unlike):
    bucket.put("in/a.mp4", unlike(1))
    bucket.put("in/a.mp4.txt", b"make it calm")
    bucket.put(f"in/{ODD}", unlike(2))
    bucket.put("in/sub/deep/b.mp4", unlike(3))
    bucket.put("in/sub/_dropscore.toml", b'instructions = ["happy music", "softer"]')
    for left_alone in ("in/.hidden.mp4", "in/.git/c.mp4", "in/d.mp4.part", "in/notes.pdf", "in/out/e.mp4"):
        bucket.put(left_alone, unlike(4))
    assert once(bench, bucket, ignore=("out",)) == 0
    jobs = by_name(bench, bucket)
    assert sorted(jobs) == ["Größe #1 100% ?&=+.mp4", "a.mp4", "sub/deep/b.mp4"]
    assert jobs["a.mp4"].spec.instructions == ("make it calm",)
    assert jobs["sub/deep/b.mp4"].spec.instructions == ("happy music", "softer")
    assert jobs[ODD].spec.output == bucket.path(f"out/{ODD}")
    assert jobs["sub/deep/b.mp4"].spec.result == bucket.path("out/sub/deep/b.result.json")
    assert all(job.spec.etag and job.spec.duration_s for job in jobs.values())


def test_what_costs_a_credit_for_nothing_is_refused_with_a_result(bench, bucket, clip):
    bucket.put("in/empty.mp4", b"")
    bucket.put("in/cut.mp4", clip[: len(clip) // 2])  # its index was at its end
    bucket.put("in/words.mp4", b"only words")
    assert once(bench, bucket, convert=True) == 0
    bucket.put("in/old.wmv", b"\x30\x26\xb2\x75\x8e\x66\xcf\x11" + bytes(100))
    assert once(bench, bucket, convert=True) == 0
    said = {name: job.problem.message for name, job in by_name(bench, bucket).items()}
    assert said == {
        "empty.mp4": "empty.mp4: the file is empty (0 bytes)",
        "cut.mp4": "cut.mp4: its container cannot be read",
        "words.mp4": "words.mp4: unsupported file: its content is text, not .mp4",
        "old.wmv": "old.wmv: files in a bucket are not shrunk or converted",
    }
    assert [key for key in bucket.keys("out/") if key.endswith(".result.json")] == [
        f"out/{name}.result.json" for name in ("cut", "empty", "old", "words")
    ]


def test_a_second_run_that_finds_nothing_new_opens_nothing(bench, bucket, unlike):
    for number in range(12):
        bucket.put(f"in/{number}.mp4", unlike(number))
        bucket.put(f"in/{number}.mp4.txt", b"calm")
    assert once(bench, bucket) == 0
    before, requests = fetched(bucket), len(bucket.requests())
    assert once(bench, bucket) == 0
    assert fetched(bucket) - before <= 1  # whose outbox it is
    assert len(bucket.requests()) - requests <= 7  # two at the start, three on the outbox, two listings
    assert len(bench.jobs()) == 12


def test_the_same_content_is_one_job_wherever_it_lies(bench, bucket, unlike):
    large = unlike(1, 3_000_000)  # sampled, not read whole
    there = bench.put("here.mp4", large)
    path = bucket.put("in/there.mp4", large)
    with open_source(str(there)) as near, open_source(path) as far:
        assert fingerprint(near, len(large)) == fingerprint(far, len(large))
    assert bench.once() == 0
    assert once(bench, bucket) == 0
    assert len(bench.jobs()) == 1
    assert list(bench.duplicates()) == [path]


def test_an_object_that_is_replaced_and_a_sidecar_that_changes_are_new_work(bench, bucket, unlike):
    bucket.put("in/a.mp4", unlike(1))
    assert once(bench, bucket) == 0
    bucket.put("in/a.mp4", unlike(2))  # of the same size, within the same second
    assert once(bench, bucket) == 0
    assert len(bench.jobs()) == 2
    bucket.put("in/a.mp4.txt", b"calm")
    assert once(bench, bucket) == 0
    assert len(bench.jobs()) == 3
    assert bench.queued() == 2, "what was not sent yet gave way to the new instructions"


def test_an_object_that_was_renamed_before_its_upload_is_the_same_job(bench, bucket, unlike):
    bucket.put("in/a.mp4", unlike(1))
    assert once(bench, bucket) == 0
    bucket.client.delete_object(Bucket=bucket.name, Key="in/a.mp4")
    moved, before = bucket.put_in_parts("in/b/c.mp4", unlike(1)), bench.jobs()[0].spec
    assert once(bench, bucket) == 0
    (job,) = bench.jobs()
    seen = storage.storage_for(moved).stat(moved)
    assert (job.spec.source, job.spec.etag) == (moved, seen.etag)
    assert job.spec == before.evolve(source=moved, etag=seen.etag)
    assert seen.etag != before.etag  # S3 makes it of the parts, not of the content


def test_what_is_uploaded_later_is_found_by_the_next_listing(bench, bucket, unlike):
    settings = bench.settings.model_copy(update={"rescan_s": 0.3})
    stop = threading.Event()
    roots = check_roots(settings, [bucket.path("in")], bucket.path("out"))
    thread = threading.Thread(target=produce, args=(settings, roots, stop, Options()))
    thread.start()
    try:
        bucket.put("in/a.mp4", unlike(1))
        assert bench.wait(1)[0].spec.source == bucket.path("in/a.mp4")
        bucket.put("in/b.mp4", unlike(2))
        bench.wait(2)
    finally:
        stop.set()
        thread.join(30)


def test_a_video_waits_for_the_sidecar_that_comes_after_it(bench, bucket, unlike):
    settings = bench.settings.model_copy(update={"rescan_s": 0.2, "sidecar_wait_s": 1.5})
    stop = threading.Event()
    roots = check_roots(settings, [bucket.path("in")], bucket.path("out"))
    thread = threading.Thread(target=produce, args=(settings, roots, stop, Options()))
    bucket.put("in/a.mp4", unlike(1))
    thread.start()
    try:
        time.sleep(0.5)
        bucket.put("in/a.mp4.txt", b"calm")
        (job,) = bench.wait(1)
    finally:
        stop.set()
        thread.join(30)
    assert job.spec.instructions == ("calm",)


def test_a_root_with_more_than_memory_shall_hold_is_taken_in_parts(bench, bucket, monkeypatch):
    monkeypatch.setattr(loop, "_SLICE", 20)
    held = []
    prepare = Pipeline.prepare
    monkeypatch.setattr(
        Pipeline,
        "prepare",
        lambda self, batch, **how: held.append(len(batch)) or prepare(self, batch, **how),
    )
    for number in range(70):
        bucket.put(f"in/{number:04}.mp4", b"")  # refused unread: this is about how many
    assert once(bench, bucket) == 0
    assert bench.ledger.counts()[State.FAILED] == 70
    assert max(held) <= 40


def test_what_cannot_be_used_is_one_line(bench, bucket, tmp_path, monkeypatch):
    for root, outbox, why in (
        ("s3://no-such-bucket/in", None, "s3://no-such-bucket/in: the bucket does not exist; make it, or"),
        ("s3://X/in", None, "s3://X/in: no bucket has that name"),
        (bucket.path(), None, "a whole bucket has nothing beside it; name the outbox with --outbox"),
        (bucket.path("in"), bucket.path("in"), "is an inbox itself"),
        (bucket.path("in"), "s3://no-such-bucket/out", "the bucket does not exist"),
    ):
        with pytest.raises(ConfigError) as refused:
            check_roots(bench.settings, [root], outbox)
        assert why in str(refused.value)
        assert "\n" not in str(refused.value)
    with serving(tmp_path, INITIAL_NO_AUTH_ACTION_COUNT="1") as found:
        guarded = bucket_of(*found, "a-guarded-bucket")
        use(guarded, monkeypatch)
        with pytest.raises(ConfigError, match=r"^s3://a-guarded-bucket/in: the credentials are not accepted"):
            check_roots(bench.settings, [guarded.path("in")], None)


def test_a_store_that_fails_says_nothing_about_a_file(bucket, clip):
    path = bucket.put("in/a.mp4", clip)
    seen = storage.storage_for(path).stat(path)

    class Failing(BucketStorage):
        def _get(self, path, options):
            raise storage.Unreachable(path, "the store does not answer")

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(
            "storage.s3.BucketStorage", Failing
        )  # the one seam: a real server cannot fail just here
        with pytest.raises(SourceGone, match="does not answer"), open_source(path, seen) as file:
            inspect(file, "a.mp4", "mp4")


def test_a_backlog_names_objects_and_folders_of_them(bench, bucket, unlike):
    one = bucket.put("lonely/a b.mp4", unlike(1))
    bucket.put("lonely/a b.mp4.txt", b"calm")
    bucket.put("lonely/other.mp4", unlike(2))
    bucket.put("album/c.mp4", unlike(3))
    bucket.put("album/d/e.mp4", unlike(4))
    missing, folder = bucket.path("none.mp4"), bucket.path("album")
    named = read_paths([one, f"{folder}/", missing, "s3://X"], Path.cwd())
    assert named.errors == (
        f"{missing} does not exist",
        "s3://X: no bucket has that name; a path looks like s3://bucket/folder",
    )
    backlog = Backlog(bench.ledger, bucket.path("out"), bench.settings)
    plan = backlog.plan(named.entries)
    assert [(row.source, row.action) for row in plan.rows] == [
        (path, Action.SUBMIT) for path in (one, f"{folder}/c.mp4", f"{folder}/d/e.mp4")
    ]
    assert plan.rows[0].prepared.spec.instructions == ("calm",)
    assert [row.output for row in plan.rows] == [
        bucket.path(f"out/{name}") for name in ("a b.mp4", "c.mp4", "d/e.mp4")
    ]
    bucket.client.delete_object(Bucket=bucket.name, Key="lonely/a b.mp4")
    with pytest.raises(UnusableManifest):
        backlog.plan(named.entries[:1])


def test_no_secret_is_in_the_ledger_or_in_a_result(bench, bucket, unlike):
    bucket.put("in/a.mp4", unlike(1))
    bucket.put("in/empty.mp4", b"")
    assert once(bench, bucket) == 0
    secret = os.environ["AWS_SECRET_ACCESS_KEY"]
    kept = [bench.client.hgetall(key) for key in bench.client.keys("dropscore:job:*")]
    assert kept
    assert secret not in str(kept)
    assert secret not in bucket.get("out/empty.result.json").decode()
