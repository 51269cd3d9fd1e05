"""What is done with a file: nearest first.

A manifest's row, the sidecars of the file (``clip.mp4.toml`` and ``.txt``, then those of ``clip``), the
``_dropscore.toml`` of its folder, of its parents up to the root, the run's default, the skill's own.
A nearer one wins key by key; a key that it does not name is taken from the next.
"""

import hashlib
import os
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, Field, field_validator

from config.settings import Settings
from config.skills import Skill
from producer.errors import SourceBusy, UnusableSidecar, printable
from producer.outputs import check_chosen_output
from producer.preflight import EXTENSIONS, is_media_name
from producer.sidecars import (
    FOLDER_FILE,
    KINDS,
    MAX_CHARACTERS,
    FolderListing,
    SidecarIndex,
    fold,
    is_settled,
    mark_of,
    read_sidecar,
)
from producer.transcode import OFF, Transcoding
from storage import is_remote

_MOST_LISTINGS = 64
_PLACEHOLDER = re.compile(r"\{(name|folder|stem)\}")


class InstructionSpec(BaseModel):
    """What one sidecar, folder file or manifest row says; None = it says nothing of it."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_max_length=MAX_CHARACTERS)

    instructions: tuple[str, ...] | None = Field(None, min_length=1, max_length=50)
    skill: str | None = None
    output: str | None = None
    language: str | None = Field(None, pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]+)*$")
    priority: int | None = Field(None, ge=0, le=1000)
    max_credits: int | None = Field(None, ge=0, le=10**9)

    @field_validator("instructions", mode="before")
    @classmethod
    def _split_lines(cls, value: object) -> object:
        lines = value.splitlines() if isinstance(value, str) else value
        if isinstance(lines, (list, tuple)) and all(isinstance(line, str) for line in lines):
            return [line.strip() for line in lines if line.strip()]
        return lines

    @field_validator("instructions", "skill", "output")
    @classmethod
    def _check_text(cls, value: object) -> object:
        texts = (value,) if isinstance(value, str) else value if isinstance(value, tuple) else ()
        if any("\ud800" <= char <= "\udfff" or char == "\0" for text in texts for char in text):
            raise ValueError("half a character (a lone surrogate) is no text")
        return value

    @field_validator("output")
    @classmethod
    def _check_inside(cls, value: str | None) -> str | None:
        return check_chosen_output(value) if value is not None else None

    def over(self, farther: "InstructionSpec") -> "InstructionSpec":
        """Return what this says, with what it leaves open taken from a farther one."""
        if self is NOTHING_SAID or farther is NOTHING_SAID:
            return farther if self is NOTHING_SAID else self
        merged = {**farther.model_dump(exclude_none=True), **self.model_dump(exclude_none=True)}
        return InstructionSpec.model_validate(merged)


NOTHING_SAID = InstructionSpec.model_validate({})


@dataclass(frozen=True, slots=True)
class ResolvedInstructions:
    """What is done with a file; ``backlog`` None: nobody said whether it waits behind dropped files."""

    instructions: tuple[str, ...]
    skill: Skill
    output: str | None
    language: str | None
    backlog: bool | None
    max_credits: int | None


@dataclass(frozen=True, slots=True)
class Defaults:
    """What holds where nothing nearer says otherwise: the run's own instructions and the skills there are."""

    spec: InstructionSpec
    skill: str
    skills: Mapping[str, Skill]
    again: str = ""
    transcoding: Transcoding = OFF
    preview: bool = False
    exports: tuple[str, ...] = ()

    @classmethod
    def from_settings(
        cls,
        settings: Settings,
        nearer: InstructionSpec = NOTHING_SAID,
        *,
        skill: str | None = None,
        again: str = "",
        priority: int | None = None,
    ) -> "Defaults":
        """Return what the settings say, and ``nearer`` says over them."""
        run = {"instructions": settings.instruction, "language": settings.language, "priority": priority}
        return cls(
            nearer.over(InstructionSpec.model_validate(run)),
            skill or settings.skill,
            settings.all_skills(),
            again,
            Transcoding.from_settings(settings),
            settings.preview,
            settings.exports,
        )

    def mark(self) -> str:
        """Return a few letters that change when the run asks for something else."""
        skill = self.skills[self.skill].instruction if self.skill in self.skills else ""
        parts = [self.skill, skill, self.again, self.spec.model_dump_json(), self.transcoding.mark()]
        return hashlib.blake2b("\0".join(parts).encode("utf-8", "surrogatepass"), digest_size=4).hexdigest()


