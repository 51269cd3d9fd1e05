"""How the benches read what they are told: commands, waits, rows of a bench's output."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

from bench.bookkeeping import owner
from bench.everything import BENCHES, Outcome
from bench.growth import Point, medians, row
from bench.waiting import equal_interval_s


@pytest.mark.parametrize(
    ("command", "in_script", "whose"),
    [
        ("BRPOP dropscore:broker:dropscore dropscore:broker:dropscore.backlog 1", False, "Celery's"),
        ("PUBLISH /0.celeryev/worker.heartbeat x", False, "Celery's"),
        ("EVALSHA abc 0 dropscore: job", False, "ours"),
        ("HSET dropscore:job:1 state done", True, "ours inside scripts"),
        ("multi", False, "transactions"),
        ("PING", False, "others"),
    ],
)
def test_a_command_serves_whose_key_it_names(command, in_script, whose):
    assert owner(command.split(), in_script=in_script) == whose


@pytest.mark.parametrize("looks", [1.0, 2.0, 3.5])
def test_the_fixed_interval_of_equal_looks(looks):
    renders_s = [30.0 + number * 0.6 for number in range(100)]
    interval_s = equal_interval_s(looks, renders_s)
    taken = sum(-(-length_s // interval_s) for length_s in renders_s) / 100
    assert taken <= looks
    assert sum(-(-length_s // (interval_s * 0.98)) for length_s in renders_s) / 100 >= looks


def test_growth_is_flat_within_its_bar_only():
    points = [Point("1", 40, 0.5), Point("1", 42, 0.5), Point("1", 41, 0.9), Point("2", 38, 0.55)]
    seen = medians(points)
    assert seen == [Point("1", 41, 0.5), Point("2", 38, 0.55)]
    assert row("grows", seen, seen).reached is True
    slower = [*seen, Point("4", 20, 0.5)]
    assert row("grows", slower, slower).reached is False
    assert row("grows", [Point("1", 20, 0.5), *seen], seen).reached is True


def test_rows_and_notes_of_a_bench_are_told_apart():
    said = [
        "machine",
        "a note",
        "",
        "| What | Must reach | Measured | Command |",
        "|---|---|---|---|",
        "| a | b |",
    ]
    outcome = Outcome(said, 0)
    assert outcome.rows == ["| a | b |"]
    assert outcome.notes == ["a note"]


def test_every_bench_of_the_table_is_a_module():
    assert all(find_spec(f"bench.{bench.name}") for bench in BENCHES)
