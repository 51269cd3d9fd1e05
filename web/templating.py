"""The templates of the report and of the page: what comes from outside is escaped, whatever it is."""

from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from jobs.model import State, Step
from web import format as formats
from web.models import Waveform

MAX_TEXT = 2_000
"""Characters shown of one answer of the agent; the whole of it is in the result."""
WAVE_HEIGHT_PX = 44


def make_environment() -> Environment:
    """Make the environment of all templates: what comes from outside is escaped, a missing name an error."""
    made = Environment(
        loader=PackageLoader("web"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_finalize,
    )
    made.globals.update(steps=[step.value for step in Step], states=list(State), marks=formats.MARKS)
    made.filters.update(
        seconds=formats.format_seconds,
        size=formats.format_bytes,
        credits=formats.format_credits,
        count=formats.format_count,
        moment=formats.format_time,
        period=lambda totals: formats.format_period(totals.began, totals.ended),
        sentence=_sentence,
        cut=lambda text: text if len(text) <= MAX_TEXT else f"{text[:MAX_TEXT]} …",
        outline=draw_outline,
    )
    return made


def _finalize(value: Any) -> Any:
    if isinstance(value, str) and not isinstance(value, Markup):
        return formats.escape_controls(value, keep="\n\t")
    return value


def _sentence(text: str) -> str:
    text = text.strip()
    return f"{text}." if text and text[-1] not in ".!?" else text


def draw_outline(wave: Waveform, length_s: float) -> str:
    """Draw a waveform as an SVG path, 1,000 wide for ``length_s`` seconds."""
    step = 1000 * wave.length_s / length_s / max(1, len(wave.peaks))
    middle = WAVE_HEIGHT_PX / 2
    upper, lower = [], []
    for index, peak in enumerate(wave.peaks):
        reach = max(0.5, peak * (middle - 1))
        upper.append(f"{index * step:.0f} {middle - reach:.1f}")
        lower.append(f"{index * step:.0f} {middle + reach:.1f}")
    return f"M{'L'.join([*upper, *reversed(lower)])}Z"
