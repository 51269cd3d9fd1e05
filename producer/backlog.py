"""A backlog: paths, folders, URLs and manifests, planned first and then submitted (`dropscore submit`)."""

import hashlib
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from urllib.parse import unquote, urlsplit

import structlog

from config.settings import Settings
from jobs.codec import result_path
from jobs.ledger import Ledger
from jobs.model import Spec, identity
from producer.delivered import is_done
from producer.errors import BrokenManifest, SourceChanged, SourceGone
from producer.instructions import Asked, Defaults, Nearby, Wish, settle
from producer.manifest import Entry, is_folder
from producer.naming import absolute, candidates
from producer.prepare import Place, Prepared, prepare
from producer.scan import Found, Rules, read, walk
from producer.shelf import Shelf
from producer.submit import Fate, Submitter, Taken, has_moved
from producer.take import FAR_THREADS, THREADS
from producer.transcoder import transcoded, transcoding_of
from stores import is_remote

PRIORITY = 1
"""Of a backlog: a file dropped by hand (0) overtakes it."""


log = structlog.get_logger(__name__)


class Action(StrEnum):
    """What submitting would do with a source."""

    SUBMIT = "submit"
    REFUSE = "refuse"
    SKIP = "skip"


@dataclass(frozen=True, slots=True)
class PlanRow:
    """One source of a plan; ``why`` says the reason where nothing is submitted.

    ``takes_s`` is how long its edit takes, at best and at worst, in seconds.
    """

    source: str
    action: Action
    why: str = ""
    job_id: str = ""
    output: str = ""
    size_bytes: int = 0
    duration_s: float | None = None
    credits: int = 0
    takes_s: tuple[int, int] = (0, 0)
    prepared: Prepared | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """What `dropscore submit` would do; ``-n`` prints it, nothing has been written."""

    rows: tuple[PlanRow, ...]
    slots: int

    @property
    def submitted(self) -> tuple[PlanRow, ...]:
        """The rows that become new jobs."""
        return tuple(row for row in self.rows if row.action is Action.SUBMIT)

    @property
    def size_bytes(self) -> int:
        """The bytes of all that is submitted."""
        return sum(row.size_bytes for row in self.submitted)

    @property
    def credits(self) -> int:
        """The credits it costs, about."""
        return sum(row.credits for row in self.submitted)

    @property
    def takes_s(self) -> tuple[float, float]:
        """The seconds it takes, at best and at worst, with ``slots`` files in flight."""
        rows = self.submitted
        in_flight = max(1, min(len(rows), self.slots))
        low, high = (sum(row.takes_s[end] for row in rows) / in_flight for end in (0, 1))
        return low, high


