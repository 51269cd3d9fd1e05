"""Every bench runs from its command, with small numbers, and prints rows for docs/performance.md."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bench.__main__ import BENCHES

pytestmark = [pytest.mark.acceptance, pytest.mark.slow, pytest.mark.timeout(400)]

ROOT = Path(__file__).parents[3]
MOUNTS = {"powercut"}


@pytest.mark.parametrize(("bench", "flags"), BENCHES.items())
def test_a_bench_runs_and_shows_its_rows(bench, flags):
    if bench in MOUNTS and (os.geteuid() != 0 or shutil.which("mkfs.ext4") is None):
        pytest.skip("mounts disk images, which takes root")
    command = [sys.executable, "-m", f"bench.{bench}", *flags.split()]
    done = subprocess.run(command, check=False, cwd=ROOT, capture_output=True, text=True, timeout=380)
    assert "Traceback" not in done.stderr, done.stderr
    lines = done.stdout.splitlines()
    assert " cores (" in lines[0], "the machine comes first"
    rows = [line for line in lines if f"`python -m bench.{bench}" in line]
    assert rows, done.stdout + done.stderr
    assert done.returncode == int(any("| MISSED |" in row for row in rows))
