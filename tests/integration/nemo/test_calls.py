"""Every call but the edit, against a real server: requests, answers in every shape, tokens, retries."""

import socket
import threading
import traceback
from typing import Any

import pytest

import nemo
from nemo import errors

pytestmark = pytest.mark.integration

SESSION = "/api/tasks/me/with-session/nemo_agent"
RENDERS = "/api/render/proxy/lambda"
STATE = "/api/state/nemo_agent/me/s1/latest"
BALANCE = "/api/credits/balance/simple"
DRAFT = nemo.Draft({"t": [{"tt": 0, "sg": [{"d": 1000}]}], "zz": {"kept": True}})


def test_a_session(backend: Any, client: nemo.NemoClient) -> None:
    backend.on("POST", SESSION, backend.ok(session_id="s1", task_id="t1", user_id="anon_1"))
    assert client.open_session("project", "zh-CN") == nemo.Session("s1", "t1", "anon_1")
    (seen,) = backend.seen
    assert seen.json == {"task_name": "project", "language": "zh-CN"}
    assert seen.headers["authorization"] == "Bearer nmv_usr_secret"


def test_a_session_without_envelope_or_language(backend: Any, client: nemo.NemoClient) -> None:
    backend.on("POST", SESSION, backend.json({"session_id": "s1", "task_id": 7}))
    assert client.open_session() == nemo.Session("s1", "7", None)
    assert backend.seen[0].json == {"task_name": "project"}


def test_a_session_without_an_id_is_a_bad_answer(backend: Any, client: nemo.NemoClient) -> None:
    backend.on("POST", SESSION, backend.ok(task_id="t1"))
    with pytest.raises(errors.BadAnswer, match="session_id"):
        client.open_session()


@pytest.mark.parametrize(
    ("data", "credits"),
    [
        ({"available": 100, "frozen": 50, "total": 150}, nemo.Credits(100, 50, 150)),
        ({"available": "12.5"}, nemo.Credits(12.5, 0, 12.5)),
    ],
)
def test_the_balance(backend: Any, client: nemo.NemoClient, data: Any, credits: nemo.Credits) -> None:
    backend.on("GET", BALANCE, backend.ok(**data))
    found = client.balance()
    assert found == credits
    assert repr(found) == repr(credits)


def test_the_state(backend: Any, client: nemo.NemoClient) -> None:
    state = {
        "draft": DRAFT.raw,
        "video_infos": [{"a": 1}],
        "generated_media": {"m1": {"b": 2}},
        "canvas_config": {"width": 1080},
    }
    backend.on("GET", STATE, backend.ok(state=state, user_id="anon_9"))
    found = client.state("s1")
    assert found == nemo.SessionState(DRAFT, ({"a": 1},), ({"b": 2},), {"width": 1080}, "anon_9")


@pytest.mark.parametrize("data", [{"state": None}, {"state": {}}, {}, {"state": {"draft": None}}])
def test_an_empty_state(backend: Any, client: nemo.NemoClient, data: Any) -> None:
    backend.on("GET", STATE, backend.ok(**data))
    assert client.state("s1").draft is None


def test_a_session_id_cannot_leave_its_place_in_the_path(backend: Any, client: nemo.NemoClient) -> None:
    with pytest.raises(errors.SessionNotFound):
        client.state("../../x?y#z")
    assert backend.seen[0].path == "/api/state/nemo_agent/me/..%2F..%2Fx%3Fy%23z/latest"


def test_a_render_is_submitted_as_the_contract_says(backend: Any, client: nemo.NemoClient) -> None:
    backend.on(
        "POST",
        RENDERS,
        backend.json({"success": True, "data": {"id": "r1", "status": "pending", "progress": 0}}),
    )
    assert client.submit_render("s1", "r1", DRAFT) == nemo.Render("r1", nemo.RenderStatus.PENDING)
    assert backend.seen[0].json == {
        "id": "r1",
        "sessionId": "s1",
        "draft": DRAFT.raw,
        "output": {"format": "mp4", "quality": "high"},
    }


@pytest.mark.parametrize(
    ("document", "render"),
    [
        (
            {"status": "completed", "output": {"url": "https://c/v"}},
            ("completed", 100.0, "https://c/v", None),
        ),
        (
            {"success": True, "data": {"status": "completed", "outputUrl": "https://c/v", "progress": 99}},
            ("completed", 100.0, "https://c/v", None),
        ),
        ({"code": 0, "data": {"status": "processing", "progress": 42}}, ("processing", 42.0, None, None)),
        ({"status": "PENDING"}, ("pending", 0.0, None, None)),
        ({"status": "failed", "error": "no nmv_usr_x"}, ("failed", 0.0, None, "no nmv_***")),
        ({"success": False, "data": {"status": "failed"}}, ("failed", 0.0, None, "failed")),
        ({"status": "something new", "progress": 250}, ("processing", 100.0, None, None)),
    ],
)
def test_a_render_in_either_shape(backend: Any, client: nemo.NemoClient, document: Any, render: Any) -> None:
    backend.on("GET", f"{RENDERS}/r1", backend.json(document))
    found = client.render("r1")
    assert (found.status, found.progress, found.url, found.error) == render


