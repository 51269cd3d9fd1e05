"""The asyncio script that people would write: a task a file, everything in memory, all files at once.

It polls each 3 s. What it was doing is gone when it ends.
"""

import argparse
import asyncio
import json
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


async def process(http: httpx.AsyncClient, clip: Path, outbox: Path, poll_s: float) -> None:
    session = read_data(await http.post(f"/api/tasks/me/with-session/{AGENT}", json={"task_name": clip.stem}))
    session_id = session["session_id"]
    files = {"files": (clip.name, clip.read_bytes())}
    read_data(await http.post(f"/api/upload-video/{AGENT}/me/{session_id}", files=files))
    message = {"parts": [{"text": INSTRUCTION}]}
    order = {"app_name": AGENT, "user_id": "me", "session_id": session_id, "new_message": message}
    async with http.stream("POST", "/run_sse", json=order) as stream:
        stream.raise_for_status()
        async for _ in stream.aiter_lines():
            pass
    draft = read_data(await http.get(f"/api/state/{AGENT}/me/{session_id}/latest"))["state"]["draft"]
    if not any(track["tt"] == 1 and track["sg"] for track in draft["t"]):
        raise RuntimeError("the edit added no music")
    output = {"format": "mp4", "quality": "high"}
    render = {"id": f"render_{uuid.uuid4().hex}", "sessionId": session_id, "draft": draft, "output": output}
    read_data(await http.post(RENDERS, json=render))
    url = await wait_for_render(http, render["id"], poll_s)
    answer = (await http.get(url)).raise_for_status()
    part = (outbox / clip.name).with_suffix(".part")
    part.write_bytes(answer.content)
    part.replace(outbox / clip.name)


async def wait_for_render(http: httpx.AsyncClient, render_id: str, poll_s: float) -> str:
    while True:
        await asyncio.sleep(poll_s)
        job = read_data(await http.get(f"{RENDERS}/{render_id}"))
        if job["status"] == "failed":
            raise RuntimeError(f"the render failed: {job.get('error')}")
        if job["status"] == "completed":
            return str(job["outputUrl"])


def read_data(answer: httpx.Response) -> dict[str, Any]:
    """Return what an answer carries; raises when it is a refusal."""
    body: dict[str, Any] = answer.raise_for_status().json()
    if body.get("code", 0) != 0:
        raise RuntimeError(f"refused: {body}")
    return dict(body.get("data", body))


async def run(url: str, inbox: Path, outbox: Path, poll_s: float) -> None:
    clips = sorted(inbox.glob("*.mp4"))
    outbox.mkdir(parents=True, exist_ok=True)
    async with httpx.AsyncClient(base_url=url, headers=SKILL, timeout=TIMEOUT, limits=LIMITS) as http:
        client_id = {"X-Client-Id": str(uuid.uuid4())}
        answer = await http.post("/api/auth/anonymous-token", headers=client_id)
        http.headers["Authorization"] = f"Bearer {read_data(answer)['token']}"
        began = time.monotonic()
        await asyncio.gather(*(process(http, clip, outbox, poll_s) for clip in clips))
        print(json.dumps({"files": len(clips), "took_s": time.monotonic() - began}), flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", required=True)
    parser.add_argument("--inbox", type=Path, required=True)
    parser.add_argument("--outbox", type=Path, required=True)
    parser.add_argument("--poll-s", type=float, default=3.0)
    chosen = parser.parse_args()
    asyncio.run(run(chosen.url, chosen.inbox, chosen.outbox, chosen.poll_s))
