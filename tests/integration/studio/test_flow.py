"""The whole flow of api-contract 2, request by request, against a real studio process."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import uuid
from pathlib import Path

import av
import pytest

pytestmark = pytest.mark.integration

REPO = Path(__file__).resolve().parents[3]


def test_a_clip_goes_in_and_comes_back_with_music(studio, clip, tmp_path):
    client_id = str(uuid.uuid4())
    minted = studio.http.post("/api/auth/anonymous-token", headers={"X-Client-Id": client_id}).json()["data"]
    assert minted["token"].startswith("nmv_usr_")
    assert minted["user_id"].startswith("anon_")
    assert minted["credits"] == 100
    guest = studio.guest()
    guest.token, guest.account = minted["token"], minted["user_id"]

    guest.open()
    files = guest.upload(clip)["data"]["files"]
    assert files[0]["hash"] == hashlib.sha256(clip.read_bytes()).hexdigest()
    assert (files[0]["width"], files[0]["height"], files[0]["fps"]) == (160, 120, 25)
    assert studio.http.get(files[0]["cdn_url"]).content == clip.read_bytes()

    guest.edit("add calm music at 35%")
    assert guest.balance() == {"available": 50, "frozen": 0, "total": 50}
    render = f"render_{uuid.uuid4().hex}"
    assert guest.render(render).json().get("success", True)
    job = guest.wait(render)
    assert (job["status"], job["progress"]) == ("completed", 100)

    public = studio.http.get(job["url"]).content
    assert guest.get(f"/api/render/proxy/{render}/download").content == public
    assert guest.balance()["available"] == 50, "a render is free"
    output = tmp_path / "output.mp4"
    output.write_bytes(public)
    with av.open(str(output)) as container:
        assert container.streams.video
        assert container.streams.audio
        assert container.duration / 1_000_000 == pytest.approx(1.0, abs=0.1)


def test_curl_alone_completes_the_flow(start_studio, clip, tmp_path):
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    running = start_studio("--render-shape", "mixed")
    output = tmp_path / "with music.mp4"
    script = [REPO / "docs" / "curl-flow.sh", running.url, clip, output]
    done = subprocess.run(
        ["bash", *map(str, script)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    with av.open(str(output)) as container:
        assert container.streams.audio
    assert len(running.ledger()["charges"]) == 1
    assert "nmv_" not in done.stdout + done.stderr


def test_download_serves_ranges_and_an_etag(guest):
    guest.edit("add calm music")
    render = "render_" + uuid.uuid4().hex
    guest.render(render)
    url = guest.wait(render)["url"]
    whole = guest.studio.http.get(url)
    for path in (url, f"/api/render/proxy/{render}/download"):
        part = guest.get(path, headers={"Range": "bytes=100-199"})
        assert part.status_code == 206
        assert part.content == whole.content[100:200]
        assert part.headers["content-range"] == f"bytes 100-199/{len(whole.content)}"
        assert part.headers["etag"] == whole.headers["etag"]
        assert guest.get(path, headers={"Range": f"bytes={10**9}-"}).status_code == 416
        stale = guest.get(path, headers={"Range": "bytes=100-199", "If-Range": '"old"'})
        assert (stale.status_code, len(stale.content)) == (200, len(whole.content))


def test_state_shows_draft_files_and_what_was_composed(guest):
    guest.edit("add epic music")
    state = guest.state()
    assert [track["tt"] for track in state["draft"]["t"]] == [0, 1]
    assert state["generated_media"][0]["mood"] == "epic"
    assert state["video_infos"][0]["filename"] == "clip.mp4"
    assert state["canvas_config"] == {"width": 160, "height": 120, "fps": 25.0}


def test_a_second_upload_makes_a_new_draft(guest, clip, tmp_path):
    guest.edit("add epic music")
    second = tmp_path / "second.mp4"
    shutil.copy(clip, second)
    guest.upload(second, clip)
    draft = guest.state()["draft"]
    assert [segment["m"]["title"] for segment in draft["t"][0]["sg"]] == ["second", "clip"]
    assert [segment["m"]["start"] for segment in draft["t"][0]["sg"]] == [0, draft["d"] // 2]
    assert len(draft["t"]) == 1


def test_claim_token_stands_for_the_session(guest):
    opened = guest.post("/api/tasks/me/with-session/nemo_agent", json={"task_name": "project"}).json()["data"]
    body = {"task_id": opened["task_id"], "session_id": opened["session_id"]}
    claimed = guest.post("/api/auth/claim-token", json=body).json()
    assert claimed["data"]["claim_token"].startswith("clm_")
    wrong = guest.post("/api/auth/claim-token", json={**body, "task_id": "other"})
    assert wrong.status_code == 400


def test_renders_of_one_session_queue_up(guest):
    names = [f"render_{uuid.uuid4().hex}" for _ in range(4)]
    for name in names:
        guest.render(name)
    seen = [guest.status(name)["status"] for name in names]
    assert seen.count("processing") <= 1
    assert [guest.wait(name)["status"] for name in names] == ["completed"] * 4


def test_a_pending_render_can_be_cancelled_and_a_finished_one_cannot(guest):
    names = [f"render_{uuid.uuid4().hex}" for _ in range(3)]
    for name in names:
        guest.render(name)
    cancelled = guest.post(f"/api/render/proxy/lambda/{names[2]}/cancel")
    assert cancelled.status_code == 200
    assert guest.status(names[2])["error"] == "cancelled"
    guest.wait(names[0])
    assert guest.post(f"/api/render/proxy/lambda/{names[0]}/cancel").status_code == 409
