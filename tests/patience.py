"""Bounds on wall time, for tests that share a machine with others."""

import os


def allow(idle_s: float) -> float:
    """Return how long something may take here and now that takes at most ``idle_s`` on an idle machine."""
    queue = os.getloadavg()[0] / (os.cpu_count() or 1)
    return idle_s * max(1.0, 1.5 * queue)
