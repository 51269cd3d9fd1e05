"""What an edit changed, in words: two timelines in, sentences out (api-contract 3.4)."""

from collections.abc import Iterator
from dataclasses import dataclass

from nemo.timeline import Track, TrackKind, seconds


@dataclass(frozen=True, slots=True)
class Frame:
    """What holds for a whole timeline: its length, and its picture as `1080x1920` (empty if not stated)."""

    duration_s: float
    canvas: str


def compare(
    before: tuple[Track, ...],
    after: tuple[Track, ...],
    old: Frame | None = None,
    new: Frame | None = None,
) -> tuple[str, ...]:
    """Return one line for each track that came, went or changed, then for the length and the picture."""
    frames = _compare_frames(old, new) if old and new else ()
    return (*_compare_tracks(before, after), *frames)


def _compare_tracks(before: tuple[Track, ...], after: tuple[Track, ...]) -> Iterator[str]:
    """Match tracks by name first, then by kind, so that a second song is not taken for the first one."""
    gone, unmatched = list(before), []
    for track in after:
        if (same := _partner(track, gone, by_name=True)) is None:
            unmatched.append(track)
        else:
            gone.remove(same)
            yield from _difference(same, track)
    for track in unmatched:
        if (same := _partner(track, gone, by_name=False)) is None:
            yield _whole(track, "added")
        else:
            gone.remove(same)
            yield from _difference(same, track)
    yield from (_whole(track, "removed") for track in gone)


def _partner(track: Track, others: list[Track], *, by_name: bool) -> Track | None:
    alike = (other for other in others if other.label == track.label)
    return next((other for other in alike if not by_name or other.name == track.name), None)


def _whole(track: Track, verb: str) -> str:
    level = (track.percent,) if track.percent and track.kind is TrackKind.AUDIO else ()
    return f"{track.label} {verb}: {', '.join((track.name, track.span, *level))}"


def _difference(before: Track, after: Track) -> Iterator[str]:
    steps = (
        ("", before.name, after.name),
        ("time ", before.span, after.span),
        ("volume ", before.percent or "default", after.percent or "default"),
    )
    if parts := [f"{word}{old} → {new}" for word, old, new in steps if old != new]:
        yield f"{after.label} changed: {', '.join(parts)}"


def _compare_frames(old: Frame, new: Frame) -> Iterator[str]:
    if seconds(old.duration_s) != seconds(new.duration_s):
        yield f"Length changed: {seconds(old.duration_s)}s → {seconds(new.duration_s)}s"
    if old.canvas and new.canvas and old.canvas != new.canvas:
        yield f"Picture changed: {old.canvas} → {new.canvas}"
