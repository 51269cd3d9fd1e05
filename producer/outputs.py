"""Where an output goes, what it is called when that name is taken, and what the outbox says is done already.

One scheme of names: ``clip.mp4``; for another source of that stem ``clip.mov.mp4``; for every further version
``clip.v2.mp4``, ``clip.v3.mp4`` …
"""

import json
import os
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePath

from config.skills import ACCEPTED
from jobs.ledger import result_path
from jobs.model import Job, State
from producer.errors import map_storage_errors
from producer.sidecars import FolderListing
from storage import SCHEME, BadPath, NotThere, StorageError, exists, is_remote, storage_for, tidy

DEFAULT_TEMPLATE = "{folder}/{stem}.mp4"

STEM_BYTES = 220
"""So that ``.STEM.result.json.<16 hex>.part``, the longest name made from it, has 255 bytes at most."""

VERSIONS = 8
"""So many names are tried before one with the job's id, which is nobody else's."""

_MOST_BYTES = 4 * 1024 * 1024
"""No result is larger."""

_PROBES = ("colon: question? star*", "trailing dot.")
_NOT_PORTABLE = re.compile(r'[<>:"|?*\\\x00-\x1f]')
_VERSION = re.compile(r"\.v\d+\.mp4$")
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Naming:
    """How outputs are named in one outbox.

    ``portable``: its file system refuses names that others take (exFAT, SMB); ``folds``: it takes names for
    one that differ in case or Unicode form only.
    """

    template: str = DEFAULT_TEMPLATE
    portable: bool = False
    folds: bool = False


def absolute(path: Path | str) -> str:
    """Return the path from the root on, without ``..``; links stay, so that results name files as people do.

    A path of a bucket stays as it is. Raises BadPath when there can be none of that name.
    """
    if isinstance(path, str) and is_remote(path):
        return tidy(path)
    return os.path.abspath(path)  # noqa: PTH100 (resolve() would follow links)


def default_outbox(root: str) -> str:
    """Return ``outbox`` beside a folder; raises BadPath for a whole bucket."""
    parent, _slash, _name = root.rpartition("/")
    if f"{parent}/" == SCHEME:
        raise BadPath(root, "a whole bucket has nothing beside it; name the outbox with --outbox")
    return f"{parent}/outbox"


def check_chosen_output(text: str) -> str:
    """Return a person's ``output``, checked to stay inside the outbox; raises ValueError with the reason."""
    path = PurePath(text)
    if not text.strip() or path.is_absolute() or ".." in path.parts or "\0" in text:
        raise ValueError(f"output {text!r} must be a name inside the outbox, such as 'clip.mp4'")
    if path.name.startswith(".") or not path.name:
        raise ValueError(f"output {text!r} must not begin with a dot")
    return str(path)


def candidate_outputs(
    outbox: str,
    inside: str,
    source_name: str,
    job_id: str,
    *,
    naming: Naming = Naming(),
    skill: str = "",
    chosen: str | None = None,
    listing: FolderListing | None = None,
) -> list[str]:
    """Return the paths an output may have, the best first; always the same ones for the same job.

    ``inside`` is the source's folder relative to its root; ``chosen`` is the ``output`` of a sidecar or a
    manifest, relative to the outbox; ``listing`` has the files beside the source. The last candidate carries
    the whole id, so that it is never another's. Raises SourceGone when a bucket does not answer.
    """
    template = (chosen or naming.template).removesuffix(".mp4")
    own_stem = source_name.rpartition(".")[0] or source_name
    make_safe = make_portable if naming.portable else str

    def fill(stem: str) -> tuple[str, str]:
        values = {"folder": inside, "name": source_name, "skill": skill, "stem": stem}
        text = template
        for key, value in {} if chosen else values.items():
            text = text.replace("{" + key + "}", value)
        *folders, last = (part for part in text.split("/") if part not in ("", "."))
        return "/".join([outbox, *map(make_safe, folders), ""]), last

    def name(filled: tuple[str, str], tail: str = "") -> str:
        return f"{filled[0]}{make_safe(cut(filled[1], tail))}.mp4"

    stems = stems_of(source_name, listing) if listing is not None and not chosen else [own_stem]
    bases = {stem: fill(stem) for stem in (*stems, own_stem)}
    rank = listing.rank(source_name) if listing is not None and naming.folds else 0
    versions = [name(bases[stems[0]], f".v{number}") for number in range(2 + rank, 2 + rank + VERSIONS)]
    names = versions if rank else [*(name(bases[stem]) for stem in stems), *versions]
    return list(dict.fromkeys([*names, name(bases[own_stem], f".{job_id}")]))