@pytest.mark.parametrize("status", [409, 400])
def test_a_duplicate_is_told_however_it_is_refused(
    backend: Any, client: nemo.NemoClient, status: int
) -> None:
    backend.on("POST", RENDERS, backend.json({"code": status, "message": "exists"}, status))
    backend.on("GET", f"{RENDERS}/r1", backend.json({"status": "processing"}))
    with pytest.raises(errors.DuplicateRender):
        client.submit_render("s1", "r1", DRAFT)


def test_a_bad_render_is_not_taken_for_a_duplicate(backend: Any, client: nemo.NemoClient) -> None:
    backend.on("POST", RENDERS, backend.json({"detail": "empty draft"}, 400))
    with pytest.raises(errors.BadRequest):
        client.submit_render("s1", "r1", DRAFT)


def test_a_submission_whose_answer_was_lost_is_repeated_with_its_id(
    backend: Any, client: nemo.NemoClient
) -> None:
    duplicate = backend.json({"code": 409}, 409)
    backend.on("POST", RENDERS, backend.raw(0, {}, [backend.reset]), duplicate)
    with pytest.raises(errors.DuplicateRender):
        client.submit_render("s1", "r1", DRAFT)
    assert [seen.json["id"] for seen in backend.calls(RENDERS)] == ["r1", "r1"]


def test_an_unknown_render(backend: Any, client: nemo.NemoClient) -> None:
    with pytest.raises(errors.RenderNotFound):
        client.render("r1")


def test_a_render_is_cancelled(backend: Any, client: nemo.NemoClient) -> None:
    backend.on("POST", f"{RENDERS}/r1/cancel", backend.json({"success": True}))
    client.cancel_render("r1")
    assert backend.seen[0].body == b""


def test_a_claim_link_holds_the_claim_token_alone(backend: Any, client: nemo.NemoClient) -> None:
    backend.on("POST", "/api/auth/claim-token", backend.ok(claim_token="clm_a+b"))
    link = client.claim_link(nemo.Session("s1", "t1", None))
    assert link == "https://web.example/workspace/claim?ct=clm_a%2Bb"
    assert backend.seen[0].json == {"task_id": "t1", "session_id": "s1"}


def test_an_access_token_never_gets_into_a_link(backend: Any, client: nemo.NemoClient) -> None:
    backend.on("POST", "/api/auth/claim-token", backend.ok(claim_token="nmv_usr_x"))
    with pytest.raises(errors.BadAnswer):
        client.claim_link(nemo.Session("s1", "t1", None))


def test_urls_are_uploaded(backend: Any, client: nemo.NemoClient) -> None:
    file = {
        "filename": "v.mp4",
        "file_type": "video",
        "duration": 2.5,
        "width": 640,
        "height": 360,
        "fps": 25,
    }
    backend.on(
        "POST", "/api/upload-video/nemo_agent/me/s1", backend.ok(files=[file], session_state_applied=True)
    )
    found = client.upload_urls("s1", ["https://x.example/v.mp4"])
    assert found.files == (nemo.UploadedFile("v.mp4", "video", None, 2.5, 640, 360, 25.0, None),)
    assert found.state_applied and found.sha256 is None
    assert backend.seen[0].json == {"urls": ["https://x.example/v.mp4"], "source_type": "url"}


def test_another_skill_shares_all_else(backend: Any, client: nemo.NemoClient) -> None:
    backend.on("GET", BALANCE, backend.ok(available=1))
    client.with_skill(nemo.Attribution("music-ab2n", "9", "cursor")).balance()
    client.balance()
    assert [seen.headers["x-skill-source"] for seen in backend.seen] == ["music-ab2n", "add-music"]
    assert backend.seen[0].headers["authorization"] == "Bearer nmv_usr_secret"


def test_a_safe_call_is_tried_three_times(backend: Any, make_client: Any) -> None:
    naps: list[float] = []
    backend.on(
        "GET", BALANCE, backend.json({}, 500), backend.raw(0, {}, [backend.reset]), backend.ok(available=1)
    )
    assert make_client(backend.url, naps=naps).balance().available == 1
    assert len(naps) == 2 and 0 <= naps[0] <= 0.5 and 0 <= naps[1] <= 1.0


def test_a_safe_call_ends_after_its_attempts(backend: Any, client: nemo.NemoClient) -> None:
    backend.on("GET", BALANCE, backend.json({}, 503))
    with pytest.raises(errors.ServerError):
        client.balance()
    assert len(backend.seen) == 3


@pytest.mark.parametrize(("asked", "naps"), [("3", [3.0, 3.0]), ("600", [])])
def test_a_503_says_how_long_to_wait(backend: Any, make_client: Any, asked: str, naps: list[float]) -> None:
    slept: list[float] = []
    backend.on("GET", BALANCE, backend.json({}, 503, Retry_After=asked))
    with pytest.raises(errors.ServerError) as caught:
        make_client(backend.url, naps=slept).balance()
    assert slept == naps
    assert caught.value.retry_after_s == float(asked)


