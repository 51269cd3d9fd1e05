"""What the contract does not allow is refused, and the message names it."""

from __future__ import annotations

import uuid

import pytest

pytestmark = pytest.mark.integration

SESSION = "/api/tasks/me/with-session/nemo_agent"
RENDER = "/api/render/proxy/lambda"
OUTPUT = {"format": "mp4", "quality": "high"}


def mint(studio, headers):
    return studio.http.post("/api/auth/anonymous-token", headers=headers)


@pytest.mark.parametrize("client_id", [None, "", "me", "1234"])
def test_a_token_needs_a_client_id_that_is_a_uuid(studio, client_id):
    answer = mint(studio, {} if client_id is None else {"X-Client-Id": client_id})
    assert (answer.status_code, answer.json()["code"]) == (400, 400)
    assert "X-Client-Id" in answer.json()["message"]


def test_one_token_for_a_client_id(studio):
    headers = {"X-Client-Id": str(uuid.uuid4())}
    assert mint(studio, headers).status_code == 200
    again = mint(studio, headers)
    assert (again.status_code, again.json()["code"]) == (429, 429)


def test_ten_tokens_for_an_address(start_studio):
    running = start_studio()
    answers = [mint(running, {"X-Client-Id": str(uuid.uuid4())}).status_code for _ in range(11)]
    assert answers == [200] * 10 + [429]


def test_an_old_token_is_refused_and_the_client_may_have_a_new_one(start_studio):
    running = start_studio("--token-life-s", "0.3")
    headers = {"X-Client-Id": str(uuid.uuid4())}
    guest = running.guest()
    minted = mint(running, headers).json()["data"]
    guest.token = minted["token"]
    while guest.get("/api/credits/balance/simple").status_code == 200:
        pass
    assert guest.get("/api/credits/balance/simple").json()["code"] == 1001
    assert mint(running, headers).json()["data"]["user_id"] == minted["user_id"]


