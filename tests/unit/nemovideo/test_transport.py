"""Codes in the envelope, in the status, or in both; and every foreign exception translated."""

import inspect
import json
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from nemovideo import errors
from nemovideo.transport import (
    Answer,
    Call,
    data_of,
    error_for,
    parse_retry_after_s,
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
