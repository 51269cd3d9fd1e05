"""What holds for every request (api-contract 1): who asks, with which token, in which spelling."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import nemovideo

pytestmark = pytest.mark.integration

SID = "/api/tasks/me/with-session/nemo_agent"
RENDERS = "/api/render/proxy/lambda"
DRAFT = nemovideo.Draft({"t": [{"tt": 0, "sg": [{"d": 1000}]}]})
MP4 = b"\x00\x00\x00\x18ftypisom" + bytes(64)


def give_answers(backend: Any) -> None:
    ok = backend.ok
    backend.on("POST", SID, ok(session_id="s1", task_id="t1"))
    backend.on("POST", "/api/upload-video/nemo_agent/me/s1", ok(files=[{"filename": "a.mp4"}]))
    backend.on("POST", "/run_sse", backend.sse(b'data: {"type":"text","content":"Done"}\n\n'))
    backend.on("GET", "/api/state/nemo_agent/me/s1/latest", ok(state={"draft": DRAFT.raw}))
    backend.on("GET", "/api/credits/balance/simple", ok(available=100))
    backend.on("POST", RENDERS, ok(id="r1", status="pending"))
    backend.on("GET", f"{RENDERS}/r1", ok(status="completed"))
    backend.on("POST", f"{RENDERS}/r1/cancel", ok())
    backend.on("POST", "/api/auth/claim-token", ok(claim_token="clm_1"))
    backend.on("GET", "/api/render/proxy/r1/download", backend.video(MP4))


def make_every_call(client: nemovideo.NemoVideo, folder: Path) -> None:
    """Each call of api-contract 2 but the token's."""
    source = folder / "a.mp4"
    source.write_bytes(MP4)
    session = client.open_session(language="en")
    client.upload_file("s1", source, filename="a.mp4")
    client.upload_urls("s1", ["https://example.org/a.mp4"])
    client.edit("s1", "add calm music")
    client.state("s1")
    client.balance()
    client.submit_render("s1", "r1", DRAFT)
    client.download(client.render("r1"), folder / "part")
    client.cancel_render("r1")
    client.claim_link(session)


@pytest.fixture
def seen(backend: Any, client: nemovideo.NemoVideo, tmp_path: Path) -> list[Any]:
    give_answers(backend)
    make_every_call(client, tmp_path)
    return list(backend.seen)


def test_every_request_says_which_skill_asks_and_brings_the_token(seen: list[Any]) -> None:
    assert len({(one.method, one.path) for one in seen}) == 10
    for one in seen:
        named = {
            name: one.headers.get(name) for name in ("x-skill-source", "x-skill-version", "x-skill-platform")
        }
        assert set(named.values()) == {"add-music", "1.2.0", "unknown"}, one.path
        assert one.headers["authorization"] == "Bearer nmv_usr_secret", one.path


def test_all_fields_are_snake_case_but_the_renders_session(seen: list[Any]) -> None:
    bodies = [one.json for one in seen if one.headers.get("content-type") == "application/json"]
    assert len(bodies) == 5
    ours = {name for body in bodies for name in _names({**body, "draft": None})}
    assert {name for name in ours if not re.fullmatch(r"[a-z]+(_[a-z]+)*", name)} == {"sessionId"}


def _names(body: Any) -> Iterator[str]:
    for name, value in body.items():
        yield name
        for inner in value if isinstance(value, list) else [value]:
            if isinstance(inner, dict):
                yield from _names(inner)
