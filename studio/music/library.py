"""The user's own music: a folder of songs, each measured once and kept in mind by path, time and size."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # numpy and PyAV are loaded on first use, so that the server starts fast.
    from studio.music.song import Entry, Song

SUFFIXES = frozenset({".mp3", ".wav", ".m4a", ".aac", ".flac", ".ogg", ".opus"})
_MOST = 5_000
_SAVE_EVERY = 20

Stamp = tuple[int, int]


class Library:
    """Knows the songs of a folder; safe to ask from several threads."""

    def __init__(self, folder: Path | None, memory: Path) -> None:
        """Take the folder (None: there is no library) and the file that keeps what was measured."""
        self._folder = folder.absolute() if folder else None
        self._memory = memory
        self._lock = threading.Lock()
        self._kept: dict[str, Entry] | None = None
        self._songs: dict[str, Song] = {}
        self._stopped = False

    @property
    def songs(self) -> tuple[Song, ...]:
        """Return the songs known by now, in order of their ids."""
        return tuple(self._songs.values())

    def path_of(self, song: str) -> Path | None:
        """Return the file of a song by its id, or None; a draft's word leads nowhere else."""
        inside = PurePosixPath(song)
        safe = not inside.is_absolute() and ".." not in inside.parts and inside.suffix.lower() in SUFFIXES
        path = self._folder / inside if self._folder and safe else None
        return path if path and path.is_file() else None

    def refresh(self) -> None:
        """Look into the folder: measure what is new or changed, forget what is gone.

        What cannot be read as music is passed over, and not tried again until it changes.
        """
        if self._folder is None:
            return
        with self._lock:
            entries = self._look(self._folder)
            if not self._stopped:
                self._songs = {entry.song.id: entry.song for entry in entries if entry.song}

    def stop(self) -> None:
        """Let a look that goes on end after the song it is at."""
        self._stopped = True

    def _look(self, folder: Path) -> list[Entry]:
        from studio.music.song import read_entry  # noqa: PLC0415 - loads numpy; the server starts without it

        kept = self._kept = self._load_kept() if self._kept is None else self._kept
        entries: list[Entry] = []
        fresh = 0
        for path, stamp in _files(folder):
            if self._stopped:
                break
            entry = kept.get(str(path))
            if entry is None or entry.stamp != stamp:
                entry = kept[str(path)] = read_entry(path, path.relative_to(folder).as_posix(), stamp)
                fresh += 1
                if fresh % _SAVE_EVERY == 0:
                    self._remember(kept)
            entries.append(entry)
        if fresh:
            self._remember(kept)
        return entries

    def _load_kept(self) -> dict[str, Entry]:
        from studio.music.song import Entry  # noqa: PLC0415 - as above

        try:
            told = json.loads(self._memory.read_text(encoding="utf-8"))
            return {path: Entry.from_dict(values) for path, values in told.items()}
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            return {}  # nothing kept yet, or nothing usable: measured anew

    def _remember(self, kept: dict[str, Entry]) -> None:
        part = self._memory.with_suffix(".part")
        told = {path: entry.as_dict() for path, entry in kept.items()}
        part.write_text(json.dumps(told, ensure_ascii=False), encoding="utf-8")
        part.replace(self._memory)


def _files(folder: Path) -> Iterator[tuple[Path, Stamp]]:
    """Yield the music files of a folder and those below it, hidden ones left out; none when it is away."""
    try:
        found = sorted(islice((p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES), _MOST))
    except OSError:
        return
    for path in found:
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        stamp = None if hidden else _stamp(path)
        if stamp is not None:
            yield path, stamp


def _stamp(path: Path) -> Stamp | None:
    try:
        status = path.stat()
    except OSError:
        return None  # gone since the folder was read
    return (status.st_mtime_ns, status.st_size) if path.is_file() else None
