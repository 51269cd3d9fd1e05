"""What shall be done with a file: nearest first (expectations, "Instructions").

A sidecar of the file (``clip.mp4.toml``, ``.json``, ``.yaml``; ``clip.mp4.txt``, ``clip.txt``), the
``_dropscore.toml`` of its folder, of its parents up to the root, the run's default, the skill's own.
A nearer one wins key by key; a key that it does not name is taken from the next.
"""

import hashlib
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, Field, field_validator

from config.skills import Skill
from producer import sidecar
from producer.errors import BrokenSidecar
from producer.media import EXTENSIONS, is_media_name
from producer.naming import chosen_output
from producer.shelf import FOLDER_FILE, TABLES, Marks, Shelf, beside, is_sidecar_name
from producer.transcode import OFF, Transcoding
from stores import is_remote

_PLACEHOLDER = re.compile(r"\{(name|folder|stem)\}")


class Wish(BaseModel):
    """What one sidecar, folder file or manifest row says; None = not said."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    instructions: tuple[str, ...] | None = Field(None, min_length=1)
    skill: str | None = None
    output: str | None = None
    language: str | None = Field(None, pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]+)*$")
    priority: int | None = Field(None, ge=0, le=1000)
    max_credits: int | None = Field(None, ge=0)

    @field_validator("instructions", mode="before")
    @classmethod
    def _lines(cls, value: object) -> object:
        lines = value.splitlines() if isinstance(value, str) else value
        if isinstance(lines, (list, tuple)) and all(isinstance(line, str) for line in lines):
            return [line.strip() for line in lines if line.strip()]
        return lines

    @field_validator("instructions")
    @classmethod
    def _sayable(cls, value: tuple[str, ...] | None) -> tuple[str, ...] | None:
        if any("\ud800" <= char <= "\udfff" for line in value or () for char in line):
            raise ValueError("half a character (a lone surrogate) is no text")
        return value

    @field_validator("output")
    @classmethod
    def _inside(cls, value: str | None) -> str | None:
        return chosen_output(value) if value is not None else None

    def over(self, farther: "Wish") -> "Wish":
        """The wish, with what it leaves open taken from a farther one."""
        said = {**farther.model_dump(exclude_none=True), **self.model_dump(exclude_none=True)}
        return Wish.model_validate(said)


@dataclass(frozen=True, slots=True)
class Asked:
    """What is done with a file, every question answered."""

    instructions: tuple[str, ...]
    skill: Skill
    output: str | None
    language: str | None
    priority: int
    max_credits: int | None


@dataclass(frozen=True, slots=True)
class Defaults:
    """What holds where nothing nearer says otherwise: the run's wish and the skills there are."""

    wish: Wish
    skill: str
    skills: Mapping[str, Skill]
    again: str = ""
    transcoding: Transcoding = OFF

    def mark(self) -> str:
        """A few letters that change when the run asks for something else."""
        said = [self.skill, self.again, self.wish.model_dump_json(), self.transcoding.mark()]
        return hashlib.blake2b("\0".join(said).encode(), digest_size=4).hexdigest()


