"""From a settled file to all that the ledger needs to know of it; nothing is written here."""

import hashlib
from dataclasses import dataclass, replace

from jobs.codec import result_path
from jobs.model import Problem, Spec, identity
from producer import media, preflight
from producer.errors import Refused, shown
from producer.fingerprint import fingerprint, full_hash, opened
from producer.instructions import Asked, Nearby
from producer.naming import candidates, folder_of, has_elder
from producer.passing import passing
from producer.scan import Found
from producer.transcode import OFF, Transcoding
from stores import is_remote


@dataclass(frozen=True, slots=True)
class Prepared:
    """A source, ready to be submitted. ``spec.output`` is the best of ``outputs``; the ledger decides."""

    job_id: str
    spec: Spec
    outputs: tuple[str, ...]
    note: str
    problem: Problem | None = None

    def ready(self, duration_s: float | None) -> "Prepared":
        """The same, its transcoded file made; ``duration_s`` is what that file says."""
        return replace(self, spec=self.spec.evolve(duration_s=duration_s))


@dataclass(frozen=True, slots=True)
class Place:
    """Where files are found and where their outputs go, and what holds for all of them."""

    root: str
    outbox: str
    created: float
    again: str = ""
    skill: str = ""
    session: str = "file"
    transcoding: Transcoding = OFF

    def group_of(self, source: str) -> str | None:
        """The group of the files that share a session with this one; None = it has its own."""
        if self.session != "folder":
            return None
        text = f"{source.rpartition('/')[0]}\0{self.outbox}"
        return hashlib.blake2b(text.encode("utf-8", "surrogateescape"), digest_size=8).hexdigest()


def note_of(found: Found, stamp: str) -> str:
    """What marks a source as seen: it changes with size, mtime (or ETag) and what is asked for it."""
    reading = found.reading
    return f"{reading.size_bytes}:{reading.tag or reading.mtime_ns}:{stamp}"


def prepare(found: Found, place: Place, nearby: Nearby) -> Prepared | None:
    """Instructions, preflight, fingerprint and names of a file; None when it is no media after all.

    A file that must not cost a credit is prepared with its ``problem``.

    Raises:
        SourceGone: it is not there any more.
        SourceChanged: it is not the file that settled.
    """
    stamp = nearby.stamp(found.path, place.root)
    note = note_of(found, stamp)
    asked: Asked | None = None
    try:
        asked = nearby.asked(found.path, place.root)
        looked = _examine(found, asked, place.transcoding)
    except Refused as refused:
        return _refused(found, place, asked, note, refused.problem)
    except OSError as broken:
        why = broken.strerror or type(broken).__name__
        return _refused(found, place, asked, note, preflight.denied(_name(found), why))
    if looked is None:
        return None
    job_id = identity(looked.fingerprint, asked.instructions, asked.skill.name, place.again)
    spec = _spec(found, place, asked, looked.fingerprint, looked.duration_s)
    if looked.made_into:
        spec = spec.evolve(prepared=f"{place.transcoding.folder}/{job_id}.{looked.made_into}")
    return _named(job_id, spec, note, place, asked.output)


def different(prepared: Prepared, place: Place) -> Prepared:
    """The same source under an identity of its own, by the hash of all its content.

    A transcoded file goes by the former identity: it may be another's, so that this source goes without.

    Raises:
        SourceGone, SourceChanged, OSError: it can no longer be read.
    """
    spec = prepared.spec
    whole = f"{spec.fingerprint}-{full_hash(spec.source)}"
    job_id = identity(whole, spec.instructions, spec.skill, place.again)
    return _named(job_id, spec.evolve(fingerprint=whole, prepared=""), prepared.note, place, None)


def refused(prepared: Prepared, place: Place, problem: Problem) -> Prepared:
    """The same source as one that must not cost a credit."""
    print_, spec = _print_of(prepared.spec.source, prepared.note, problem), prepared.spec
    job_id = identity(print_, spec.instructions, spec.skill, place.again)
    return _named(job_id, spec.evolve(fingerprint="", prepared=""), prepared.note, place, None, problem)


@dataclass(frozen=True, slots=True)
class _Looked:
    """``made_into`` is the extension of the file that is sent in its place; "" = it is sent as it is."""

    fingerprint: str
    duration_s: float | None
    made_into: str = ""


def _examine(found: Found, asked: Asked, transcoding: Transcoding) -> _Looked | None:
    name, size_bytes = _name(found), found.reading.size_bytes
    with opened(found.path, found.reading) as file:
        tail = media.extension(name)
        if tail in media.CONVERTIBLE and _is_source_code(tail, file.read(media.SNIFF_BYTES)):
            return None
        if (made_into := transcoding.target(tail, size_bytes)) and is_remote(found.path):
            raise Refused(_too_far(name))
        if made_into:
            return _Looked(fingerprint(file, size_bytes), None, made_into)
        preflight.check_name(name, asked.skill.accepts)
        preflight.check_size(name, size_bytes)
        seen = preflight.inspect(file, name, tail)
        return _Looked(fingerprint(file, size_bytes), seen.duration_s)


def _too_far(name: str) -> Problem:
    message = f"{shown(name)}: files in a bucket are not shrunk or converted"
    advice = "Do that before you upload it, or give Dropscore a local folder."
    return Problem(code=4001, kind="NotConverted", message=message, advice=advice)


def _is_source_code(tail: str, head: bytes) -> bool:
    return tail in {"ts", "mts"} and not media.is_transport_stream(head)


def _refused(found: Found, place: Place, asked: Asked | None, note: str, problem: Problem) -> Prepared:
    print_ = _print_of(found.path, note, problem)
    spec = _spec(found, place, asked, print_, None)
    job_id = identity(print_, spec.instructions, spec.skill, place.again)
    return _named(job_id, spec.evolve(fingerprint=""), note, place, asked.output if asked else None, problem)


def _print_of(source: str, note: str, problem: Problem) -> str:
    # The path and the note are part of the identity: two empty files are two results, and a file that was
    # mended (or whose sidecar was) is new work.
    return f"{source}\0{note}\0{problem.kind}"


def _spec(found: Found, place: Place, asked: Asked | None, print_: str, duration_s: float | None) -> Spec:
    return Spec(
        source=found.path,
        root=place.root,
        output="",
        result="",
        skill=asked.skill.name if asked else place.skill,
        instructions=asked.instructions if asked else (),
        fingerprint=print_,
        size_bytes=found.reading.size_bytes,
        mtime_ns=found.reading.mtime_ns,
        etag=found.reading.tag,
        duration_s=duration_s,
        priority=asked.priority if asked else 0,
        language=asked.language if asked else None,
        max_credits=asked.max_credits if asked else None,
        session_group=place.group_of(found.path),
        created=place.created,
    )


def _named(
    job_id: str, spec: Spec, note: str, place: Place, chosen: str | None, problem: Problem | None = None
) -> Prepared:
    folder = place.outbox if chosen else folder_of(place.outbox, place.root, spec.source)
    outputs = candidates(folder, spec.source.rpartition("/")[2], job_id, chosen)
    with passing():
        second = not chosen and has_elder(spec.source)
    if second:
        outputs[0], outputs[1] = outputs[1], outputs[0]
    spec = spec.evolve(output=outputs[0], result=result_path(outputs[0]))
    return Prepared(job_id, spec, tuple(outputs), note, problem)


def _name(found: Found) -> str:
    return found.path.rpartition("/")[2]
