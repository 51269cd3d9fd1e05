"""Downloads against a real server: whole, cut, resumed, refused, and from where they may not come."""

import hashlib
import json
import os
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

import nemovideo
from nemovideo import errors, guard
from nemovideo.download import find_validator
from tests.patience import allow

pytestmark = pytest.mark.integration

API_FILE = "/api/render/proxy/r1/download"
VIDEO = os.urandom(300_000)
DONE = nemovideo.Downloaded(hashlib.sha256(VIDEO).hexdigest(), len(VIDEO))


def rendered(url: str | None = None) -> nemovideo.Render:
    return nemovideo.Render("r1", nemovideo.RenderStatus.COMPLETED, 100.0, url)


@pytest.fixture
def part(tmp_path: Path) -> Path:
    return tmp_path / "v.mp4.part"


def test_a_download_from_the_url(backend: Any, client: nemovideo.NemoVideo, part: Path) -> None:
    backend.on("GET", "/cdn/v", backend.video(VIDEO))
    got: list[int] = []
    assert client.download(rendered(f"{backend.url}/cdn/v"), part, on_bytes=got.append) == DONE
    assert part.read_bytes() == VIDEO
    assert got[-1] == len(VIDEO)
    assert list(part.parent.iterdir()) == [part]
    assert backend.seen[0].headers["accept-encoding"] == "identity"
    assert backend.seen[0].headers["authorization"] == "Bearer nmv_usr_secret"


def test_a_relative_url_is_the_apis(backend: Any, client: nemovideo.NemoVideo, part: Path) -> None:
    backend.on("GET", "/cdn/v?k=1", backend.video(VIDEO))
    assert client.download(rendered("/cdn/v?k=1"), part) == DONE


def test_without_a_url_the_apis_own_download_is_used(
    backend: Any, client: nemovideo.NemoVideo, part: Path
) -> None:
    backend.on("GET", API_FILE, backend.video(VIDEO))
    assert client.download(rendered(), part) == DONE
    assert backend.seen[0].headers["authorization"] == "Bearer nmv_usr_secret"


def test_another_origin_gets_neither_token_nor_name(
    backend: Any, start_backend: Callable[[], Any], client: nemovideo.NemoVideo, part: Path
) -> None:
    cdn = start_backend()
    cdn.on("GET", "/v", cdn.video(VIDEO))
    assert client.download(rendered(f"{cdn.url}/v"), part) == DONE
    assert "authorization" not in cdn.seen[0].headers
    assert not [name for name in cdn.seen[0].headers if name.startswith("x-skill")]


def test_another_name_of_the_apis_address_gets_no_token(
    backend: Any, client: nemovideo.NemoVideo, part: Path
) -> None:
    backend.on("GET", "/v", backend.video(VIDEO))
    url = backend.url.replace("127.0.0.1", "localhost")
    assert client.download(rendered(f"{url}/v"), part) == DONE
    assert backend.seen[0].headers["host"].startswith("localhost:")
    assert "authorization" not in backend.seen[0].headers


def test_a_redirect_to_another_origin_drops_the_token(
    backend: Any, start_backend: Callable[[], Any], client: nemovideo.NemoVideo, part: Path
) -> None:
    cdn = start_backend()
    cdn.on("GET", "/v", cdn.video(VIDEO))
    backend.on("GET", API_FILE, backend.json({}, 302, Location=f"{cdn.url}/v"))
    assert client.download(rendered(), part) == DONE
    assert "authorization" not in cdn.seen[0].headers


BROKEN = {
    "dead": lambda b: b.json({}, 404),
    "expired": lambda b: b.raw(403, {"Content-Type": "application/xml"}, [b"<Error/>"], 8),
    "html": lambda b: b.raw(200, {"Content-Type": "text/html; charset=utf-8"}, [b"<html>"], 6),
    "json": lambda b: b.json({"oops": 1}),
    "gzip": lambda b: b.raw(200, {"Content-Type": "video/mp4", "Content-Encoding": "gzip"}, [b"x"], 1),
    "empty": lambda b: b.video(b""),
    "server": lambda b: b.json({}, 503),
    "busy": lambda b: b.json({}, 429),
    "loop": lambda b: b.json({}, 302, Location="/cdn/v"),
    "link-local": lambda b: b.json({}, 302, Location="http://169.254.169.254/latest/meta-data"),
    "file": lambda b: b.json({}, 302, Location="file:///etc/passwd"),
}


