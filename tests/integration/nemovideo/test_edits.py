"""Edits against a real server: streams that end well, break, hang, or never begin."""

import json
import socket
import threading
import time
from typing import Any

import httpx
import pytest

import nemovideo
from nemovideo import errors
from tests.patience import allow

pytestmark = pytest.mark.integration

TEXT = {"content": {"parts": [{"text": "Added lo-fi music."}], "role": "model"}, "author": "nemo_agent"}


def edit(client: nemovideo.NemoVideo, **options: Any) -> nemovideo.EditReply:
    return client.edit("s1", "add lo-fi music", **options)


def test_an_edit_sends_what_the_contract_says_and_reads_to_the_close(
    backend: Any, client: nemovideo.NemoVideo
) -> None:
    backend.on("POST", "/run_sse", backend.sse({"type": "heartbeat"}, TEXT))
    heard: list[nemovideo.StreamEvent] = []
    reply = edit(client, on_event=heard.append)
    assert reply.texts == ("Added lo-fi music.",)
    assert reply.closed_cleanly and reply.error is None
    assert [type(event).__name__ for event in heard] == ["Heartbeat", "Text"]
    (seen,) = backend.seen
    assert seen.json == {
        "app_name": "nemo_agent",
        "user_id": "me",
        "session_id": "s1",
        "new_message": {"parts": [{"text": "add lo-fi music"}]},
    }
    assert seen.headers["accept"] == "text/event-stream"
    assert seen.headers["authorization"] == "Bearer nmv_usr_secret"
    assert seen.headers["x-skill-source"] == "add-music"
    assert seen.headers["x-skill-version"] == "1.2.0"
    assert seen.headers["x-skill-platform"] == "unknown"


def test_a_missing_last_blank_line_loses_nothing(backend: Any, client: nemovideo.NemoVideo) -> None:
    whole = f"data: {json.dumps(TEXT)}".encode()
    backend.on("POST", "/run_sse", backend.sse(whole))
    assert edit(client).texts == ("Added lo-fi music.",)


@pytest.mark.parametrize("how", ["cut", "reset"])
def test_a_broken_stream_leaves_the_outcome_open_and_is_sent_once(
    backend: Any, client: nemovideo.NemoVideo, how: str
) -> None:
    backend.on("POST", "/run_sse", backend.sse(TEXT, getattr(backend, how)))
    with pytest.raises(errors.StreamLost) as caught:
        edit(client)
    assert caught.value.outcome_unknown
    assert len(backend.seen) == 1


@pytest.mark.parametrize("how", ["cut", "reset"])
def test_a_connection_closed_without_an_answer_leaves_the_outcome_open(
    backend: Any, client: nemovideo.NemoVideo, how: str
) -> None:
    backend.on("POST", "/run_sse", backend.raw(0, {}, [getattr(backend, how)]))
    with pytest.raises(errors.StreamLost) as caught:
        edit(client)
    assert caught.value.outcome_unknown
    assert len(backend.seen) == 1


def test_an_unreachable_service_was_certainly_not_paid(make_client: Any) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    with pytest.raises(errors.Unreachable) as caught:
        edit(make_client(f"http://127.0.0.1:{port}"))
    assert not caught.value.outcome_unknown


