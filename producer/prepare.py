"""From a stable file to all that the ledger needs to know of it; nothing is written here."""

import hashlib
from dataclasses import dataclass, field, replace

from jobs.ledger import result_path
from jobs.model import JobSpec, Problem, job_id_for
from producer import preflight
from producer.errors import Refused, SourceBusy, SourceGone, printable
from producer.fingerprint import fingerprint, full_hash, open_source
from producer.instructions import InstructionResolver, ResolvedInstructions
from producer.outputs import Naming, candidate_outputs, folder_inside
from producer.sidecars import FolderListing
from producer.stability import is_open_for_writing, missing_bytes
from producer.transcode import OFF, Transcoding
from storage import FileStat


@dataclass(frozen=True, slots=True)
class Prepared:
    """A source, ready to be submitted. ``spec.output`` is the best of ``outputs``; the ledger decides.

    ``note`` marks the source as seen: it begins with what the file is, and ends with a stamp of what
    is asked for it.
    """

    job_id: str
    spec: JobSpec
    outputs: tuple[str, ...]
    note: str
    problem: Problem | None = None

    def with_duration(self, duration_s: float | None) -> "Prepared":
        """Return the same with its transcoded file made, which says how long it is."""
        return replace(self, spec=self.spec.evolve(duration_s=duration_s))


@dataclass(frozen=True, slots=True)
class Place:
    """Where files are found and where their outputs go, and what holds for all of them.

    ``backlog``: they wait behind files that are dropped, unless their instructions say otherwise.
    ``is_near``: the kernel of this host knows who writes them. ``unfinished_wait_s`` is for how long a file
    that ends before its container says must have been calm until it is refused.
    """

    root: str
    outbox: str
    created: float
    again: str = ""
    skill: str = ""
    session: str = "file"
    preview: bool = False
    backlog: bool = False
    exports: tuple[str, ...] = ()
    transcoding: Transcoding = OFF
    naming: Naming = field(default_factory=Naming)
    is_near: bool = False
    unfinished_wait_s: float = 0.0
    wall_s: float = 0.0

    def session_group(self, source: str) -> str | None:
        """Return the group of the files that share a session with this one; None = it has its own."""
        if self.session != "folder":
            return None
        text = f"{source.rpartition('/')[0]}\0{self.outbox}"
        return hashlib.blake2b(text.encode("utf-8", "surrogateescape"), digest_size=8).hexdigest()


def note_of(stat: FileStat, stamp: str) -> str:
    """Return what marks a source as seen: it changes with size, mtime (or ETag) and what is asked for it."""
    return f"{stat.size_bytes}:{stat.etag or stat.mtime_ns}:{stamp}"


def is_same_content(note: str, other: str) -> bool:
    """Return whether two notes speak of one version of a file, whatever is asked for it."""
    return note.rpartition(":")[0] == other.rpartition(":")[0]


def prepare(stat: FileStat, place: Place, resolver: InstructionResolver) -> Prepared | None:
    """Find instructions, preflight, fingerprint and names of a file; None when it is no media after all.

    A file that must not cost a credit is prepared with its ``problem``.

    Raises:
        SourceGone: it is not there any more.
        SourceBusy: it is not the file that was stable, somebody writes it, or it is not complete yet.
    """
    name = stat.path.rpartition("/")[2]
    listing = resolver.listing(stat.path, place.root)
    note = note_of(stat, resolver.stamp(stat.path, place.root))
    if why := listing.why_busy(name):
        is_left_behind = stat.calm_s(place.wall_s) >= place.unfinished_wait_s
        raise (SourceGone if is_left_behind else SourceBusy)(f"{printable(stat.path)}: {why}")
    resolved: ResolvedInstructions | None = None
    try:
        resolved = resolver.resolve(stat.path, place.root)
        examined = _examine(stat, resolved, place)
    except Refused as exc:
        return _refuse(stat, place, resolved, note, exc.problem, listing)
    except OSError as exc:
        problem = preflight.denied(name, exc.strerror or type(exc).__name__)
        return _refuse(stat, place, resolved, note, problem, listing)
    if examined is None:
        return None
    job_id = job_id_for(examined.fingerprint, resolved.instructions, resolved.skill.name, place.again)
    spec = _spec(stat, place, resolved, examined.fingerprint, examined.duration_s)
    if examined.made_into:
        spec = spec.evolve(prepared=f"{place.transcoding.folder}/{job_id}.{examined.made_into}")
    return _named(job_id, spec, note, place, listing, resolved.output)


def prepare_by_full_hash(prepared: Prepared, place: Place) -> Prepared:
    """Return the same source under an identity of its own, by the hash of all its content.

    A transcoded file goes by the former identity: it may be another's, so that this source goes without.

    Raises:
        SourceGone, SourceChanged, OSError: it can no longer be read.
    """
    spec = prepared.spec
    whole = f"{spec.fingerprint}-{full_hash(spec.source)}"
    job_id = job_id_for(whole, spec.instructions, spec.skill, place.again)
    return _renamed(prepared, job_id, spec.evolve(fingerprint=whole, prepared=""))