@pytest.mark.parametrize("fault", BROKEN)
def test_a_url_that_fails_falls_back_to_the_api(
    backend: Any, client: nemovideo.NemoVideo, part: Path, fault: str
) -> None:
    backend.on("GET", "/cdn/v", BROKEN[fault](backend))
    backend.on("GET", API_FILE, backend.video(VIDEO))
    assert client.download(rendered(f"{backend.url}/cdn/v"), part) == DONE
    assert part.read_bytes() == VIDEO


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/v",
        "file:///etc/passwd",
        "http://[fe80::1]/v",
        "http://u:p@127.0.0.1/v",
        "nonsense",
        "//x/v",
    ],
)
def test_an_unsafe_url_is_not_opened(backend: Any, client: nemovideo.NemoVideo, part: Path, url: str) -> None:
    backend.on("GET", API_FILE, backend.video(VIDEO))
    assert client.download(rendered(url), part) == DONE
    assert [seen.path for seen in backend.seen] == [API_FILE]


def test_a_private_url_of_a_public_api_is_refused(
    monkeypatch: Any, backend: Any, make_client: Any, part: Path
) -> None:
    private = "http://10.11.12.13/v"
    monkeypatch.setattr("nemovideo.guard.is_private", lambda host, port: False)
    backend.on("GET", API_FILE, backend.json({}, 404))
    with pytest.raises(errors.UnsafeUrl):
        make_client(backend.url).download(rendered(private), part)


def test_when_both_fail_the_first_reason_is_told(
    backend: Any, client: nemovideo.NemoVideo, part: Path
) -> None:
    backend.on("GET", "/cdn/v", BROKEN["html"](backend))
    with pytest.raises(errors.DownloadBroken, match="web page"):
        client.download(rendered(f"{backend.url}/cdn/v"), part)


def test_a_cut_download_goes_on_where_it_stopped(
    backend: Any, client: nemovideo.NemoVideo, part: Path
) -> None:
    size = len(VIDEO)
    head = {"Content-Type": "video/mp4", "ETag": '"v1"'}
    rest = {"Content-Type": "video/mp4", "Content-Range": f"bytes 100000-{size - 1}/{size}"}
    more = {"Content-Type": "video/mp4", "Content-Range": f"bytes 200000-{size - 1}/{size}"}
    backend.on(
        "GET",
        API_FILE,
        backend.raw(200, head, [VIDEO[:100_000], 0.2, backend.cut], size),
        backend.raw(206, rest, [VIDEO[100_000:200_000], 0.2, backend.cut], size - 100_000),
        backend.raw(206, more, [VIDEO[200_000:]], size - 200_000),
    )
    assert client.download(rendered(), part) == DONE
    assert part.read_bytes() == VIDEO
    ranges = [(seen.headers["range"], seen.headers["if-range"]) for seen in backend.seen[1:]]
    assert ranges == [("bytes=100000-", '"v1"'), ("bytes=200000-", '"v1"')]
    assert list(part.parent.iterdir()) == [part]


def left_over(part: Path, content: bytes, etag: str | None) -> None:
    part.write_bytes(content)
    if etag:
        part.with_name(part.name + ".meta").write_text(json.dumps({"validator": etag}))


def test_a_part_of_an_earlier_run_is_continued(backend: Any, client: nemovideo.NemoVideo, part: Path) -> None:
    left_over(part, VIDEO[:1000], '"v1"')
    head = {
        "Content-Type": "video/mp4",
        "ETag": '"v1"',
        "Content-Range": f"bytes 1000-{len(VIDEO) - 1}/{len(VIDEO)}",
    }
    backend.on("GET", API_FILE, backend.raw(206, head, [VIDEO[1000:]], len(VIDEO) - 1000))
    assert client.download(rendered(), part) == DONE
    assert part.read_bytes() == VIDEO


def test_a_file_that_changed_meanwhile_starts_anew(
    backend: Any, client: nemovideo.NemoVideo, part: Path
) -> None:
    left_over(part, b"old" * 200_000, '"v0"')
    backend.on("GET", API_FILE, backend.video(VIDEO, ETag='"v1"'))
    assert client.download(rendered(), part) == DONE
    assert part.read_bytes() == VIDEO


