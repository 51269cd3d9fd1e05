"""The drawings, as SVG whose text keeps its size on every screen: places are per cent, sizes are pixels.

Each step has a pattern beside its colour, so that they can be told apart without it.
"""

from collections.abc import Sequence

from cli.report.markup import Markup, joined, tag
from cli.report.model import Entry, Wave
from cli.report.phrases import seconds
from cli.report.timeline import Track

BAR_PX, TRACK_PX, WAVE_PX = 14, 38, 44
_PATTERNS = {
    "upload": "M0 6L6 0M-1 1L1 -1M5 7L7 5",
    "verify": "M3 0V6",
    "render": "M0 3H6",
    "poll": "M0 0L6 6M5 -1L7 1M-1 5L1 7",
    "download": "M0 3H6M3 0V6",
}


def patterns() -> Markup:
    """The patterns all drawings use; once a page. ``edit`` has none: it is the solid one."""
    made = [
        tag(
            "pattern",
            tag("rect", width=6, height=6, class_=f"fill {step}"),
            tag("path", d=lines, class_="hatch"),
            id=f"p-{step}",
            width=6,
            height=6,
            patternUnits="userSpaceOnUse",
        )
        for step, lines in _PATTERNS.items()
    ]
    solid = tag(
        "pattern",
        tag("rect", width=6, height=6, class_="fill edit"),
        id="p-edit",
        width=6,
        height=6,
        patternUnits="userSpaceOnUse",
    )
    return tag("svg", tag("defs", made, solid), width=0, height=0, class_="patterns", aria_hidden="true")


def swatch(step: str) -> Markup:
    """A small square of a step's colour and pattern, for a legend."""
    return tag("svg", _bar(step, 0, 100, 0, 12), width=12, height=12, class_="swatch", aria_hidden="true")


def share_bar(step: str, part: float) -> Markup:
    """One bar of its part (0 to 1) of the width."""
    return tag("svg", _bar(step, 0, part * 100, 0, BAR_PX), class_="bar", height=BAR_PX, aria_hidden="true")


def gantt_row(entry: Entry, began: float, ended: float) -> Markup:
    """A file's steps along the time of the batch; the thin line is waiting."""
    scale = 100 / max(ended - began, 1e-3)
    from_, to = (entry.began - began) * scale, (entry.last - began) * scale
    middle = BAR_PX / 2
    wait = tag("line", x1=_per(from_), x2=_per(to), y1=middle, y2=middle, class_="wait")
    bars = [
        tag(
            "g",
            tag("title", f"{span.step}: {seconds(span.took_s)}"),
            _bar(span.step, (span.began - began) * scale, max(span.took_s * scale, 0.25), 0, BAR_PX),
        )
        for span in entry.spans
    ]
    said = ", ".join(f"{span.step} {seconds(span.took_s)}" for span in entry.spans) or "no step ran"
    return tag("svg", wait, bars, class_="bar", height=BAR_PX, role="img", aria_label=said)


def timeline(tracks: Sequence[Track]) -> Markup:
    """The tracks of a timeline under each other, each with its words above its bar."""
    length_s = max((track.end_s for track in tracks), default=0.0) or 1.0
    rows = [_track(track, place * TRACK_PX, length_s) for place, track in enumerate(tracks)]
    label = f"Timeline of {len(tracks)} tracks, {seconds(length_s)}"
    return tag("svg", rows, class_="timeline", height=len(tracks) * TRACK_PX, role="img", aria_label=label)


def _track(track: Track, top: int, length_s: float) -> Markup:
    level = f", {track.level}" if track.level else ""
    words = f"{track.label}: {track.name}{level}, {track.start_s:g}–{track.end_s:g} s"
    from_, wide = track.start_s / length_s * 100, (track.end_s - track.start_s) / length_s * 100
    lane = tag("rect", x=0, y=top + 20, width="100%", height=12, rx=2, class_="lane")
    kind = track.label.lower() if track.label in {"Video", "BGM", "Title", "Audio"} else "other"
    bar = tag(
        "rect", x=_per(from_), y=top + 20, width=_per(max(wide, 0.5)), height=12, rx=2, class_=f"track {kind}"
    )
    return tag("g", tag("text", words, x=0, y=top + 14), lane, bar)


def waves(before: Wave | None, after: Wave | None) -> Markup:
    """The sound before and after, on one scale of time and of loudness."""
    length_s = max((wave.length_s for wave in (before, after) if wave), default=0.0)
    if not length_s:
        return joined("")
    rows = [_wave_row("before", before, length_s), _wave_row("after", after, length_s)]
    return tag("div", rows, class_="waves")


def _wave_row(word: str, wave: Wave | None, length_s: float) -> Markup:
    if wave is None:
        return tag("div", tag("span", word), tag("em", "no sound"))
    drawn = tag("path", d=_outline(wave, length_s), class_=f"wave {word}")
    view = f"0 0 1000 {WAVE_PX}"
    drawing = tag(
        "svg",
        drawn,
        viewBox=view,
        preserveAspectRatio="none",
        height=WAVE_PX,
        role="img",
        aria_label=f"Waveform {word}, {seconds(wave.length_s)}",
    )
    return tag("div", tag("span", word), drawing)


def _outline(wave: Wave, length_s: float) -> str:
    step = 1000 * wave.length_s / length_s / max(1, len(wave.peaks))
    middle = WAVE_PX / 2
    across = [f"{index * step:.0f}" for index in range(len(wave.peaks))]
    reach = [max(0.5, peak * (middle - 1)) for peak in wave.peaks]
    upper = [f"{x} {middle - up:.1f}" for x, up in zip(across, reach, strict=True)]
    lower = [f"{x} {middle + up:.1f}" for x, up in zip(across, reach, strict=True)]
    return f"M{'L'.join([*upper, *reversed(lower)])}Z"


def _bar(step: str, from_: float, wide: float, top: float, high: float) -> Markup:
    known = step if step == "edit" or step in _PATTERNS else "waiting"
    return tag("rect", x=_per(from_), y=top, width=_per(wide), height=high, class_=f"step {known}")


def _per(value: float) -> str:
    return f"{value:.2f}%"
