"""How paths, durations, progress and outcomes are shown on a terminal."""

from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

from cli.paths import Folders
from jobs.model import FROM_WORDS, Job, State, Step, display_name
from jobs.result import Result
from web.format import ACTIVITY, MARKS, escape_controls, format_count, measure_progress

__all__ = ["ACTIVITY", "MARKS", "escape_controls", "format_count", "measure_progress"]

STYLES = {
    State.DONE: "green",
    State.FAILED: "red",
    State.UNCONFIRMED: "yellow",
    State.PARKED: "yellow",
    State.CANCELLED: "dim",
}


STILL_WORKING_EVERY_S = 120
SHORT, LEAST_SHOWN = 12, 6
"""Names in fewer columns keep their ends; in more, so many characters before what all of them end with."""


def format_still_working(job: Job, now: float) -> str:
    """Say every two minutes that an edit goes on (api-contract 3.3); empty before, and in other steps."""
    if job.step is not Step.EDIT or job.state is not State.RUNNING or not job.started:
        return ""
    times = int((now - job.started) // STILL_WORKING_EVERY_S)
    if times <= 0:
        return ""
    point = job.checkpoint
    doing = "".join(one.doing for one in point.instructions[point.current : point.current + 1])
    words = f": {doing[:1].lower()}{doing[1:]} …" if doing else ""
    return f"still working ({times * STILL_WORKING_EVERY_S // 60} min){words}"


def format_duration(seconds: float) -> str:
    """``0:07``, ``12:40``, ``1:02:03``."""
    whole = max(0, int(seconds))
    hours, rest = divmod(whole, 3600)
    minutes, left = divmod(rest, 60)
    return f"{hours}:{minutes:02}:{left:02}" if hours else f"{minutes}:{left:02}"


def took_s(job: Job) -> float | None:
    """Seconds from the first step's begin to the last change; None when no begin is known."""
    began = job.steps[0].started if job.steps else job.started
    return max(0.0, job.updated - began) if began else None


def format_took(job: Job) -> str:
    """How long a job took, empty when that is not known."""
    seconds = took_s(job)
    return "" if seconds is None else format_duration(seconds)


def format_path(path: str | Path) -> str:
    """A path relative to the current folder, if it is in there; what no terminal can print is escaped.

    The words of a job without a file stand in quotation marks.
    """
    if str(path).startswith(FROM_WORDS):
        return f'"{escape_controls(display_name(str(path)))}"'
    try:
        short = str(Path(path).relative_to(Path.cwd()))
    except ValueError:
        short = str(path)
    return escape_controls(short)


def format_name(folders: Folders, job: Job) -> str:
    """A job's source as the person knows it: relative to the inbox, else to the current folder."""
    inside = folders.shorten(job.spec.source)
    return escape_controls(inside) if inside != job.spec.source else format_path(inside)


def measure_shared_end(names: Iterable[str]) -> int:
    """Count the characters with which all of these names end; 0 unless there are several."""
    first, *others = set(names) or {""}
    shared = 0
    while (
        others and shared < len(first) and all(name[-shared - 1 :] == first[-shared - 1 :] for name in others)
    ):
        shared += 1
    return shared


def shorten_middle(text: str, width: int, shared_end: int = 0) -> str:
    """Cut a text in its first half: long names of one folder differ towards their ends.

    Where what would be left is the end that all have (``shared_end`` characters), that goes instead.
    """
    if len(text) <= width:
        return text
    if width < 3:
        return text[-width:] if width > 0 else ""
    head = (width - 1) // 3
    if width > SHORT and width - 1 - head < shared_end + LEAST_SHOWN:
        return f"{shorten_middle(text[: len(text) - shared_end], width - 1)}…"
    return f"{text[:head]}…{text[len(text) - (width - 1 - head) :]}"


def format_outcome(job: Job) -> str:
    """What became of a job: its output, or why not and what to do."""
    if job.state is State.DONE:
        return format_path(job.spec.output)
    if job.problem is None:
        return str(job.state)
    return join_sentences(format_problem(job), job.problem.advice)


def format_problem(job: Job) -> str:
    """The message of a job's problem, without the file's name, which stands beside it."""
    message = job.problem.message if job.problem else ""
    return escape_controls(message.removeprefix(f"{Path(job.spec.source).name}: "))


def join_sentences(*parts: str) -> str:
    """Parts of a message as sentences in one line."""
    ended = [part if part.endswith((".", "!", "?")) else f"{part}." for part in map(str.strip, parts) if part]
    return escape_controls(" ".join(ended))


def format_result(result: Result) -> str:
    """What became of a file by its result: its output, or why not and what to do."""
    if result.state is State.DONE:
        return format_path(result.output) if result.output else "answered, no output"
    if result.error is None:
        return str(result.state)
    message = escape_controls(str(result.error["message"]))
    return join_sentences(message.removeprefix(f"{Path(result.source).name}: "), str(result.error["advice"]))


def format_result_took(result: Result) -> str:
    """How long a file took from its first step to its end, empty when no step ran."""
    if not result.steps or not result.ended:
        return ""
    began = datetime.fromisoformat(result.steps[0]["started"])
    return format_duration((datetime.fromisoformat(result.ended) - began).total_seconds())