@pytest.mark.parametrize("meta", [None, "no json", '{"validator": 3}', '{"validator": "\\r\\nX: y"}', "[]"])
def test_a_part_without_a_usable_validator_starts_anew(
    backend: Any, client: nemovideo.NemoVideo, part: Path, meta: str | None
) -> None:
    part.write_bytes(b"old")
    if meta is not None:
        part.with_name(part.name + ".meta").write_text(meta)
    backend.on("GET", API_FILE, backend.video(VIDEO))
    assert client.download(rendered(), part) == DONE
    assert "range" not in backend.seen[0].headers


def test_a_weak_etag_is_no_ground_to_go_on(backend: Any, client: nemovideo.NemoVideo, part: Path) -> None:
    head = {"Content-Type": "video/mp4", "ETag": 'W/"v1"'}
    backend.on(
        "GET",
        API_FILE,
        backend.raw(200, head, [VIDEO[:1000], 0.1, backend.cut], len(VIDEO)),
        backend.video(VIDEO),
    )
    assert client.download(rendered(), part) == DONE
    assert "range" not in backend.seen[1].headers


def test_a_part_that_is_too_long_starts_anew(backend: Any, client: nemovideo.NemoVideo, part: Path) -> None:
    left_over(part, b"x" * 400_000, '"v1"')
    refused = backend.raw(416, {"Content-Range": f"bytes */{len(VIDEO)}"}, [], 0)
    backend.on("GET", API_FILE, refused, backend.video(VIDEO))
    assert client.download(rendered(), part) == DONE
    assert "range" not in backend.seen[1].headers


def test_a_continuation_at_the_wrong_place_is_refused(
    backend: Any, client: nemovideo.NemoVideo, part: Path
) -> None:
    left_over(part, VIDEO[:1000], '"v1"')
    head = {"Content-Type": "video/mp4", "Content-Range": f"bytes 500-{len(VIDEO) - 1}/{len(VIDEO)}"}
    backend.on("GET", API_FILE, backend.raw(206, head, [VIDEO[500:]], len(VIDEO) - 500))
    with pytest.raises(errors.DownloadBroken):
        client.download(rendered(), part)


def test_a_continuation_of_another_file_is_refused(
    backend: Any, client: nemovideo.NemoVideo, part: Path
) -> None:
    left_over(part, VIDEO[:1000], '"v1"')
    size = len(VIDEO)
    head = {"Content-Type": "video/mp4", "ETag": '"v2"', "Content-Range": f"bytes 1000-{size - 1}/{size}"}
    backend.on("GET", "/cdn/v", backend.raw(206, head, [VIDEO[1000:]], size - 1000))
    backend.on("GET", API_FILE, backend.video(VIDEO))
    assert client.download(rendered("/cdn/v"), part) == DONE
    assert "range" not in backend.seen[1].headers


def test_a_download_that_is_always_cut_ends_after_its_attempts(
    backend: Any, client: nemovideo.NemoVideo, part: Path
) -> None:
    backend.on("GET", API_FILE, backend.raw(200, {"Content-Type": "video/mp4"}, [b"x", backend.cut], 100))
    with pytest.raises(errors.ConnectionLost):
        client.download(rendered(), part)
    assert len(backend.seen) == 3


def test_a_chunked_download_without_length(backend: Any, client: nemovideo.NemoVideo, part: Path) -> None:
    backend.on("GET", API_FILE, backend.raw(200, {"Content-Type": "video/mp4"}, [VIDEO[:7], VIDEO[7:]]))
    assert client.download(rendered(), part) == DONE


@pytest.mark.parametrize("length", [10_001, None])
def test_a_download_ends_at_its_cap(
    backend: Any, client: nemovideo.NemoVideo, part: Path, length: int | None
) -> None:
    backend.on("GET", API_FILE, backend.raw(200, {"Content-Type": "video/mp4"}, [b"x" * 10_001], length))
    with pytest.raises(errors.DownloadBroken, match="larger"):
        client.download(rendered(), part, max_bytes=10_000)
    assert not part.exists() or part.stat().st_size <= 10_000


def test_a_download_stops_on_request_in_silence(
    backend: Any, client: nemovideo.NemoVideo, part: Path
) -> None:
    hold, stop = threading.Event(), threading.Event()
    backend.on("GET", API_FILE, backend.raw(200, {"Content-Type": "video/mp4"}, [b"x", hold], 100))
    threading.Timer(0.2, stop.set).start()
    with pytest.raises(errors.Stopped):
        client.download(rendered(), part, should_stop=stop.is_set)
    hold.set()


