"""Plain lines, for pipes and logs: one a change, with the time of day."""

from collections.abc import Callable
from datetime import datetime

from cli import phrases
from cli.folders import Folders
from cli.follow import Snapshot
from jobs.gates import Closed
from jobs.model import Gate, Job, State


class PlainTeller:
    """Tells a run line by line; ``put`` takes each line."""

    def __init__(self, folders: Folders, put: Callable[[str], None]) -> None:
        self._folders = folders
        self._put = put
        self._told: dict[str, int] = {}
        self._gates: dict[Gate, Closed] = {}
        self._now = 0.0

    def say(self, line: str) -> None:
        """Tell a line that belongs to no file."""
        self._put(line)

    def finishing(self, line: str) -> None:
        """Tell that nothing new is started."""
        self.say(line)

    def show(self, snapshot: Snapshot) -> None:
        """Tell what is new in this look."""
        self._now = snapshot.now
        for line in gate_lines(self._gates, snapshot.gates):
            self._line(snapshot.now, line)
        self._gates = snapshot.gates
        for job in snapshot.changed:
            self._steps(job)
            if job.ended or job.state is State.PARKED:
                self._end(job)

    def close(self) -> None:
        """Nothing is left on the screen to end."""

    def _steps(self, job: Job) -> None:
        begun = [(record.step, record.started) for record in job.steps]
        if job.begun and not job.ended:
            begun.append((job.step, job.started or job.updated))
        for step, started in begun[self._told.get(job.id, 0) :]:
            self._line(started, f"{phrases.name(self._folders, job)}: {step}")
        self._told[job.id] = max(len(begun), self._told.get(job.id, 0))

    def _end(self, job: Job) -> None:
        self._told.pop(job.id, None)
        who, what = phrases.name(self._folders, job), phrases.outcome(job)
        if job.state is State.DONE:
            self._line(job.updated, f"{who}: done in {phrases.took_s(job):.0f} s -> {what}")
        else:
            self._line(job.updated, f"{who}: {job.state}: {what}")

    def _line(self, at: float, text: str) -> None:
        self._put(f"{datetime.fromtimestamp(at).astimezone():%H:%M:%S}  {text}")


def gate_lines(before: dict[Gate, Closed], now: dict[Gate, Closed]) -> list[str]:
    """What to say of gates that closed or opened between two looks."""
    shut = [
        f"waiting: {phrases.sentences(now[gate].message, now[gate].advice)}"
        for gate in now
        if gate not in before
    ]
    return shut + [f"going on: the {gate} gate is open again" for gate in before if gate not in now]
