"""The keeper: ends every process group it was told of when its standard input closes.

A run starts one beside its children and holds the other end of the pipe. However the run ends, ``kill -9``
included, the system closes that end, and no child survives. It reads lines: ``+PGID`` to keep a group,
``-PGID`` to forget it. It is run as a script without site-packages, so that it costs a few milliseconds.
"""

import os
import signal
import sys
import time
from collections.abc import Iterable

GRACE_S = 3.0


def keep(orders: Iterable[str]) -> None:
    """Read orders until the pipe closes, then end what is left."""
    groups: set[int] = set()
    for line in orders:
        group = int(line[1:])
        if line[0] == "+":
            groups.add(group)
        else:
            groups.discard(group)
    end(groups)


def end(groups: set[int], grace_s: float = GRACE_S) -> None:
    """Ask each group to end, and after ``grace_s`` seconds make it."""
    left = {group for group in groups if send(group, signal.SIGTERM)}
    gives_up = time.monotonic() + grace_s
    while left and time.monotonic() < gives_up:
        time.sleep(0.05)
        left = {group for group in left if send(group, 0)}
    for group in left:
        send(group, signal.SIGKILL)


def send(group: int, number: int) -> bool:
    """Send a signal to a process group; False when nobody is left in it."""
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


if __name__ == "__main__":
    keep(sys.stdin)