@pytest.mark.parametrize(
    ("status", "document", "kind"),
    [
        (401, {"code": 1001}, errors.AccountRefused),
        (402, {}, errors.ExportBlocked),
        (404, {}, errors.RenderNotFound),
        (429, {}, errors.RateLimited),
        (200, {"code": 1002}, errors.SessionNotFound),
    ],
)
def test_the_apis_download_refused(
    backend: Any, client: nemovideo.NemoVideo, part: Path, status: int, document: Any, kind: type
) -> None:
    backend.on("GET", API_FILE, backend.json(document, status))
    with pytest.raises(kind):
        client.download(rendered(), part)


# --- going on with what is there -----------------

MODIFIED, LATER = "Fri, 20 Nov 2026 10:00:00 GMT", "Fri, 20 Nov 2026 10:00:05 GMT"


def test_a_cut_download_goes_on_by_its_date(backend: Any, client: nemovideo.NemoVideo, part: Path) -> None:
    head = {"Content-Type": "video/mp4", "Last-Modified": MODIFIED}
    rest = {**head, "Content-Range": f"bytes 1000-{len(VIDEO) - 1}/{len(VIDEO)}"}
    backend.on(
        "GET",
        API_FILE,
        backend.raw(200, head, [VIDEO[:1000], 0.1, backend.cut], len(VIDEO)),
        backend.raw(206, rest, [VIDEO[1000:]], len(VIDEO) - 1000),
    )
    assert client.download(rendered(), part) == DONE
    assert part.read_bytes() == VIDEO
    assert (backend.seen[1].headers["range"], backend.seen[1].headers["if-range"]) == (
        "bytes=1000-",
        MODIFIED,
    )


@pytest.mark.parametrize(
    ("modified", "sent", "validator"),
    [
        (MODIFIED, LATER, MODIFIED),
        (MODIFIED, MODIFIED, None),  # written in the second it was sent: it may have been written once more
        (MODIFIED, "", None),
        ("yesterday", LATER, None),
        ("Fri, 20 Nov 2026 10:00:00 GMT\u00e9", LATER, None),
    ],
)
def test_a_date_is_a_validator_only_if_it_is_strong(modified: str, sent: str, validator: str | None) -> None:
    headers = [("Last-Modified", modified.encode("latin-1")), ("Date", sent.encode())]
    assert find_validator(httpx.Response(200, headers=headers)) == validator


def test_a_continuation_of_another_date_is_refused(
    backend: Any, client: nemovideo.NemoVideo, part: Path
) -> None:
    left_over(part, VIDEO[:1000], MODIFIED)
    size = len(VIDEO)
    rest = {
        "Content-Type": "video/mp4",
        "Last-Modified": LATER,
        "Content-Range": f"bytes 1000-{size - 1}/{size}",
    }
    backend.on("GET", API_FILE, backend.raw(206, rest, [VIDEO[1000:]], size - 1000))
    with pytest.raises(errors.DownloadBroken):
        client.download(rendered(), part)


def test_a_part_that_is_complete_already_is_taken(
    backend: Any, client: nemovideo.NemoVideo, part: Path
) -> None:
    left_over(part, VIDEO, '"v1"')
    complete = backend.raw(416, {"Content-Range": f"bytes */{len(VIDEO)}", "ETag": '"v1"'}, [], 0)
    backend.on("GET", API_FILE, complete)
    assert client.download(rendered(), part) == DONE
    assert part.read_bytes() == VIDEO and list(part.parent.iterdir()) == [part]
    assert len(backend.seen) == 1


def test_a_complete_part_of_another_file_begins_again(
    backend: Any, client: nemovideo.NemoVideo, part: Path
) -> None:
    left_over(part, b"x" * len(VIDEO), '"v1"')
    complete = backend.raw(416, {"Content-Range": f"bytes */{len(VIDEO)}", "ETag": '"v2"'}, [], 0)
    backend.on("GET", API_FILE, complete, backend.video(VIDEO))
    assert client.download(rendered(), part) == DONE
    assert part.read_bytes() == VIDEO


# --- a URL whose time is over ----------------------


