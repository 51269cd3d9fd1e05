"""The command blocks of README.md and docs/*.md, as a reader sees them.

A block is fenced as ``console`` or ``sh``; in it a line with ``$ `` is a command, what follows is what it
prints, as far as the page shows it. A comment on the command says how it ends: ``# until Ctrl-C``, or
``# exits 2`` (else 0). ``<!-- run: … -->`` above a block says what must be there for it to run:

given DIR   a folder with one short clip in it
cloud       a studio at NEMO_API_URL in NemoVideo's place; ``nmv_your_token`` is an account there
s3          a bucket ``clips`` at ``https://minio.example:9000``
redis       a Redis server at ``ledger.example:6379`` with the password PASSWORD
docker      a Docker engine (`make test-compose`); elsewhere compose reads the file and knows the words
"""

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
MARKS = ("given", "cloud", "redis", "s3", "docker")

_BLOCK = re.compile(
    r"(?:^<!-- run: (?P<marks>.*?) -->\n)?^```(?:console|sh|bash|shell)\n(?P<text>.*?)^```", re.M | re.S
)


class BadMark(ValueError):
    """A mark that says nothing this can bring about; the message names the page and the line."""


@dataclass(frozen=True, slots=True)
class Command:
    """A line after ``$``, and the lines that the page shows below it."""

    text: str
    shown: tuple[str, ...]

    @property
    def is_stopped(self) -> bool:
        """Whether a person ends it."""
        return "until Ctrl-C" in self.text.partition("#")[2]

    @property
    def exit_code(self) -> int:
        """What it ends with."""
        found = re.search(r"# exits (\d+)", self.text)
        return int(found[1]) if found else 0


@dataclass(frozen=True, slots=True)
class Block:
    """One block and where it stands."""

    page: Path
    line: int
    marks: tuple[str, ...]
    commands: tuple[Command, ...]

    def has(self, mark: str) -> bool:
        """Whether that mark stands above it."""
        return mark in self.marks

    @property
    def given(self) -> tuple[str, ...]:
        """The folders that hold a clip."""
        return tuple(mark.removeprefix("given ") for mark in self.marks if mark.startswith("given "))


def blocks(page: Path) -> list[Block]:
    """The blocks of a page, in their order; raises BadMark."""
    text = page.read_text(encoding="utf-8")
    found = []
    for match in _BLOCK.finditer(text):
        line = text.count("\n", 0, match.start("text")) + 1
        marks = tuple(mark.strip() for mark in (match["marks"] or "").split(",") if mark.strip())
        for mark in marks:
            if mark.split()[0] not in MARKS:
                raise BadMark(f"{page.name}:{line}: '{mark}' is no mark; there are: {', '.join(MARKS)}")
        found.append(Block(page, line, marks, tuple(_commands(page, line, match["text"]))))
    return found


def _commands(page: Path, line: int, text: str) -> list[Command]:
    first, *parts = re.split(r"(?m)^\$ ", text)
    if first.strip() or not parts:
        raise BadMark(f"{page.name}:{line}: a command block should begin with '$ '")
    rows = (re.sub(r"\\\n\s*", "", part).splitlines() for part in parts)  # a line that goes on in the next
    return [Command(row[0], tuple(line for line in row[1:] if line.strip() not in ("", "…"))) for row in rows]


def expected(line: str) -> re.Pattern[str]:
    """What a shown line stands for: any number for a number, any gap for a gap, anything for ``…``."""
    pattern = re.escape(line.strip())
    pattern = re.sub(r"(?:\\ )+", r"\\s+", pattern)
    pattern = re.sub(r"\d+(?:[:.,]\d+)*", r"[\\d:.,]+", pattern)
    return re.compile(pattern.replace("…", ".*"))
