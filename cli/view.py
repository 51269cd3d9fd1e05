"""The live view: a line a file in work with its step and bar, the latest that ended, totals below."""

from collections import deque
from contextlib import ExitStack
from dataclasses import dataclass

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from cli import phrases
from cli.folders import Folders
from cli.follow import Snapshot
from cli.plain import gate_lines
from cli.terminal import no_control_echo
from jobs.gates import Closed
from jobs.model import Gate, Job, State

FEWEST = 3
FRAME_LINES = 5  # title, two blanks, totals, the cursor's own line


@dataclass(frozen=True, slots=True)
class Frame:
    """What one picture shows besides the snapshot."""

    folders: Folders
    title: str
    hint: str
    elapsed_s: float
    latest: tuple[Job, ...]  # ended, the newest last
    width: int = 100

    @property
    def bar_width(self) -> int:
        """Columns for the bars; a narrow terminal has none."""
        return max(0, min(24, self.width // 2 - 24))


class LiveView:
    """Shows a run on a terminal; drawn only when `show` is called, so that nothing flickers."""

    def __init__(self, folders: Folders, title: str, console: Console) -> None:
        self._folders = folders
        self._title = title
        self._console = console
        self._hint = "Ctrl-C finishes what runs"
        self._latest: deque[Job] = deque(maxlen=200)
        self._gates: dict[Gate, Closed] = {}
        self._began: float | None = None
        self._live = Live(console=console, auto_refresh=False, transient=True, vertical_overflow="crop")
        self._screen = ExitStack()
        self._screen.enter_context(no_control_echo())
        self._screen.enter_context(self._live)

    def say(self, line: str) -> None:
        """Put a line above the picture, where it stays."""
        self._live.console.print(Text(line), soft_wrap=True)

    def finishing(self, line: str) -> None:
        """Tell that nothing new is started, and how to stop at once."""
        self._hint = "Ctrl-C again stops now"
        self.say(line)

    def show(self, snapshot: Snapshot) -> None:
        """Draw one look."""
        self._began = snapshot.now if self._began is None else self._began
        for line in gate_lines(self._gates, snapshot.gates):
            self.say(line)
        self._gates = snapshot.gates
        for job in snapshot.changed:
            self._keep(job)
        frame = Frame(self._folders, self._title, self._hint, snapshot.now - self._began, tuple(self._latest))
        self._live.update(picture(snapshot, frame, self._console.height), refresh=True)

    def close(self) -> None:
        """Take the picture away; the summary stands in its place."""
        self._screen.close()

    def _keep(self, job: Job) -> None:
        kept = [other for other in self._latest if other.id != job.id]
        self._latest = deque([*kept, job] if job.ended else kept, maxlen=self._latest.maxlen)


def picture(snapshot: Snapshot, frame: Frame, height: int) -> RenderableType:
    """One picture of at most ``height`` lines."""
    room = max(FEWEST, height - FRAME_LINES)
    begun, ended = _share(room, len(snapshot.in_work), len(frame.latest))
    rows = _rows(snapshot, frame, begun, ended)
    return Group(_title(frame), Text(), rows, Text(), _totals(snapshot, frame))


def _share(room: int, in_work: int, ended: int) -> tuple[int, int]:
    """How many lines go to files in work and to those that ended; the former first, yet not all of it."""
    keep = min(ended, room // 3)
    begun = min(in_work, room - keep)
    return begun, min(ended, room - begun)


def _title(frame: Frame) -> RenderableType:
    line = Table.grid(expand=True)
    line.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
    line.add_column(justify="right", no_wrap=True)
    line.add_row(Text(frame.title, "bold"), Text(phrases.duration(frame.elapsed_s), "dim"))
    return line


def _rows(snapshot: Snapshot, frame: Frame, begun: int, ended: int) -> RenderableType:
    rows = Table.grid(padding=(0, 2, 0, 0), expand=True)
    rows.add_column(width=1, no_wrap=True)
    rows.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
    rows.add_column(no_wrap=True)
    rows.add_column(width=11, no_wrap=True, overflow="ellipsis")
    rows.add_column(width=5, justify="right", no_wrap=True)
    for job in frame.latest[len(frame.latest) - ended :]:
        _ended_row(rows, frame, job)
    hidden = len(snapshot.in_work) - begun
    shown = snapshot.in_work[: begun - 1 if hidden and begun > 1 else begun]
    for job in shown:
        _begun_row(rows, frame, job, snapshot.now)
    if hidden:
        rows.add_row("", Text(f"and {len(snapshot.in_work) - len(shown):,} more in work", "dim"), "", "", "")
    if not snapshot.in_work and not frame.latest:
        rows.add_row("", Text("looking for new files", "dim"), "", "", "")
    return rows


def _begun_row(rows: Table, frame: Frame, job: Job, now: float) -> None:
    began = job.steps[0].started if job.steps else job.started or job.updated
    rows.add_row(
        Text(phrases.MARKS[job.state], "cyan"),
        Text(phrases.name(frame.folders, job)),
        bar(phrases.progress(job), frame.bar_width, "cyan"),
        phrases.DOING[job.step],
        phrases.duration(now - began),
    )


def _ended_row(rows: Table, frame: Frame, job: Job) -> None:
    style = phrases.STYLES.get(job.state, "")
    name = Text.assemble((phrases.name(frame.folders, job), "dim"))
    if job.problem:
        name.append(f"  {phrases.said(job)}", style)
    full = bar(1.0, frame.bar_width, style) if job.state is State.DONE else Text()
    took = Text(phrases.duration(phrases.took_s(job)) if job.steps else "", "dim")
    rows.add_row(Text(phrases.MARKS[job.state], style), name, full, Text(job.state, style), took)


def bar(part: float, width: int, style: str) -> Text:
    """A bar that can be read without colour: heavy as far as it is, light for the rest."""
    full = round(min(1.0, max(0.0, part)) * width)
    return Text.assemble(("━" * full, style), ("─" * (width - full), "dim"))


def _totals(snapshot: Snapshot, frame: Frame) -> RenderableType:
    line = Table.grid(expand=True)
    line.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
    line.add_column(justify="right", no_wrap=True)
    parts = [
        (snapshot.ended.get(State.DONE, 0), "done", "green"),
        (snapshot.ended.get(State.FAILED, 0), "failed", "red"),
        (snapshot.ended.get(State.UNCONFIRMED, 0), "unconfirmed", "yellow"),
        (snapshot.counts[State.PARKED], "parked", "yellow"),
        (len(snapshot.in_work), "in work", "cyan"),
        (snapshot.waiting, "waiting", ""),
    ]
    said = [Text(f"{count:,} {word}", style) for count, word, style in parts if count or word == "done"]
    line.add_row(Text("  ·  ", "dim").join(said), Text(frame.hint, "dim"))
    return line
