"""How numbers, times, states and foreign text are shown to a person, on a page and on a terminal."""

from datetime import UTC, datetime

from jobs.model import Job, State, Step

MARKS = {
    State.QUEUED: "·",
    State.RUNNING: "›",
    State.WAITING: "›",
    State.PARKED: "‖",
    State.UNCONFIRMED: "?",
    State.DONE: "✓",
    State.FAILED: "✗",
    State.CANCELLED: "–",
}

ACTIVITY = {
    Step.UPLOAD: "uploading",
    Step.EDIT: "editing",
    Step.VERIFY: "checking",
    Step.RENDER: "rendering",
    Step.POLL: "rendering",
    Step.DOWNLOAD: "downloading",
}
# Where a step begins on a file's bar, and how much of it the step takes.
_SPAN = {
    Step.UPLOAD: (0.00, 0.10),
    Step.EDIT: (0.10, 0.30),
    Step.VERIFY: (0.40, 0.05),
    Step.RENDER: (0.45, 0.05),
    Step.POLL: (0.50, 0.40),
    Step.DOWNLOAD: (0.90, 0.10),
}


def escape_controls(text: str, keep: str = "") -> str:
    """Make control characters, marks that turn the direction of text, and broken encodings visible."""
    if text.isprintable():
        return text
    whole = text.encode("utf-8", "backslashreplace").decode("utf-8")
    return "".join(char if char.isprintable() or char in keep else repr(char)[1:-1] for char in whole)


def format_count(count: int, what: str) -> str:
    """``1 file``, ``2 files``, ``1,200 files``."""
    return f"{count:,} {what}" if count == 1 else f"{count:,} {what}s"


def format_seconds(value: float) -> str:
    """``0.3 s``, ``41 s``, ``12:40 min``, ``1:02:03 h``."""
    if value < 10:
        return f"{value:.1f} s"
    whole = round(value)
    if whole < 60:
        return f"{whole} s"
    hours, rest = divmod(whole, 3600)
    minutes, left = divmod(rest, 60)
    return f"{hours}:{minutes:02}:{left:02} h" if hours else f"{minutes}:{left:02} min"


def format_bytes(value: float) -> str:
    """``12 KB``, ``3.4 MB``, ``1.2 GB``."""
    for unit in ("B", "KB", "MB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit != "MB" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} GB"


def format_credits(value: float) -> str:
    """``1,250``; a decimal only where there is one."""
    return f"{value:,.1f}".removesuffix(".0")


def format_period(began: float, ended: float) -> str:
    """``20 Nov 2026, 11:09:15 to 11:10:02 UTC``; the second date only when it is another."""
    first, last = datetime.fromtimestamp(began, UTC), datetime.fromtimestamp(ended, UTC)
    until = f"{last:%H:%M:%S}" if first.date() == last.date() else f"{last.day} {last:%b %Y, %H:%M:%S}"
    return f"{first.day} {first:%b %Y, %H:%M:%S} to {until} UTC"


def format_time(at: float) -> str:
    """``11:09:15`` in UTC."""
    return f"{datetime.fromtimestamp(at, UTC):%H:%M:%S}"


def measure_progress(job: Job) -> float:
    """Return how far a job is, 0 to 1: by its step, and within a render by the service's own per cent."""
    if job.state is State.DONE:
        return 1.0
    begin, part = _SPAN[job.step]
    render = job.checkpoint.render
    within = min(1.0, max(0.0, render.progress / 100)) if render and job.step is Step.POLL else 0.0
    return begin + part * within
