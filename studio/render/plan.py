"""Read a draft into what is to be rendered: clips, sounds, music, titles and the canvas."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

from studio.analyse import Findings, look
from studio.errors import RenderFailed, UnreadableMedia
from studio.media import MediaInfo, probe
from studio.music.compose import Composed, MusicSpec
from studio.music.moods import MOODS, mood_for, seed_for
from studio.music.recording import Recording
from studio.music.score import Piece

Fit = Literal["keep", "crop", "blur", "pad"]

_VIDEO, _AUDIO, _TEXT = 0, 1, 7
_SHORTEST_BAR_S = 0.5
_FOLLOWS_S = 0.05  # music that begins so near the end of other music follows it
_WHOLE_S = 0.1  # a clip that lacks less than this of its source is the whole source


@dataclass(frozen=True, slots=True)
class Source:
    """One uploaded file, and what is known of it."""

    path: Path
    info: MediaInfo
    findings: Findings


@dataclass(frozen=True, slots=True)
class Clip:
    """A piece of a source on the timeline; times in s, `volume` of its own sound 0 … 1."""

    source: Source
    start_s: float
    offset_s: float
    length_s: float
    volume: float
    fit: Fit

    @property
    def whole(self) -> bool:
        """Say whether nothing of the source is cut away."""
        return self.offset_s == 0.0 and self.length_s >= self.source.info.duration_s - _WHOLE_S


@dataclass(frozen=True, slots=True)
class Bed:
    """A piece of music on the timeline; beds of one `composition` are parts of the same music."""

    piece: Piece
    composition: str
    start_s: float
    length_s: float
    volume: float
    fade_in_s: float
    fade_out_s: float
    duck: bool


@dataclass(frozen=True, slots=True)
class Title:
    """A line of text on the picture."""

    text: str
    start_s: float
    length_s: float
    place: str = "center"


@dataclass(frozen=True, slots=True)
class Plan:
    """All that the render does. `width`/`height` are those the draft asks for, 0 for the source's own."""

    pictures: tuple[Clip, ...]
    sounds: tuple[Clip, ...]
    beds: tuple[Bed, ...]
    titles: tuple[Title, ...]
    length_s: float
    width: int
    height: int
    small: bool = False  # a first look: drawn small and fast, unless the picture can be copied


def read_plan(
    draft: Mapping[str, Any], media: Mapping[str, Path], infos: Mapping[str, MediaInfo] | None = None
) -> Plan:
    """Read `draft`; the files of `media` (by id) that it names are probed, unless `infos` tells of them.

    Raises RenderFailed, with one line, when the draft names no picture and no sound, or a file is gone.
    """
    try:
        return _Reader(draft, media, infos or {}).read()
    except UnreadableMedia as exc:
        raise RenderFailed(str(exc)) from exc
    except (KeyError, TypeError, ValueError, AttributeError) as exc:
        raise RenderFailed(f"the draft cannot be read ({type(exc).__name__}: {exc})") from exc


