"""The live view: a line a file in work with its step and bar, the latest that ended, totals below."""

import os
import sys
import termios
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from cli import format as formats
from cli.output.plain import duplicate_line, gate_lines
from cli.output.snapshot import Snapshot
from cli.paths import Folders
from jobs.gates import ClosedGate
from jobs.model import Gate, Job, State

FEWEST = 3
STATE_WIDTH, TIME_WIDTH = 11, 5
FEWEST_BAR = 6  # a shorter bar says nothing
_LOCAL_MODES = 3  # where termios.tcgetattr keeps them
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
        width = min(24, self.width // 2 - 24)
        return width if width >= FEWEST_BAR else 0

    @property
    def name_width(self) -> int:
        """Columns for a file's name: what the other columns and the gaps between them leave."""
        gaps = 2 * (4 if self.bar_width else 3)
        return max(8, self.width - 1 - self.bar_width - STATE_WIDTH - TIME_WIDTH - gaps)


class LiveView:
    """Shows a run on a terminal; drawn only when `show` is called, so that nothing flickers."""

    def __init__(self, folders: Folders, title: str, console: Console) -> None:
        self._folders = folders
        self._title = title
        self._console = console
        self._hint = "Ctrl-C finishes what runs"
        self._latest: deque[Job] = deque(maxlen=200)
        self._gates: dict[Gate, ClosedGate] = {}
        self._began: float | None = None
        self._live = Live(console=console, auto_refresh=False, transient=True, vertical_overflow="crop")
        self._screen = ExitStack()
        self._screen.enter_context(no_control_echo())
        self._screen.enter_context(self._live)

    def say(self, line: str) -> None:
        """Put a line above the picture, where it stays."""
        self._live.console.print(Text(line), soft_wrap=True)

    def show_finishing(self, line: str) -> None:
        """Show that nothing new is started, and how to stop at once."""
        self._hint = "Ctrl-C again stops now"
        self.say(line)

    def show(self, snapshot: Snapshot) -> None:
        """Draw one look."""
        self._began = snapshot.now if self._began is None else self._began
        for line in gate_lines(self._gates, snapshot.gates):
            self.say(line)
        self._gates = snapshot.gates
        for path, _ in snapshot.duplicates:
            self.say(duplicate_line(self._folders, path))
        for job in snapshot.changed:
            kept = [other for other in self._latest if other.id != job.id]
            self._latest = deque([*kept, job] if job.ended else kept, maxlen=self._latest.maxlen)
        elapsed_s, width = snapshot.now - self._began, self._console.width
        frame = Frame(self._folders, self._title, self._hint, elapsed_s, tuple(self._latest), width)
        self._live.update(draw(snapshot, frame, self._console.height), refresh=True)

    def close(self) -> None:
        """Take the picture away; the summary stands in its place."""
        self._screen.close()


def draw(snapshot: Snapshot, frame: Frame, height: int) -> RenderableType:
    """Draw one picture of at most ``height`` lines."""
    room = max(FEWEST, height - FRAME_LINES)
    # Files in work go before those that ended, yet do not take all of it.
    begun = min(len(snapshot.in_work), room - min(len(frame.latest), room // 3))
    ended = min(len(frame.latest), room - begun)
    rows = draw_rows(snapshot, frame, begun, ended)
    return Group(draw_title(frame), Text(), rows, Text(), draw_totals(snapshot, frame))


def draw_title(frame: Frame) -> RenderableType:
    """Draw the title, and how long the run takes already."""
    line = Table.grid(expand=True)
    line.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
    line.add_column(justify="right", no_wrap=True)
    line.add_row(Text(frame.title, "bold"), Text(formats.format_duration(frame.elapsed_s), "dim"))
    return line


def draw_rows(snapshot: Snapshot, frame: Frame, begun: int, ended: int) -> RenderableType:
    """Draw a line a file: ``ended`` that ended, ``begun`` in work."""
    rows = Table.grid(padding=(0, 2, 0, 0), expand=True)
    rows.add_column(width=1, no_wrap=True)
    rows.add_column(ratio=1, no_wrap=True, overflow="crop")
    if frame.bar_width:
        rows.add_column(width=frame.bar_width, no_wrap=True)
    rows.add_column(width=STATE_WIDTH, no_wrap=True, overflow="ellipsis")
    rows.add_column(width=TIME_WIDTH, justify="right", no_wrap=True)

    def add(mark: Text | str, name: Text, progress: Text, state: Text | str, took: Text | str) -> None:
        rows.add_row(mark, name, *([progress] if frame.bar_width else []), state, took)

    hidden = len(snapshot.in_work) - begun
    shown = snapshot.in_work[: begun - 1 if hidden and begun > 1 else begun]
    over = frame.latest[len(frame.latest) - ended :]
    shared_end = formats.measure_shared_end(
        formats.format_name(frame.folders, job) for job in (*over, *shown)
    )
    for job in over:
        style = formats.STYLES.get(job.state, "")
        problem = f"  {formats.format_problem(job)}" if job.problem else ""
        # A reason may take half of the line; the name keeps its end, where names of one folder differ.
        room = frame.name_width - min(len(problem), frame.name_width // 2)
        bare = formats.shorten_middle(formats.format_name(frame.folders, job), room, shared_end)
        name = Text(bare, "dim")
        name.append(problem, style)
        name.truncate(frame.name_width, overflow="ellipsis")
        full = bar(1.0, frame.bar_width, style) if job.state is State.DONE else Text()
        mark, took = Text(formats.MARKS[job.state], style), Text(formats.format_took(job), "dim")
        add(mark, name, full, Text(job.state, style), took)
    for job in shown:
        began = job.steps[0].started if job.steps else job.started or job.updated
        still = formats.format_still_working(job, snapshot.now)
        still = f"  {still}" if still else ""
        room = frame.name_width - min(len(still), frame.name_width // 2)
        bare = formats.shorten_middle(formats.format_name(frame.folders, job), room, shared_end)
        name = Text(bare).append(still, "dim")
        name.truncate(frame.name_width, overflow="ellipsis")
        add(
            Text(formats.MARKS[job.state], "cyan"),
            name,
            bar(formats.measure_progress(job), frame.bar_width, "cyan"),
            formats.ACTIVITY[job.step],
            formats.format_duration(snapshot.now - began),
        )
    if hidden:
        add("", Text(f"and {len(snapshot.in_work) - len(shown):,} more in work", "dim"), Text(), "", "")
    if not snapshot.in_work and not frame.latest:
        add("", Text("looking for new files", "dim"), Text(), "", "")
    return rows


def bar(part: float, width: int, style: str) -> Text:
    """A bar that can be read without colour: heavy as far as it is, light for the rest."""
    full = round(min(1.0, max(0.0, part)) * width)
    return Text.assemble(("━" * full, style), ("─" * (width - full), "dim"))


def draw_totals(snapshot: Snapshot, frame: Frame) -> RenderableType:
    """Draw how many there are of each, and what Ctrl-C does."""
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
    shown = [Text(f"{count:,} {word}", style) for count, word, style in parts if count or word == "done"]
    line.add_row(Text("  ·  ", "dim").join(shown), Text(frame.hint, "dim"))
    return line


@contextmanager
def no_control_echo() -> Iterator[None]:
    """Let the terminal of standard input not echo ``^C`` into the picture; elsewhere do nothing."""
    if not _is_foreground(terminal := 0):
        yield
        return
    former = termios.tcgetattr(terminal)
    changed = termios.tcgetattr(terminal)
    changed[_LOCAL_MODES] &= ~termios.ECHOCTL
    termios.tcsetattr(terminal, termios.TCSADRAIN, changed)
    try:
        yield
    finally:
        if _is_foreground(terminal):
            termios.tcsetattr(terminal, termios.TCSADRAIN, former)


def _is_foreground(terminal: int) -> bool:
    # A process in the background would be stopped for touching the terminal.
    try:
        return sys.stdin is not None and os.isatty(terminal) and os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:
        return False
