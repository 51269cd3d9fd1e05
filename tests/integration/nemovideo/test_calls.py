"""Every call but the edit, against a real server: requests, answers in every shape, tokens, retries."""

import contextlib
import socket
import threading
import time
import traceback
from pathlib import Path
from typing import Any

import pytest

import nemovideo
from nemovideo import errors
from tests.patience import allow

pytestmark = pytest.mark.integration

SESSION = "/api/tasks/me/with-session/nemo_agent"
RENDERS = "/api/render/proxy/lambda"
STATE = "/api/state/nemo_agent/me/s1/latest"
BALANCE = "/api/credits/balance/simple"
DRAFT = nemovideo.Draft({"t": [{"tt": 0, "sg": [{"d": 1000}]}], "zz": {"kept": True}})


def test_a_session(backend: Any, client: nemovideo.NemoVideo) -> None:
    backend.on("POST", SESSION, backend.ok(session_id="s1", task_id="t1", user_id="anon_1"))
    assert client.open_session("project", "zh-CN") == nemovideo.Session("s1", "t1", "anon_1", "anon_1")
    (seen,) = backend.seen
    assert seen.json == {"task_name": "project", "language": "zh-CN"}
    assert seen.headers["authorization"] == "Bearer nmv_usr_secret"


@pytest.mark.parametrize(
    ("announced", "expected"), [(True, True), (False, False), ("yes", False), (1, False)]
)
def test_extensions_count_where_they_are_announced(
    backend: Any, client: nemovideo.NemoVideo, announced: object, expected: bool
) -> None:
    answers = ({name: announced} for name in ("idempotent_edits", "file_handover"))
    backend.on("POST", SESSION, *(backend.ok(session_id="s1", **fields) for fields in answers))
    first, second = client.open_session(), client.open_session()
    assert (first.idempotent_edits, first.file_handover) == (expected, False)
    assert (second.idempotent_edits, second.file_handover) == (False, expected)


def test_a_session_without_envelope_or_language(backend: Any, client: nemovideo.NemoVideo) -> None:
    backend.on("POST", SESSION, backend.json({"session_id": "s1", "task_id": 7}))
    assert client.open_session() == nemovideo.Session("s1", "7", None)
    assert backend.seen[0].json == {"task_name": "project"}


def test_a_session_without_an_id_is_a_bad_answer(backend: Any, client: nemovideo.NemoVideo) -> None:
    backend.on("POST", SESSION, backend.ok(task_id="t1"))
    with pytest.raises(errors.BadAnswer, match="session_id"):
        client.open_session()


@pytest.mark.parametrize(
    ("data", "credits"),
    [
        ({"available": 100, "frozen": 50, "total": 150}, nemovideo.Credits(100, 50, 150)),
        ({"available": "12.5"}, nemovideo.Credits(12.5, 0, 12.5)),
    ],
)
def test_the_balance(
    backend: Any, client: nemovideo.NemoVideo, data: Any, credits: nemovideo.Credits
) -> None:
    backend.on("GET", BALANCE, backend.ok(**data))
    found = client.balance()
    assert found == credits
    assert repr(found) == repr(credits)


def test_the_state(backend: Any, client: nemovideo.NemoVideo) -> None:
    state = {
        "draft": DRAFT.raw,
        "video_infos": [{"a": 1}],
        "generated_media": {"m1": {"b": 2}},
        "canvas_config": {"width": 1080},
    }
    backend.on("GET", STATE, backend.ok(state=state, user_id="anon_9"))
    found = client.state("s1")
    assert found == nemovideo.SessionState(DRAFT, ({"a": 1},), ({"b": 2},), {"width": 1080}, "anon_9")


@pytest.mark.parametrize("data", [{"state": None}, {"state": {}}, {}, {"state": {"draft": None}}])
def test_an_empty_state(backend: Any, client: nemovideo.NemoVideo, data: Any) -> None:
    backend.on("GET", STATE, backend.ok(**data))
    assert client.state("s1").draft is None


def test_a_session_id_cannot_leave_its_place_in_the_path(backend: Any, client: nemovideo.NemoVideo) -> None:
    with pytest.raises(errors.SessionNotFound):
        client.state("../../x?y#z")
    assert backend.seen[0].path == "/api/state/nemo_agent/me/..%2F..%2Fx%3Fy%23z/latest"


