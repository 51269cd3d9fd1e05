"""The service's calls as a blocking script makes them: one shared client, no retries, errors end the file."""

import time
import uuid
from pathlib import Path
from typing import Any

import httpx

INSTRUCTION = "add calm background music"
SKILL = {"X-Skill-Source": "add-music", "X-Skill-Version": "1.0", "X-Skill-Platform": "unknown"}
TIMEOUT = httpx.Timeout(60.0, read=900.0)
LIMITS = httpx.Limits(max_connections=None, max_keepalive_connections=100)
AGENT = "nemo_agent"
RENDERS = "/api/render/proxy/lambda"


def get_token(url: str) -> str:
    """An anonymous token; one serves the whole run."""
    client_id = {"X-Client-Id": str(uuid.uuid4())}
    return data(httpx.post(f"{url}/api/auth/anonymous-token", headers={**SKILL, **client_id}))["token"]


def connect(url: str, token: str) -> httpx.Client:
    """The client all requests go through."""
    headers = {**SKILL, "Authorization": f"Bearer {token}"}
    return httpx.Client(base_url=url, headers=headers, timeout=TIMEOUT, limits=LIMITS)


def process(http: httpx.Client, clip: Path, outbox: Path, poll_s: float) -> None:
    """Take one file through: session, upload, edit, a look at the timeline, render, polls, download."""
    session = data(http.post(f"/api/tasks/me/with-session/{AGENT}", json={"task_name": clip.stem}))
    session_id = session["session_id"]
    with clip.open("rb") as file:
        files = {"files": (clip.name, file)}
        data(http.post(f"/api/upload-video/{AGENT}/me/{session_id}", files=files))
    edit(http, session_id)
    draft = data(http.get(f"/api/state/{AGENT}/me/{session_id}/latest"))["state"]["draft"]
    check_music(draft)
    render = render_order(session_id, draft)
    data(http.post(RENDERS, json=render))
    download(http, wait(http, render["id"], poll_s), outbox / clip.name)


def edit(http: httpx.Client, session_id: str) -> None:
    """Send the instruction and follow the stream to its end."""
    with http.stream("POST", "/run_sse", json=edit_order(session_id)) as stream:
        stream.raise_for_status()
        for _ in stream.iter_lines():
            pass


def wait(http: httpx.Client, render_id: str, poll_s: float) -> str:
    """Ask until the render is complete; answers its address."""
    while True:
        time.sleep(poll_s)
        url = finished_at(data(http.get(f"{RENDERS}/{render_id}")))
        if url is not None:
            return url


def download(http: httpx.Client, url: str, target: Path) -> None:
    """Fetch the film beside its place, then move it there."""
    part = target.with_suffix(".part")
    with http.stream("GET", url) as answer, part.open("wb") as file:
        answer.raise_for_status()
        for chunk in answer.iter_bytes():
            file.write(chunk)
    part.replace(target)


def edit_order(session_id: str) -> dict[str, Any]:
    message = {"parts": [{"text": INSTRUCTION}]}
    return {"app_name": AGENT, "user_id": "me", "session_id": session_id, "new_message": message}


def render_order(session_id: str, draft: dict[str, Any]) -> dict[str, Any]:
    output = {"format": "mp4", "quality": "high"}
    return {"id": f"render_{uuid.uuid4().hex}", "sessionId": session_id, "draft": draft, "output": output}


def check_music(draft: dict[str, Any]) -> None:
    """Raise unless the timeline has a track of sound."""
    if not any(track["tt"] == 1 and track["sg"] for track in draft["t"]):
        raise RuntimeError("the edit added no music")


def finished_at(job: dict[str, Any]) -> str | None:
    """The film's address once the render is complete; raises when it failed."""
    if job["status"] == "failed":
        raise RuntimeError(f"the render failed: {job.get('error')}")
    return (job.get("outputUrl") or job["output"]["url"]) if job["status"] == "completed" else None


def data(answer: httpx.Response) -> dict[str, Any]:
    """What an answer carries; raises when it is a refusal."""
    answer.raise_for_status()
    body = answer.json()
    if body.get("code", 0) != 0:
        raise RuntimeError(f"refused: {body}")
    return body.get("data", body)
