"""Every bench runs from its command, with tiny numbers, and prints rows for docs/performance.md."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from bench.everything import BENCHES, Bench, run

pytestmark = [pytest.mark.acceptance, pytest.mark.slow, pytest.mark.timeout(300)]

ROOT = Path(__file__).parents[3]
TINY = {
    "start": ["--runs", "1"],
    "bytes": ["--megabytes", "5", "--runs", "1"],
    "bookkeeping": ["--files", "20", "--listened", "10", "--runs", "1"],
    "inflight": ["--files", "10", "--scale", "10", "--runs", "1"],
    "makespan": ["--files", "4", "--loop", "1", "--runs", "1"],
    "storm": ["--files", "20", "--rate", "50"],
    "rendering": ["--length-s", "4", "--runs", "1"],
    "waiting": ["--files", "6", "--learnt", "2", "--runs", "1"],
    "growth": ["--files", "10", "--most-jobs", "100", "--most-workers", "1", "--runs", "1"],
}


@pytest.mark.parametrize(("bench", "flags"), TINY.items())
def test_a_bench_runs_and_tells_its_rows(bench, flags):
    command = [sys.executable, "-m", f"bench.{bench}", *flags]
    done = subprocess.run(command, check=False, cwd=ROOT, capture_output=True, text=True, timeout=280)
    assert "Traceback" not in done.stderr, done.stderr
    lines = done.stdout.splitlines()
    assert " cores (" in lines[0], "the machine comes first"
    rows = [line for line in lines if line.endswith(f"`python -m bench.{bench}` |")]
    assert rows, done.stdout + done.stderr
    assert all(row.count("|") == 5 for row in rows)
    assert done.returncode == int(any("(missed)" in row for row in rows))


def test_the_tiny_numbers_cover_every_bench():
    assert {bench.name for bench in BENCHES} == set(TINY)


def test_one_that_takes_too_long_is_ended_and_named():
    outcome = run(Bench("inflight", 4, ("--files", "5", "--runs", "1")), 60)
    assert (outcome.notes, outcome.code) == (["inflight: did not end in time"], 1)
    assert run(Bench("start", 90), 0).notes == ["start: left out, the 25 minutes are over"]