@pytest.mark.parametrize(
    "authorization", ["", "Bearer", "Bearer nmv_usr_wrong", "Basic abc", "nmv_usr_wrong"]
)
def test_everything_else_needs_a_token(studio, authorization):
    headers = {"Authorization": authorization} if authorization else {}
    answer = studio.http.get("/api/credits/balance/simple", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (401, 1001)


def run_body(session, **changes):
    parts = [{"text": "add music"}]
    return {
        "app_name": "nemo_agent",
        "user_id": "me",
        "session_id": session,
        "new_message": {"parts": parts},
        **changes,
    }


@pytest.mark.parametrize(
    ("path", "body", "named"),
    [
        (SESSION, {}, "task_name"),
        (SESSION, {"task_name": 7}, "task_name"),
        (SESSION, {"taskName": "project"}, "task_name"),
        (SESSION, {"task_name": "project", "language": "klingon!"}, "language"),
        (SESSION, {"task_name": "project", "lang": "en"}, "lang"),
        (SESSION, [], "body"),
        ("/run_sse", run_body("S", app_name="other"), "app_name"),
        ("/run_sse", run_body("S", user_id="you"), "user_id"),
        ("/run_sse", run_body("S", streaming=True), "streaming"),
        ("/run_sse", run_body("S", new_message={"parts": []}), "new_message.parts"),
        ("/run_sse", run_body("S", new_message={"parts": [{"text": "  "}]}), "new_message.parts.0.text"),
        ("/run_sse", run_body("S", new_message="add music"), "new_message"),
        ("/run_sse", {"sessionId": "S"}, "Did you mean session_id?"),
        ("/api/upload-video/nemo_agent/me/S", {"urls": [], "source_type": "url"}, "urls"),
        ("/api/upload-video/nemo_agent/me/S", {"urls": ["https://example.org/a.mp4"]}, "source_type"),
        ("/api/auth/claim-token", {"task_id": "t"}, "session_id"),
        (RENDER, {"session_id": "S"}, "Did you mean sessionId?"),
        (RENDER, {"id": "mine", "sessionId": "S", "draft": {"t": []}, "output": OUTPUT}, "id"),
        (RENDER, {"id": "render_1", "sessionId": "S", "draft": "{}", "output": OUTPUT}, "draft"),
        (
            RENDER,
            {"id": "render_1", "sessionId": "S", "draft": {}, "output": {"format": "avi"}},
            "output.format",
        ),
        (RENDER, {"id": "render_1", "sessionId": "S", "draft": {}}, "output"),
    ],
)
def test_wrong_fields_are_named(guest, path, body, named):
    def fill(value):
        if isinstance(value, dict):
            return {key: fill(inner) for key, inner in value.items()}
        return guest.session if value == "S" else value

    answer = guest.post(path.replace("/S", f"/{guest.session}"), json=fill(body))
    assert (answer.status_code, answer.json()["code"]) == (400, 400)
    assert named in answer.json()["message"]


@pytest.mark.parametrize(
    ("draft", "named"),
    [
        ({}, "draft.t"),
        ({"t": []}, "nothing to export"),
        ({"t": [{"tt": 0, "sg": []}]}, "nothing to export"),
        ({"t": [{"tt": 3, "sg": [{"d": 1}]}]}, "draft.t[0].tt"),
        ({"t": [{"tt": 0, "sg": [{"d": -1}]}]}, "draft.t[0].sg[0].d"),
        ({"t": [{"tt": 0, "sg": [{"d": "1"}]}]}, "draft.t[0].sg[0].d"),
        ({"t": [{"tt": 0, "sg": [{"d": 1, "m": {"media": "med_unknown"}}]}]}, "med_unknown"),
    ],
)
def test_a_draft_that_is_not_ready_is_not_rendered(guest, draft, named):
    answer = guest.render(draft=draft)
    assert answer.status_code == 400
    assert named in answer.json()["message"]


@pytest.mark.parametrize("missing", ["X-Skill-Source", "X-Skill-Version", "X-Skill-Platform"])
def test_a_render_without_attribution_is_402(guest, missing):
    body = {"id": "render_402", "sessionId": guest.session, "draft": guest.state()["draft"], "output": OUTPUT}
    answer = guest.post(RENDER, json=body, headers={missing: ""})
    assert (answer.status_code, answer.json()["code"]) == (402, 402)
    assert missing in answer.json()["message"]
    guest.get("/api/credits/balance/simple", headers={missing: ""}).raise_for_status()


def test_other_calls_without_attribution_are_written_down(guest):
    guest.post(SESSION, json={"task_name": "project"}, headers={"X-Skill-Version": ""})
    visits = [visit for visit in guest.studio.ledger()["requests"] if visit["account"] == guest.account]
    assert [visit["attributed"] for visit in visits] == [True, True, False]


def test_a_duplicate_render_is_refused_and_the_first_stays(guest):
    render = f"render_{uuid.uuid4().hex}"
    guest.render(render).raise_for_status()
    again = guest.render(render)
    assert (again.status_code, again.json()["code"]) == (409, 409)
    assert guest.wait(render)["status"] == "completed"


def test_a_free_plan_does_not_export(guest):
    guest.studio.post("/_studio/plan", {"plan": "free"})
    assert guest.render().status_code == 402
    guest.studio.post("/_studio/plan", {"plan": "pro"})
    assert guest.render().status_code == 200


def test_sessions_belong_to_their_account(studio, guest):
    stranger = studio.guest()
    stranger.session = guest.session
    path = f"/api/state/nemo_agent/me/{guest.session}/latest"
    assert stranger.get(path).json()["code"] == 1002
    answer = stranger.run("add music")
    assert (answer.status_code, answer.json()) == (404, {"detail": f"Session not found: {guest.session}"})


def test_renders_belong_to_their_account(studio, guest):
    render = f"render_{uuid.uuid4().hex}"
    guest.render(render)
    stranger = studio.guest()
    for path in (f"{RENDER}/{render}", f"/api/render/proxy/{render}/download"):
        assert stranger.get(path).status_code == 404
    assert stranger.post(f"{RENDER}/{render}/cancel").status_code == 404
    guest.wait(render)


def test_an_event_stream_must_be_accepted(guest):
    answer = guest.post("/run_sse", json=run_body(guest.session), headers={"Accept": "application/json"})
    assert answer.status_code == 400
    assert "Accept" in answer.json()["message"]


def test_bodies_must_be_json(guest):
    answer = guest.post(SESSION, content='{"task_name":"project"}', headers={"Content-Type": "text/plain"})
    assert answer.status_code == 400
    broken = guest.post(SESSION, content="{", headers={"Content-Type": "application/json"})
    assert broken.status_code == 400


def test_the_field_for_files_is_named_files(guest, clip):
    path = f"/api/upload-video/nemo_agent/me/{guest.session}"
    answer = guest.post(path, files={"file": (clip.name, clip.read_bytes())})
    assert answer.status_code == 400
    assert "file" in answer.json()["message"]
    assert "files" in answer.json()["message"]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("notes.txt", b"hello"),
        ("clip.mp4", b"hello, this is text"),
        ("clip.mp4", b""),
        ("clip", b"x"),
        ("a.wmv", b"x"),
    ],
)
def test_what_is_no_media_is_4001(guest, name, content):
    before = guest.state()["draft"]
    path = f"/api/upload-video/nemo_agent/me/{guest.session}"
    answer = guest.post(path, files={"files": (name, content)}).json()
    assert answer["code"] == 4001
    assert "mp4" in answer["message"]
    assert guest.state()["draft"] == before


