"""The local studio beside a bare ffmpeg loop, two at a time, over the same clips in the same minutes.

The loop ducks the music under the sound of each clip, mixes, normalises and writes an MP4; its music is there
before. `run` is `dropscore run --once` in an empty state folder, from its start to its end; `api` speaks to
the studio alone, two clips at a time. The three take turns.
"""

from __future__ import annotations

import argparse
import os
import re
import statistics
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import httpx
import numpy as np

from bench.figures import machine, summarize
from bench.stage import place
from bench.studio.clips import RATE, ffmpeg
from studio.music.compose import MusicSpec, blocks

AT_ONCE = 2
TITLE = "Urban Dreams"
COPIED = "add calm background music and fade it out at the end"
ENCODED = f'{COPIED}, with the title "{TITLE}"'
_SAMPLE_S = 0.1
_HEADERS = {"X-Skill-Source": "add-music", "X-Skill-Version": "1.0", "X-Skill-Platform": "unknown"}


@dataclass(frozen=True, slots=True)
class Measured:
    """One way through all the clips: time, CPU time, the most memory (of all processes) and bytes written.

    `cpu_parts_s` is the CPU time by program, as far as it was seen before each process ended.
    """

    wall_s: float
    cpu_s: float
    memory_mb: float
    written_mb: float
    cpu_parts_s: dict[str, float]


_PROGRAMS = ("ffmpeg", "studio.tasks", "studio", "worker", "producer", "valkey", "redis", "dropscore")
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


class Watch:
    """Adds up memory, written bytes and CPU time of all the processes below this one while something runs.

    Memory counts shared pages once (PSS). What a process wrote between the last look and its end is missed.
    """

    def __init__(self) -> None:
        self.peak_mb = 0.0
        self._written: dict[int, int] = {}
        self._cpu_s: dict[int, tuple[str, float]] = {}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._over.set()
        self._thread.join()

    @property
    def written_mb(self) -> float:
        return sum(self._written.values()) / 1e6

    @property
    def cpu_parts_s(self) -> dict[str, float]:
        parts: dict[str, float] = {}
        for program, cpu_s in self._cpu_s.values():
            parts[program] = parts.get(program, 0.0) + cpu_s
        return dict(sorted(parts.items(), key=lambda part: -part[1]))

    def _look(self) -> None:
        while not self._over.wait(_SAMPLE_S):
            total_kb = 0
            for process in below(os.getpid()):
                total_kb += _field(process, "smaps_rollup", "Pss")
                written = _field(process, "io", "write_bytes") - _field(
                    process, "io", "cancelled_write_bytes"
                )
                self._written[process] = max(self._written.get(process, 0), written)
                if used := _cpu(process):
                    program, cpu_s = used
                    self._cpu_s[process] = (program or self._cpu_s.get(process, ("other",))[0], cpu_s)
            self.peak_mb = max(self.peak_mb, total_kb / 1024)


def below(process: int) -> list[int]:
    """The ids of all processes below one."""
    found: list[int] = []
    for path in Path(f"/proc/{process}/task").glob("*/children"):
        try:
            children = [int(child) for child in path.read_text().split()]
        except OSError:
            continue
        for child in children:
            found += [child, *below(child)]
    return found


def _cpu(process: int) -> tuple[str, float] | None:
    """The program of a process ("" once it is a zombie) and its own CPU time (s); None when it has ended."""
    try:
        words = Path(f"/proc/{process}/cmdline").read_bytes().decode(errors="replace").split("\0")
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    program = next((name for name in _PROGRAMS for word in words if Path(word).name.startswith(name)), "")
    return program, (int(fields[11]) + int(fields[12])) / _TICKS_PER_S


def _field(process: int, name: str, field: str) -> int:
    try:
        text = Path(f"/proc/{process}/{name}").read_text()
    except OSError:
        return 0  # it has ended meanwhile
    found = re.search(rf"^{field}:\s+(\d+)", text, re.MULTILINE)
    return int(found[1]) if found else 0