@pytest.mark.parametrize("status", [403, 404, 410])
def test_an_expired_url_is_asked_for_again_once(
    backend: Any, client: nemovideo.NemoVideo, part: Path, status: int
) -> None:
    backend.on("GET", "/cdn/old", backend.raw(status, {"Content-Type": "application/xml"}, [b"<E/>"], 4))
    backend.on("GET", "/cdn/new", backend.video(VIDEO))
    asked: list[int] = []

    def refresh() -> nemovideo.Render:
        asked.append(1)
        return rendered(f"{backend.url}/cdn/new")

    assert client.download(rendered(f"{backend.url}/cdn/old"), part, refresh=refresh) == DONE
    assert [seen.path for seen in backend.seen] == ["/cdn/old", "/cdn/new"] and asked == [1]


def test_a_fresh_url_that_has_expired_too_is_not_asked_for_again(
    backend: Any, client: nemovideo.NemoVideo, part: Path
) -> None:
    backend.on("GET", API_FILE, backend.video(VIDEO))
    asked: list[int] = []

    def refresh() -> nemovideo.Render:
        asked.append(1)
        return rendered(f"{backend.url}/cdn/{len(asked)}")

    assert client.download(rendered(f"{backend.url}/cdn/0"), part, refresh=refresh) == DONE
    assert [seen.path for seen in backend.seen] == ["/cdn/0", "/cdn/1", API_FILE] and asked == [1]


@pytest.mark.parametrize("answer", ["same", "none", "gone"])
def test_no_fresh_url_leaves_the_apis_download(
    backend: Any, client: nemovideo.NemoVideo, part: Path, answer: str
) -> None:
    backend.on("GET", API_FILE, backend.video(VIDEO))
    url = f"{backend.url}/cdn/old"

    def refresh() -> nemovideo.Render:
        if answer == "gone":
            raise errors.RenderNotFound
        return rendered(url if answer == "same" else None)

    assert client.download(rendered(url), part, refresh=refresh) == DONE
    assert [seen.path for seen in backend.seen] == ["/cdn/old", API_FILE]


def test_a_url_that_fails_for_another_reason_is_not_asked_for_again(
    backend: Any, client: nemovideo.NemoVideo, part: Path
) -> None:
    backend.on("GET", "/cdn/v", BROKEN["html"](backend))
    backend.on("GET", API_FILE, backend.video(VIDEO))

    def refresh() -> nemovideo.Render:
        raise AssertionError("nothing has expired")

    assert client.download(rendered(f"{backend.url}/cdn/v"), part, refresh=refresh) == DONE


# --- where from, and how long ----------------------


def test_every_address_of_a_url_is_tried(
    backend: Any, client: nemovideo.NemoVideo, part: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = int(backend.url.rsplit(":", 1)[1])
    found = {"cdn.example": ["127.0.0.8", "127.0.0.9", "127.0.0.1"]}
    looked_up = guard.resolve
    check = partial(guard.check, resolve=lambda host, at: found.get(host) or looked_up(host, at))
    monkeypatch.setattr(guard, "check", check)
    backend.on("GET", "/v", backend.video(VIDEO))
    assert client.download(rendered(f"http://cdn.example:{port}/v"), part) == DONE
    assert backend.seen[0].headers["host"] == f"cdn.example:{port}"


def test_a_body_that_drips_is_given_up(
    backend: Any, make_client: Any, part: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nemovideo.download.SLOWEST_S", 0.4)
    drip = [step for _ in range(100) for step in (b"x", 0.1)]
    backend.on("GET", API_FILE, backend.raw(200, {"Content-Type": "video/mp4"}, drip, 1000))
    retry = nemovideo.RetryPolicy(attempts=1)
    endpoint = nemovideo.Endpoint(api_url=backend.url, retry=retry)
    with pytest.raises(errors.ConnectionLost, match="in time"):
        make_client(backend.url, endpoint=endpoint).download(rendered(), part)


def test_a_refusal_that_drips_stops_on_request(backend: Any, client: nemovideo.NemoVideo, part: Path) -> None:
    stop = threading.Event()
    drip = [step for _ in range(60) for step in (b" ", 0.1)]
    backend.on("GET", API_FILE, backend.raw(200, {"Content-Type": "application/json"}, drip))
    threading.Timer(0.3, stop.set).start()
    started = time.monotonic()
    with pytest.raises(errors.Stopped):
        client.download(rendered(), part, should_stop=stop.is_set)
    assert time.monotonic() - started < allow(3)
