"""Codes in the envelope, in the status, or in both; and every foreign exception translated."""

import contextlib
import inspect
import json
import random
import socket
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import httpcore
import httpx
import pytest

from nemovideo import errors, transport
from nemovideo.attribution import Attribution
from nemovideo.models import Endpoint
from nemovideo.transport import (
    Answer,
    Call,
    PatientBackend,
    Transport,
    Watch,
    collect_answer,
    data_of,
    error_for,
    origin_of,
    parse_retry_after_s,
    pause,
    refusal_of,
    translate,
    translate_errors,
)


def answer(document: Any, status: int = 200, endpoint: str = "state") -> Answer:
    return Answer(
        endpoint, status, document if isinstance(document, bytes) else json.dumps(document).encode()
    )


CODES = [
    (1001, errors.TokenRefused),
    (1002, errors.SessionNotFound),
    (2001, errors.OutOfCredits),
    (4001, errors.UnsupportedFile),
    (4002, errors.FileTooLarge),
    (402, errors.ExportBlocked),
    (429, errors.RateLimited),
    (500, errors.ServerError),
    (503, errors.ServerError),
    (400, errors.BadRequest),
    (9999, errors.BadRequest),
]


@pytest.mark.parametrize(("code", "kind"), CODES)
@pytest.mark.parametrize("status", [200, 400])
@pytest.mark.parametrize("form", [int, str])
def test_a_code_in_the_envelope_counts_with_any_status(
    code: int, kind: type, status: int, form: type
) -> None:
    with pytest.raises(errors.NemoVideoError) as caught:
        data_of(answer({"code": form(code), "message": "m"}, status))
    assert type(caught.value) is kind
    assert caught.value.service_code == code


STATUSES = [
    ("state", 401, errors.TokenRefused),
    ("state", 402, errors.ExportBlocked),
    ("state", 404, errors.SessionNotFound),
    ("run_sse", 404, errors.SessionNotFound),
    ("upload", 404, errors.SessionNotFound),
    ("upload", 413, errors.FileTooLarge),
    ("upload", 415, errors.UnsupportedFile),
    ("token", 400, errors.ClientIdMissing),
    ("token", 429, errors.TokenRateLimited),
    ("session", 400, errors.BadRequest),
    ("session", 403, errors.BadRequest),
    ("session", 404, errors.BadRequest),
    ("session", 302, errors.BadRequest),
    ("render", 402, errors.ExportBlocked),
    ("render", 409, errors.DuplicateRender),
    ("status", 404, errors.RenderNotFound),
    ("cancel", 404, errors.RenderNotFound),
    ("download", 404, errors.RenderNotFound),
    ("cdn", 401, errors.DownloadBroken),
    ("cdn", 404, errors.DownloadBroken),
    ("cdn", 429, errors.RateLimited),
    ("cdn", 503, errors.ServerError),
    ("balance", 500, errors.ServerError),
    ("balance", 529, errors.ServerError),
]


@pytest.mark.parametrize(("endpoint", "status", "kind"), STATUSES)
@pytest.mark.parametrize("body", [b'{"detail": "x"}', b"<html>oops</html>", b"", b"[]", b'{"code": 0}'])
def test_a_bare_status_counts(endpoint: str, status: int, kind: type, body: bytes) -> None:
    with pytest.raises(errors.NemoVideoError) as caught:
        data_of(answer(body, status, endpoint))
    assert type(caught.value) is kind


def test_the_envelopes_code_is_more_exact_than_the_status() -> None:
    with pytest.raises(errors.OutOfCredits):
        data_of(answer({"code": 2001}, 402))
    with pytest.raises(errors.ServerError):
        data_of(answer({"code": 77, "message": "strange"}, 503))