class InstructionResolver:
    """Finds and reads the instructions of files, as they are during one pass; shared by threads."""

    def __init__(
        self,
        defaults: Defaults,
        row: InstructionSpec = NOTHING_SAID,
        index: SidecarIndex | None = None,
        settle_s: float = 0.0,
        wall: Callable[[], float] = time.time,
    ) -> None:
        """Start with nothing read; ``row`` is a manifest's, nearer than any sidecar.

        A sidecar that was written to in the last ``settle_s`` seconds is not read yet.
        """
        self._index = index or SidecarIndex()
        self._defaults, self._row = defaults, row
        self._settle_s, self._wall = settle_s, wall
        self._mark = defaults.mark()
        self._specs: dict[str, InstructionSpec] = {}
        self._listings: dict[str, FolderListing] = {}
        self._folder_files: dict[tuple[str, str], tuple[tuple[str, str], ...]] = {}

    def listing(self, path: str, root: str) -> FolderListing:
        """Return what is in the folder of a file; raises SourceGone."""
        if is_remote(path) and not root:
            return self._index.beside(path)
        folder = path.rpartition("/")[0]
        if folder not in self._listings:
            if len(self._listings) > _MOST_LISTINGS:
                self._listings.clear()
            self._listings[folder] = self._index.listing(folder, root)
        return self._listings[folder]

    def stamp(self, path: str, root: str) -> str:
        """Return letters that change when the instructions of the file may have changed; reads no file."""
        listing = self.listing(path, root)
        name = path.rpartition("/")[2]
        odd = [*listing.former_sidecars(name), *listing.misspelt.get(fold(name), ())]
        marks = [f"{side}={mark_of(side, listing)}" for level in self._own(path, listing) for side in level]
        marks += [f"{file}={mark}" for file, mark in self._of_folders(path.rpartition("/")[0], root)] + odd
        if not marks:
            return self._mark
        text = "\0".join([self._mark, *marks]).encode("utf-8", "surrogateescape")
        return hashlib.blake2b(text, digest_size=6).hexdigest()

    def resolve(self, path: str, root: str) -> ResolvedInstructions:
        """Return what is done with a file.

        Raises:
            UnusableSidecar: the file, the line and what is wrong there; nothing is paid on a guess.
            SourceBusy: a sidecar was written to a moment ago.
        """
        listing = self.listing(path, root)
        folder, _slash, name = path.rpartition("/")
        for side in listing.former_sidecars(name):
            why = "instructions are no longer read from JSON and YAML"
            wanted = f"{printable(name)}.toml"
            advice = f"Write them as TOML into {wanted}, and remove this file. Nothing was paid."
            raise UnusableSidecar(f"{folder}/{side}", None, why, advice)
        for side in listing.misspelt.get(fold(name), ()):
            why = "looks like instructions, and is none by its name"
            advice = f"Rename it to {printable(name)}.txt or .toml, or to something else. Nothing was paid."
            raise UnusableSidecar(f"{folder}/{side}", None, why, advice)
        spec = self._row
        for level in self._own(path, listing):
            spec = spec.over(self._merge(level, root))
        for file, _mark in self._of_folders(folder, root):
            if fold(file.rpartition("/")[2]) != FOLDER_FILE:
                why = f"the instructions of a folder are read from {FOLDER_FILE} alone"
                advice = f"Rename it to {FOLDER_FILE}, or remove it. Nothing was paid."
                raise UnusableSidecar(file, None, why, advice)
            spec = spec.over(self._read(file, root))
        return resolve(spec, self._defaults, path)

    def _own(self, path: str, listing: FolderListing) -> list[list[str]]:
        folder, _slash, name = path.rpartition("/")
        return [[f"{folder}/{side}" for side in level] for level in listing.sidecars_of(name)]

    def _of_folders(self, folder: str, root: str) -> tuple[tuple[str, str], ...]:
        """Return the folder files (and what seems to be one) with their marks, the nearest first."""
        known = self._folder_files.get((folder, root))
        if known is not None:
            return known
        found, at = [], folder
        while at and root:
            listing = self._index.listing(at, root)
            for name in listing.folder_files:
                found.append((f"{at}/{name}", mark_of(f"{at}/{name}", listing)))
            if at == root or not at.startswith(root):
                break
            at = at.rpartition("/")[0]
        if not root and not is_remote(folder):  # a file that was named alone: its folder's, and those above
            listing = self._index.listing(folder, folder)
            files = [f"{folder}/{name}" for name in listing.folder_files]
            while at := at.rpartition("/")[0]:
                files.append(f"{at}/{FOLDER_FILE}")
            found = [(file, mark) for file in files if (mark := mark_of(file, listing))]
        self._folder_files[folder, root] = tuple(found)
        return self._folder_files[folder, root]

    def _merge(self, level: list[str], root: str) -> InstructionSpec:
        """Return what the sidecars of one level say together; raises UnusableSidecar where they disagree."""
        merged: dict[str, object] = {}
        said_by: dict[str, str] = {}
        for side in level:
            for key, value in self._read(side, root).model_dump(exclude_none=True).items():
                if key in merged and merged[key] != value:
                    other = printable(said_by[key].rpartition("/")[2])
                    why = f"says something else than {other} ({key}); keep one of them"
                    raise UnusableSidecar(side, None, why)
                merged[key], said_by[key] = value, side
        return InstructionSpec.model_validate(merged)

    def _read(self, path: str, root: str) -> InstructionSpec:
        if path not in self._specs:
            if not is_settled(path, self._settle_s, self._wall()):
                raise SourceBusy(f"{printable(path)}: written to a moment ago")
            spec = read_sidecar(path, root, InstructionSpec)
            if spec.skill is not None and spec.skill not in self._defaults.skills:
                there_are = ", ".join(sorted(self._defaults.skills))
                raise UnusableSidecar(path, None, f"skill '{spec.skill}' is unknown; there are: {there_are}")
            self._specs[path] = spec
        return self._specs[path]


