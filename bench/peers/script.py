"""The asyncio script: a task a file, everything in memory; what it was doing is gone when it ends."""

import asyncio
from pathlib import Path

import httpx

from bench.peers.api import (
    AGENT,
    LIMITS,
    RENDERS,
    SKILL,
    TIMEOUT,
    check_music,
    data,
    edit_order,
    finished_at,
    get_token,
    render_order,
)
from bench.peers.common import Job, read_job, timed


async def process(http: httpx.AsyncClient, clip: Path, outbox: Path, poll_s: float) -> None:
    session = data(await http.post(f"/api/tasks/me/with-session/{AGENT}", json={"task_name": clip.stem}))
    session_id = session["session_id"]
    files = {"files": (clip.name, clip.read_bytes())}
    data(await http.post(f"/api/upload-video/{AGENT}/me/{session_id}", files=files))
    async with http.stream("POST", "/run_sse", json=edit_order(session_id)) as stream:
        stream.raise_for_status()
        async for _ in stream.aiter_lines():
            pass
    draft = data(await http.get(f"/api/state/{AGENT}/me/{session_id}/latest"))["state"]["draft"]
    check_music(draft)
    render = render_order(session_id, draft)
    data(await http.post(RENDERS, json=render))
    url = await wait(http, render["id"], poll_s)
    answer = (await http.get(url)).raise_for_status()
    part = (outbox / clip.name).with_suffix(".part")
    part.write_bytes(answer.content)
    part.replace(outbox / clip.name)


async def wait(http: httpx.AsyncClient, render_id: str, poll_s: float) -> str:
    while True:
        await asyncio.sleep(poll_s)
        url = finished_at(data(await http.get(f"{RENDERS}/{render_id}")))
        if url is not None:
            return url


async def run(job: Job) -> None:
    headers = {**SKILL, "Authorization": f"Bearer {get_token(job.url)}"}
    client = httpx.AsyncClient(base_url=job.url, headers=headers, timeout=TIMEOUT, limits=LIMITS)
    async with client as http:
        with timed(job):
            await asyncio.gather(*(process(http, clip, job.outbox, job.poll_s) for clip in job.clips))


if __name__ == "__main__":
    asyncio.run(run(read_job()))