class Backlog:
    """Plans and submits what a person named; each file once, whole, or not at all."""

    def __init__(
        self,
        ledger: Ledger,
        outbox: Path | str,
        settings: Settings,
        wish: Wish | None = None,
        skill: str | None = None,
        again: str = "",
    ) -> None:
        """Take the ledger, where outputs go, and the wish (``-i``, ``--priority``) for every file."""
        self._ledger, self._outbox, self._settings = ledger, absolute(outbox), settings
        said = {"instructions": settings.instruction, "language": settings.language, "priority": PRIORITY}
        run = Wish.model_validate(said)
        self._defaults = Defaults(
            wish.over(run) if wish else run,
            skill or settings.skill,
            settings.all_skills(),
            again,
            transcoding_of(settings),
        )
        excluded = (self._outbox, absolute(settings.state_dir))
        self._rules = Rules(excluded=excluded, ignore=settings.ignore)

    def plan(self, entries: Iterable[Entry], sleep: Callable[[float], None] = time.sleep) -> Plan:
        """Look at every source without writing anything.

        A file that was written to in the last ``settle`` seconds is looked at twice, all of them at once.
        Raises BrokenManifest for a path that is not there, LedgerUnreachable, StoreError.
        """
        looks = list(self._expand(entries))
        self._wait_for_young(looks, sleep)
        planned: dict[str, str] = {}
        shelf = Shelf()
        nearby = {look.entry.wish: Nearby(self._defaults, look.entry.wish, shelf) for look in looks}
        far = any(is_remote(look.entry.source) for look in looks)
        with ThreadPoolExecutor(FAR_THREADS if far else THREADS, thread_name_prefix="plan") as pool:
            found = pool.map(lambda look: self._row(look, nearby[look.entry.wish]), looks)
            rows = tuple(_once(row, planned) for row in found)
        return Plan(rows, self._settings.concurrency)

    def submit(self, plan: Plan, submitter: Submitter) -> Iterator[Taken]:
        """Submit a plan, row by row; what it skips is left alone. Raises LedgerUnreachable."""
        for row in plan.rows:
            if row.prepared is not None and row.action is not Action.SKIP:
                yield self._taken(row.prepared, submitter)

    def _taken(self, prepared: Prepared, submitter: Submitter) -> Taken:
        place = self._place(prepared.spec.root)
        try:
            if prepared.spec.prepared and not submitter.knows(prepared):
                prepared = transcoded(prepared, place, threading.Event())
            return submitter.submit(prepared, place)
        except (SourceGone, SourceChanged, OSError) as away:
            log.warning("not submitted", source=prepared.spec.source, why=str(away))
            return Taken(prepared.spec.source, prepared.job_id, Fate.MISSED)

    def _expand(self, entries: Iterable[Entry]) -> Iterator["_Look"]:
        for entry in entries:
            if entry.is_url:
                yield _Look(entry, "", None)
            elif is_folder(entry.source):
                for found in walk(entry.source, self._rules):
                    yield _Look(entry, entry.source, found)
            else:
                yield _Look(entry, "", _named(entry.source))

    def _wait_for_young(self, looks: Sequence["_Look"], sleep: Callable[[float], None]) -> None:
        settle_s = self._settings.settle_s
        now_ns = int(self._ledger.now() * 1e9)
        files = (look.found for look in looks if look.found and not is_remote(look.found.path))
        if any(now_ns - found.reading.mtime_ns < settle_s * 1e9 for found in files):
            sleep(settle_s)

    def _row(self, look: "_Look", nearby: Nearby) -> PlanRow:
        if look.found is None:
            return self._described(self._of_url(look.entry))
        path = look.found.path
        try:
            prepared = prepare(look.found, self._place(look.root), nearby)
        except SourceChanged:
            return PlanRow(path, Action.SKIP, "still being written; submit it when it is whole")
        except SourceGone:
            return PlanRow(path, Action.SKIP, "not there any more")
        return self._described(prepared) if prepared else PlanRow(path, Action.SKIP, "no media")

    def _described(self, prepared: Prepared) -> PlanRow:
        spec = prepared.spec
        if prepared.problem is not None:
            return PlanRow(spec.source, Action.REFUSE, prepared.problem.message, prepared=prepared)
        why = self._known(prepared)
        return PlanRow(
            source=spec.source,
            action=Action.SKIP if why else Action.SUBMIT,
            why=why,
            job_id=prepared.job_id,
            output=prepared.outputs[0],
            size_bytes=spec.size_bytes,
            duration_s=spec.duration_s,
            credits=self._settings.edit_credits * len(spec.instructions),
            takes_s=self._defaults.skills[spec.skill].takes_s,
            prepared=prepared,
        )

    def _known(self, prepared: Prepared) -> str:
        done = is_done(prepared.job_id, prepared.outputs)
        if done is not None:
            return f"done already: {done}"
        known = self._ledger.many([prepared.job_id])
        if not known:
            return ""
        same = known[0].spec.source == prepared.spec.source
        if not same and has_moved(known[0]):
            return ""
        of = "submitted already" if same else f"the same as {known[0].spec.source}"
        return f"{of} (job {prepared.job_id}, {known[0].state.value})"

    def _of_url(self, entry: Entry) -> Prepared:
        name = unquote(urlsplit(entry.source).path).rpartition("/")[2].replace("\0", "").lstrip(".")
        asked = settle(entry.wish, self._defaults, f"/{name or 'video'}")
        print_ = "url-" + hashlib.blake2b(entry.source.encode(), digest_size=16).hexdigest()
        job_id = identity(print_, asked.instructions, asked.skill.name, self._defaults.again)
        outputs = tuple(candidates(self._outbox, name or "video", job_id, asked.output))
        return Prepared(job_id, self._url_spec(entry.source, asked, print_, outputs[0]), outputs, "url")

    def _url_spec(self, url: str, asked: Asked, print_: str, output: str) -> Spec:
        return Spec(
            source=url,
            root="",
            output=output,
            result=result_path(output),
            skill=asked.skill.name,
            instructions=asked.instructions,
            fingerprint=print_,
            priority=asked.priority,
            language=asked.language,
            max_credits=asked.max_credits,
            created=self._ledger.now(),
        )

    def _place(self, root: str) -> Place:
        return Place(
            root=root,
            outbox=self._outbox,
            created=self._ledger.now(),
            again=self._defaults.again,
            skill=self._defaults.skill,
            session=self._settings.session,
            transcoding=self._defaults.transcoding,
        )


@dataclass(frozen=True, slots=True)
class _Look:
    entry: Entry
    root: str
    found: Found | None


def _named(path: str) -> Found:
    source = path if is_remote(path) else str(Path(path).resolve())  # a link that a person names is followed
    reading = read(source)
    if reading is None:
        raise BrokenManifest((f"{path} is no file that can be submitted",))
    return Found(source, reading)


def _once(row: PlanRow, planned: dict[str, str]) -> PlanRow:
    if row.action is not Action.SUBMIT:
        return row
    first = planned.get(row.job_id)
    if first is not None:
        return replace(row, action=Action.SKIP, why=f"the same as {first}, with the same instructions")
    planned[row.job_id] = row.source
    return row