def test_a_file_past_the_limit_is_4002_and_leaves_nothing(start_studio, tmp_path, clip):
    running = start_studio("--max-file-bytes", str(clip.stat().st_size))
    guest = running.guest()
    guest.open()
    assert guest.upload(clip)["code"] == 0
    kept = len(list((tmp_path / "studio" / "media").iterdir()))
    larger = tmp_path / "larger.mp4"
    larger.write_bytes(clip.read_bytes() + b"\0" * 4_000_000)
    assert guest.upload(larger)["code"] == 4002
    assert len(list((tmp_path / "studio" / "media").iterdir())) == kept


def test_names_with_paths_and_quotes_stay_words(guest, clip, tmp_path):
    path = f"/api/upload-video/nemo_agent/me/{guest.session}"
    answer = guest.post(path, files={"files": ("../../etc/ürban \"dreams'.mp4", clip.read_bytes())}).json()
    name = answer["data"]["files"][0]["filename"]
    assert "/" not in name
    assert name.endswith(".mp4")
    assert guest.studio.http.get(answer["data"]["files"][0]["cdn_url"]).content == clip.read_bytes()


def test_private_addresses_are_not_fetched(guest):
    path = f"/api/upload-video/nemo_agent/me/{guest.session}"
    for url in (
        f"{guest.studio.url}/a.mp4",
        "file:///etc/passwd.mp4",
        "ftp://example.org/a.mp4",
        "http://[::1]:9/a.mp4",
    ):
        answer = guest.post(path, json={"urls": [url], "source_type": "url"})
        assert answer.status_code == 400, url


def test_an_address_is_fetched_where_that_is_allowed(start_studio, clip):
    running = start_studio("--allow-private-urls")
    guest = running.guest()
    guest.open()
    address = guest.upload(clip)["data"]["files"][0]["cdn_url"]
    path = f"/api/upload-video/nemo_agent/me/{guest.session}"
    fetched = guest.post(path, json={"urls": [address], "source_type": "url"}).json()["data"]["files"][0]
    assert (fetched["filename"], fetched["duration"]) == ("clip.mp4", pytest.approx(1.0, abs=0.1))
    gone = guest.post(path, json={"urls": [address + "x.mp4"], "source_type": "url"})
    assert gone.status_code in {200, 400}


def test_unknown_paths_and_methods_are_envelopes(studio):
    assert studio.http.get("/api/nothing").json()["code"] == 404
    assert studio.http.get("/run_sse").json()["code"] == 405
    assert studio.http.get("/cdn/guess/output.mp4").status_code == 404
