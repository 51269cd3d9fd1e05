"""Short words for what a person reads: durations, states, ends of files."""

from pathlib import Path

from cli.folders import Folders
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
STYLES = {
    State.DONE: "green",
    State.FAILED: "red",
    State.UNCONFIRMED: "yellow",
    State.PARKED: "yellow",
    State.CANCELLED: "dim",
}
DOING = {
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


def progress(job: Job) -> float:
    """How far a job is, 0 to 1: by its step, and within a render by the service's own per cent."""
    if job.state is State.DONE:
        return 1.0
    begin, part = _SPAN[job.step]
    render = job.checkpoint.render
    within = min(1.0, max(0.0, render.progress / 100)) if render and job.step is Step.POLL else 0.0
    return begin + part * within


def duration(seconds: float) -> str:
    """``0:07``, ``12:40``, ``1:02:03``."""
    whole = max(0, int(seconds))
    hours, rest = divmod(whole, 3600)
    minutes, left = divmod(rest, 60)
    return f"{hours}:{minutes:02}:{left:02}" if hours else f"{minutes}:{left:02}"


def took_s(job: Job) -> float:
    """Seconds from the first step's begin to the last change."""
    began = job.steps[0].started if job.steps else job.started
    return max(0.0, job.updated - (began or job.spec.created))


def shown(path: str | Path) -> str:
    """A path as short as it can be said from the current folder; what no terminal can print is escaped."""
    try:
        short = str(Path(path).relative_to(Path.cwd()))
    except ValueError:
        short = str(path)
    return printable(short)


def printable(text: str) -> str:
    """The text with control characters and broken encodings made visible."""
    whole = text.encode("utf-8", "backslashreplace").decode("utf-8")
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in whole)


def name(folders: Folders, job: Job) -> str:
    """A job's source, as the person knows it."""
    return printable(folders.short(job.spec.source))


def outcome(job: Job) -> str:
    """What became of a job: its output, or why not and what to do."""
    if job.state is State.DONE:
        return shown(job.spec.output)
    if job.problem is None:
        return f"waits ({job.reason})" if job.state is State.PARKED else str(job.state)
    return sentences(said(job), job.problem.advice)


def said(job: Job) -> str:
    """What the problem of a job says, without the file's name, which stands beside it."""
    message = job.problem.message if job.problem else ""
    return printable(message.removeprefix(f"{Path(job.spec.source).name}: "))


def sentences(*parts: str) -> str:
    """Parts of a message as sentences in one line."""
    ended = [part if part.endswith((".", "!", "?")) else f"{part}." for part in map(str.strip, parts) if part]
    return printable(" ".join(ended))


def plural(count: int, what: str) -> str:
    """``1 file``, ``2 files``, ``1,200 files``."""
    return f"{count:,} {what}" if count == 1 else f"{count:,} {what}s"