def test_a_render_is_submitted_as_the_contract_says(backend: Any, client: nemovideo.NemoVideo) -> None:
    backend.on(
        "POST",
        RENDERS,
        backend.json({"success": True, "data": {"id": "r1", "status": "pending", "progress": 0}}),
    )
    assert client.submit_render("s1", "r1", DRAFT) == nemovideo.Render("r1", nemovideo.RenderStatus.PENDING)
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
def test_a_render_in_either_shape(
    backend: Any, client: nemovideo.NemoVideo, document: Any, render: Any
) -> None:
    backend.on("GET", f"{RENDERS}/r1", backend.json(document))
    found = client.render("r1")
    assert (found.status, found.progress, found.url, found.error) == render


@pytest.mark.parametrize("status", [409, 400])
def test_a_duplicate_is_told_however_it_is_refused(
    backend: Any, client: nemovideo.NemoVideo, status: int
) -> None:
    backend.on("POST", RENDERS, backend.json({"code": status, "message": "exists"}, status))
    backend.on("GET", f"{RENDERS}/r1", backend.json({"status": "processing"}))
    with pytest.raises(errors.DuplicateRender):
        client.submit_render("s1", "r1", DRAFT)


def test_a_bad_render_is_not_taken_for_a_duplicate(backend: Any, client: nemovideo.NemoVideo) -> None:
    backend.on("POST", RENDERS, backend.json({"detail": "empty draft"}, 400))
    with pytest.raises(errors.BadRequest):
        client.submit_render("s1", "r1", DRAFT)


def test_a_submission_whose_answer_was_lost_is_repeated_with_its_id(
    backend: Any, client: nemovideo.NemoVideo
) -> None:
    duplicate = backend.json({"code": 409}, 409)
    backend.on("POST", RENDERS, backend.raw(0, {}, [backend.reset]), duplicate)
    with pytest.raises(errors.DuplicateRender):
        client.submit_render("s1", "r1", DRAFT)
    assert [seen.json["id"] for seen in backend.calls(RENDERS)] == ["r1", "r1"]


def test_an_unknown_render(backend: Any, client: nemovideo.NemoVideo) -> None:
    with pytest.raises(errors.RenderNotFound):
        client.render("r1")


def test_a_render_is_cancelled(backend: Any, client: nemovideo.NemoVideo) -> None:
    backend.on("POST", f"{RENDERS}/r1/cancel", backend.json({"success": True}))
    client.cancel_render("r1")
    assert backend.seen[0].body == b""


def test_a_claim_link_holds_the_claim_token_alone(backend: Any, client: nemovideo.NemoVideo) -> None:
    backend.on("POST", "/api/auth/claim-token", backend.ok(claim_token="clm_a+b"))
    link = client.claim_link(nemovideo.Session("s1", "t1", None))
    assert link == "https://web.example/workspace/claim?ct=clm_a%2Bb"
    assert backend.seen[0].json == {"task_id": "t1", "session_id": "s1"}


def test_an_access_token_never_gets_into_a_link(backend: Any, client: nemovideo.NemoVideo) -> None:
    backend.on("POST", "/api/auth/claim-token", backend.ok(claim_token="nmv_usr_x"))
    with pytest.raises(errors.BadAnswer):
        client.claim_link(nemovideo.Session("s1", "t1", None))


def test_urls_are_uploaded(backend: Any, client: nemovideo.NemoVideo) -> None:
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
    assert found.files == (nemovideo.UploadedFile("v.mp4", "video", None, 2.5, 640, 360, 25.0, None),)
    assert found.state_applied and found.sha256 is None
    assert backend.seen[0].json == {"urls": ["https://x.example/v.mp4"], "source_type": "url"}


def test_another_skill_shares_all_else(backend: Any, client: nemovideo.NemoVideo) -> None:
    backend.on("GET", BALANCE, backend.ok(available=1))
    client.with_skill(nemovideo.Attribution("music-ab2n", "9", "cursor")).balance()
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


def test_a_safe_call_ends_after_its_attempts(backend: Any, client: nemovideo.NemoVideo) -> None:
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


def test_a_429_is_not_tried_again_here(backend: Any, client: nemovideo.NemoVideo) -> None:
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


def test_no_cookie_is_kept(backend: Any, client: nemovideo.NemoVideo) -> None:
    backend.on("GET", BALANCE, backend.json({"available": 1}, Set_Cookie="sid=1; Path=/"))
    client.balance()
    client.balance()
    assert "cookie" not in backend.seen[1].headers


def test_a_redirect_of_the_api_is_not_followed(backend: Any, client: nemovideo.NemoVideo) -> None:
    backend.on("GET", BALANCE, backend.json({}, 307, Location="http://127.0.0.1:9/steal"))
    with pytest.raises(errors.BadRequest):
        client.balance()
    assert len(backend.seen) == 1