@pytest.mark.parametrize(
    ("status", "document", "kind", "unknown"),
    [
        (404, {"detail": "Session not found"}, errors.SessionNotFound, False),
        (200, {"code": 1002, "message": "no session"}, errors.SessionNotFound, False),
        (200, {"code": 2001, "message": "no credits"}, errors.OutOfCredits, False),
        (402, {"code": 2001, "message": "no credits"}, errors.OutOfCredits, False),
        (402, {"detail": "plan"}, errors.ExportBlocked, False),
        (422, {"detail": [{"loc": ["body"], "msg": "field required"}]}, errors.BadRequest, False),
        (500, {"detail": "boom"}, errors.ServerError, True),
        (503, {"detail": "later"}, errors.ServerError, True),
        (403, {"detail": "no"}, errors.BadRequest, True),
        (200, {"code": 9999}, errors.BadRequest, True),
        (200, {"success": False}, errors.BadRequest, True),
        (502, {"detail": "bad gateway"}, errors.ServerError, True),
        (504, {"detail": "gateway time-out"}, errors.ServerError, True),
        (524, {"detail": "time-out"}, errors.ServerError, True),
        (200, {"code": 0, "data": {}}, errors.BadAnswer, True),
    ],
)
def test_a_refusal_in_place_of_a_stream(
    backend: Any,
    client: nemovideo.NemoVideo,
    status: int,
    document: Any,
    kind: type[errors.NemoVideoError],
    unknown: bool,
) -> None:
    backend.on("POST", "/run_sse", backend.json(document, status))
    with pytest.raises(kind) as caught:
        edit(client)
    assert type(caught.value) is kind
    assert caught.value.outcome_unknown is unknown
    assert len(backend.seen) == 1


def test_429_is_raised_with_the_wait_that_was_asked_for(backend: Any, client: nemovideo.NemoVideo) -> None:
    backend.on("POST", "/run_sse", backend.json({"detail": "slow down"}, 429, Retry_After="17"))
    with pytest.raises(errors.RateLimited) as caught:
        edit(client)
    assert caught.value.retry_after_s == 17.0
    assert len(backend.seen) == 1


def test_a_code_in_the_first_event_is_a_refusal(backend: Any, client: nemovideo.NemoVideo) -> None:
    backend.on(
        "POST", "/run_sse", backend.sse({"type": "heartbeat"}, {"code": 2001, "message": "no credits"})
    )
    with pytest.raises(errors.OutOfCredits):
        edit(client)


@pytest.mark.parametrize("part", [{"functionCall": {"name": "cut"}}, {"text": "Hmm", "thought": True}])
@pytest.mark.parametrize("code", [1001, 2001])
def test_a_code_after_the_agent_began_is_part_of_the_reply(
    backend: Any, client: nemovideo.NemoVideo, part: Any, code: int
) -> None:
    backend.on("POST", "/run_sse", backend.sse({"content": {"parts": [part]}}, {"code": code}))
    reply = edit(client)
    assert len(backend.seen) == 1
    assert reply.error is not None and reply.error.service_code == code


def test_a_stop_in_silence_is_seen_within_two_seconds(backend: Any, client: nemovideo.NemoVideo) -> None:
    hold, stop = threading.Event(), threading.Event()
    backend.on("POST", "/run_sse", backend.sse(TEXT, hold))
    threading.Timer(0.3, stop.set).start()
    started = time.monotonic()
    with pytest.raises(errors.StreamStopped) as caught:
        edit(client, should_stop=stop.is_set)
    hold.set()
    assert caught.value.outcome_unknown
    assert time.monotonic() - started < allow(2.0)


def test_a_stop_before_the_answer_began_is_seen_too(backend: Any, client: nemovideo.NemoVideo) -> None:
    hold, stop = threading.Event(), threading.Event()

    def late(seen: Any) -> Any:
        hold.wait(20)
        return backend.sse(TEXT)

    backend.on("POST", "/run_sse", late)
    threading.Timer(0.3, stop.set).start()
    with pytest.raises(errors.StreamStopped):
        edit(client, should_stop=stop.is_set)
    hold.set()


def test_a_stop_before_sending_costs_nothing(backend: Any, client: nemovideo.NemoVideo) -> None:
    with pytest.raises(errors.Stopped) as caught:
        edit(client, should_stop=lambda: True)
    assert not caught.value.outcome_unknown
    assert backend.seen == []


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def test_no_byte_is_lost_over_a_silence_longer_than_a_slice(
    backend: Any, client: nemovideo.NemoVideo
) -> None:
    body = f"data: {json.dumps(TEXT)}\n\n".encode()
    backend.on("POST", "/run_sse", backend.sse(body[:40], 1.3, body[40:]))
    assert edit(client).texts == ("Added lo-fi music.",)


