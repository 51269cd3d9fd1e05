"""Plain lines, for pipes and logs: one a change, with the time of day."""

from collections.abc import Callable
from datetime import datetime

from cli import format as formats
from cli.output.snapshot import Snapshot, has_begun
from cli.paths import Folders
from jobs.gates import ClosedGate
from jobs.model import Gate, State


class PlainOutput:
    """Shows a run line by line; ``put`` takes each line."""

    def __init__(self, folders: Folders, put: Callable[[str], None]) -> None:
        self._folders = folders
        self._put = put
        self._shown: dict[str, int] = {}
        self._still: dict[str, str] = {}
        self._gates: dict[Gate, ClosedGate] = {}

    def say(self, line: str) -> None:
        """Show a line that belongs to no file."""
        self._put(line)

    def show_finishing(self, line: str) -> None:
        """Show that nothing new is started."""
        self.say(line)

    def show(self, snapshot: Snapshot) -> None:
        """Show what is new in this look."""
        for line in gate_lines(self._gates, snapshot.gates):
            self._put_at(snapshot.now, line)
        self._gates = snapshot.gates
        for path, _ in snapshot.duplicates:
            self._put_at(snapshot.now, duplicate_line(self._folders, path))
        for job in snapshot.changed:
            name = formats.format_name(self._folders, job)
            begun = [(record.step, record.started) for record in job.steps]
            if has_begun(job) and not job.ended:
                begun.append((job.step, job.started or job.updated))
            for step, started in begun[self._shown.get(job.id, 0) :]:
                self._put_at(started, f"{name}: {step}")
            self._shown[job.id] = max(len(begun), self._shown.get(job.id, 0))
            if job.ended or job.state is State.PARKED:
                self._shown.pop(job.id, None)
                took_s = formats.took_s(job)
                took = "" if took_s is None else f" in {took_s:.0f} s"
                what = f"done{took} ->" if job.state is State.DONE else f"{job.state}:"
                self._put_at(job.updated, f"{name}: {what} {formats.format_outcome(job)}")
        still = {job.id: formats.format_still_working(job, snapshot.now) for job in snapshot.in_work}
        for job in snapshot.in_work:
            if still[job.id] and still[job.id] != self._still.get(job.id):
                self._put_at(snapshot.now, f"{formats.format_name(self._folders, job)}: {still[job.id]}")
        self._still = still

    def close(self) -> None:
        """End the output; nothing is left on the screen."""

    def _put_at(self, at: float, text: str) -> None:
        self._put(f"{datetime.fromtimestamp(at).astimezone():%H:%M:%S}  {text}")


def duplicate_line(folders: Folders, path: str) -> str:
    """Say that a source is not run, because another has its content and its instructions."""
    return f"{formats.escape_controls(folders.shorten(path))}: the same as another file; not run again"


def gate_lines(before: dict[Gate, ClosedGate], now: dict[Gate, ClosedGate]) -> list[str]:
    """Say which gates closed or opened between two looks."""
    closed = [
        f"waiting: {formats.join_sentences(now[gate].message, now[gate].advice)}"
        for gate in now
        if gate not in before
    ]
    return closed + [f"going on: the {gate} gate is open again" for gate in before if gate not in now]
