"""All files of a ledger, as a page lists them: followed as they change, filtered and searched in memory.

A file is a source; its jobs are its versions, the newest last. A page asks for a stretch of the list, and is
pushed what changes.
"""

import threading
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from pydantic import BaseModel, ConfigDict

from jobs.ledger import Ledger, path_key
from jobs.model import Job, State, Step, display_name
from jobs.versions import version_number
from web import format as formats

OVERLAP_S = 2.0
"""Each look goes back a little: a write may be on its way when its time has passed already."""
PAGE = 500
MOST_JOBS = 50_000
"""Of each state, the latest so many are listed."""
MOST_ROWS = 300
"""So many rows one answer holds at most."""


class View(StrEnum):
    """What a list shows."""

    ALL = "all"
    WORKING = "working"
    WAITING = "waiting"
    DONE = "done"
    NEEDS_YOU = "needs_you"
    CANCELLED = "cancelled"


_VIEWS = {
    State.QUEUED: View.WAITING,
    State.RUNNING: View.WORKING,
    State.WAITING: View.WORKING,
    State.PARKED: View.NEEDS_YOU,
    State.UNCONFIRMED: View.NEEDS_YOU,
    State.FAILED: View.NEEDS_YOU,
    State.DONE: View.DONE,
    State.CANCELLED: View.CANCELLED,
}


class FileRow(BaseModel):
    """A file in the list; ``progress`` is 0 to 1, ``updated`` seconds since the epoch."""

    model_config = ConfigDict(frozen=True)

    key: str  # of the file, in addresses
    job: str  # its newest version
    name: str
    folder: str
    state: State
    view: View
    word: str  # what it does, for a person
    progress: float
    versions: int
    output: bool
    message: str = ""
    advice: str = ""
    code: str = ""
    updated: float


class Cause(BaseModel):
    """The files that ask the same of a person."""

    model_config = ConfigDict(frozen=True)

    code: str
    state: State
    message: str
    advice: str
    count: int
    files: tuple[tuple[str, str], ...]  # key and name of the first ones


class Listing(BaseModel):
    """A stretch of the list: rows from ``offset``, of ``total`` that match."""

    model_config = ConfigDict(frozen=True)

    total: int
    offset: int
    rows: tuple[FileRow, ...]
    counts: dict[View, int]
    revision: int  # grows with each change


@dataclass(frozen=True, slots=True)
class Version:
    """What is kept of a job; a job itself, with its draft, is read when somebody looks at it."""

    job: str
    state: State
    updated: float
    word: str
    progress: float
    output: str
    number: int = 1
    began: float = 0.0
    message: str = ""
    advice: str = ""
    code: str = ""


@dataclass(slots=True)
class _File:
    """A source and its versions, the newest last."""

    source: str
    name: str
    folded: str  # what a search looks into
    versions: dict[str, Version]
    row: FileRow