def test_ten_minutes_of_heartbeats_alone_are_a_timeout(backend: Any, make_client: Any) -> None:
    clock = Clock()
    client = make_client(backend.url, clock=clock)
    hold = threading.Event()
    beat = {"type": "heartbeat"}
    backend.on("POST", "/run_sse", backend.sse(TEXT, beat, beat, beat, beat, hold))

    def pass_time(event: nemovideo.StreamEvent) -> None:
        clock.now_s += 190 if isinstance(event, nemovideo.Heartbeat) else 0

    with pytest.raises(errors.StreamTimeout) as caught:
        edit(client, on_event=pass_time)
    hold.set()
    assert caught.value.outcome_unknown


def test_progress_starts_the_ten_minutes_anew_but_not_the_fifteen(backend: Any, make_client: Any) -> None:
    clock = Clock()
    client = make_client(backend.url, clock=clock)
    hold = threading.Event()
    tool = {"type": "tool_call", "name": "add_bgm"}
    backend.on("POST", "/run_sse", backend.sse(tool, tool, tool, TEXT, hold))
    seen: list[float] = []

    def pass_time(event: nemovideo.StreamEvent) -> None:
        clock.now_s += 240
        seen.append(clock.now_s)

    with pytest.raises(errors.StreamTimeout):
        edit(client, on_event=pass_time)
    hold.set()
    assert seen == [240, 480, 720, 960]


def test_a_dead_silent_peer_is_a_timeout(backend: Any, make_client: Any) -> None:
    clock, hold = Clock(), threading.Event()
    backend.on("POST", "/run_sse", backend.sse(TEXT, hold))
    client = make_client(backend.url, clock=clock)

    def jump(event: nemovideo.StreamEvent) -> None:
        threading.Timer(0.2, setattr, (clock, "now_s", 601.0)).start()

    with pytest.raises(errors.StreamTimeout):
        edit(client, on_event=jump)
    hold.set()


def test_what_the_caller_raises_comes_out_as_it_is(backend: Any, client: nemovideo.NemoVideo) -> None:
    backend.on("POST", "/run_sse", backend.sse(TEXT, TEXT))

    def fail(event: nemovideo.StreamEvent) -> None:
        raise LookupError("mine")

    with pytest.raises(LookupError):
        edit(client, on_event=fail)


def test_forty_streams_need_no_thread_but_their_own(backend: Any, client: nemovideo.NemoVideo) -> None:
    hold = threading.Event()
    backend.on("POST", "/run_sse", backend.sse(TEXT, hold))
    stop, ended = threading.Event(), []

    def one() -> None:
        try:
            edit(client, should_stop=stop.is_set)
        except errors.StreamStopped as error:
            ended.append(error)

    before = threading.active_count()
    threads = [threading.Thread(target=one) for _ in range(40)]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + 5
    while len(backend.seen) < 40 and time.monotonic() < deadline:
        time.sleep(0.02)
    ours = [t for t in threading.enumerate() if "process_request" not in t.name]
    assert len(ours) <= before + 40
    stop.set()
    for thread in threads:
        thread.join(30)
    hold.set()
    assert len(ended) == 40


# --- what is announced as an event stream and is none --------------------

STREAM = {"Content-Type": "text/event-stream"}
PRETTY = json.dumps({"code": 2001, "message": "no credits"}, indent=2).encode()


@pytest.mark.parametrize("before", [[], [b": ping\n\n"], [b'data: {"type": "heartbeat"}\n\n']])
@pytest.mark.parametrize(
    ("body", "kind", "unknown"),
    [
        (b'{"code":2001}', errors.OutOfCredits, False),
        (b'  {"code": 1002, "message": "x"}\n', errors.SessionNotFound, False),
        (PRETTY, errors.OutOfCredits, False),
        (b'{"code":0,"data":{}}', errors.BadAnswer, True),
        (b'{"detail":"oops"}', errors.BadAnswer, True),
        (b"<!doctype html><html><body>\nBad Gateway</body></html>", errors.BadAnswer, True),
        (b"upstream connect error", errors.BadAnswer, True),
    ],
)
def test_json_or_html_in_place_of_events_is_no_clean_reply(
    backend: Any,
    client: nemovideo.NemoVideo,
    before: list[bytes],
    body: bytes,
    kind: type[errors.NemoVideoError],
    unknown: bool,
) -> None:
    backend.on("POST", "/run_sse", backend.raw(200, STREAM, [*before, body]))
    with pytest.raises(kind) as caught:
        edit(client)
    assert caught.value.outcome_unknown is unknown
    assert len(backend.seen) == 1


