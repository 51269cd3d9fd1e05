"""How long the simulated service takes: drawn from the contract's ranges, the same for the same file."""

from __future__ import annotations

from studio.faults import chance
from studio.model import Draft
from studio.settings import StudioSettings

_RANGES_S = {"edit": (10.0, 40.0), "render": (30.0, 90.0)}  # api-contract 2, Durations


def simulated_s(what: str, name: str, settings: StudioSettings) -> float:
    """Answer the seconds an `edit` or a `render` takes, scaled by `time_scale`.

    It depends on `name` and the seed alone, so that every client meets the same times, in whatever order it
    comes.
    """
    least, most = _RANGES_S[what]
    return (least + (most - least) * chance(settings.seed, what, name)) * settings.time_scale


def shown_name(draft: Draft | None, otherwise: str) -> str:
    """Answer the name of the file a draft shows, without its suffix; `otherwise` where it tells none."""
    meta = (draft or {}).get("m")
    title = meta.get("title") if isinstance(meta, dict) else None
    return str(title) if title else otherwise
