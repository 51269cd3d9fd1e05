"""The process pool with real processes: order, progress, crashes, and an end that leaves nothing."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import time
from dataclasses import asdict
from pathlib import Path

import pytest

from studio.errors import RenderCancelled, RenderFailed
from studio.media import probe
from studio.pool import LOOK, RENDER, ProcessPool, WorkerCrashed

pytestmark = pytest.mark.integration


def with_pool(renderers, work):
    """Run `work` with a started pool, and close the pool."""

    async def run():
        pool = ProcessPool(renderers)
        pool.start()
        try:
            return await work(pool)
        finally:
            await pool.close()

    return asyncio.run(run())


def look(clip):
    return {"kind": LOOK, "path": str(clip), "info": asdict(probe(clip))}


def film(clip, out, length_ms=1000):
    own = {"media": "a", "start": 0, "in": 0, "volume": 1.0, "fit": "keep"}
    tracks = [
        {"tt": 0, "sg": [{"d": length_ms, "m": own}]},
        {"tt": 1, "m": {"kind": "bgm"}, "sg": [{"d": length_ms, "m": {"mood": "calm", "seed": 1}}]},
    ]
    draft = {"t": tracks, "d": length_ms, "m": {}}
    infos = {"a": asdict(probe(clip))}
    return {
        "kind": RENDER,
        "draft": draft,
        "media": {"a": str(clip)},
        "infos": infos,
        "out": str(out),
        "small": False,
    }


def children_of(process):
    """The ids of all processes below one, by what the kernel says."""
    found = []
    for path in Path(f"/proc/{process}/task").glob("*/children"):
        for child in path.read_text().split():
            found += [int(child), *children_of(int(child))]
    return found


def test_looks_and_renders_come_back_with_progress(clip, tmp_path):
    async def work(pool):
        shares = []
        looks = await asyncio.gather(*(pool.run(look(clip)) for _ in range(5)))
        await pool.run(film(clip, tmp_path / "out.mp4", 60_000), shares.append)
        return looks, shares

    looks, shares = with_pool(2, work)
    assert all(found["findings"]["duration_s"] == pytest.approx(1.0, abs=0.1) for found in looks)
    assert shares == sorted(shares)
    assert any(0 < share < 90 for share in shares), "a render moves while it composes"
    assert probe(tmp_path / "out.mp4").duration_s == pytest.approx(60.0, abs=0.1)


def test_what_cannot_be_rendered_is_one_line_and_the_next_one_goes_on(clip, tmp_path):
    async def work(pool):
        broken = {**film(clip, tmp_path / "out.mp4"), "draft": {"t": [], "d": 0}}
        with pytest.raises(RenderFailed, match="no picture and no sound"):
            await pool.run(broken)
        await pool.run(film(clip, tmp_path / "out.mp4"))

    with_pool(1, work)
    assert (tmp_path / "out.mp4").exists()


@pytest.mark.parametrize("whole_pool", [False, True])
def test_a_crash_harms_one_task(clip, tmp_path, whole_pool):
    async def work(pool):
        await pool.run(look(clip))
        (forker,) = (child for child in children_of(os.getpid()) if len(children_of(child)) == 2)
        long = asyncio.create_task(pool.run(film(clip, tmp_path / "long.mp4", 3_000_000)))
        await asyncio.sleep(1.0)
        workers = children_of(forker)
        for victim in [forker, *workers] if whole_pool else workers:
            os.kill(victim, signal.SIGKILL)
        with pytest.raises(WorkerCrashed):
            await long
        for _ in range(2):
            try:
                await pool.run(film(clip, tmp_path / "next.mp4"))
            except WorkerCrashed:
                continue  # the other process had died as well, and nobody had noticed yet
        return await pool.run(film(clip, tmp_path / "next.mp4"))

    with_pool(1, work)
    assert (tmp_path / "next.mp4").exists()


def test_closing_ends_a_render_soon_and_leaves_no_process(clip, tmp_path):
    async def work(pool):
        long = asyncio.create_task(pool.run(film(clip, tmp_path / "long.mp4", 3_000_000)))
        await asyncio.sleep(1.0)
        begun = time.monotonic()
        await pool.close()
        with pytest.raises(RenderCancelled):
            await long
        return time.monotonic() - begun

    others = set(children_of(os.getpid()))  # the studio that other tests share
    assert with_pool(1, work) < 8.0
    assert set(children_of(os.getpid())) <= others
    assert list(tmp_path.iterdir()) == []


def test_a_killed_studio_leaves_no_process(start_studio):
    running = start_studio()
    deadline = time.monotonic() + 10
    while len(children := children_of(running.process.pid)) < 3:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    running.kill()
    while any(Path(f"/proc/{child}").exists() for child in children):
        assert time.monotonic() < deadline + 10, subprocess.run(["ps", "f"], check=False)
        time.sleep(0.05)