@pytest.mark.parametrize(
    ("document", "data"),
    [
        ({"code": 0, "data": {"a": 1}}, {"a": 1}),
        ({"code": "0", "data": {"a": 1}}, {"a": 1}),
        ({"success": True, "data": {"a": 1}}, {"a": 1}),
        ({"a": 1}, {"a": 1}),
        ({"success": False, "data": {"status": "failed"}}, {"status": "failed"}),
        ({"code": True, "a": 1}, {"code": True, "a": 1}),
    ],
)
def test_good_answers(document: Any, data: Any) -> None:
    assert data_of(answer(document)) == data


@pytest.mark.parametrize("body", [b"", b"ok", b"[1]", b"null", b"\xff\xfe", b"[" * 100_000])
def test_a_good_status_without_an_object_is_a_bad_answer(body: bytes) -> None:
    with pytest.raises(errors.BadAnswer):
        data_of(answer(body))


@pytest.mark.parametrize(("status", "good"), [(199, False), (200, True), (299, True), (300, False)])
def test_the_statuses_that_are_good(status: int, good: bool) -> None:
    assert (refusal_of(answer({"a": 1}, status), {"a": 1}) is None) is good


@pytest.mark.parametrize(
    ("status", "kind"), [(499, errors.BadRequest), (599, errors.ServerError), (600, errors.BadRequest)]
)
def test_the_faults_of_a_service_end_at_599(status: int, kind: type) -> None:
    assert type(error_for("state", status)) is kind


@pytest.mark.parametrize(
    ("code", "refused"), [("999999999", True), ("9999999999", False), ("1e3", False), ("٣", False)]
)
def test_a_code_in_words_is_a_number_of_nine_digits_at_most(code: str, refused: bool) -> None:
    assert (refusal_of(answer({"code": code}), {"code": code}) is not None) is refused


# Named one by one here: a code too many, and an edit that was made is sent and paid again.
NOT_TAKEN = {400, 401, 402, 404, 413, 415, 422, 429, 1001, 1002, 2001, 4001, 4002}


@pytest.mark.parametrize(
    "code", sorted({near + by for near in NOT_TAKEN for by in (-1, 0, 1)} | {500, 502, 9999})
)
def test_an_edit_may_be_sent_again_only_after_these_refusals(code: int) -> None:
    assert error_for("run_sse", code).outcome_unknown is (code not in NOT_TAKEN)
    assert error_for("run_sse", code, status=code if code < 600 else 200).outcome_unknown is (
        code not in NOT_TAKEN
    )
    assert not error_for("state", code).outcome_unknown


def test_a_refusal_without_a_code() -> None:
    with pytest.raises(errors.BadRequest):
        data_of(answer({"success": False, "message": "no"}))


def test_what_the_service_said_is_not_repeated() -> None:
    secret = {"code": 1001, "message": "token nmv_usr_abc is bad", "detail": "internal-host-7"}
    with pytest.raises(errors.TokenRefused) as caught:
        data_of(answer(secret, 401))
    shown = f"{caught.value} {caught.value!r} {caught.value.advice}"
    assert "abc" not in shown and "internal" not in shown


NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("header", "wait_s"),
    [
        (None, None),
        ("0", 0.0),
        (" 30 ", 30.0),
        ("Fri, 02 Jan 2026 03:04:35 GMT", 30.0),
        ("Fri, 02 Jan 2026 03:04:35 -0000", 30.0),
        ("Fri, 02 Jan 2026 03:00:00 GMT", 0.0),
        ("soon", None),
        ("-5", None),
        ("", None),
        ("1.5", 1.5),
        ("604800", 600.0),
        ("9" * 400, 600.0),
        ("inf", None),
        ("nan", None),
        ("1e9", None),
        ("٣", None),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 600.0),
        ("Fri, 99 Jan 2026 03:04:35 GMT", None),
        ("Fri, 02 Jan 2026 03:04:35 +9999", None),
    ],
)
def test_retry_after(header: str | None, wait_s: float | None) -> None:
    assert parse_retry_after_s(header, NOW) == wait_s


def all_of(root: type[BaseException]) -> set[type[BaseException]]:
    return {root}.union(*(all_of(child) for child in root.__subclasses__()))


