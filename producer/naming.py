"""Where an output goes: `<outbox>/<same sub-folder>/<stem>.mp4`, and what it is called when that is taken."""

import os
from pathlib import Path, PurePath

from config.errors import ConfigError
from config.skills import ACCEPTED
from stores import SCHEME, BadPath, exists, is_remote, store_of, tidy

STEM_BYTES = 220
"""So that ``.STEM.result.json.<16 hex>.part``, the longest name made from it, has 255 bytes at most."""


def absolute(path: Path | str) -> str:
    """The path from the root on, without ``..``; links stay, so that results name files as people do.

    A path of a bucket stays as it is. Raises BadPath when there can be none of that name.
    """
    if isinstance(path, str) and is_remote(path):
        return tidy(path)
    return os.path.abspath(path)  # noqa: PTH100 (resolve() would follow links)


def beside(root: str) -> str:
    """Where outputs go if nobody says: ``outbox`` beside a folder; raises BadPath for a whole bucket."""
    parent, _slash, _name = root.rpartition("/")
    if f"{parent}/" == SCHEME:
        raise BadPath(root, "a whole bucket has nothing beside it; name the outbox with --outbox")
    return f"{parent}/outbox"


def candidates(folder: str, source_name: str, job_id: str, chosen: str | None = None) -> list[str]:
    """Paths an output may have, the best first; always the same ones for the same job.

    ``folder`` is where it goes; ``chosen`` is the ``output`` of a sidecar or manifest, relative to it.
    The last candidate carries the whole id, so that it is never another's.
    """
    stem, dot, extension = source_name.rpartition(".")
    if not stem:
        stem, dot, extension = source_name, "", ""
    names = [cut(stem), cut(stem, dot + extension)]
    if chosen is not None:
        head, slash, stem = chosen.removesuffix(".mp4").rpartition("/")
        folder, names = f"{folder}{'/' if slash else ''}{head}", [cut(stem)]
    names += [cut(stem, f"-{job_id[:6]}"), cut(stem, f"-{job_id}")]
    return [f"{folder}/{name}.mp4" for name in dict.fromkeys(names)]


def has_elder(source: str) -> bool:
    """Whether a file beside it has the better claim to ``<stem>.mp4``: clip.mp4 before clip.mov.

    So two files of one stem get the same two names, whichever is found first.
    """
    stem, dot, own = source.rpartition(".")
    if not dot or own.lower() not in ACCEPTED:
        return bool(dot) and any(exists(f"{stem}.{tail}") for tail in ACCEPTED)
    elders = ACCEPTED[: ACCEPTED.index(own.lower())]
    return any(exists(f"{stem}.{tail}") for tail in elders)


def cut(stem: str, tail: str = "") -> str:
    """``stem + tail`` in at most `STEM_BYTES` bytes, cut in the stem and at a character's boundary."""
    room = STEM_BYTES - len(tail.encode("utf-8", "surrogateescape"))
    encoded = stem.encode("utf-8", "surrogateescape")
    if len(encoded) <= room:
        return stem + tail
    return encoded[:room].decode("utf-8", "ignore") + tail


def folder_of(outbox: str, root: str, source: str) -> str:
    """The folder of the outbox that mirrors the source's place below its root ("" = no root)."""
    parent = source.rpartition("/")[0]
    inside = parent[len(root) :].strip("/") if root else ""
    return f"{outbox}/{inside}" if inside else outbox


def chosen_output(text: str) -> str:
    """A person's ``output``, checked to stay inside the outbox; raises ValueError with the reason."""
    path = PurePath(text)
    if not text.strip() or path.is_absolute() or ".." in path.parts or "\0" in text:
        raise ValueError(f"output {text!r} must be a name inside the outbox, such as 'clip.mp4'")
    if path.name.startswith("."):
        raise ValueError(f"output {text!r} must not begin with a dot")
    return str(path)


def probed(outbox: str) -> None:
    """Write a small file into a folder, made if need be, and remove it; raises OSError."""
    probe = f"{outbox}/.dropscore-{os.getpid()}.part"
    store = store_of(outbox)
    store.write(probe, b"dropscore", "probe")
    store.delete(probe)


def writable(outbox: str) -> None:
    """Make the outbox if need be, and write a file there; raises ConfigError."""
    try:
        probed(outbox)
    except OSError as broken:
        why = broken.strerror or type(broken).__name__
        raise ConfigError(
            f"outbox {outbox}: nothing can be written there ({why}); choose another with --outbox"
        ) from broken