def sources(folder: Path, clips: int, length_s: float) -> list[Path]:
    """1080p H.264 clips of moving pictures with a tone; each has other bytes."""
    one = folder / "one.mp4"
    picture = f"testsrc2=s=1920x1080:r=30:d={min(length_s, 30)},format=yuv420p"
    tone = f"aevalsrc='0.2*sin(2*PI*330*t)*(1+sin(2*PI*0.3*t))':s={RATE}:d={min(length_s, 30)}"
    encode = ["-c:v", "libx264", "-preset", "veryfast", "-b:v", "6M", "-c:a", "aac", "-ac", "2"]
    ffmpeg("-f", "lavfi", "-i", picture, "-f", "lavfi", "-i", tone, *encode, one)
    inbox = folder / "inbox"
    inbox.mkdir()
    made = []
    for number in range(clips):
        made.append(inbox / f"clip{number:04d}.mp4")
        loops = ["-stream_loop", max(0, round(length_s / 30) - 1)]
        ffmpeg(*loops, "-i", one, "-c", "copy", "-metadata", f"comment={number}", made[-1])
    return made


def music(folder: Path, length_s: float) -> Path:
    """The music of the bare loop, as a file."""
    out = folder / "music.f32"
    with out.open("wb") as file:
        for block in blocks(MusicSpec("calm", seed=1), length_s):
            file.write(np.ascontiguousarray(block, dtype=np.float32).tobytes())
    return out


def bare_loop(clips: Sequence[Path], bed: Path, out: Path, *, encoded: bool) -> None:
    """The commands a person would type, two at a time."""
    sound = (
        "[0:a]asplit[own][key];[1:a]volume=0.35[bed];[bed][key]sidechaincompress[ducked];"
        "[own][ducked]amix=inputs=2:duration=first:normalize=0,dynaudnorm[sound]"
    )
    draw = (
        f";[0:v]drawtext=text='{TITLE}':fontsize=96:fontcolor=white:x=(w-tw)/2:y=(h-th)/2:enable='lt(t,3)'[v]"
    )
    picture = ["-map", "[v]", "-c:v", "libx264", "-preset", "veryfast", "-crf", "20"] if encoded else []

    def make(clip: Path) -> None:
        ffmpeg(
            "-i", clip, "-f", "f32le", "-ar", RATE, "-ac", 2, "-i", bed,
            "-filter_complex", sound + (draw if encoded else ""),
            *(picture or ["-map", "0:v", "-c:v", "copy"]), "-map", "[sound]", "-c:a", "aac", "-b:a", "192k",
            "-movflags", "+faststart", out / clip.name,
        )  # fmt: skip

    with ThreadPoolExecutor(AT_ONCE) as threads:
        list(threads.map(make, clips))


def run_dropscore(clips: Sequence[Path], out: Path, text: str) -> None:
    """`dropscore run --once` over the inbox, with nothing there from before."""
    environment = {**os.environ, "DROPSCORE_STATE_DIR": str(out / "state"), "DROPSCORE_LOG_LEVEL": "WARNING"}
    command = [str(Path(sys.executable).with_name("dropscore")), "run", str(clips[0].parent)]
    flags = ["--outbox", str(out / "films"), "--once", "--instruction", text]
    done = subprocess.run([*command, *flags], env=environment, capture_output=True, text=True, check=False)
    films = len(list((out / "films").glob("*.mp4")))
    if done.returncode or films != len(clips):
        raise SystemExit(f"{films} of {len(clips)} films, exit {done.returncode}: {done.stdout[-1500:]}")


