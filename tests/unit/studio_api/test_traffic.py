"""The window above which requests are refused, and what is remembered of them."""

from __future__ import annotations

import pytest

from studio.service import Traffic


class Wall:
    def __init__(self):
        self.at = 1_000.0

    def __call__(self):
        return self.at


def let_in(traffic, wall, times_s):
    refused = []
    for at_s in times_s:
        wall.at = 1_000.0 + at_s
        refused.append(traffic.knock("state", None).refused)
    return [not one for one in refused]


@pytest.mark.parametrize(
    ("per_s", "times_s", "expected"),
    [
        (None, [0] * 5, [True] * 5),
        (2, [0, 0.5, 0.9, 1.0, 1.2, 1.5], [True, True, False, True, False, True]),
        (0.5, [0, 1.9, 2.0], [True, False, True]),
    ],
)
def test_so_many_in_any_second(per_s, times_s, expected):
    wall = Wall()
    assert let_in(Traffic(per_s, wall), wall, times_s) == expected


def test_the_wait_ends_when_there_is_room():
    wall = Wall()
    traffic = Traffic(0.25, wall)
    let_in(traffic, wall, [0, 0.5])
    assert traffic.retry_after_s() == 4
    wall.at += traffic.retry_after_s()
    assert not traffic.knock("state", None).refused


def test_requests_are_told_with_their_times():
    wall = Wall()
    traffic = Traffic(1, wall)
    traffic.knock("status", "render_1")
    traffic.knock("cdn", None).render = "render_1"
    assert traffic.seen() == [
        {"at": 1_000.0, "endpoint": "status", "render": "render_1", "refused": False},
        {"at": 1_000.0, "endpoint": "cdn", "render": "render_1", "refused": True},
    ]