class Nearby:
    """Sidecars and folder files, as they are during one pass; a folder is listed once."""

    def __init__(self, defaults: Defaults, row: Wish | None = None, shelf: Shelf | None = None) -> None:
        """Start with nothing known; ``row`` is a manifest's, nearer than any sidecar.

        ``shelf`` has the sidecars that lie in buckets.
        """
        self._shelf = shelf or Shelf()
        self._defaults, self._row = defaults, row or Wish.model_validate({})
        self._mark = defaults.mark()
        self._listings: dict[str, Marks] = {}
        self._wishes: dict[str, Wish] = {}

    def stamp(self, path: str, root: str) -> str:
        """Letters that change when what is asked for the file may have changed, without reading a file."""
        marks = [f"{name}={mark}" for name, mark in self._sidecars(path, root)]
        if not marks:
            return self._mark
        return hashlib.blake2b("\0".join([self._mark, *marks]).encode(), digest_size=6).hexdigest()

    def asked(self, path: str, root: str) -> Asked:
        """What is asked for a file.

        Raises:
            BrokenSidecar: the file, the line and what is wrong there.
        """
        wish = self._row
        for name, _mark in self._sidecars(path, root):
            wish = wish.over(self._read(name))
        return settle(wish, self._defaults, path)

    def _sidecars(self, path: str, root: str) -> list[tuple[str, str]]:
        folder, _slash, name = path.rpartition("/")
        there = self._beside(folder, name) if is_remote(path) and not root else self._listing(folder, root)
        near = next((side for side in names_of(name) if side in there), None)
        found = [(f"{folder}/{near}", there[near])] if near else []
        return found + self._folder_files(folder, root)

    def _folder_files(self, folder: str, root: str) -> list[tuple[str, str]]:
        found = []
        while folder:
            mark = self._listing(folder, root).get(FOLDER_FILE)
            if mark is not None:
                found.append((f"{folder}/{FOLDER_FILE}", mark))
            if folder == root or not folder.startswith(root) or not root:
                break
            folder = folder.rpartition("/")[0]
        return found

    def _listing(self, folder: str, root: str) -> Marks:
        known = self._listings.get(folder)
        if known is None:
            known = self._shelf.of(folder, root) if is_remote(folder) else dict(_sidecars_in(folder))
            self._listings[folder] = known
        return known

    def _beside(self, folder: str, name: str) -> Marks:
        """The sidecars of one object that was named by itself: its folder may hold millions of others."""
        found = {**self._listings.get(folder, {}), **beside(folder, (*names_of(name), FOLDER_FILE))}
        self._listings[folder] = found
        return found

    def _read(self, path: str) -> Wish:
        if not path.endswith("/" + FOLDER_FILE):
            return self._checked(path)
        if path not in self._wishes:
            self._wishes[path] = self._checked(path)
        return self._wishes[path]

    def _checked(self, path: str) -> Wish:
        wish = sidecar.read(path, Wish)
        if wish.skill is not None and wish.skill not in self._defaults.skills:
            there_are = ", ".join(sorted(self._defaults.skills))
            line = sidecar.line_of(path, wish.skill)
            raise BrokenSidecar(path, line, f"skill '{wish.skill}' is unknown; there are: {there_are}")
        return wish


def settle(wish: Wish, defaults: Defaults, path: str) -> Asked:
    """Fill in what the wish leaves open, and the placeholders; its skill must be one there is."""
    wish = wish.over(defaults.wish)
    skill = defaults.skills[wish.skill or defaults.skill]
    lines = wish.instructions or (skill.instruction,)
    return Asked(
        instructions=tuple(filled(line, path) for line in lines),
        skill=skill,
        output=wish.output and filled(wish.output, path),
        language=wish.language,
        priority=wish.priority or 0,
        max_credits=wish.max_credits,
    )


def filled(text: str, path: str) -> str:
    """The text with ``{name}``, ``{stem}`` and ``{folder}`` of the file filled in; other braces stay."""
    folder, _slash, name = path.rpartition("/")
    values = {"name": name, "stem": name.rpartition(".")[0] or name, "folder": folder.rpartition("/")[2]}
    return _PLACEHOLDER.sub(lambda found: values[found[1]], text)


def names_of(name: str) -> Iterable[str]:
    """The names that a file's sidecar may have, the nearest first."""
    stem = name.rpartition(".")[0] or name
    return (*(name + tail for tail in TABLES), f"{name}.txt", f"{stem}.txt")


def sidecar_for(path: str) -> list[str]:
    """The media files that are there and that a sidecar, by its name, belongs to."""
    folder, _slash, name = path.rpartition("/")
    base = name[: -len(next((tail for tail in (".txt", *TABLES) if name.endswith(tail)), ""))]
    if is_media_name(base):
        return [f"{folder}/{base}"]
    if not name.endswith(".txt"):
        return []
    return [there for tail in EXTENSIONS if os.path.lexists(there := f"{folder}/{base}.{tail}")]


def _sidecars_in(folder: str) -> Iterable[tuple[str, str]]:
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if is_sidecar_name(entry.name) and entry.is_file():
                    at = entry.stat()
                    yield entry.name, f"{at.st_size}:{at.st_mtime_ns}"
    except OSError:
        return  # the folder is gone, and its files with it
