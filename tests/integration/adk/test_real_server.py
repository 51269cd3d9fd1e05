"""The client against a real Google ADK server, whose app answers `/run_sse`: `make test-adk`."""

import os
import re
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

import nemovideo
from nemovideo import Draft, EditReply, StreamError, errors
from studio.dialects import DialectB, Failure, Say, Thought, ToolCall, ToolResult
from tests.integration.worker.harness import start_studio

pytestmark = [pytest.mark.integration, pytest.mark.slow]

ROOT = Path(__file__).resolve().parents[3]
PYTHON = Path(os.environ.get("ADK_PYTHON", ROOT / ".venv-adk" / "bin" / "python"))
LANDED = Draft({"t": [{"tt": 1, "sg": [{"d": 1000}]}]})
BUSY = "The AI model behind the service is at its rate limit."


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    if not PYTHON.exists():
        pytest.skip("no ADK here; `make test-adk` installs it")
    command = [str(PYTHON), str(Path(__file__).with_name("server.py"))]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout is not None
    address = process.stdout.readline().strip()
    for _ in range(600):
        try:
            httpx.get(f"{address}/list-apps", timeout=1)
            break
        except httpx.HTTPError:
            time.sleep(0.1)
    yield address
    process.terminate()
    process.wait(30)
    process.stdout.close()


@pytest.fixture(scope="module")
def client(url: str) -> Iterator[nemovideo.NemoVideo]:
    attribution = nemovideo.Attribution("add-music", "1.0.0", "unknown")
    tokens = nemovideo.UserToken("nmv_usr_adk")
    with nemovideo.NemoVideo(nemovideo.Endpoint(api_url=url), attribution, tokens) as made:
        yield made


@pytest.fixture
def session_id(url: str) -> str:
    answer = httpx.post(f"{url}/apps/nemo_agent/users/me/sessions", json={}, timeout=30)
    answer.raise_for_status()
    return str(answer.json()["id"])


KINDS: list[tuple[str, EditReply]] = [
    ("whole text", EditReply(("Added music.",))),
    ("unicode", EditReply(("Voilà, 音乐 🎵",))),
    ("pieces and the whole", EditReply(("Added music.",), ("edit",), LANDED)),
    ("two rounds", EditReply(("One.", "Two."), ("edit",))),
    ("silent", EditReply((), ("edit",), LANDED)),
    ("nothing at all", EditReply()),
    ("state alone", EditReply(draft=LANDED)),
    ("other state alone", EditReply()),
    ("all in one", EditReply(("Adding music.",), ("add", "fade"), LANDED)),
    (
        "text and error",
        EditReply(
            ("Added mus",), error=StreamError("The AI model reached its length limit before it was done.")
        ),
    ),
    ("no content", EditReply(error=StreamError("The AI model returned nothing."))),
    ("safety", EditReply(error=StreamError("Blocked for safety"))),
    ("artifact", EditReply(("Saved.",))),
    ("code", EditReply()),
    ("noise after it", EditReply(("Added music.",))),
    ("boom", EditReply(error=StreamError("RuntimeError: boom in agent"))),
    ("boom after the edit", EditReply((), ("edit",), LANDED, StreamError("RuntimeError: boom in agent"))),
    ("429 after the edit", EditReply((), ("edit",), LANDED, StreamError(BUSY, 429))),
]


@pytest.mark.parametrize(("kind", "expected"), KINDS, ids=[kind for kind, _ in KINDS])
def test_what_the_server_sends_is_understood(
    client: nemovideo.NemoVideo, session_id: str, kind: str, expected: EditReply
) -> None:
    started: list[int] = []
    reply = client.edit(session_id, kind, on_started=lambda: started.append(1))
    assert reply == expected
    assert started == [1]


@pytest.mark.parametrize("kind", ["429 at once", "429 as a code"])
def test_a_models_429_before_anything_is_a_refusal(
    client: nemovideo.NemoVideo, session_id: str, kind: str
) -> None:
    with pytest.raises(errors.RateLimited) as caught:
        client.edit(session_id, kind)
    assert str(caught.value) == BUSY and not caught.value.outcome_unknown


