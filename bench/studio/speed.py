"""How long 60 s take to compose and mix, and what 10 minutes need: `python -m bench.studio.speed`."""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.studio.clips import draft, ffmpeg, table
from studio.music.moods import MOODS
from studio.render import render
from studio.render.plan import read_plan
from studio.render.sound import mix

_LONG_S = 600


def clip(folder: Path, length_s: float) -> Path:
    out = folder / f"{length_s:g}.mp4"
    picture, tone = f"testsrc2=s=640x360:r=25:d={length_s}", f"sine=f=330:r=48000:d={length_s}"
    ffmpeg(
        "-f",
        "lavfi",
        "-i",
        picture,
        "-f",
        "lavfi",
        "-i",
        tone,
        "-c:v",
        "libx264",
        "-preset",
        "ultrafast",
        out,
    )
    return out


def cpu_s() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(u.ru_utime + u.ru_stime for u in used)


def minute(folder: Path) -> list[list[object]]:
    source = clip(folder, 60.0)
    rows: list[list[object]] = []
    for mood in sorted(MOODS):
        plan = read_plan(draft(60.0, {"mood": mood}, video=True), {"clip": source})
        began_s, used_s = time.perf_counter(), cpu_s()
        mix(plan, folder, lambda _: None, lambda: False)
        rows.append([mood, f"{time.perf_counter() - began_s:.2f}", f"{cpu_s() - used_s:.2f}"])
    return rows


def ten_minutes(folder: Path) -> None:
    """Render 10 minutes and print time and memory; in a process with a peak of its own."""
    source = folder / f"{_LONG_S}.mp4"
    began_s = time.perf_counter()
    music = {"mood": "epic", "fade_out_ms": 3000}
    render(
        draft(_LONG_S, music, video=True), {"clip": source}, folder / "out.mp4",
        progress=lambda _: None, cancelled=lambda: False,
    )  # fmt: skip
    peaks = [
        resource.getrusage(who).ru_maxrss // 1024 for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    ]
    spent_s = time.perf_counter() - began_s
    print(f"\n10 minutes rendered in {spent_s:.0f} s: studio {peaks[0]} MB, ffmpeg {peaks[1]} MB")


def main() -> None:
    if len(sys.argv) > 1:
        ten_minutes(Path(sys.argv[1]))
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        table(["60 s of", "compose and mix, s", "of both cores, CPU s"], minute(folder))
        clip(folder, _LONG_S)
        subprocess.run([sys.executable, "-m", "bench.studio.speed", name], check=True)


if __name__ == "__main__":
    main()