def stems_of(source_name: str, listing: FolderListing) -> list[str]:
    """Return the stems an output may have: ``clip``; ``clip.mov`` first where clip.mp4 is beside clip.mov.

    So two files of one stem get the same two names, whichever is found first. Raises SourceGone.
    """
    stem, dot, own = source_name.rpartition(".")
    if not dot or not stem:
        return [source_name]
    elders = ACCEPTED[: ACCEPTED.index(own.lower())] if own.lower() in ACCEPTED else ACCEPTED
    if is_remote(listing.path):  # a bucket's listing keeps the sidecars alone: it may have a million videos
        with map_storage_errors():
            storage = storage_for(listing.path)
            has_elder = any(storage.exists(f"{listing.path}/{stem}.{tail}") for tail in elders)
            return [source_name, stem] if has_elder else [stem]
    others = {tail for tail in ACCEPTED if tail != own.lower() and f"{stem}.{tail}" in listing.names}
    if not others:
        return [stem]
    return [source_name, stem] if others & set(elders) else [stem, source_name]


def cut(stem: str, tail: str = "") -> str:
    """Return ``stem + tail`` in at most `STEM_BYTES` bytes, cut in the stem and at a character's boundary."""
    if 4 * (len(stem) + len(tail)) <= STEM_BYTES:
        return stem + tail
    room = STEM_BYTES - len(tail.encode("utf-8", "surrogateescape"))
    encoded = stem.encode("utf-8", "surrogateescape")
    if len(encoded) <= room:
        return stem + tail
    return encoded[:room].decode("utf-8", "ignore") + tail


def make_portable(part: str) -> str:
    """Return a part of a path as SMB and exFAT take it too: ``a: b?`` becomes ``a_ b_``."""
    part = _NOT_PORTABLE.sub("_", part).rstrip(" .") or "_"
    return f"_{part}" if _RESERVED.fullmatch(part) else part


def folder_inside(root: str, source: str) -> str:
    """Return the folder of a source relative to its root; "" for one that lies in it, or was named alone."""
    parent = source.rpartition("/")[0]
    return parent[len(root) :].strip("/") if root else ""


def naming_for(outbox: str, template: str = DEFAULT_TEMPLATE) -> Naming:
    """Find out which names the file system of an outbox takes, by trying some."""
    if is_remote(outbox):
        return Naming(template)

    def tries(name: str, takes: Callable[[Path], bool]) -> bool:
        path = Path(outbox, f".dropscore-{os.getpid()}-{name}")
        try:
            path.touch()
            return takes(path)
        except OSError:
            return False
        finally:
            with suppress(OSError):
                path.unlink(missing_ok=True)

    # A file system may take a name and list another.
    portable = not all(tries(probe, lambda path: path.name in os.listdir(outbox)) for probe in _PROBES)  # noqa: PTH208 (the names as they stand)
    return Naming(template, portable, tries("probe", lambda path: Path(outbox, path.name.upper()).exists()))


# --- what the outbox says ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Delivery:
    """What a result file beside an output says; ``source_sha256`` is of what was sent, "" where unknown."""

    job_id: str
    state: str
    size_bytes: int | None
    source_sha256: str = ""


def read_delivery(output: str) -> Delivery | None:
    """Return the result beside an output; None when there is none that can be read.

    Raises StorageError when it lies in a bucket and nobody can tell.
    """
    try:
        path = result_path(output)
        table = json.loads(storage_for(path).read(path, _MOST_BYTES))
        size_bytes, digests = table.get("bytes"), table.get("sha256") or {}
        return Delivery(
            str(table["job"]),
            str(table["state"]),
            size_bytes if isinstance(size_bytes, int) else None,
            str(digests.get("source") or ""),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as exc:
        if isinstance(exc, StorageError) and not isinstance(exc, NotThere):
            raise
        return None


def find_delivered(job_id: str, outputs: tuple[str, ...]) -> str | None:
    """Return the output that this very job (source, instructions and skill) has delivered already, if any."""
    for output, is_taken in _taken(outputs):
        delivery = read_delivery(output) if is_taken else None
        if delivery is None or delivery.job_id != job_id or delivery.state != State.DONE:
            continue
        found = storage_for(output).stat(output)
        if found is not None and delivery.size_bytes in (None, found.size_bytes):
            return output
    return None


def is_gone(job: Job) -> bool:
    """Tell whether a job's output is gone and can be made again from what the ledger keeps.

    Raises StorageError.
    """
    return job.state is State.DONE and job.checkpoint.session is not None and not exists(job.spec.output)


def free_outputs(job_id: str, outputs: tuple[str, ...]) -> tuple[str, ...]:
    """Return the outputs that would replace nobody's file; the last stays in any case."""
    taken = {output for output, is_taken in _taken(outputs) if is_taken}
    ours = {output for output in taken if (found := read_delivery(output)) and found.job_id == job_id}
    return (*(output for output in outputs[:-1] if output not in taken or output in ours), outputs[-1])


def _taken(outputs: tuple[str, ...]) -> Iterator[tuple[str, bool]]:
    """Yield the outputs and whether something is there, up to the first version that is free."""
    storage = storage_for(outputs[0])  # all of them are in one outbox
    for output in outputs:
        is_taken = storage.exists(output)
        yield output, is_taken
        if not is_taken and _VERSION.search(output):
            return