def prepare_again(prepared: Prepared, place: Place) -> Prepared:
    """Return the same source under another identity, by its time: an earlier job of it ended unpaid."""
    spec = prepared.spec
    word = f"{place.again}\0{spec.source}\0{spec.etag or spec.mtime_ns}"
    job_id = job_id_for(spec.fingerprint, spec.instructions, spec.skill, word)
    return _renamed(prepared, job_id, spec)


def refuse_prepared(prepared: Prepared, place: Place, problem: Problem) -> Prepared:
    """Return the same source as one that must not cost a credit."""
    spec = prepared.spec
    key = _refusal_key(spec.source, prepared.note, problem)
    job_id = job_id_for(key, spec.instructions, spec.skill, place.again)
    return replace(_renamed(prepared, job_id, spec.evolve(fingerprint="", prepared="")), problem=problem)


def _renamed(prepared: Prepared, job_id: str, spec: JobSpec) -> Prepared:
    outputs = tuple(output.replace(prepared.job_id, job_id) for output in prepared.outputs)
    return replace(prepared, job_id=job_id, spec=spec, outputs=outputs)


@dataclass(frozen=True, slots=True)
class _Examined:
    """``made_into`` is the extension of the file that is sent in its place; "" = it is sent as it is."""

    fingerprint: str
    duration_s: float | None
    made_into: str = ""


def _examine(stat: FileStat, resolved: ResolvedInstructions, place: Place) -> _Examined | None:
    name, size_bytes = stat.path.rpartition("/")[2], stat.size_bytes
    with open_source(stat.path, stat) as file:
        if place.is_near and is_open_for_writing(file):
            raise SourceBusy(f"{printable(stat.path)}: another program has it open for writing")
        if not stat.is_object and (missing := missing_bytes(file, size_bytes)):
            if stat.calm_s(place.wall_s) < place.unfinished_wait_s:
                raise SourceBusy(f"{printable(stat.path)}: {missing:,} bytes of it are missing")
            preflight.check_size(name, size_bytes)
            raise Refused(preflight.unfinished(name, missing))
        file.seek(0)
        tail = preflight.extension(name)
        if tail in {"ts", "mts"} and not preflight.is_transport_stream(file.read(preflight.SNIFF_BYTES)):
            return None  # source code
        if made_into := place.transcoding.target(tail, size_bytes):
            if stat.is_object:
                message = f"{printable(name)}: files in a bucket are not shrunk or converted"
                advice = "Do that before you upload it, or give Dropscore a local folder."
                raise Refused(
                    Problem(code="not_converted", service_code=4001, message=message, advice=advice)
                )
            return _Examined(fingerprint(file, size_bytes), None, made_into)
        preflight.check_name(name, resolved.skill.accepts)
        preflight.check_size(name, size_bytes)
        media = preflight.inspect(file, name, tail)
        return _Examined(fingerprint(file, size_bytes), media.duration_s)


def _refuse(
    stat: FileStat,
    place: Place,
    resolved: ResolvedInstructions | None,
    note: str,
    problem: Problem,
    listing: FolderListing,
) -> Prepared:
    key = _refusal_key(stat.path, note, problem)
    spec = _spec(stat, place, resolved, key, None)
    job_id = job_id_for(key, spec.instructions, spec.skill, place.again)
    chosen = resolved.output if resolved else None
    prepared = _named(job_id, spec.evolve(fingerprint=""), note, place, listing, chosen)
    return replace(prepared, problem=problem)


def _refusal_key(source: str, note: str, problem: Problem) -> str:
    # The path and the note are part of the identity: two empty files are two results, and a file that was
    # corrected (or whose sidecar was) is new work.
    return f"{source}\0{note}\0{problem.code}"


def _spec(
    stat: FileStat, place: Place, resolved: ResolvedInstructions | None, key: str, duration_s: float | None
) -> JobSpec:
    return JobSpec(
        source=stat.path,
        root=place.root,
        output="",
        result="",
        skill=resolved.skill.name if resolved else place.skill,
        instructions=resolved.instructions if resolved else (),
        fingerprint=key,
        size_bytes=stat.size_bytes,
        mtime_ns=stat.mtime_ns,
        etag=stat.etag,
        duration_s=duration_s,
        backlog=place.backlog if resolved is None or resolved.backlog is None else resolved.backlog,
        language=resolved.language if resolved else None,
        max_credits=resolved.max_credits if resolved else None,
        session_group=place.session_group(stat.path),
        preview=place.preview,
        exports=place.exports,
        created=place.created,
    )


def _named(
    job_id: str, spec: JobSpec, note: str, place: Place, listing: FolderListing, chosen: str | None
) -> Prepared:
    name = spec.source.rpartition("/")[2]
    outputs = candidate_outputs(
        place.outbox,
        folder_inside(place.root, spec.source),
        name,
        job_id,
        naming=place.naming,
        skill=spec.skill,
        chosen=chosen,
        listing=listing,
    )
    spec = spec.evolve(output=outputs[0], result=result_path(outputs[0]))
    return Prepared(job_id, spec, tuple(outputs), note)
