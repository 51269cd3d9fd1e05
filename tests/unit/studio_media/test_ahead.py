"""Blocks made ahead: the same ones in the same order, and errors come out."""

import threading
from collections.abc import Iterator

import pytest

from studio.analyse.samples import ahead
from studio.errors import RenderCancelled


def test_the_same_items_come_in_the_same_order() -> None:
    assert list(ahead(range(50))) == list(range(50))
    assert list(ahead([None, None])) == [None, None]
    assert list(ahead(())) == []


def test_the_next_item_is_made_while_one_is_used() -> None:
    second = threading.Event()

    def made() -> Iterator[int]:
        yield 1
        second.set()
        yield 2

    for item in ahead(made()):
        if item == 1:
            assert second.wait(5)


def test_what_the_making_raises_comes_out_after_the_items_before() -> None:
    def made() -> Iterator[int]:
        yield 1
        raise RenderCancelled("stop")

    seen: list[int] = []
    with pytest.raises(RenderCancelled):
        seen.extend(ahead(made()))
    assert seen == [1]