def resolve(spec: InstructionSpec, defaults: Defaults, path: str) -> ResolvedInstructions:
    """Fill in what is left open, and the placeholders; the skill must be one there is."""
    spec = spec.over(defaults.spec)
    skill = defaults.skills[spec.skill or defaults.skill]
    lines = spec.instructions or (skill.instruction,)
    return ResolvedInstructions(
        instructions=tuple(fill_placeholders(line, path) for line in lines),
        skill=skill,
        output=spec.output and check_chosen_output(fill_placeholders(spec.output, path)),
        language=spec.language,
        backlog=None if spec.priority is None else spec.priority > 0,
        max_credits=spec.max_credits,
    )


def fill_placeholders(text: str, path: str) -> str:
    """Fill in ``{name}``, ``{stem}`` and ``{folder}`` of the file; other braces stay."""
    folder, _slash, name = path.rpartition("/")
    values = {"name": name, "stem": name.rpartition(".")[0] or name, "folder": folder.rpartition("/")[2]}
    return _PLACEHOLDER.sub(lambda found: values[found[1]], text)


def media_of_sidecar(path: str) -> list[str]:
    """Return the files that are there and that a sidecar, by its name, belongs to."""
    folder, _slash, name = path.rpartition("/")
    base, dot, _tail = name.rpartition(".")
    if not dot:
        return []
    if is_media_name(base):
        wanted = {fold(base)}
    elif name.lower().endswith(KINDS):
        wanted = {fold(f"{base}.{tail}") for tail in EXTENSIONS}
    else:
        return []
    try:
        return [f"{folder}/{other}" for other in os.listdir(folder) if fold(other) in wanted]  # noqa: PTH208
    except OSError:
        return []
