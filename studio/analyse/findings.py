"""What was found in a clip."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

Spans = tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class Findings:
    """Picture and sound of one clip: shares are 0 … 1, times are seconds from its start.

    `loudness_lufs` and `tempo_bpm` are None where there is no sound, or no clear pulse in it.
    """

    brightness: float = 0.5
    saturation: float = 0.3
    motion: float = 0.2
    cuts_s: tuple[float, ...] = ()
    speech_s: Spans = ()
    silence_s: Spans = ()
    loudness_lufs: float | None = None
    tempo_bpm: float | None = None
    duration_s: float = 0.0

    @property
    def cuts_per_s(self) -> float:
        """Return the pace of the cuts."""
        return len(self.cuts_s) / self.duration_s if self.duration_s > 0 else 0.0

    def as_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Findings:
        """Read what `as_dict` wrote, also after a trip through JSON; unknown keys are left alone.

        Raises TypeError or ValueError for values of another shape.
        """
        known = {key: values[key] for key in cls.__dataclass_fields__ if key in values}
        for key in ("speech_s", "silence_s"):
            known[key] = tuple((float(start), float(end)) for start, end in known.get(key, ()))
        known["cuts_s"] = tuple(float(cut) for cut in known.get("cuts_s", ()))
        return cls(**known)
