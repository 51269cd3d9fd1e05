"""A video without an upload: a slow drift of colours with the words on it, ready for music.

The cloud's model paints a scene; the studio has none, and shows the words themselves.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import subprocess
from dataclasses import dataclass
from pathlib import Path

import imageio_ffmpeg

from studio import timeline
from studio.errors import StudioError
from studio.media import probe
from studio.model import Draft, Media, Upload

_WISH = re.compile(
    r"\s*(?:please\s+)?(?:create|make|generate)\s+(?:me\s+)?an?\s+(?P<what>[^:.!?\n]{0,60}?\b(?:video|clip|film)\b)"
    r"(?P<how>[^:]{0,80}?)(?::|\s(?:of|about|that shows|showing)\s)\s*(?P<words>.+)",
    re.IGNORECASE | re.DOTALL,
)
_WISH_CHINESE = re.compile(
    r"\s*请?(?:创作|制作|生成|做)一?(?:个|段|条)?(?P<what>[^：:，。]{0,20}?视频)(?P<how>)[：:，]?\s*(?P<words>.+)",
    re.DOTALL,
)
_LENGTH_FIRST = re.compile(
    r"(?P<seconds>\d{1,3}(?:\.\d+)?)\s?(?:s|sec|seconds|秒)\s*(?:of|的)\s*(?P<words>.+)", re.DOTALL
)
_LENGTH = re.compile(r"(\d{1,3}(?:\.\d+)?)[\s-]?(?:s\b|sec|秒)", re.IGNORECASE)
_LENGTH_S, _SHORTEST_S, _LONGEST_S = 12.0, 3.0, 60.0
_SIZE = (1280, 720)
_DRAWN_SIZE = (320, 180)  # a drift has no detail: drawn small it costs a tenth
_FADE_MS = 500
_MADE_WITHIN_S = 60.0
_LONGEST_TITLE = 120
_NOT_SHOWN = re.compile(
    r"[,，;；]?\s*\b(?:with|without|no)\b[^,.;]*\b(?:music|soundtrack|song|bgm)\b[^,.;]*|[，,；]?(?:配|不要|没有)[^，。；]*音乐",
    re.IGNORECASE,
)

# Of the mood that the words speak of: from, over, to.
_COLOURS = {
    "calm": ("0x1b3b6f", "0x7d5a8c", "0xf2a65a"),
    "happy": ("0xf7b733", "0xfc4a1a", "0xffe29a"),
    "energetic": ("0x8e0e5c", "0xff512f", "0x1f1c2c"),
    "romantic": ("0x5f2c82", "0xd76d77", "0xffaf7b"),
    "sad": ("0x16222a", "0x3a6073", "0x5b6b7a"),
    "dark": ("0x0f0c29", "0x302b63", "0x5c1a33"),
    "epic": ("0x0f2027", "0x2c5364", "0xb08d57"),
    "dreamy": ("0x355c7d", "0x6c5b7b", "0xc06c84"),
}


@dataclass(frozen=True, slots=True)
class VideoRequest:
    """A video that is asked for in words alone."""

    title: str
    length_s: float


def read_request(instruction: str) -> VideoRequest | None:
    """Read what video is asked for; None when the instruction asks for something else."""
    found = _WISH.match(instruction) or _WISH_CHINESE.match(instruction)
    if found is None:
        return None
    words = " ".join(found["words"].split())
    length = _LENGTH.search(f"{found['what']} {found['how']}")
    asked_s = float(length[1]) if length else _LENGTH_S
    if first := _LENGTH_FIRST.match(words):  # "10 seconds of the sea"
        asked_s, words = float(first["seconds"]), first["words"]
    length_s = min(_LONGEST_S, max(_SHORTEST_S, asked_s))
    title = _NOT_SHOWN.sub("", words).strip(" .,;，。；") or words
    return VideoRequest(title[:_LONGEST_TITLE], length_s)


def make_clip(request: VideoRequest, mood: str | None, folder: Path) -> Upload:
    """Draw the picture of a request into `folder`; the same words look the same. Raises StudioError."""
    digest = hashlib.blake2b(request.title.encode(), digest_size=4).digest()
    colours = _COLOURS.get(mood or "") or list(_COLOURS.values())[digest[0] % len(_COLOURS)]
    named = ":".join(f"c{number}={colour}" for number, colour in enumerate(colours))
    width, height = _DRAWN_SIZE
    drift = (
        f"gradients=s={width}x{height}:{named}:nb_colors={len(colours)}:seed={int.from_bytes(digest)}"
        f":speed=0.006:r=25:d={request.length_s:.3f},scale={_SIZE[0]}:{_SIZE[1]}:flags=bicubic,format=yuv420p"
    )
    path = folder / f"{secrets.token_hex(16)}.mp4"
    encoder = ("-c:v", "libx264", "-preset", "ultrafast", "-crf", "20", "-threads", "2")
    command = [
        imageio_ffmpeg.get_ffmpeg_exe(),
        "-y",
        "-loglevel",
        "error",
        "-nostdin",
        "-f",
        "lavfi",
        "-i",
        drift,
    ]
    try:
        subprocess.run(
            [*command, *encoder, str(path)], check=True, capture_output=True, timeout=_MADE_WITHIN_S
        )
        info = probe(path)
    except (OSError, subprocess.SubprocessError, StudioError) as exc:
        path.unlink(missing_ok=True)
        raise StudioError(f"The picture could not be drawn ({type(exc).__name__}).") from exc
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    name = re.sub(r"[/\\\x00-\x1f]", " ", request.title)
    return Upload(f"{name}.mp4", path, sha256, info)


def lay_out(request: VideoRequest, media: Media) -> Draft:
    """Make the timeline of a clip that was drawn: the picture, and the words for as long as it lasts."""
    draft = timeline.fresh_draft([media])
    for segment in draft["t"][0]["sg"]:
        segment["m"]["generated"] = True
    shown = {"d": max(_FADE_MS, draft["d"] - 2 * _FADE_MS), "m": {"text": request.title, "start": _FADE_MS}}
    draft["t"].append({"tt": timeline.TEXT, "m": {"title": "Title"}, "sg": [shown]})
    return draft