@pytest.mark.parametrize(
    ("tail", "service_code"), [(b'{"code":2001}', 2001), (b"<html>502 Bad Gateway</html>", None)]
)
def test_a_stream_that_ends_with_something_else_has_an_error(
    backend: Any, client: nemovideo.NemoVideo, tail: bytes, service_code: int | None
) -> None:
    backend.on("POST", "/run_sse", backend.sse(TEXT, tail))
    reply = edit(client)
    assert reply.texts == ("Added lo-fi music.",)
    assert reply.error is not None and reply.error.service_code == service_code
    assert not reply.closed_cleanly


def test_a_field_that_nobody_knows_is_ignored(backend: Any, client: nemovideo.NemoVideo) -> None:
    backend.on("POST", "/run_sse", backend.sse(b"x-region: eu\n", TEXT))
    reply = edit(client)
    assert reply.error is None and reply.closed_cleanly


def test_a_stream_without_any_event_is_a_silent_edit(backend: Any, client: nemovideo.NemoVideo) -> None:
    backend.on("POST", "/run_sse", backend.raw(200, STREAM, []))
    assert edit(client) == nemovideo.EditReply()


@pytest.mark.parametrize(
    "event",
    [
        {"errorCode": "429", "errorMessage": "{'error': {'code': 429}}"},
        {"error": "429 RESOURCE_EXHAUSTED. {'error': {'code': 429}}"},
    ],
)
def test_a_models_429_as_the_first_event_is_a_refusal(
    backend: Any, client: nemovideo.NemoVideo, event: Any
) -> None:
    backend.on("POST", "/run_sse", backend.sse(event))
    with pytest.raises(errors.RateLimited) as caught:
        edit(client)
    assert "{" not in str(caught.value) and "rate limit" in str(caught.value)
    assert not caught.value.outcome_unknown


def test_a_models_429_after_the_agent_began_is_in_the_reply(
    backend: Any, client: nemovideo.NemoVideo
) -> None:
    backend.on("POST", "/run_sse", backend.sse(TEXT, {"error": "429 RESOURCE_EXHAUSTED. {}"}))
    reply = edit(client)
    assert reply.error is not None and reply.error.service_code == 429
    assert isinstance(client.refusal(429, "s1"), errors.RateLimited)


# --- who is asked and told meanwhile --------------------


def test_the_start_is_reported_once_and_only_for_a_stream(backend: Any, client: nemovideo.NemoVideo) -> None:
    started: list[int] = []
    backend.on("POST", "/run_sse", backend.json({"code": 2001}), backend.sse(TEXT))
    with pytest.raises(errors.OutOfCredits):
        edit(client, on_started=lambda: started.append(1))
    assert started == []
    edit(client, on_started=lambda: started.append(1), on_event=lambda _: started.append(2))
    assert started == [1, 2]


def test_still_working_is_reported_every_two_minutes_without_any_event(
    backend: Any, make_client: Any
) -> None:
    clock, hold = Clock(), threading.Event()
    backend.on("POST", "/run_sse", backend.sse(hold, TEXT))
    heard: list[float] = []

    def tick() -> bool:
        clock.now_s += 50
        if len(heard) == 3:
            hold.set()
        return False

    client = make_client(backend.url, clock=clock)
    assert edit(client, should_stop=tick, on_still_working=heard.append).texts == ("Added lo-fi music.",)
    assert heard[:3] == [150, 300, 450]