def ask(url: str, session_id: str, text: str) -> httpx.Response:
    """Send a message as the client does, and answer what comes as it is."""
    message = {"parts": [{"text": text}]}
    body = {"app_name": "nemo_agent", "user_id": "me", "session_id": session_id, "new_message": message}
    return httpx.post(f"{url}/run_sse", json=body, timeout=30)


def without_ids(stream: str) -> str:
    """Return a stream without what is another each time: ids and times."""
    ids = re.sub(r'"(invocationId|id)":"(?:e-)?[0-9a-f-]{36}"', r'"\1":"ID"', stream)
    return re.sub(r'("timestamp": ?)\d+\.\d+', r"\1TIME", ids)


def test_the_studios_second_dialect_is_byte_for_byte_what_the_server_sends(url: str, session_id: str) -> None:
    call = ToolCall("c1", "edit_multitrack", {"instruction": "x"})
    landed = {"t": [{"tt": 1, "sg": [{"d": 1000}]}]}
    told = [Thought("Let me look at the timeline."), call, ToolResult(call, landed), Say("Added music 音.")]
    dialect = DialectB()
    studio = b"".join(piece for event in told for piece in dialect.encode(event)).decode()
    assert without_ids(studio) == without_ids(ask(url, session_id, "as the studio").text)
    failure = b"".join(dialect.encode(Failure("boom in agent"))).decode()
    assert without_ids(failure) == without_ids(ask(url, session_id, "boom").text)


def test_the_studio_speaks_of_an_unknown_session_as_the_server_does(url: str, tmp_path: Path) -> None:
    theirs = ask(url, "no-such-session", "whole text")
    studio = start_studio(tmp_path)
    try:
        token = studio.http.post("/_studio/accounts", json={"credits": 100}).json()["token"]
        studio.http.headers.update({"Authorization": f"Bearer {token}", "X-Skill-Source": "add-music"})
        studio.http.headers.update({"X-Skill-Version": "1.0.0", "X-Skill-Platform": "unknown"})
        message = {"parts": [{"text": "whole text"}]}
        body = {"app_name": "nemo_agent", "user_id": "me", "session_id": "no-such-session"}
        ours = studio.http.post("/run_sse", json={**body, "new_message": message})
    finally:
        studio.http.close()
        studio.process.terminate()
        studio.process.communicate()
    assert (ours.status_code, ours.text) == (theirs.status_code, theirs.text)


def test_an_unknown_session(client: nemovideo.NemoVideo) -> None:
    with pytest.raises(errors.SessionNotFound) as caught:
        client.edit("no-such-session", "whole text")
    assert not caught.value.outcome_unknown


def test_still_working_is_reported_though_the_server_sends_nothing(
    client: nemovideo.NemoVideo, session_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nemovideo.stream.STILL_WORKING_S", 0.8)
    heard: list[float] = []
    events: list[Any] = []
    reply = client.edit(session_id, "long silence", on_still_working=heard.append, on_event=events.append)
    assert reply.texts == ("Added music.",)
    assert len(heard) >= 2 and len(events) == 1


def test_a_stop_is_seen_in_silence_and_leaves_the_outcome_open(
    client: nemovideo.NemoVideo, session_id: str
) -> None:
    stop = threading.Event()
    threading.Timer(1.0, stop.set).start()
    began = time.monotonic()
    with pytest.raises(errors.StreamStopped) as caught:
        client.edit(session_id, "for ever", should_stop=stop.is_set)
    assert caught.value.outcome_unknown
    assert time.monotonic() - began < 5


def test_many_sessions_at_once(client: nemovideo.NemoVideo, url: str) -> None:
    replies: list[EditReply] = []

    def one() -> None:
        made = httpx.post(f"{url}/apps/nemo_agent/users/me/sessions", json={}, timeout=60)
        replies.append(client.edit(str(made.json()["id"]), "pieces and the whole"))

    threads = [threading.Thread(target=one) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert replies == [EditReply(("Added music.",), ("edit",), LANDED)] * 16
