"""Music that was chosen by ear: asked for a file, or for all that is and comes in its folder.

What is done is done anew, as its next version. What has not begun follows the instructions beside it: a file
of instructions is written for it, marked as ours, and one that somebody else wrote is never replaced.
"""

import json
import os
from collections.abc import Iterator
from pathlib import Path

from cli.control import Answer
from cli.deliveries import find_versions
from cli.errors import Unusable
from cli.format import format_count
from config.settings import Settings
from jobs.ledger import Ledger
from jobs.model import Job, State, Step
from jobs.sources import Sources
from producer.backlog import Action
from producer.deliveries import redo
from producer.errors import ProducerError
from producer.sidecars import FOLDER_FILE, FolderListing
from storage import StorageError, is_remote

MARK = "# Chosen by ear on the page; change it as you like, then remove this line.\n"
_NOT_BEGUN = (State.QUEUED, State.PARKED)


class NeedsConsent(Unusable):
    """It costs credits, and nobody has said yes; the message is the question."""


class Chosen(Answer):
    """What was done with the music that was chosen."""

    instruction: str
    redone: int = 0
    written: str = ""  # the file of instructions
    own: int = 0  # files of the folder that have instructions of their own

    def lines(self) -> Iterator[str]:
        """Yield what happens now."""
        if self.redone:
            yield f"{format_count(self.redone, 'file')} edited anew: {self.instruction}"
        if self.written:
            yield f"{Path(self.written).name} asks for it, for what has not begun and what comes"
        if self.own:
            yield f"{format_count(self.own, 'file')} left as it is, with instructions of its own"
        if not (self.redone or self.written):
            yield "nothing to do: it was asked for already"


def choose_for_file(
    ledger: Ledger, job: Job, settings: Settings, instruction: str, *, may_pay: bool
) -> Chosen:
    """Ask for this music for one file: now if it is done, else by a sidecar before it is sent.

    Raises:
        NeedsConsent: it is edited anew and paid for.
        Unusable: its edit has begun, or somebody else's instructions are beside it.
        LedgerUnreachable.
    """
    _check_local(job)
    if job.state is State.DONE:
        _check_consent(settings, 1, may_pay=may_pay)
        return Chosen(instruction=instruction, redone=_redo(ledger, job, settings, instruction))
    if job.step is not Step.UPLOAD or job.state not in _NOT_BEGUN:
        raise Unusable(f"{job.spec.name} is {job.state}: choose again once it is done")
    source = Path(job.spec.source)
    own = {f"{source.name}.toml"}
    others = {name for level in _list(source.parent).sidecars_of(source.name) for name in level} - own
    if others:
        raise Unusable(f"{min(others)} says what is to be done with it: change it there")
    path = source.with_name(f"{source.name}.toml")
    return Chosen(instruction=instruction, written=_write(path, instruction))


def choose_for_folder(
    ledger: Ledger, job: Job, settings: Settings, instruction: str, *, may_pay: bool
) -> Chosen:
    """Ask for this music for the folder of a file: what is done is done anew, what comes follows.

    Raises:
        NeedsConsent: files are edited anew and paid for.
        Unusable: the folder has instructions that somebody else wrote.
        LedgerUnreachable.
    """
    _check_local(job)
    folder = Path(job.spec.source).parent
    others = set(_list(folder).folder_files) - {FOLDER_FILE}
    if others:
        raise Unusable(f"{min(others)} says what is to be done in {folder.name}: change it there")
    _check_ours(folder / FOLDER_FILE)
    # Where new instructions make new versions, the folder's file alone does all of it.
    done = [] if settings.on_change == "version" else _find_done(ledger, folder)
    listings = {at: _list(at) for at in {Path(one.spec.source).parent for one in done}}
    free = [
        one
        for one in done
        if not listings[Path(one.spec.source).parent].sidecars_of(Path(one.spec.source).name)
    ]
    _check_consent(settings, len(free), may_pay=may_pay)
    written = _write(folder / FOLDER_FILE, instruction)
    redone = sum(_redo(ledger, one, settings, instruction) for one in free)
    return Chosen(instruction=instruction, redone=redone, written=written, own=len(done) - len(free))


def _find_done(ledger: Ledger, folder: Path) -> list[Job]:
    """Find the newest job of each source in a folder, where that is done."""
    inside = [one for one in ledger.delivered() if one.source.startswith(f"{folder}/")]
    seen = Sources(ledger).seen(one.source for one in inside)
    newest = {one.source: mark[1] for one, mark in zip(inside, seen, strict=True) if mark}
    return [job for job in ledger.many(list(newest.values())) if job.state is State.DONE]


def _redo(ledger: Ledger, job: Job, settings: Settings, instruction: str) -> int:
    """Edit a file anew from its source; answers 0 where that was done already."""
    try:
        first = find_versions(ledger, job)[-1]
        row = redo(ledger, first, settings, (instruction,), word=f"heard-{first.id}")
    except (ProducerError, StorageError) as exc:
        raise Unusable(str(exc)) from exc
    if row.action is Action.REFUSE:
        raise Unusable(f"{job.spec.name}: {row.why}")
    return int(row.action is Action.SUBMIT)


def _check_local(job: Job) -> None:
    if is_remote(job.spec.source) or "://" in job.spec.source:
        raise Unusable(f"{job.spec.name} is in no folder of this machine: dropscore redo JOB -i TEXT")


def _check_consent(settings: Settings, files: int, *, may_pay: bool) -> None:
    if settings.backend == "cloud" and files and not may_pay:
        cost = f"about {files * settings.edit_credits:,} credits"
        raise NeedsConsent(f"{format_count(files, 'file')} edited anew at NemoVideo, {cost}. Go on?")


def _list(folder: Path) -> FolderListing:
    try:
        return FolderListing.of(str(folder), (path.name for path in folder.iterdir()))
    except OSError as exc:
        raise Unusable(f"{folder.name} cannot be read ({exc.strerror})") from exc


def _check_ours(path: Path) -> None:
    """Raise Unusable where somebody else wrote the file."""
    try:
        ours = path.read_text(encoding="utf-8").startswith(MARK)
    except FileNotFoundError:
        return
    except (OSError, ValueError) as exc:
        raise Unusable(f"{path.name} cannot be read") from exc
    if not ours:
        raise Unusable(f"{path.name} is there already: change its instructions yourself")


def _write(path: Path, instruction: str) -> str:
    """Write instructions beside files, whole or not at all; "" where the same are there already."""
    _check_ours(path)
    text = f"{MARK}instructions = {json.dumps([instruction], ensure_ascii=False)}\n"
    try:
        if path.exists() and path.read_text(encoding="utf-8") == text:
            return ""
        part = path.with_name(f".{path.name}.{os.getpid()}.part")
        part.write_text(text, encoding="utf-8")
        part.replace(path)
    except OSError as exc:
        raise Unusable(f"{path.name} cannot be written beside your files ({exc.strerror})") from exc
    return str(path)