class _Reader:
    def __init__(
        self, draft: Mapping[str, Any], media: Mapping[str, Path], infos: Mapping[str, MediaInfo]
    ) -> None:
        self._draft, self._media, self._infos = draft, media, infos
        self._meta: Mapping[str, Any] = draft.get("m") or {}
        self._sources: dict[str, Source] = {}

    def read(self) -> Plan:
        tracks = (*self._segments(_VIDEO), *self._segments(_AUDIO))
        clips = tuple(self._clip(s, at) for s, at in tracks if _meta(s).get("media"))
        if not clips:
            raise RenderFailed("the draft has no picture and no sound; upload a file first")
        asked_s = _seconds(self._draft.get("d"))
        length_s = asked_s or max(c.start_s + c.length_s for c in clips)
        beds = [s for s in self._segments(_AUDIO) if not _meta(s[0]).get("media")]
        starts_s = tuple(start_s for _, start_s in beds)
        return Plan(
            pictures=tuple(c for c in clips if c.source.info.has_video),
            sounds=tuple(c for c in clips if c.source.info.has_audio and c.volume > 0),
            beds=tuple(self._bed(s, at, clips, length_s, starts_s) for s, at in beds),
            titles=tuple(_title(s, at) for s, at in self._segments(_TEXT)),
            length_s=length_s,
            width=int(self._meta.get("width") or 0),
            height=int(self._meta.get("height") or 0),
        )

    def _segments(self, track_type: int) -> Iterator[tuple[Mapping[str, Any], float]]:
        """Yield the segments of a type with their start; one without a start follows the one before it."""
        for track in self._draft.get("t") or ():
            if track.get("tt") != track_type:
                continue
            next_s = 0.0
            for segment in track.get("sg") or ():
                start = _meta(segment).get("start")
                start_s = next_s if start is None else _seconds(start)
                next_s = start_s + _seconds(segment.get("d"))
                yield segment, start_s

    def _clip(self, segment: Mapping[str, Any], start_s: float) -> Clip:
        meta = _meta(segment)
        media_id = str(meta["media"])
        if media_id not in self._sources:
            if media_id not in self._media:
                raise RenderFailed(f"the draft names the file {media_id}, which was not uploaded")
            path = self._media[media_id]
            info = self._infos.get(media_id) or probe(path)
            known = self._meta.get("findings") or {}
            values = known.get(media_id, known if "cuts_s" in known else None)
            findings = Findings.from_dict(values) if values else look(path, info)
            self._sources[media_id] = Source(path, info, findings)
        source = self._sources[media_id]
        length_s = _seconds(segment.get("d")) or source.info.duration_s or 6.0
        fit = meta.get("fit", "keep")
        return Clip(
            source=source,
            start_s=start_s,
            offset_s=_seconds(meta.get("in")),
            length_s=length_s,
            volume=float(meta.get("volume", 1.0)),
            fit=cast("Fit", fit) if fit in {"crop", "blur", "pad"} else "keep",
        )

    def _bed(
        self,
        segment: Mapping[str, Any],
        start_s: float,
        clips: tuple[Clip, ...],
        length_s: float,
        starts_s: tuple[float, ...],
    ) -> Bed:
        meta = _meta(segment)
        end_s = min(length_s, start_s + (_seconds(segment.get("d")) or length_s))
        if meta.get("song"):
            song = str(meta["song"])
            if song not in self._media:
                raise RenderFailed(f"the song {song} is no longer in the music folder; ask for another one")
            first_bar_s, bar_s, song_s = (
                _seconds(meta[key]) for key in ("first_bar_ms", "bar_ms", "song_ms")
            )
            if bar_s < _SHORTEST_BAR_S:
                raise ValueError("bar_ms is too short for a bar")
            composition = song
            piece: Piece = Recording(self._media[song], first_bar_s, bar_s, song_s)
        else:
            cuts_s = tuple(cut - start_s for cut in _cuts(clips) if start_s < cut < end_s)
            first = clips[0].source
            mood = str(meta.get("mood") or mood_for(first.findings))
            spec = MusicSpec(
                mood=mood if mood in MOODS else "calm",
                bpm=float(meta.get("bpm") or 0.0),
                seed=int(meta["seed"]) if "seed" in meta else seed_for(f"{mood} {first.path.name}"),
                cuts_s=cuts_s,
                without=frozenset(str(part).lower() for part in meta.get("without") or ()),
                genre=str(meta.get("genre") or ""),
                closes=not any(abs(other_s - end_s) < _FOLLOWS_S for other_s in starts_s),
                changes=tuple((name, str(value)) for name, value in (meta.get("changes") or {}).items()),
                stress=tuple(
                    (str(part), float(factor)) for part, factor in (meta.get("stress") or {}).items()
                ),
            )
            composition = f"{spec.mood}/{spec.genre}/{spec.seed}"
            piece = Composed(spec)
        return Bed(
            piece=piece,
            composition=composition,
            start_s=start_s,
            length_s=max(0.0, end_s - start_s),
            volume=float(meta.get("volume", 0.35)),
            fade_in_s=_seconds(meta.get("fade_in_ms")),
            fade_out_s=_seconds(meta.get("fade_out_ms")),
            duck=bool(meta.get("duck", True)),
        )


def _cuts(clips: tuple[Clip, ...]) -> list[float]:
    """Return all cuts on the timeline: those inside the clips, and where one clip follows another."""
    cuts = {clip.start_s for clip in clips if clip.start_s > 0}
    for clip in clips:
        inside = (cut - clip.offset_s for cut in clip.source.findings.cuts_s)
        cuts.update(clip.start_s + cut for cut in inside if 0 < cut < clip.length_s)
    return sorted(cuts)


def _title(segment: Mapping[str, Any], start_s: float) -> Title:
    meta = _meta(segment)
    text = str(meta.get("text") or meta.get("title") or "")
    return Title(text, start_s, _seconds(segment.get("d")) or 3.0, str(meta.get("place") or "center"))


def _meta(segment: Mapping[str, Any]) -> Mapping[str, Any]:
    return segment.get("m") or {}


def _seconds(milliseconds: Any) -> float:
    return float(milliseconds) / 1000.0 if milliseconds else 0.0