FOREIGN = sorted(
    {
        kind
        for _, kind in inspect.getmembers(httpx, inspect.isclass)
        if issubclass(kind, Exception) and kind.__module__.startswith("httpx")
    },
    key=lambda kind: kind.__name__,
)


def example(kind: type[Exception]) -> Exception:
    if kind is httpx.HTTPStatusError:
        request = httpx.Request("GET", "http://x")
        return httpx.HTTPStatusError("m", request=request, response=httpx.Response(500, request=request))
    if kind in (httpx.StreamConsumed, httpx.ResponseNotRead, httpx.RequestNotRead, httpx.StreamClosed):
        return kind()
    return kind("m")


@pytest.mark.parametrize("kind", FOREIGN)
@pytest.mark.parametrize("paid", [False, True])
def test_no_exception_of_httpx_comes_out(kind: type[Exception], paid: bool) -> None:
    call = Call("run_sse", "POST", "/x", paid=paid)
    with pytest.raises(errors.NemoVideoError) as caught, translate_errors(call):
        raise example(kind)
    assert (caught.value.__cause__ is None) is (kind is httpx.LocalProtocolError)
    assert paid or not caught.value.outcome_unknown


def test_the_list_of_foreign_exceptions_is_whole() -> None:
    assert {httpx.ReadError, httpx.WriteError, httpx.ConnectTimeout, httpx.InvalidURL} <= set(FOREIGN)
    assert len(FOREIGN) >= 25


NEVER_LEFT = [
    httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError, httpx.UnsupportedProtocol,
    httpx.InvalidURL, httpx.LocalProtocolError,
]  # fmt: skip
MAY_HAVE_ARRIVED = [
    httpx.ReadError, httpx.ReadTimeout, httpx.WriteError, httpx.WriteTimeout, httpx.CloseError,
    httpx.RemoteProtocolError, httpx.DecodingError,
]  # fmt: skip


@pytest.mark.parametrize("kind", NEVER_LEFT)
def test_what_never_left_is_known_not_to_have_arrived(kind: type[Exception]) -> None:
    error = translate(example(kind), Call("run_sse", "POST", "/run_sse", paid=True))
    assert isinstance(error, errors.NotSent) and not error.outcome_unknown


@pytest.mark.parametrize("kind", MAY_HAVE_ARRIVED)
def test_what_may_have_arrived_leaves_a_paid_call_open(kind: type[Exception]) -> None:
    assert translate(example(kind), Call("run_sse", "POST", "/run_sse", paid=True)).outcome_unknown
    assert not translate(example(kind), Call("state", "GET", "/x")).outcome_unknown


def test_a_timeout_of_a_stream_is_told_apart() -> None:
    call = Call("run_sse", "POST", "/run_sse", paid=True)
    assert isinstance(translate(httpx.ReadTimeout("m"), call), errors.StreamTimeout)


TREE = sorted(all_of(errors.NemoVideoError), key=lambda kind: kind.__name__)


def test_every_error_has_a_name_of_its_own_and_words_for_people() -> None:
    assert len({kind.code for kind in TREE}) == len(TREE)  # type: ignore[attr-defined]  # all are NemoErrors
    for kind in TREE:
        error = kind()
        assert isinstance(error, errors.NemoVideoError)
        assert str(error) and error.advice and error.service_code is None and error.retry_after_s is None


def test_every_error_is_drawn_in_the_tree() -> None:
    assert errors.__doc__ is not None
    for kind in TREE:
        assert kind.__name__ in errors.__doc__