def test_a_page_that_is_no_api(backend: Any, client: nemovideo.NemoVideo) -> None:
    page = b"<html>Hello</html>"
    backend.on("GET", BALANCE, backend.raw(200, {"Content-Type": "text/html"}, [page], len(page)))
    with pytest.raises(errors.BadAnswer) as caught:
        client.balance()
    assert "NEMO_API_URL" in caught.value.advice


def test_an_answer_without_end_is_cut_off(
    backend: Any, client: nemovideo.NemoVideo, monkeypatch: Any
) -> None:
    monkeypatch.setattr("nemovideo.transport.MAX_ANSWER_BYTES", 1000)
    backend.on("GET", BALANCE, backend.raw(200, {}, [b"x" * 600, b"x" * 600]))
    with pytest.raises(errors.BadAnswer):
        client.balance()


def test_a_broken_compressed_answer(backend: Any, client: nemovideo.NemoVideo) -> None:
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
            make_client(backend.url, tokens=nemovideo.UserToken(token)).balance()
        assert "usr_" not in "".join(traceback.format_exception(caught.value))
    assert backend.seen == []


def test_nothing_that_is_shown_holds_a_token(backend: Any, client: nemovideo.NemoVideo, caplog: Any) -> None:
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
    endpoint = nemovideo.Endpoint(api_url=backend.url, timeout_s=0.2, retry=nemovideo.RetryPolicy(attempts=1))
    with pytest.raises(errors.ConnectionLost, match="in time"):
        make_client(backend.url, endpoint=endpoint).balance()
    hold.set()


def test_a_listener_that_never_accepts(make_client: Any) -> None:
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen(1)
        url = f"http://127.0.0.1:{mute.getsockname()[1]}"
        endpoint = nemovideo.Endpoint(api_url=url, timeout_s=0.2, retry=nemovideo.RetryPolicy(attempts=1))
        with pytest.raises(errors.ConnectionLost):
            make_client(url, endpoint=endpoint).balance()


# --- deadlines, stops, addresses --------------------


def drip(piece: bytes = b" ") -> list[Any]:
    return [step for _ in range(100) for step in (piece, 0.1)]


def test_an_answer_that_drips_ends_at_its_deadline(backend: Any, make_client: Any) -> None:
    backend.on("GET", BALANCE, backend.raw(200, {"Content-Type": "application/json"}, drip()))
    retry = nemovideo.RetryPolicy(attempts=1)
    endpoint = nemovideo.Endpoint(api_url=backend.url, answer_s=0.5, retry=retry)
    started = time.monotonic()
    with pytest.raises(errors.ConnectionLost, match="in time"):
        make_client(backend.url, endpoint=endpoint).balance()
    assert time.monotonic() - started < allow(5)


def test_a_head_that_drips_ends_at_its_deadline(make_client: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection, contextlib.suppress(OSError):
                connection.recv(65536)
                connection.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
                for _ in range(100):
                    connection.sendall(b"x")
                    time.sleep(0.1)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        endpoint = nemovideo.Endpoint(api_url=url, answer_s=0.5, retry=nemovideo.RetryPolicy(attempts=1))
        started = time.monotonic()
        with pytest.raises(errors.ConnectionLost, match="in time"):
            make_client(url, endpoint=endpoint).balance()
        assert time.monotonic() - started < allow(5)
        thread.join(30)


def test_any_call_stops_on_request(backend: Any, client: nemovideo.NemoVideo) -> None:
    stop = threading.Event()
    backend.on("GET", BALANCE, backend.raw(200, {"Content-Type": "application/json"}, drip()))
    bound = client.with_skill(nemovideo.Attribution("a", "1", "x"), should_stop=stop.is_set)
    threading.Timer(0.4, stop.set).start()
    started = time.monotonic()
    with pytest.raises(errors.Stopped):
        bound.balance()
    assert time.monotonic() - started < allow(3)


def test_a_wait_between_two_tries_stops_on_request(backend: Any, http: Any) -> None:
    stop = threading.Event()
    backend.on("GET", BALANCE, backend.json({}, 503, Retry_After="8"))
    tokens = nemovideo.UserToken("nmv_usr_secret")
    attribution = nemovideo.Attribution("a", "1", "x")
    client = nemovideo.NemoVideo(nemovideo.Endpoint(api_url=backend.url), attribution, tokens, http)
    threading.Timer(0.4, stop.set).start()
    started = time.monotonic()
    with pytest.raises(errors.Stopped):
        client.with_skill(attribution, should_stop=stop.is_set).balance()
    assert time.monotonic() - started < allow(3)


def test_every_address_of_the_service_is_tried(
    backend: Any, make_client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = int(backend.url.rsplit(":", 1)[1])
    looked_up = socket.getaddrinfo

    def two(host: str, *more: Any, **named: Any) -> Any:
        if host != "api.example":
            return looked_up(host, *more, **named)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (ip, port)) for ip in ("127.0.0.9", "127.0.0.1")]

    monkeypatch.setattr(socket, "getaddrinfo", two)
    backend.on("GET", BALANCE, backend.ok(available=1))
    assert make_client(f"http://api.example:{port}").balance().available == 1


