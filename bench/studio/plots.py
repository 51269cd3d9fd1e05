"""Draw waveform, cuts, beats and sections of clips: `python -m bench.studio.plots FOLDER [CLIP ...]`.

Without clips three are made: a happy one with cuts 1.5 to 5 s apart, an epic one with quick cuts, a calm one
with speech. The pictures are `studio-NAME.png`.
"""

from __future__ import annotations

import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from bench.studio.clips import RATE, Sound, draft, ffmpeg, scenes, sound, speech
from studio.analyse import Findings, look
from studio.media import probe
from studio.music.form import plan_form
from studio.music.moods import MOODS
from studio.music.score import Seconds
from studio.music.tempo import find_tempo
from studio.render.plan import read_plan
from studio.render.sound import mix

_WIDE, _HIGH, _EDGE = 1200, 300, 40
_BACK, _INK, _WAVE, _CUT, _BEAT = "#ffffff", "#333333", "#7a9cc6", "#d1495b", "#2e8b57"
_TALK, _SECTION = "#f4e3b5", "#b0b0b0"


@dataclass(frozen=True)
class Heard:
    """What a plot shows of one clip."""

    title: str
    wave: Sound
    found: Findings
    beats: Seconds
    sections: list[tuple[float, str]]


def heard(name: str, mood: str, clip: Path, folder: Path) -> Heard:
    info = probe(clip)
    cuts_s = look(clip, info).cuts_s
    music = {"mood": mood, "bpm": find_tempo(MOODS[mood].bpm, info.duration_s, cuts_s)}
    own = 1.0 if name == "talk" else 0.0  # the test tone of the others would hide the music
    plan = read_plan(draft(info.duration_s, music, volume=own, video=info.has_video), {"clip": clip})
    found = plan.sounds[0].source.findings if plan.sounds else plan.pictures[0].source.findings
    wave = sound(mix(plan, folder, lambda _: None, lambda: False))
    beats = plan.beds[0].piece.beats(plan.beds[0].length_s)
    near = sum(bool(np.abs(beats - cut).min() <= 0.05) for cut in found.cuts_s)
    title = (
        f"{name}: {mood}, {60 / np.diff(beats).mean():.0f} BPM, {near} of {len(found.cuts_s)} cuts on a beat"
    )
    form = plan_form(beats, found.cuts_s)
    sections = [(float(beats[bar.beat]), bar.kind) for bar in form if bar.place == 0]
    return Heard(title, wave, found, beats, sections)


def drawn(what: Heard, out: Path) -> None:
    picture = Image.new("RGB", (_WIDE, _HIGH), _BACK)
    pen = ImageDraw.Draw(picture)
    length_s = len(what.wave) / RATE
    top, bottom = _EDGE, _HIGH - _EDGE
    middle = (top + bottom) / 2

    def across(at_s: float) -> float:
        return _EDGE + at_s / length_s * (_WIDE - 2 * _EDGE)

    for start_s, end_s in what.found.speech_s:
        pen.rectangle((across(start_s), top, across(min(end_s, length_s)), bottom), fill=_TALK)
    columns = np.array_split(np.abs(what.wave).max(axis=1), _WIDE - 2 * _EDGE)
    for x, column in enumerate(columns):
        reach = float(column.max(initial=0.0)) * (bottom - top) / 2
        pen.line((_EDGE + x, middle - reach, _EDGE + x, middle + reach), fill=_WAVE)
    for start_s, kind in what.sections:
        pen.line((across(start_s), top - 10, across(start_s), bottom), fill=_SECTION)
        pen.text((across(start_s) + 3, top - 12), kind, fill=_INK)
    for beat_s in what.beats:
        pen.line((across(beat_s), bottom - 14, across(beat_s), bottom), fill=_BEAT, width=2)
    for cut_s in what.found.cuts_s:
        pen.line((across(cut_s), top, across(cut_s), bottom), fill=_CUT, width=2)
    legend = "blue: the finished sound   red: cuts   green: beats   grey: sections   yellow: speech"
    pen.text((_EDGE, 12), what.title, fill=_INK)
    pen.text((_EDGE, _HIGH - 30), f"{legend}   ({length_s:.0f} s)", fill=_INK)
    picture.save(out, optimize=True)


def made(folder: Path) -> list[tuple[str, str, Path]]:
    rng = np.random.default_rng(4)
    paces = {"happy": (1.5, 5.0), "epic": (1.0, 3.0)}
    clips = [
        (mood, mood, scenes(folder / f"{mood}.mp4", list(np.round(rng.uniform(*pace, 14) * 25) / 25)))
        for mood, pace in paces.items()
    ]
    talk, spoken = folder / "talk.mp4", speech(folder / "talk.wav")
    picture = scenes(folder / "picture.mp4", [3.2, 5.4, 2.6, 6.0, 6.8])
    ffmpeg("-i", picture, "-i", spoken, "-map", "0:v", "-map", "1:a", "-c:v", "copy", "-c:a", "aac", talk)
    return [*clips, ("talk", "calm", talk)]


def main() -> None:
    out = Path(sys.argv[1])
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        given = [(Path(clip).stem, "calm", Path(clip)) for clip in sys.argv[2:]]
        for title, mood, clip in given or made(folder):
            drawn(heard(title, mood, clip, folder), out / f"studio-{title}.png")


if __name__ == "__main__":
    main()
