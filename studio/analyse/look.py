"""Look at a clip and listen to it."""

from __future__ import annotations

from pathlib import Path

import av

from studio.analyse.findings import Findings
from studio.analyse.picture import Seen, watch
from studio.analyse.sound import Heard, listen
from studio.media import MediaInfo

_NOTHING_SEEN = Seen(brightness=0.5, saturation=0.3, motion=0.2, cuts_s=())
_NOTHING_HEARD = Heard(loudness_lufs=None, speech_s=(), silence_s=(), tempo_bpm=None)
# What odd media makes PyAV and numpy raise; analysis only guides the music, and must not stop a render.
_ODD_MEDIA = (av.FFmpegError, ValueError, IndexError, OSError, MemoryError)


def look(path: Path, info: MediaInfo) -> Findings:
    """Return what is to be seen and heard in `path`; what cannot be read stays at its neutral value."""
    seen, heard = _seen(path, info), _heard(path, info)
    return Findings(
        brightness=seen.brightness,
        saturation=seen.saturation,
        motion=seen.motion,
        cuts_s=seen.cuts_s,
        speech_s=heard.speech_s,
        silence_s=heard.silence_s,
        loudness_lufs=heard.loudness_lufs,
        tempo_bpm=heard.tempo_bpm,
        duration_s=info.duration_s,
    )


def _seen(path: Path, info: MediaInfo) -> Seen:
    if not info.has_video:
        return _NOTHING_SEEN
    try:
        return watch(path, info)
    except _ODD_MEDIA:
        return _NOTHING_SEEN


def _heard(path: Path, info: MediaInfo) -> Heard:
    if not info.has_audio:
        return _NOTHING_HEARD
    try:
        return listen(path)
    except _ODD_MEDIA:
        return _NOTHING_HEARD
