"""A backlog: paths, folders, URLs and manifests, planned first and then submitted (`dropscore submit`)."""

import hashlib
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from urllib.parse import unquote, urlsplit

import structlog

from config.settings import Settings
from jobs.ledger import Ledger, result_path
from jobs.model import JobSpec, State, job_id_for
from producer.errors import SourceBusy, SourceGone, UnusableManifest, printable
from producer.instructions import NOTHING_SAID, Defaults, InstructionResolver, InstructionSpec, resolve
from producer.manifest import Entry, is_folder
from producer.outputs import Naming, absolute, candidate_outputs, find_delivered, is_gone, naming_for
from producer.pipeline import REMOTE_THREADS, THREADS, UNFINISHED_WAITS, transcode_source
from producer.prepare import Place, Prepared, prepare
from producer.scan import LeftOut, Rules, look_at, walk
from producer.sidecars import SidecarIndex
from producer.submit import SubmissionOutcome, Submitted, Submitter, has_moved
from producer.watch import hears_no_events
from storage import FileStat, is_remote

PRIORITY = 1
"""Of a backlog: a file dropped by hand (0) overtakes it."""


log = structlog.get_logger(__name__)


class Action(StrEnum):
    """What submitting would do with a source; restore: it is done, its output is gone and is made again."""

    SUBMIT = "submit"
    RESTORE = "restore"
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
        spec: InstructionSpec = NOTHING_SAID,
        skill: str | None = None,
        again: str = "",
    ) -> None:
        """Take the ledger, where outputs go, and the instructions (``-i``, ``--priority``) for every file."""
        self._ledger, self._outbox, self._settings = ledger, absolute(outbox), settings
        self._defaults = Defaults.from_settings(settings, spec, skill=skill, again=again, priority=PRIORITY)
        self.left_out = LeftOut()
        excluded = (self._outbox, absolute(settings.state_dir))
        self._rules = Rules(excluded, settings.ignore, settings.only, report=self.left_out.report)
        self._naming = Naming(settings.output_template)

    def plan(self, entries: Iterable[Entry], sleep: Callable[[float], None] = time.sleep) -> Plan:
        """Look at every source without writing anything.

        A file that was written to in the last ``settle`` seconds is looked at twice, all of them at once.
        Raises UnusableManifest for a path that is not there, LedgerUnreachable, StorageError.
        """
        if not is_remote(self._outbox) and Path(self._outbox).is_dir():
            self._naming = naming_for(self._outbox, self._settings.output_template)
        looks = list(self._expand(entries))
        settle_s, now_ns = self._settings.settle_s, int(self._ledger.now() * 1e9)
        near = (look.found for look in looks if look.found and not look.found.is_object)
        if any(now_ns - found.mtime_ns < settle_s * 1e9 for found in near):
            sleep(settle_s)
        index = SidecarIndex()
        resolvers = {
            look.entry.spec: InstructionResolver(self._defaults, look.entry.spec, index) for look in looks
        }
        far = any(is_remote(look.entry.source) for look in looks)
        with ThreadPoolExecutor(REMOTE_THREADS if far else THREADS, thread_name_prefix="plan") as pool:
            rows = list(pool.map(lambda look: self._row(look, resolvers[look.entry.spec]), looks))
        first: dict[str, str] = {}
        for at, row in enumerate(rows):
            if row.action is Action.SUBMIT and row.job_id in first:
                why = f"the same as {first[row.job_id]}, with the same instructions"
                rows[at] = replace(row, action=Action.SKIP, why=why)
            elif row.action is Action.SUBMIT:
                first[row.job_id] = row.source
        return Plan(tuple(rows), self._settings.concurrency)

    def submit(self, plan: Plan, submitter: Submitter) -> Iterator[Submitted]:
        """Submit a plan, row by row; what it skips is left alone.

        Hold the outbox meanwhile (`hold_outbox`), and have made sure that it can be written to. Raises
        LedgerUnreachable.
        """
        for row in plan.rows:
            if row.prepared is None or row.action is Action.SKIP:
                continue
            prepared, place = row.prepared, self._place(row.prepared.spec.root)
            try:
                if prepared.spec.prepared and not submitter.is_known(prepared):
                    prepared = transcode_source(prepared, place, threading.Event())
                yield submitter.submit(prepared, place)
            except (SourceGone, SourceBusy, OSError) as exc:
                log.warning("not submitted", source=prepared.spec.source, why=str(exc))
                yield Submitted(prepared.spec.source, prepared.job_id, SubmissionOutcome.MISSED)

    def _expand(self, entries: Iterable[Entry]) -> Iterator["_Look"]:
        for entry in entries:
            if entry.is_url:
                yield _Look(entry, "", None)
            elif is_folder(entry.source):
                for found in walk(entry.source, self._rules):
                    yield _Look(entry, entry.source, found)
            else:
                path = entry.source  # a link that a person names is followed
                stat = look_at(path if is_remote(path) else str(Path(path).resolve()))
                if stat is None:
                    raise UnusableManifest((f"{path} is not a file that can be submitted",))
                yield _Look(entry, "", stat)

    def _row(self, look: "_Look", resolver: InstructionResolver) -> PlanRow:
        if look.found is None:
            return self._describe(self._prepare_url(look.entry))
        path = look.found.path
        try:
            prepared = prepare(look.found, self._place(look.root), resolver)
        except SourceBusy as exc:
            return PlanRow(path, Action.SKIP, f"not whole yet: {exc}; submit it when it is")
        except SourceGone:
            return PlanRow(path, Action.SKIP, "not there any more")
        except Exception as exc:
            log.exception("this file cannot be looked at", source=printable(path))
            return PlanRow(path, Action.SKIP, f"cannot be looked at ({type(exc).__name__})")
        return self._describe(prepared) if prepared else PlanRow(path, Action.SKIP, "no media")

    def _describe(self, prepared: Prepared) -> PlanRow:
        spec = prepared.spec
        if prepared.problem is not None:
            return PlanRow(spec.source, Action.REFUSE, prepared.problem.message, prepared=prepared)
        why, done = "", find_delivered(prepared.job_id, prepared.outputs)
        known = [] if done is not None else self._ledger.many([prepared.job_id])
        if done is not None:
            why = f"done already: {done}"
        elif known and known[0].spec.source == spec.source and is_gone(known[0]):
            return PlanRow(
                spec.source, Action.RESTORE, "its output is gone", known[0].id, known[0].spec.output
            )
        elif known and known[0].spec.source == spec.source:
            why = f"submitted already (job {prepared.job_id}, {known[0].state.value})"
        elif known and not has_moved(known[0]):
            why = f"the same as {known[0].spec.source} (job {prepared.job_id}, {known[0].state.value})"
            why += f": {known[0].spec.output}" if known[0].state is State.DONE else ""
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

    def _prepare_url(self, entry: Entry) -> Prepared:
        name = unquote(urlsplit(entry.source).path).rpartition("/")[2].replace("\0", "").lstrip(".")
        resolved = resolve(entry.spec, self._defaults, f"/{name or 'video'}")
        key = "url-" + hashlib.blake2b(entry.source.encode(), digest_size=16).hexdigest()
        job_id = job_id_for(key, resolved.instructions, resolved.skill.name, self._defaults.again)
        outputs = tuple(
            candidate_outputs(
                self._outbox,
                "",
                name or "video",
                job_id,
                naming=self._naming,
                skill=resolved.skill.name,
                chosen=resolved.output,
            )
        )
        spec = JobSpec(
            source=entry.source,
            root="",
            output=outputs[0],
            result=result_path(outputs[0]),
            skill=resolved.skill.name,
            instructions=resolved.instructions,
            fingerprint=key,
            backlog=bool(resolved.backlog),
            language=resolved.language,
            max_credits=resolved.max_credits,
            preview=self._defaults.preview,
            exports=self._defaults.exports,
            created=self._ledger.now(),
        )
        return Prepared(job_id, spec, outputs, "url")

    def _place(self, root: str) -> Place:
        return Place(
            root=root,
            outbox=self._outbox,
            created=self._ledger.now(),
            again=self._defaults.again,
            skill=self._defaults.skill,
            session=self._settings.session,
            transcoding=self._defaults.transcoding,
            preview=self._defaults.preview,
            exports=self._defaults.exports,
            naming=self._naming,
            is_near=not hears_no_events(root or self._outbox)[0],
            unfinished_wait_s=UNFINISHED_WAITS * self._settings.settle_s,
            wall_s=time.time(),
        )


@dataclass(frozen=True, slots=True)
class _Look:
    entry: Entry
    root: str
    found: FileStat | None
