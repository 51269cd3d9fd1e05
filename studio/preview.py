"""A few seconds of a clip under several kinds of music, to choose from before a whole folder is done.

The excerpt is cut once, packet by packet; only the sound is made for each.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import av

from studio import agent, timeline
from studio.analyse import look
from studio.errors import RenderFailed, UnreadableMedia
from studio.media import probe
from studio.model import Draft, Look, Media
from studio.music.moods import mood_for
from studio.render import render

LENGTH_S = 15.0
_AT_ONCE = 2


@dataclass(frozen=True, slots=True)
class Preview:
    """One kind of music under the excerpt; ``said`` is what the agent says of it."""

    mood: str
    instruction: str
    path: Path
    said: str


def make_previews(
    clip: Path, moods: Sequence[str], folder: Path, *, start_s: float = 0.0, length_s: float = LENGTH_S
) -> Iterator[Preview]:
    """Yield a film of the excerpt for each kind of music, in their order; the folder must be there.

    A mood is whatever the agent understands before "background music": `calm`, `lo-fi`, `80s synth`.

    Raises:
        UnreadableMedia: the clip is no media file that can be read.
        RenderFailed: one line on the mood or the film.
    """
    with tempfile.TemporaryDirectory(prefix=".preview-", dir=folder) as name:
        excerpt = cut_excerpt(clip, Path(name), start_s, length_s)
        info = probe(excerpt)
        findings = look(excerpt, info)
        media = Media("clip", clip.name, excerpt, "", "", info, Look(mood_for(findings), findings.as_dict()))

        def make(mood: str) -> Preview:
            return _make(media, mood, folder, lambda draft, out: _render(media, draft, out))

        with ThreadPoolExecutor(_AT_ONCE) as pool:
            yield from pool.map(make, moods)


def _make(media: Media, mood: str, folder: Path, write: Callable[[Draft, Path], None]) -> Preview:
    instruction = f"add {mood} background music"
    reply = agent.edit(instruction, timeline.fresh_draft([media]), (media,))
    if reply.draft is None or timeline.music_track(reply.draft) is None:
        raise RenderFailed(f"{mood}: {reply.said}")
    word = re.sub(r"[^\w-]+", "-", mood.strip().lower()).strip("-") or "music"
    out = folder / f"{Path(media.filename).stem}.{word}.mp4"
    write(reply.draft, out)
    return Preview(mood, instruction, out, reply.said)


def _render(media: Media, draft: Draft, out: Path) -> None:
    render(
        draft,
        {media.id: media.path},
        out,
        infos={media.id: media.info},
        progress=lambda _: None,
        cancelled=lambda: False,
    )


def cut_excerpt(clip: Path, folder: Path, start_s: float, length_s: float) -> Path:
    """Copy the packets of an excerpt into a file of its own, from the keyframe before its start.

    A picture alone, and what no container of ours takes, is used as it is. Raises UnreadableMedia.
    """
    out = folder / "excerpt.mp4"
    try:
        with av.open(str(clip)) as source, av.open(str(out), "w", format="mp4") as target:
            streams = [*source.streams.video[:1], *source.streams.audio[:1]]
            if (source.duration or 0) <= 0:
                return clip
            written = {stream.index: target.add_stream_from_template(stream) for stream in streams}
            if start_s:
                source.seek(round(start_s * av.time_base))
            begin_s: float | None = None
            ended: set[int] = set()
            for packet in source.demux(streams):
                if packet.dts is None or packet.time_base is None:
                    continue
                at_s = float(packet.dts * packet.time_base)
                begin_s = at_s if begin_s is None else begin_s
                if at_s - begin_s >= length_s:
                    ended.add(packet.stream.index)
                    if len(ended) == len(streams):
                        break
                    continue
                offset = round(begin_s / float(packet.time_base))
                packet.dts -= offset
                packet.pts = packet.pts - offset if packet.pts is not None else None
                packet.stream = written[packet.stream.index]
                target.mux_one(packet)
    except (av.FFmpegError, ValueError) as exc:
        probe(clip)  # says in words what is wrong with it, if anything is
        raise UnreadableMedia(f"{clip.name}: no excerpt of it can be cut") from exc
    return out
