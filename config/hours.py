"""Hours of work: ``22:00-06:00,Sat,Sun``, each part a span of time, a day, or a span on certain days."""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_EXAMPLE = "should look like 22:00-06:00,Sat,Sun or Mon-Fri 20:00-24:00"
_PART = re.compile(
    r"(?:(?P<first>[a-z]{3,9})(?:-(?P<last>[a-z]{3,9}))?)?\s*"
    r"(?:(?P<begin>\d{1,2}:\d{2})\s*-\s*(?P<end>\d{1,2}:\d{2}))?",
    re.IGNORECASE,
)
_ALL_DAY = (0, 24 * 60)


@dataclass(frozen=True, slots=True)
class _Span:
    """Minutes of the day on which days; one that ends before it begins goes on into the next day."""

    days: frozenset[int]
    begin: int
    end: int

    @classmethod
    def parse(cls, part: str) -> "_Span":
        """Read one part; raises ValueError with an example."""
        found = _PART.fullmatch(part)
        if not found:
            raise ValueError(f"{part!r} {_EXAMPLE}")
        days = frozenset(range(7))
        if found["first"]:
            first = _day(found["first"], part)
            last = _day(found["last"], part) if found["last"] else first
            days = frozenset((first + step) % 7 for step in range((last - first) % 7 + 1))
        begin, end = _ALL_DAY
        if found["begin"]:
            begin, end = _minute(found["begin"], part), _minute(found["end"], part)
        if begin == end:
            raise ValueError(f"{part!r} is no time at all; it {_EXAMPLE}")
        return cls(days, begin, end)

    def holds(self, at: datetime) -> bool:
        minute, day = at.hour * 60 + at.minute, at.weekday()
        if self.begin < self.end:
            return day in self.days and self.begin <= minute < self.end
        if minute >= self.begin:
            return day in self.days
        return minute < self.end and (day - 1) % 7 in self.days


@dataclass(frozen=True, slots=True)
class Hours:
    """When new files may be submitted, by the local time; without a part that is always."""

    text: str = ""
    spans: tuple[_Span, ...] = ()

    @classmethod
    def parse(cls, text: str) -> "Hours":
        """Read a list of spans and days; raises ValueError with an example."""
        parts = [part.strip() for part in text.split(",") if part.strip()]
        return cls(text, tuple(_Span.parse(part) for part in parts))

    def is_open(self, at: datetime) -> bool:
        """Return whether a moment lies in one of the spans."""
        return not self.spans or any(span.holds(at) for span in self.spans)

    def next_change(self, at: datetime) -> datetime | None:
        """Return the minute at which the hours next open or close; None when they never do."""
        now = self.is_open(at)
        minute = at.replace(second=0, microsecond=0)
        later = (minute + timedelta(minutes=step) for step in range(1, 8 * 24 * 60))
        return next((moment for moment in later if self.is_open(moment) != now), None)


def _day(name: str, part: str) -> int:
    try:
        return _DAYS.index(name.lower()[:3])
    except ValueError:
        raise ValueError(f"{part!r} {_EXAMPLE}") from None


def _minute(text: str, part: str) -> int:
    hour, minute = map(int, text.split(":"))
    if minute > 59 or hour * 60 + minute > 24 * 60:
        raise ValueError(f"{part!r} {_EXAMPLE}")
    return hour * 60 + minute
