"""Numbers as a report says them."""

from datetime import UTC, datetime


def seconds(value: float) -> str:
    """``0.3 s``, ``41 s``, ``12:40 min``, ``1:02:03 h``."""
    if value < 10:
        return f"{value:.1f} s"
    whole = round(value)
    if whole < 60:
        return f"{whole} s"
    hours, rest = divmod(whole, 3600)
    minutes, left = divmod(rest, 60)
    return f"{hours}:{minutes:02}:{left:02} h" if hours else f"{minutes}:{left:02} min"


def size(value_bytes: float) -> str:
    """``12 KB``, ``3.4 MB``, ``1.2 GB``."""
    for unit in ("B", "KB", "MB"):
        if value_bytes < 1000:
            return f"{value_bytes:.0f} {unit}" if unit != "MB" else f"{value_bytes:.1f} {unit}"
        value_bytes /= 1000
    return f"{value_bytes:.1f} GB"


def credits(value: float) -> str:
    """``1,250``; a decimal only where there is one."""
    return f"{value:,.1f}".removesuffix(".0")


def period(began: float, ended: float) -> str:
    """``20 Nov 2026, 11:09:15 to 11:10:02 UTC``; the second date only when it is another."""
    first, last = datetime.fromtimestamp(began, UTC), datetime.fromtimestamp(ended, UTC)
    till = f"{last:%H:%M:%S}" if first.date() == last.date() else f"{last.day} {last:%b %Y, %H:%M:%S}"
    return f"{first.day} {first:%b %Y, %H:%M:%S} to {till} UTC"


def moment(at: float) -> str:
    """``11:09:15`` in UTC."""
    return f"{datetime.fromtimestamp(at, UTC):%H:%M:%S}"
