"""``status --watch``: the same words as ``status``, looked at again each second, with the pace."""

import time
from collections import deque
from collections.abc import Callable

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from cli import phrases
from cli import status as views
from cli.reach import reached, running_url
from cli.terminal import no_control_echo
from config.settings import Settings
from jobs import result
from jobs.ledger import Ledger
from jobs.model import ACTIVE, ENDED

EVERY_S = 1.0
WINDOW = 120  # looks that the pace is taken from


class Pace:
    """How many files end in a minute, and when the rest will have; from the last two minutes."""

    def __init__(self) -> None:
        self._looks: deque[tuple[float, int]] = deque(maxlen=WINDOW)

    def look(self, seen: views.Overview, now: float) -> str:
        """The pace in words, "" as long as it is not known; ``now`` is in seconds."""
        ended = sum(seen.states[state] for state in ENDED)
        left = sum(seen.states[state] for state in ACTIVE)
        self._looks.append((now, ended))
        began, before = self._looks[0]
        per_minute = (ended - before) / (now - began) * 60 if now > began else 0.0
        if per_minute <= 0 or not left:
            return ""
        rest = phrases.duration(left / per_minute * 60)
        return f"{per_minute:.1f} files a minute; {left:,} left, about {rest}"


def watch(settings: Settings, job: str | None, console: Console, *, as_json: bool = False) -> None:
    """Show the totals, or a job, until Ctrl-C; in a pipe, a picture for each change.

    With ``as_json`` it is the object of ``status --json`` in one line for each change.

    Raises Unusable when nothing runs here, LedgerUnreachable when the server ends.
    """
    running_url(settings)  # a server that were started for the moment would keep a run from starting
    with reached(settings) as ledger:
        try:
            if as_json:
                _lines(ledger, job)
            elif console.is_terminal:
                _terminal(ledger, job, console)
            else:
                _pipe(ledger, job, console)
        except KeyboardInterrupt:
            return


def _terminal(
    ledger: Ledger, job: str | None, console: Console, sleep: Callable[[float], None] = time.sleep
) -> None:
    pace = Pace()
    with no_control_echo(), Live(console=console, auto_refresh=False, vertical_overflow="crop") as live:
        while True:
            live.update(picture(ledger, job, pace), refresh=True)
            sleep(EVERY_S)


def _pipe(
    ledger: Ledger, job: str | None, console: Console, sleep: Callable[[float], None] = time.sleep
) -> None:
    before: object = None
    while True:
        now = views.find(ledger, job).updated if job else views.overview(ledger)
        if now != before:
            console.print(picture(ledger, job, Pace()))
        before = now
        sleep(EVERY_S)


def _lines(ledger: Ledger, job: str | None, sleep: Callable[[float], None] = time.sleep) -> None:
    before = ""
    while True:
        seen = result.of(views.find(ledger, job)) if job else views.overview(ledger)
        line = seen.model_dump_json()
        if line != before:
            print(line, flush=True)
        before = line
        sleep(EVERY_S)


def picture(ledger: Ledger, job: str | None, pace: Pace) -> RenderableType:
    """One look, as ``status`` prints it."""
    parts: list[RenderableType] = []
    if job:
        parts += views.job_lines(views.find(ledger, job))
    else:
        seen = views.overview(ledger)
        parts += views.overview_lines(seen)
        if words := pace.look(seen, ledger.now()):
            parts.append(Text(words, "dim"))
    return Group(*parts)
