"""What renders took, shared by all workers."""

from jobs.durations import KEPT, Durations
from jobs.ledger import Ledger


def test_what_one_worker_saw_another_reads(ledger: Ledger) -> None:
    mine, theirs = Durations(ledger), Durations(ledger)
    assert mine.exchange("cloud:6", [(30.0, 45.5)]) == [(30.0, 45.5)]
    assert theirs.exchange("cloud:6", []) == [(30.0, 45.5)]
    assert theirs.exchange("cloud:5", []) == []


def test_only_the_last_ones_count(ledger: Ledger) -> None:
    seen = Durations(ledger).exchange("cloud:6", [(float(n), n + 1.0) for n in range(2 * KEPT)])
    assert len(seen) == KEPT
    assert seen[0] == (2 * KEPT - 1.0, 2.0 * KEPT)
