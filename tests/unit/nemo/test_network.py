"""What waits for the network, or for its turn, can be interrupted."""

import time

import pytest

from nemo.network import SLICE_S, pause, watching


class Enough(Exception):
    pass


def test_a_pause_is_as_long_as_asked() -> None:
    began = time.monotonic()
    pause(0.05)
    assert 0.05 <= time.monotonic() - began < 0.5


def test_a_pause_is_interrupted_by_the_check_of_its_thread() -> None:
    def check() -> None:
        raise Enough

    began = time.monotonic()
    with pytest.raises(Enough), watching(check):
        pause(60)
    assert time.monotonic() - began < SLICE_S + 1
