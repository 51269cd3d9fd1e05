"""Keeps ``^C`` from being drawn into the live view."""

import os
import sys
import termios
from collections.abc import Iterator
from contextlib import contextmanager

_LOCAL_MODES = 3  # where termios.tcgetattr keeps them


@contextmanager
def no_control_echo() -> Iterator[None]:
    """Let the terminal of standard input not echo control characters meanwhile; elsewhere do nothing."""
    if not _in_front(terminal := 0):
        yield
        return
    former = termios.tcgetattr(terminal)
    changed = termios.tcgetattr(terminal)
    changed[_LOCAL_MODES] &= ~termios.ECHOCTL
    termios.tcsetattr(terminal, termios.TCSADRAIN, changed)
    try:
        yield
    finally:
        if _in_front(terminal):
            termios.tcsetattr(terminal, termios.TCSADRAIN, former)


def _in_front(terminal: int) -> bool:
    # A process in the background would be stopped for touching the terminal.
    try:
        return sys.stdin is not None and os.isatty(terminal) and os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:
        return False