class Catalog:
    """The files of a ledger; safe to use from several threads."""

    def __init__(self, ledger: Ledger, roots: Iterable[str] = (), most: int = MOST_JOBS) -> None:
        """Follow a ledger; names are shown relative to ``roots``; ``most`` jobs of each state are known."""
        self._ledger = ledger
        self._roots = tuple(sorted((root.rstrip("/") + "/" for root in roots), key=len, reverse=True))
        self._most = most
        self._lock = threading.Lock()
        self._since = 0.0
        self._files: dict[str, _File] = {}  # by key, in the order in which they were taken in
        self._keys: dict[str, str] = {}  # by job
        self.revision = 0
        self.is_loaded = False

    # --- following --------------------------------------------------------------------------------

    def refresh(self) -> list[FileRow]:
        """Look at what changed since the last look; answers the rows of it. Raises LedgerUnreachable."""
        now = self._ledger.now()
        ids = self._ledger.latest_changes(self._since, self._most)
        found = []
        for at in range(0, len(ids), PAGE):
            jobs = self._ledger.many(ids[at : at + PAGE])
            found += [
                (job.spec.created or job.updated, job.spec.source, describe_version(job)) for job in jobs
            ]
        found.sort(key=lambda one: one[0])  # the first taken in first, as far as that is known
        with self._lock:
            rows = [row for _, source, version in found if (row := self._note(source, version)) is not None]
            self._since = max(self._since, now - OVERLAP_S)
            self.revision += bool(rows)
            self.is_loaded = True
        return list({row.key: row for row in rows}.values())

    def forget_missing(self, total: int) -> None:
        """Begin anew with the next look if the ledger has fewer jobs than are listed: some were forgotten."""
        if total < len(self._keys):
            with self._lock:
                self._since, self.is_loaded, self._files, self._keys = 0.0, False, {}, {}

    def _note(self, source: str, version: Version) -> FileRow | None:
        """Take a version in; None when nothing of it has changed."""
        key = path_key(source)
        self._keys[version.job] = key
        file = self._files.get(key)
        if file is None:
            name = formats.escape_controls(self._shorten(source))
            file = _File(source, name, name.casefold(), {}, make_row(key, name, [version]))
            self._files[key] = file
        elif file.versions.get(version.job) == version:
            return None
        file.versions[version.job] = version
        # One that is tried again or steps aside keeps its place.
        file.versions = dict(sorted(file.versions.items(), key=lambda item: (item[1].number, item[1].began)))
        file.row = make_row(key, file.name, list(file.versions.values()))
        return file.row

    def _shorten(self, source: str) -> str:
        root = next((root for root in self._roots if source.startswith(root)), None)
        return source.removeprefix(root) if root else display_name(source) or source

    # --- asking -----------------------------------------------------------------------------------

    def list_files(self, view: View, query: str, offset: int, limit: int) -> Listing:
        """List files, the newest first: those of a view whose names have every word of the query."""
        words = query.casefold().split()
        with self._lock:
            counts = Counter(file.row.view for file in self._files.values())
            found = [
                file
                for file in reversed(self._files.values())
                if (view is View.ALL or file.row.view is view) and all(word in file.folded for word in words)
            ]
            rows = tuple(file.row for file in found[offset : offset + min(limit, MOST_ROWS)])
            counts[View.ALL] = len(self._files)
            return Listing(
                total=len(found),
                offset=offset,
                rows=rows,
                counts={one: counts[one] for one in View},
                revision=self.revision,
            )

    def counts(self) -> dict[View, int]:
        """Count the files of each view."""
        return self.list_files(View.ALL, "", 0, 0).counts

    def causes(self, most_names: int = 50) -> tuple[Cause, ...]:
        """Group what needs a person by its reason, the most frequent first."""
        groups: dict[tuple[str, State], list[FileRow]] = {}
        with self._lock:
            for row in (file.row for file in self._files.values()):
                if row.view is View.NEEDS_YOU:
                    groups.setdefault((row.code, row.state), []).append(row)
        return tuple(
            Cause(
                code=code,
                state=state,
                message=rows[0].message,
                advice=rows[0].advice,
                count=len(rows),
                files=tuple((row.key, row.name) for row in rows[:most_names]),
            )
            for (code, state), rows in sorted(groups.items(), key=lambda item: -len(item[1]))
        )

    def ids_of_cause(self, code: str, state: State) -> list[str]:
        """List the newest jobs of the files with that reason."""
        with self._lock:
            rows = [file.row for file in self._files.values()]
        return [row.job for row in rows if (row.code, row.state) == (code, state)]

    def find(self, key: str) -> tuple[FileRow, list[Version]] | None:
        """Find a file and its versions, the newest last."""
        with self._lock:
            file = self._files.get(key)
            return (file.row, list(file.versions.values())) if file else None

    def find_job(self, job_id: str) -> tuple[str, Version] | None:
        """Find the source of a job that is in the list, and what is known of it."""
        with self._lock:
            file = self._files.get(self._keys.get(job_id, ""))
            return (file.source, file.versions[job_id]) if file and job_id in file.versions else None

    def in_work(self, most: int) -> list[FileRow]:
        """List what is in work, the first taken in first."""
        with self._lock:
            rows = (file.row for file in self._files.values())
            return [row for row in rows if row.view is View.WORKING][:most]


def describe_version(job: Job) -> Version:
    """Keep of a job what a list shows."""
    problem = job.problem
    message = problem.message if problem else job.reason if job.state is State.PARKED else ""
    return Version(
        job=job.id,
        state=job.state,
        updated=job.updated,
        word=describe_state(job),
        progress=round(formats.measure_progress(job), 3),
        output=job.spec.output if job.state is State.DONE else "",
        number=version_number(job.spec.output),
        began=job.spec.created,  # not kept of what is done
        message=formats.escape_controls(message.removeprefix(f"{job.spec.name}: ")),
        advice=formats.escape_controls(problem.advice) if problem else "",
        code=problem.code if problem else "",
    )


def make_row(key: str, name: str, versions: Sequence[Version]) -> FileRow:
    """Describe a file by its newest version."""
    newest = versions[-1]
    folder, _, bare = name.rpartition("/")
    return FileRow(
        key=key,
        job=newest.job,
        name=bare or name,
        folder=folder,
        state=newest.state,
        view=_VIEWS[newest.state],
        word=newest.word,
        progress=newest.progress,
        versions=len(versions),
        output=any(one.state is State.DONE for one in versions),
        message=newest.message,
        advice=newest.advice,
        code=newest.code,
        updated=newest.updated,
    )


def describe_state(job: Job) -> str:
    """Say in a word what a job does, as the command line does."""
    if job.state is State.RUNNING or (job.state is State.WAITING and job.step is not Step.UPLOAD):
        return formats.ACTIVITY[job.step]
    return job.state.value