def ask_studio(clips: Sequence[Path], out: Path, text: str) -> None:
    """Upload, edit, render and download at a fresh studio, two clips at a time."""
    command = [sys.executable, "-m", "studio", "--root", str(out / "studio"), "--credits", "1000000"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as studio:
        assert studio.stdout is not None
        url = studio.stdout.readline().split()[-1]
        try:
            with httpx.Client(base_url=url, timeout=600) as http, ThreadPoolExecutor(AT_ONCE) as threads:
                token = http.post("/_studio/accounts", json={"credits": 10**6}).json()["token"]
                http.headers.update({**_HEADERS, "Authorization": f"Bearer {token}"})
                list(threads.map(lambda clip: _through(http, clip, out / clip.name, text), clips))
        finally:
            studio.terminate()


def _through(http: httpx.Client, clip: Path, out: Path, text: str) -> None:
    opened = http.post("/api/tasks/me/with-session/nemo_agent", json={"task_name": "project"}).json()
    session = opened["data"]["session_id"]
    with clip.open("rb") as file:
        http.post(f"/api/upload-video/nemo_agent/me/{session}", files={"files": (clip.name, file)})
    message = {"parts": [{"text": text}]}
    who = {"app_name": "nemo_agent", "user_id": "me", "session_id": session}
    http.post("/run_sse", json={**who, "new_message": message})
    state = http.get(f"/api/state/nemo_agent/me/{session}/latest").json()["data"]["state"]
    render = f"render_{uuid.uuid4().hex}"
    output = {"format": "mp4", "quality": "high"}
    body = {"id": render, "sessionId": session, "draft": state["draft"], "output": output}
    http.post("/api/render/proxy/lambda", json=body).raise_for_status()
    while True:
        answer = http.get(f"/api/render/proxy/lambda/{render}").json()
        job = answer.get("data", answer)
        if job["status"] in {"completed", "failed"}:
            break
        time.sleep(0.1)
    if job["status"] == "failed":
        raise SystemExit(f"{clip.name}: {job['error']}")
    with http.stream("GET", f"/api/render/proxy/{render}/download") as film, out.open("wb") as file:
        for chunk in film.iter_bytes(1 << 20):
            file.write(chunk)


def measure(way: Callable[[Path], None]) -> Measured:
    """Go one way in a folder of its own."""
    with place() as out, Watch() as watch:
        before, begun = os.times(), time.monotonic()
        way(out)
        wall_s, after = time.monotonic() - begun, os.times()
    own = after.user + after.system - before.user - before.system
    theirs = (after.children_user + after.children_system) - (before.children_user + before.children_system)
    seen = watch.cpu_parts_s  # who is killed at the end is missing in the children's time
    return Measured(wall_s, max(own + theirs, sum(seen.values())), watch.peak_mb, watch.written_mb, seen)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clips", type=int, default=20)
    parser.add_argument("--length-s", type=float, default=30.0)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--encoded", action="store_true", help="with a title, so that the picture is drawn")
    parser.add_argument("--ways", nargs="+", default=["bare", "api", "run"], choices=["bare", "api", "run"])
    chosen = parser.parse_args()
    print(machine())
    with place() as folder:
        clips = sources(folder, chosen.clips, chosen.length_s)
        bed = music(folder, chosen.length_s)
        text = ENCODED if chosen.encoded else COPIED
        ways: dict[str, Callable[[Path], None]] = {
            "bare": lambda out: bare_loop(clips, bed, out, encoded=chosen.encoded),
            "api": lambda out: ask_studio(clips, out, text),
            "run": lambda out: run_dropscore(clips, out, text),
        }
        found: dict[str, list[Measured]] = {way: [] for way in chosen.ways}
        for _ in range(chosen.runs):
            for way in chosen.ways:
                found[way].append(measure(ways[way]))
        megabytes = sum(clip.stat().st_size for clip in clips) / 1e6
    what = "encoded, with a title" if chosen.encoded else "picture copied"
    print(f"{chosen.clips} x {chosen.length_s:g} s, 1080p, {what}; sources {megabytes:,.0f} MB")
    minutes = chosen.clips * chosen.length_s / 60
    for way, runs in found.items():
        wall_s = statistics.median(run.wall_s for run in runs)
        beside = ""
        if "bare" in found:
            beside = f" = {wall_s / statistics.median(run.wall_s for run in found['bare']):.2f} x bare;"
        cpu_s = statistics.median(run.cpu_s for run in runs) / minutes
        pace = minutes * 60 / wall_s
        print(
            f"{way}: {summarize([run.wall_s for run in runs], 's')}{beside} {pace:.0f} x real time,"
            f" {cpu_s:.2f} s of CPU a minute, at most {max(run.memory_mb for run in runs):.0f} MB,"
            f" {statistics.median(run.written_mb for run in runs):,.0f} MB written"
        )
        parts = (f"{program} {cpu_s / minutes:.2f}" for program, cpu_s in runs[-1].cpu_parts_s.items())
        print(f"  of CPU a minute: {', '.join(parts)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
