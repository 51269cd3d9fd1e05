"""Choose by ear: some seconds of a file under several kinds of music, made beside the work, kept a while."""

import asyncio
import shutil
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from starlette.concurrency import run_in_threadpool

DEFAULT_MOODS = "calm, epic, lo-fi"
MOST_MOODS, MOST_CHARACTERS = 6, 60
MOST_KEPT = 8
"""So many files keep their previews; the oldest go."""


class NoPreview(Exception):
    """It cannot be made; ``str()`` is one line for the person."""


@dataclass(frozen=True, slots=True)
class Mood:
    """The excerpt under one kind of music; ``said`` is what the agent says of it."""

    word: str
    instruction: str
    path: Path
    said: str = ""


@dataclass(frozen=True, slots=True)
class Hearing:
    """What was asked for a file: being made, made, or refused for a reason."""

    asked: str
    moods: tuple[Mood, ...] = ()
    is_making: bool = False
    problem: str = ""


def read_moods(text: str) -> list[str]:
    """Read moods with commas between them; raises NoPreview in a person's words."""
    moods = list(dict.fromkeys(" ".join(word.split()) for word in text.split(",") if word.strip()))
    if not 0 < len(moods) <= MOST_MOODS or any(len(word) > MOST_CHARACTERS for word in moods):
        raise NoPreview(f"name one to {MOST_MOODS} kinds of music, such as {DEFAULT_MOODS}")
    return moods


class Previews:
    """The previews of a page, one file after the other; ``make`` blocks, and raises NoPreview."""

    def __init__(self, make: Callable[[str, Sequence[str], Path], tuple[Mood, ...]], folder: Path) -> None:
        """Keep them below ``folder``, which is emptied now."""
        self._make, self._folder = make, folder
        self._hearings: OrderedDict[str, Hearing] = OrderedDict()
        self._one_at_a_time = asyncio.Lock()
        shutil.rmtree(folder, ignore_errors=True)

    def of(self, key: str) -> Hearing | None:
        """Return what was asked for a file, or None."""
        return self._hearings.get(key)

    def find(self, key: str, number: int) -> Mood | None:
        """Return one of the moods that are made."""
        hearing = self._hearings.get(key)
        return hearing.moods[number] if hearing and 0 <= number < len(hearing.moods) else None

    def ask(self, key: str, text: str) -> list[str]:
        """Note that a file's previews are to be made; raises NoPreview."""
        moods = read_moods(text)
        known = self._hearings.get(key)
        if known and known.is_making:
            raise NoPreview("it is being made; it takes some seconds")
        self._hearings[key] = Hearing(", ".join(moods), is_making=True)
        self._hearings.move_to_end(key)
        return moods

    async def make(self, key: str, source: str, moods: Sequence[str]) -> None:
        """Make what was asked for; what went wrong stands in the hearing."""
        folder, asked = self._folder / key, ", ".join(moods)
        async with self._one_at_a_time:
            try:
                made = await run_in_threadpool(self._make, source, moods, folder)
                self._hearings[key] = Hearing(asked, made)
            except NoPreview as exc:
                self._hearings[key] = Hearing(asked, problem=str(exc))
        while len(self._hearings) > MOST_KEPT:
            oldest, _ = self._hearings.popitem(last=False)
            shutil.rmtree(self._folder / oldest, ignore_errors=True)
