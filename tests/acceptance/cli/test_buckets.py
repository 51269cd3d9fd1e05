"""The main job with both ends in a bucket: the command, the local studio, a real S3 server."""

import json
import os
import subprocess
import sys
from pathlib import Path

import av
import pytest

from cli.errors import Unusable
from cli.paths import prepare_folders
from cli.states import choose_state
from storage.s3 import Buckets
from tests.s3 import Bucket, bucket_of, serving, use

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(300)]

COMMAND = (sys.executable, "-P", "-c", "from cli.main import main; main()")
ODD = "Größe #1 100% ?&=+.mp4"


def dropscore(folder: Path, *arguments: str, **extra: str) -> "subprocess.CompletedProcess[str]":
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("DROPSCORE_", "NEMO_"))}
    return subprocess.run(
        [*COMMAND, *arguments],
        cwd=folder,
        env={**kept, "PYTHONUTF8": "1", **extra},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def unlike(clip: Path, number: int) -> bytes:
    """The clip, with content of its own."""
    return clip.read_bytes() + (16).to_bytes(4, "big") + b"free" + number.to_bytes(8, "big")


def test_a_run_turns_a_folder_of_a_bucket_into_another(tmp_path: Path, bucket: Bucket, clip: Path) -> None:
    bucket.put("in/talk.mp4", unlike(clip, 1))
    bucket.put("in/talk.mp4.txt", b"add calm piano")
    bucket.put(f"in/{ODD}", unlike(clip, 2))
    bucket.put("in/nested/deep/two.mp4", unlike(clip, 3))
    bucket.put("in/empty.mp4", b"")
    ends = ("run", bucket.path("in") + "/", "--outbox", bucket.path("out"), "--once")
    first = dropscore(tmp_path, *ends)
    assert first.returncode == 1, first.stdout + first.stderr  # one file is empty
    assert "3 done, 1 failed" in first.stdout
    assert bucket.path("out/nested/deep/two.mp4") in first.stdout
    outputs = ("out/talk.mp4", f"out/{ODD}", "out/nested/deep/two.mp4")
    results = {f"{key.removesuffix('.mp4')}.result.json" for key in (*outputs, "out/empty.mp4")}
    assert {key for key in bucket.keys("out/") if "/." not in key} == {*outputs, *results}
    for number, key in enumerate(outputs):
        here = tmp_path / f"{number}.mp4"
        here.write_bytes(bucket.get(key))
        with av.open(str(here)) as container:
            assert container.streams.video
            assert container.streams.audio
    assert json.loads(bucket.get("out/talk.result.json"))["instructions"] == ["add calm piano"]
    shown = dropscore(tmp_path, "status", bucket.path("in/talk.mp4"))
    assert bucket.path("out/talk.mp4") in shown.stdout
    paged = dropscore(tmp_path, "report", "--outbox", bucket.path("out"))
    assert paged.returncode == 0, paged.stderr
    assert "Größe #1" in (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "4 files in report.html" in paged.stdout
    logs = "".join(
        path.read_text(errors="replace") for path in choose_state(bucket.path("out")).glob("logs/*")
    )
    assert "never-to-be-shown" not in logs + first.stdout + first.stderr


def test_a_plan_and_the_doctor_know_buckets(tmp_path: Path, bucket: Bucket, clip: Path) -> None:
    bucket.put("in/a.mp4", clip.read_bytes())
    plan = dropscore(tmp_path, "submit", "-n", bucket.path("in"), "--outbox", bucket.path("out"), "--json")
    (row,) = json.loads(plan.stdout)["rows"]
    assert (row["action"], row["output"]) == ("submit", bucket.path("out/a.mp4"))
    well = dropscore(tmp_path, "doctor", bucket.path("in"), "--outbox", bucket.path("out"), "--json")
    said = {check["name"]: check["state"] for check in json.loads(well.stdout)["checks"]}
    assert said[f"folder {bucket.path('in')}"] == said[f"outbox {bucket.path('out')}"] == "ok"
    assert bucket.keys() == ["in/a.mp4"]
    ill = dropscore(tmp_path, "doctor", "s3://no-such-bucket/in", "--outbox", bucket.path("out"), "--json")
    (check,) = [one for one in json.loads(ill.stdout)["checks"] if one["state"] == "fail"]
    assert (ill.returncode, check["message"]) == (1, "the bucket does not exist; make it, or name another")


def test_what_is_wrong_is_one_line(tmp_path: Path, bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    def one_line(*arguments: str, **extra: str) -> str:
        ended = dropscore(tmp_path, *arguments, **extra)
        assert ended.returncode == 2, ended.stdout + ended.stderr
        assert ended.stderr.count("\n") == 1
        assert "never-to-be-shown" not in ended.stderr
        return ended.stderr

    assert one_line("run", "s3://no-such-bucket/in", "--once") == (
        "dropscore: s3://no-such-bucket/in: the bucket does not exist; make it, or name another\n"
    )
    with serving(tmp_path, INITIAL_NO_AUTH_ACTION_COUNT="1") as found:
        guarded = bucket_of(*found, "a-guarded-bucket")
        use(guarded, monkeypatch)
        assert "the credentials are not accepted" in one_line("run", guarded.path("in"), "--once")


@pytest.mark.parametrize(
    ("inbox", "outbox", "environ", "why"),
    [
        ("s3://", None, {}, "no bucket has that name"),
        ("s3://a-bucket", None, {}, "name the outbox with --outbox"),
        ("s3://a-bucket/in", "s3://a-bucket/in/", {}, "the outbox is the inbox"),
        ("s3://a-bucket/in", None, {"AWS_ACCESS_KEY_ID": ""}, "no credentials: set AWS_ACCESS_KEY_ID"),
        ("s3://a-bucket/in", None, {"AWS_ENDPOINT_URL": "http://s3.example"}, "set AWS_ALLOW_HTTP=true if"),
    ],
)
def test_what_cannot_be_is_told_before_anything_starts(
    tmp_path: Path,
    bucket: Bucket,
    monkeypatch: pytest.MonkeyPatch,
    inbox: str,
    outbox: str | None,
    environ: dict[str, str],
    why: str,
) -> None:
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("storage.s3.BUCKETS", Buckets())  # one that has not met the bucket yet
    there = inbox.replace("a-bucket", bucket.name), outbox and outbox.replace("a-bucket", bucket.name)
    with pytest.raises(Unusable, match=why) as told:
        prepare_folders(*there, tmp_path / "state")
    assert "\n" not in str(told.value)
    assert not (tmp_path / "state").exists()
