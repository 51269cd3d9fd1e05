"""The studio's rendering of a 60 s 1080p H.264 clip, against the bare ffmpeg command that does the same mix.

Twice: with a title, so that the picture is encoded, and without, so that it is copied. The bare command gets
the music ready made; the studio composes it, measures loudness, and masters the mix besides.
"""

import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import imageio_ffmpeg
import numpy as np

from bench.figures import Row, machine, numbers, show, summarize
from bench.stage import place
from bench.studio.clips import RATE, draft, ffmpeg
from studio.render import render
from studio.render.picture import Picture, canvas_of, draw_title, drawn
from studio.render.plan import Plan, read_plan

COMMAND = "python -m bench.rendering"
TITLE = "Urban Dreams"
_TITLE_S = 3
_VOLUME = 0.35
_FADE_S = 3


def clip(folder: Path, length_s: int) -> Path:
    """1080p, H.264 and AAC, moving all the time."""
    out = folder / "clip.mp4"
    picture = f"testsrc2=s=1920x1080:r=30:d={length_s},format=yuv420p"
    tone = f"sine=f=330:r={RATE}:d={length_s}"
    encode = ["-c:v", "libx264", "-preset", "veryfast", "-b:v", "6M", "-c:a", "aac", "-ac", "2"]
    ffmpeg("-f", "lavfi", "-i", picture, "-f", "lavfi", "-i", tone, *encode, out)
    return out


def order(length_s: int, *, title: bool) -> dict[str, Any]:
    """The draft of the clip with music that fades out, and with a title if asked."""
    wanted = draft(length_s, {"mood": "calm", "volume": _VOLUME, "fade_out_ms": _FADE_S * 1000}, video=True)
    if title:
        text = {"text": TITLE, "start": 0}
        wanted["t"].append({"tt": 7, "m": {}, "sg": [{"d": _TITLE_S * 1000, "m": text}]})
    return wanted


def by_studio(wanted: dict[str, Any], source: Path, folder: Path) -> float:
    """Seconds for all of it: compose, mix, master, film."""
    began = time.monotonic()
    render(
        wanted,
        {"clip": source},
        folder / "studio.mp4",
        progress=lambda _: None,
        cancelled=lambda: False,
    )
    return time.monotonic() - began


@dataclass(frozen=True, slots=True)
class Bare:
    """The one command a person would type, with the picture as the studio makes it."""

    arguments: list[str]

    def seconds(self) -> float:
        command = [imageio_ffmpeg.get_ffmpeg_exe(), "-y", "-nostdin", "-v", "error", *self.arguments]
        began = time.monotonic()
        subprocess.run(command, check=True)
        return time.monotonic() - began


def bare(wanted: dict[str, Any], source: Path, folder: Path, length_s: int) -> Bare:
    """The command for a draft: its music as a file, mixed under the clip's own sound with volume and fade."""
    plan = read_plan(wanted, {"clip": source})
    music = _music(plan, folder / "music.f32")
    titles = []
    for number, title in enumerate(plan.titles):
        titles.append(folder / f"bare{number}.png")
        draw_title(title.text, *canvas_of(plan), titles[-1])
    copied = Picture(("-i", str(source)), ("-map", "0:V:0", "-c:v", "copy"), 1)
    picture = drawn(plan, titles) if titles else copied
    graph, options = _taken_apart(list(picture.options))
    first = picture.input_count
    fade = f"afade=t=out:st={length_s - _FADE_S}:d={_FADE_S}"
    mixed = (
        f"[{first}:a]aresample={RATE}[own];[{first + 1}:a]volume={_VOLUME},{fade}[bed];"
        "[own][bed]amix=inputs=2:duration=first:normalize=0,alimiter=limit=0.84[sound]"
    )
    inputs = [*picture.inputs, "-i", str(source)]
    inputs += ["-f", "f32le", "-ar", str(RATE), "-ac", "2", "-i", str(music)]
    sound = ["-map", "[sound]", "-c:a", "aac", "-b:a", "192k", "-movflags", "+faststart"]
    whole = f"{graph};{mixed}" if graph else mixed
    return Bare([*inputs, "-filter_complex", whole, *options, *sound, str(folder / "bare.mp4")])


def _taken_apart(options: list[str]) -> tuple[str, list[str]]:
    """The picture's filter graph, and its options without it: ffmpeg takes one graph."""
    if "-filter_complex" not in options:
        return "", options
    at = options.index("-filter_complex")
    return options[at + 1], options[:at] + options[at + 2 :]


def _music(plan: Plan, out: Path) -> Path:
    (bed,) = plan.beds
    with out.open("wb") as file:
        for block in bed.piece.blocks(bed.length_s):
            file.write(np.ascontiguousarray(block, dtype=np.float32).tobytes())
    return out


def compared(length_s: int, runs: int, *, title: bool) -> tuple[list[float], list[float]]:
    """Seconds of the studio and of the bare command, by turns."""
    with place() as folder:
        source, wanted = clip(folder, length_s), order(length_s, title=title)
        other = bare(wanted, source, folder, length_s)
        own_s, bare_s = [], []
        for _ in range(runs):
            own_s.append(by_studio(wanted, source, folder))
            bare_s.append(other.seconds())
    return own_s, bare_s


def main() -> int:
    chosen = numbers(__doc__, length_s=60, runs=3)
    start = machine()
    own_s, bare_s = compared(chosen.length_s, chosen.runs, title=True)
    ratio = statistics.median(own_s) / statistics.median(bare_s)
    what = f"studio rendering of a {chosen.length_s} s 1080p H.264 clip"
    copied_s, bare_copied_s = compared(chosen.length_s, chosen.runs, title=False)
    speed = chosen.length_s / statistics.median(copied_s)
    rows = [
        Row(
            f"{what}, with a title",
            "≤ 1.3 × the bare ffmpeg command that does the same mix",
            f"{ratio:.2f} ×: {summarize(own_s, 's')} against {summarize(bare_s, 's')}",
            COMMAND,
            ratio <= 1.3,
        ),
        Row(
            f"{what}, picture copied",
            "≥ 20 × real time",
            f"{speed:.0f} ×: {summarize(copied_s, 's')}; the bare command {summarize(bare_copied_s, 's')}",
            COMMAND,
            speed >= 20,
        ),
    ]
    return show(rows, start)


if __name__ == "__main__":
    sys.exit(main())
