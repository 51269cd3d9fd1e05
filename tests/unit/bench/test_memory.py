"""Memory of a process tree: children counted, gone ones not, the peak kept."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest

from bench import memory

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")

HOLD = "import sys; held = bytearray(b'x') * {mb} * 2**20; print('ready', flush=True); sys.stdin.read()"
PARENT = (
    "import subprocess, sys;"
    "child = subprocess.Popen([sys.executable, '-c', sys.argv[1]], stdin=subprocess.PIPE);"
    "sys.stdin.read(); child.stdin.close(); child.wait()"
)


@pytest.fixture
def family():
    """A process with a child that holds 40 MB."""
    command = [sys.executable, "-c", PARENT, HOLD.format(mb=40)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
        assert parent.stdout.readline() == b"ready\n"
        yield parent
        parent.stdin.close()


def test_a_child_belongs_to_the_tree_and_to_its_memory(family):
    (child,) = set(memory.tree(family.pid)) - {family.pid}
    assert memory.own_mb(child) >= 40
    assert memory.shared_mb(child) >= 40
    assert memory.most_resident_mb(child) >= memory.resident_mb(child) >= 40
    with memory.Watch(family.pid) as watch:
        watch.look()
    assert watch.peak_mb >= 40 + memory.own_mb(family.pid)
    assert 40 <= watch.children_mb < watch.peak_mb


def test_the_peak_outlives_the_process(family):
    with memory.Watch(family.pid) as watch:
        watch.look()
        family.stdin.close()
        family.wait(10)
        time.sleep(0.05)
    assert watch.peak_mb >= 40
    assert memory.shared_mb(family.pid) == 0


def test_one_that_is_gone_has_none():
    with subprocess.Popen([sys.executable, "-c", ""]) as gone:
        gone.wait()
    assert memory.tree(gone.pid) == [gone.pid]
    assert (memory.shared_mb(gone.pid), memory.own_mb(gone.pid), memory.resident_mb(gone.pid)) == (0, 0, 0)


def test_the_tree_of_this_process_is_not_the_whole_machine():
    assert os.getppid() not in memory.tree(os.getpid())