@pytest.mark.parametrize("status", [200, 502])
def test_a_stop_is_seen_while_an_answer_drips(backend: Any, client: nemovideo.NemoVideo, status: int) -> None:
    stop = threading.Event()
    drip = [step for _ in range(60) for step in (b" ", 0.1)]
    backend.on("POST", "/run_sse", backend.raw(status, {"Content-Type": "application/json"}, drip))
    threading.Timer(0.4, stop.set).start()
    started = time.monotonic()
    with pytest.raises(errors.StreamStopped):
        edit(client, should_stop=stop.is_set)
    assert time.monotonic() - started < allow(3)


def test_an_answer_that_drips_for_ever_ends(backend: Any, make_client: Any) -> None:
    drip = [step for _ in range(100) for step in (b" ", 0.1)]
    backend.on("POST", "/run_sse", backend.raw(502, {"Content-Type": "application/json"}, drip))
    endpoint = nemovideo.Endpoint(api_url=backend.url, answer_s=0.5)
    started = time.monotonic()
    with pytest.raises(errors.StreamTimeout):
        edit(make_client(backend.url, endpoint=endpoint))
    assert time.monotonic() - started < allow(5)


def test_a_stop_before_the_first_byte_leaves_nothing_open(make_client: Any) -> None:
    """The stop comes while the connection is being made: nothing was sent, so nothing is unknown."""
    asked: list[int] = []

    def stop_later() -> bool:
        asked.append(1)
        return len(asked) > 1

    with socket.create_server(("127.0.0.1", 0)) as server:
        client = make_client(f"http://127.0.0.1:{server.getsockname()[1]}")
        with pytest.raises(errors.Stopped) as caught:
            edit(client, should_stop=stop_later)
    assert not caught.value.outcome_unknown


def test_a_stop_is_seen_between_two_events_by_any_client(backend: Any) -> None:
    """An httpx client of one's own has no watch at its reads: the stop is seen when the next event comes."""
    backend.on("POST", "/run_sse", backend.sse(TEXT, TEXT, TEXT))
    heard: list[Any] = []
    attribution = nemovideo.Attribution("add-music", "1.0.0", "unknown")
    with httpx.Client() as http:
        endpoint = nemovideo.Endpoint(api_url=backend.url)
        client = nemovideo.NemoVideo(endpoint, attribution, nemovideo.UserToken("nmv_usr_x"), http)
        with pytest.raises(errors.StreamStopped) as caught:
            client.edit("s1", "add", on_event=heard.append, should_stop=lambda: bool(heard))
        with pytest.raises(errors.Stopped) as unsent:
            client.edit("s1", "add", should_stop=lambda: True)
    assert len(heard) == len(backend.calls("/run_sse")) == 1
    assert caught.value.outcome_unknown and not unsent.value.outcome_unknown


def test_a_key_goes_along_when_one_is_given(backend: Any, client: nemovideo.NemoVideo) -> None:
    backend.on("POST", "/run_sse", backend.sse(TEXT))
    edit(client)
    edit(client, idempotency_key="job-1:1")
    assert [seen.headers.get("x-idempotency-key") for seen in backend.seen] == [None, "job-1:1"]


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (401, errors.AccountRefused),
        (402, errors.ExportBlocked),
        (429, errors.RateLimited),
        (1001, errors.AccountRefused),
        (1002, errors.SessionNotFound),
        (2001, errors.OutOfCredits),
        (4001, errors.UnsupportedFile),
        (4002, errors.FileTooLarge),
    ],
)
def test_each_code_of_the_contract_is_a_refusal_as_the_first_event(
    backend: Any, client: nemovideo.NemoVideo, code: int, kind: type[errors.NemoVideoError]
) -> None:
    backend.on("POST", "/run_sse", backend.sse({"code": code, "message": "no"}))
    with pytest.raises(kind) as caught:
        edit(client)
    assert not caught.value.outcome_unknown


@pytest.mark.parametrize("code", [500, 503, 9999])
def test_any_other_code_as_the_first_event_is_in_the_reply(
    backend: Any, client: nemovideo.NemoVideo, code: int
) -> None:
    backend.on("POST", "/run_sse", backend.sse({"code": code, "message": "no"}))
    reply = edit(client)
    assert reply.error is not None and reply.error.service_code == code
