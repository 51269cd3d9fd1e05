"""Is a downloaded file a whole, playable video?  Nothing is delivered that is not."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import av

from worker.errors import OutputBroken

MISSING_S = 1.0
"""How much of the container's own duration may be missing at the end (one track may be shorter)."""


PLAUSIBLE = 10
"""So many times longer or shorter than the timeline an output may be: foreign drafts say little."""


_READERS = ThreadPoolExecutor(4, "reader")
"""What FFmpeg allocates stays with the thread it was used in: few threads, and not each of a thousand."""


def playable(path: Path, expected_s: float | None) -> float:
    """The duration in seconds of a file with a video and an audio stream that is there to its last packet.

    ``expected_s`` is the timeline's duration, if known.
    Raises OutputBroken with one clear line.
    """
    return _READERS.submit(_length_s, path, expected_s).result()


def _length_s(path: Path, expected_s: float | None) -> float:
    try:
        with av.open(str(path)) as container:
            kinds = {stream.type for stream in container.streams}
            missing = {"video", "audio"} - kinds
            if missing:
                raise OutputBroken(f"the download has no {' and no '.join(sorted(missing))} stream")
            told_s = (container.duration or 0) / av.time_base
            seen_s = _last_packet_s(container)
    except (av.FFmpegError, OSError) as broken:
        raise OutputBroken(f"the download is not a playable video ({type(broken).__name__})") from broken
    if told_s <= 0 or seen_s < told_s - max(MISSING_S, told_s * 0.05):
        raise OutputBroken(f"the download ends after {seen_s:.1f} s of {told_s:.1f} s")
    if expected_s and not expected_s / PLAUSIBLE <= told_s <= expected_s * PLAUSIBLE + 10:
        raise OutputBroken(f"the download lasts {told_s:.1f} s, the timeline {expected_s:.1f} s")
    return told_s


def _last_packet_s(container: "av.container.InputContainer") -> float:
    last = 0.0
    for packet in container.demux():
        if packet.pts is not None and packet.time_base is not None:
            last = max(last, float((packet.pts + (packet.duration or 0)) * packet.time_base))
    return last
