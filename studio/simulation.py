"""How long the simulated service takes: drawn from the contract's ranges, the same for the same id."""

from __future__ import annotations

from studio.faults import chance
from studio.settings import StudioSettings

_RANGES_S = {"edit": (10.0, 40.0), "render": (30.0, 90.0)}  # api-contract 2, Durations


def simulated_s(what: str, name: str, settings: StudioSettings) -> float:
    """Answer the seconds an `edit` or a `render` takes, scaled by `time_scale`."""
    least, most = _RANGES_S[what]
    return (least + (most - least) * chance(settings.seed, what, name)) * settings.time_scale