def test_numbers_and_characters_that_json_has_not_do_no_harm(
    backend: Any, client: nemovideo.NemoVideo
) -> None:
    big = b'{"available": 1e999, "frozen": ' + b"9" * 400 + b', "total": NaN}'
    backend.on("GET", BALANCE, backend.raw(200, {"Content-Type": "application/json"}, [big], len(big)))
    with pytest.raises(errors.BadAnswer):
        client.balance()
    draft = nemovideo.Draft({"t": [{"tt": 1, "sg": [{"d": 10**400}]}], "half": "\ud83c"})
    assert draft.duration_s == 0.0 and draft.tracks
    backend.on("POST", "/api/render/proxy/lambda", backend.ok(id="r1", status="pending"))
    client.submit_render("s1", "r1", draft)
    assert backend.seen[-1].json["draft"]["half"] == "\ud83c"


# --- waiting for a render --------------------

STATUS = "/api/render/proxy/lambda/r1"


def test_a_render_is_waited_for(backend: Any, make_client: Any) -> None:
    naps: list[float] = []
    backend.on(
        "GET",
        STATUS,
        backend.ok(status="pending"),
        backend.ok(status="processing", progress=40),
        backend.ok(status="completed", outputUrl="https://c/v"),
    )
    seen: list[float] = []
    client = make_client(backend.url, naps=naps)
    render = client.wait_for_render("r1", on_progress=lambda found: seen.append(found.progress))
    assert render.url == "https://c/v" and seen == [0.0, 40.0, 100.0] and naps == [30.0, 30.0]


def test_a_render_that_fails_or_does_not_end(backend: Any, make_client: Any) -> None:
    backend.on("GET", STATUS, backend.ok(status="failed", error="no nmv_usr_x left"))
    with pytest.raises(errors.RenderFailed, match="no nmv_") as caught:
        make_client(backend.url).wait_for_render("r1")
    assert "usr_x" not in str(caught.value)
    backend.on("GET", STATUS, backend.ok(status="processing"))
    naps: list[float] = []
    client = make_client(backend.url, naps=naps, clock=lambda: sum(naps))
    with pytest.raises(errors.RenderTimeout, match="100 s"):
        client.wait_for_render("r1", timeout_s=100)
    assert naps == [30.0, 30.0, 30.0, 10.0]
    with pytest.raises(errors.Stopped):
        make_client(backend.url).wait_for_render("r1", should_stop=lambda: True)


# --- from the environment --------------------


def test_a_client_from_the_environment_with_a_token(backend: Any) -> None:
    backend.on("GET", BALANCE, backend.ok(available=1))
    env = {"NEMO_API_URL": backend.url, "NEMO_TOKEN": " nmv_usr_env ", "SKILL_SOURCE": "here"}
    with nemovideo.NemoVideo.from_env(env, skill="music-ab2n", version="2.0") as client:
        client.balance()
        http = client._transport.http
    assert http.is_closed
    headers = backend.seen[0].headers
    assert headers["authorization"] == "Bearer nmv_usr_env"
    named = [headers[f"x-skill-{name}"] for name in ("source", "version", "platform")]
    assert named == ["music-ab2n", "2.0", "here"]


def test_a_client_from_the_environment_keeps_its_anonymous_account(backend: Any, tmp_path: Path) -> None:
    backend.on("GET", BALANCE, backend.ok(available=100))
    backend.on("POST", "/api/auth/anonymous-token", backend.ok(token="nmv_usr_1", user_id="anon_1"))
    env = {"NEMO_API_URL": backend.url, "HOME": str(tmp_path)}
    for _ in range(2):
        with nemovideo.NemoVideo.from_env(env) as client:
            client.balance()
    assert len(backend.calls("/api/auth/anonymous-token")) == 1
    (kept,) = (tmp_path / ".local" / "state" / "nemovideo").glob("account-*.json")
    assert kept.stat().st_mode & 0o777 == 0o600


def test_a_shared_http_client_is_left_open(backend: Any, http: Any) -> None:
    with nemovideo.NemoVideo.from_env({"NEMO_API_URL": backend.url, "NEMO_TOKEN": "nmv_usr_1"}, http=http):
        pass
    assert not http.is_closed