def test_only_a_lost_stream_is_unknown_by_itself() -> None:
    unknown = {kind for kind in TREE if kind().outcome_unknown}  # type: ignore[attr-defined]  # all are NemoErrors
    assert unknown == {errors.StreamLost, errors.StreamTimeout, errors.StreamStopped}


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (errors.UnsupportedFile, "mp4, mov, avi, webm, mkv, jpg, png, gif, webp, mp3, wav, m4a, aac"),
        (errors.FileTooLarge, "ompress"),
        (errors.OutOfCredits, "Top up credits in your account"),
        (errors.ExportBlocked, "Register or upgrade your plan to unlock export."),
        (errors.AccountRefused, "NEMO_TOKEN"),
    ],
)
def test_advice_is_the_contracts(kind: type[errors.NemoVideoError], words: str) -> None:
    assert words in kind().advice


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("token nmv_usr_Ab12_x!", "token nmv_***!"),
        ("nmv_usr_ab-cd.ef, and on", "nmv_***, and on"),
        ("?ct=clm_a%2Bb-c.d&x=1", "?ct=clm_***&x=1"),
        ("https://me:pa$$@host/x", "https://***@host/x"),
        ("Authorization: Bearer abc.def-123, ok", "Authorization: Bearer ***, ok"),
        ("bearer xyz", "bearer ***"),
        ("https://x/?t=nmv_usr_1&b=2", "https://x/?t=nmv_***&b=2"),
        ("nothing secret", "nothing secret"),
    ],
)
def test_secrets_are_masked(text: str, shown: str) -> None:
    assert errors.mask(text) == shown
    assert str(errors.BadAnswer(text)) == shown
    assert errors.BadAnswer(advice=text).advice == shown


def test_gateway_answers_leave_only_an_edit_open() -> None:
    assert error_for("run_sse", 504).outcome_unknown
    assert error_for("run_sse", 77, status=502).outcome_unknown
    assert not error_for("run_sse", 2001, status=502).outcome_unknown
    assert error_for("run_sse", 500).outcome_unknown
    assert error_for("run_sse", 9999).outcome_unknown
    assert not error_for("run_sse", 9999, status=402).outcome_unknown
    assert not error_for("render", 504).outcome_unknown


# --- waiting --------------------------------------------------------------------------------------


def test_a_pause_is_slept_whole_in_halves_of_a_second() -> None:
    slept: list[float] = []
    pause(1.2, lambda: False, slept.append)
    assert slept == [0.5, 0.5, pytest.approx(0.2)]
    slept.clear()
    pause(1.2, None, slept.append)
    assert slept == [1.2]


def test_a_pause_ends_with_a_stop() -> None:
    stops = iter([False, True])
    slept: list[float] = []
    with pytest.raises(errors.Stopped):
        pause(60, lambda: next(stops), slept.append)
    assert slept == [0.5]


def test_a_watch_ends_at_its_deadline_and_not_before() -> None:
    now = [100.0]
    watch = Watch(clock=lambda: now[0])
    watch.check()
    watch.end_in(5)
    now[0] = 104.9
    watch.check()
    now[0] = 105.0
    with pytest.raises(httpx.ReadTimeout):
        watch.check()


