"""Hours of work."""

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.hours import Hours

SATURDAY = datetime(2026, 11, 21)
MONDAY = datetime(2026, 11, 23)


@pytest.mark.parametrize(
    ("text", "at", "is_open"),
    [
        ("", MONDAY, True),
        ("22:00-06:00", MONDAY.replace(hour=23), True),
        ("22:00-06:00", MONDAY.replace(hour=5, minute=59), True),
        ("22:00-06:00", MONDAY.replace(hour=6), False),
        ("22:00-06:00,Sat,Sun", SATURDAY.replace(hour=12), True),
        ("22:00-06:00,Sat,Sun", MONDAY.replace(hour=12), False),
        ("Fri 22:00-06:00", SATURDAY.replace(hour=3), True),
        ("Fri 22:00-06:00", SATURDAY.replace(hour=23), False),
        ("mon-fri 20:00-24:00", MONDAY.replace(hour=23, minute=59), True),
        ("Sat-Mon", MONDAY.replace(hour=12), True),
        ("saturday", SATURDAY, True),
    ],
)
def test_a_moment_is_inside_or_not(text: str, at: datetime, is_open: bool) -> None:
    assert Hours.parse(text).is_open(at) is is_open


def test_the_next_change_is_told() -> None:
    hours = Hours.parse("22:00-06:00")
    assert hours.next_change(MONDAY.replace(hour=12)) == MONDAY.replace(hour=22)
    assert Hours.parse("").next_change(MONDAY) is None


@given(st.text(max_size=20))
def test_any_text_is_hours_or_one_line(text: str) -> None:
    try:
        hours = Hours.parse(text)
    except ValueError as exc:
        assert "22:00-06:00" in str(exc)
    else:
        assert hours.is_open(MONDAY) or hours.next_change(MONDAY) - MONDAY <= timedelta(days=8)
