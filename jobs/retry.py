"""Retry as data: how often an error of a class is tried again, and how long the job waits in between."""

import random
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Retry:
    """Attempts of a step (the first included), and exponential backoff with full jitter between them."""

    attempts: int
    base_s: float = 0.0
    cap_s: float = 0.0

    def wait_s(self, attempt: int, rng: random.Random, at_least_s: float = 0.0) -> float:
        """Seconds before the next attempt, after ``attempt`` (1, 2, …) failed; never under ``at_least_s``."""
        ceiling = min(self.cap_s, self.base_s * 2 ** (attempt - 1))
        return max(at_least_s, rng.uniform(ceiling / 2, ceiling))

    def exhausted(self, attempt: int) -> bool:
        """Whether ``attempt`` was the last."""
        return attempt >= self.attempts


NEVER = Retry(attempts=1)
"""What trying again cannot mend, or must not repeat because it is paid."""
