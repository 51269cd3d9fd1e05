"""Where a worker is killed: before, during and after each outside effect of each step."""

from typing import NamedTuple


class Point(NamedTuple):
    """A part of ``METHOD /path``, the moment, and the step it belongs to."""

    step: str
    what: str
    when: str

    def __str__(self) -> str:
        return f"{self.step}: {self.what} {self.when}"


POINTS = tuple(
    Point(step, what, when)
    for step, what in (
        ("upload", "POST /api/tasks"),
        ("upload", "POST /api/upload-video"),
        ("edit", "POST /run_sse"),
        ("verify", "GET /api/credits"),
        ("render", "POST /api/render"),
        ("poll", "GET /api/render"),
        ("download", "GET /cdn"),
    )
    for when in (("before", "during", "after") if what == "POST /run_sse" else ("before", "after"))
)
"""``GET /api/credits`` is asked before the first edit too; the worker dies at whichever comes first."""