def make_transport(
    *statuses: int, retry_after: str = "", **options: Any
) -> tuple[Transport, list[httpx.Request]]:
    """A transport whose service answers with these statuses, and what it was asked."""
    seen: list[httpx.Request] = []
    left = list(statuses)

    def handle(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        headers = {"Retry-After": retry_after} if retry_after else {}
        return httpx.Response(left.pop(0) if left else 200, json={"code": 0, "data": {}}, headers=headers)

    http = httpx.Client(transport=httpx.MockTransport(handle))
    attribution = Attribution("add-music", "1.0.0", "unknown")
    endpoint = Endpoint("https://api.example")
    return Transport(endpoint, attribution, None, http, rng=random.Random(1), **options), seen


def test_who_asked_to_stop_sends_nothing() -> None:
    made, seen = make_transport()
    with pytest.raises(errors.Stopped):
        made.fetch(Call("state", "GET", "/x", should_stop=lambda: True))
    assert seen == []


@pytest.mark.parametrize(("faults", "asked"), [(0, 1), (1, 2), (2, 3), (3, 3)])
def test_a_safe_call_is_made_three_times_at_most(faults: int, asked: int) -> None:
    slept: list[float] = []
    made, seen = make_transport(*[500] * faults, sleep=slept.append)
    with contextlib.suppress(errors.ServerError):
        made.fetch(Call("state", "GET", "/x", safe=True))
    assert (len(seen), len(slept)) == (asked, asked - 1)


def test_a_call_that_is_not_safe_is_made_once() -> None:
    made, seen = make_transport(500, sleep=lambda _: None)
    with pytest.raises(errors.ServerError):
        made.fetch(Call("upload", "POST", "/x"))
    assert len(seen) == 1


def test_a_fault_that_asks_for_a_wait_gets_it_if_it_is_short() -> None:
    slept: list[float] = []
    made, _ = make_transport(503, retry_after="2", sleep=slept.append)
    made.fetch(Call("state", "GET", "/x", safe=True))
    assert slept == [2.0]
    cap_s = made.endpoint.retry.cap_s
    made, seen = make_transport(503, retry_after=str(cap_s + 1), sleep=slept.append)
    with pytest.raises(errors.ServerError):
        made.fetch(Call("state", "GET", "/x", safe=True))
    assert len(seen) == 1 and slept == [2.0]


def test_an_answer_may_be_as_large_as_the_limit_and_no_larger(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "MAX_ANSWER_BYTES", 10)
    response, call = httpx.Response(200), Call("state", "GET", "/x")
    assert collect_answer(call, response, [b"12345", b"67890"]).body == b"1234567890"
    with pytest.raises(errors.BadAnswer):
        collect_answer(call, response, [b"12345", b"678901"])


@contextlib.contextmanager
def listening() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.mark.parametrize("timeout", [None, 5.0])
def test_a_dead_peer_is_found_within_two_minutes(timeout: float | None) -> None:
    with listening() as port:
        stream = PatientBackend().connect_tcp("127.0.0.1", port, timeout)
        sock = stream.get_extra_info("socket")
        level = socket.IPPROTO_TCP
        found = [
            sock.getsockopt(level, getattr(socket, name))
            for name in ("TCP_KEEPIDLE", "TCP_KEEPINTVL", "TCP_KEEPCNT")
        ]
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        stream.close()
    assert found == [60, 15, 4]  # 60 + 15 * 4 seconds


def test_options_of_the_caller_are_used_as_they_are() -> None:
    with listening() as port:
        options = [(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 0)]
        stream = PatientBackend().connect_tcp("127.0.0.1", port, 5.0, None, options)
        assert stream.get_extra_info("socket").getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 0
        stream.close()


def test_a_read_that_nobody_answers_ends_when_its_time_is_up() -> None:
    with listening() as port:
        stream = PatientBackend().connect_tcp("127.0.0.1", port, 5.0)
        began = time.monotonic()
        with pytest.raises(httpcore.ReadTimeout):
            stream.read(10, 0.2)
        assert 0.2 <= time.monotonic() - began < 5
        stream.close()


def test_each_thread_has_a_pool_of_its_own_until_all_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    made = transport.ShardedTransport(3 * transport.THREADS_PER_POOL, False)
    used: list[int] = []
    for number, pool in enumerate(made._transports):
        monkeypatch.setattr(pool, "handle_request", lambda _request, number=number: used.append(number))

    def ask() -> None:
        for _ in range(2):
            made.handle_request(httpx.Request("GET", "http://x/"))

    for _ in range(4):
        thread = threading.Thread(target=ask)
        thread.start()
        thread.join()
    made.close()
    assert used == [0, 0, 1, 1, 2, 2, 0, 0]


def test_an_origin_is_the_same_with_its_default_port_named() -> None:
    assert origin_of(httpx.URL("http://x.example/a")) == origin_of(httpx.URL("http://x.example:80/b"))
    assert origin_of(httpx.URL("https://x.example/a")) == origin_of(httpx.URL("https://x.example:443/b"))
    assert origin_of(httpx.URL("https://x.example/a")) != origin_of(httpx.URL("https://x.example:80/b"))