def test_a_429_is_not_tried_again_here(backend: Any, client: nemo.NemoClient) -> None:
    backend.on("GET", BALANCE, backend.json({"code": 429}, Retry_After="5"))
    with pytest.raises(errors.RateLimited) as caught:
        client.balance()
    assert caught.value.retry_after_s == 5.0 and len(backend.seen) == 1


def test_the_hook_sees_each_request_and_may_refuse(backend: Any, make_client: Any) -> None:
    asked: list[str] = []
    backend.on("GET", BALANCE, backend.json({}, 500), backend.ok(available=1))
    make_client(backend.url, before_request=asked.append).balance()
    assert asked == ["balance", "balance"]

    def closed(name: str) -> None:
        raise PermissionError(name)

    with pytest.raises(PermissionError):
        make_client(backend.url, before_request=closed).balance()
    assert len(backend.seen) == 2


def test_no_cookie_is_kept(backend: Any, client: nemo.NemoClient) -> None:
    backend.on("GET", BALANCE, backend.json({"available": 1}, Set_Cookie="sid=1; Path=/"))
    client.balance()
    client.balance()
    assert "cookie" not in backend.seen[1].headers


def test_a_redirect_of_the_api_is_not_followed(backend: Any, client: nemo.NemoClient) -> None:
    backend.on("GET", BALANCE, backend.json({}, 307, Location="http://127.0.0.1:9/steal"))
    with pytest.raises(errors.BadRequest):
        client.balance()
    assert len(backend.seen) == 1


def test_a_page_that_is_no_api(backend: Any, client: nemo.NemoClient) -> None:
    page = b"<html>Hello</html>"
    backend.on("GET", BALANCE, backend.raw(200, {"Content-Type": "text/html"}, [page], len(page)))
    with pytest.raises(errors.BadAnswer) as caught:
        client.balance()
    assert "NEMO_API_URL" in caught.value.advice


def test_an_answer_without_end_is_cut_off(backend: Any, client: nemo.NemoClient, monkeypatch: Any) -> None:
    monkeypatch.setattr("nemo.transport.MAX_ANSWER_BYTES", 1000)
    backend.on("GET", BALANCE, backend.raw(200, {}, [b"x" * 600, b"x" * 600]))
    with pytest.raises(errors.BadAnswer):
        client.balance()


def test_a_broken_compressed_answer(backend: Any, client: nemo.NemoClient) -> None:
    backend.on("GET", BALANCE, backend.raw(200, {"Content-Encoding": "gzip"}, [b"no gzip"], 7))
    with pytest.raises(errors.BadAnswer):
        client.balance()


@pytest.mark.parametrize("url", ["ftp://x", "no url", "http://", "http://x:99999", "http://[::1"])
def test_an_address_that_is_none(make_client: Any, url: str) -> None:
    with pytest.raises(errors.NotSent) as caught:
        make_client(url).balance()
    assert not caught.value.outcome_unknown


def test_a_token_that_no_header_may_hold(backend: Any, make_client: Any) -> None:
    for token in ("nmv_usr_ü", "nmv_usr_a\nb: c"):
        with pytest.raises(errors.NotSent) as caught:
            make_client(backend.url, tokens=nemo.UserToken(token)).balance()
        assert "usr_" not in "".join(traceback.format_exception(caught.value))
    assert backend.seen == []


def test_nothing_that_is_shown_holds_a_token(backend: Any, client: nemo.NemoClient, caplog: Any) -> None:
    caplog.set_level("DEBUG")
    backend.on("GET", BALANCE, backend.json({"code": 9, "message": "nmv_usr_secret"}, 400))
    with pytest.raises(errors.BadRequest) as caught:
        client.balance()
    error = caught.value
    shown = f"{error!r}{error}{error.advice}{error.__cause__!r}{vars(client)!r}{caplog.text}"
    assert "nmv_usr_secret" not in shown


def test_a_silent_server_is_not_waited_for_for_ever(backend: Any, make_client: Any) -> None:
    hold = threading.Event()
    backend.on("GET", BALANCE, backend.raw(200, {}, [hold]))
    endpoint = nemo.Endpoint(api_url=backend.url, timeout_s=0.2, retry=nemo.RetryPolicy(attempts=1))
    with pytest.raises(errors.ConnectionLost, match="in time"):
        make_client(backend.url, endpoint=endpoint).balance()
    hold.set()


def test_a_listener_that_never_accepts(make_client: Any) -> None:
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen(1)
        url = f"http://127.0.0.1:{mute.getsockname()[1]}"
        endpoint = nemo.Endpoint(api_url=url, timeout_s=0.2, retry=nemo.RetryPolicy(attempts=1))
        with pytest.raises(errors.ConnectionLost):
            make_client(url, endpoint=endpoint).balance()
