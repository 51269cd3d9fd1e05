"""Before a credit is spent: only files that the service can take, by their names, sizes and first bytes.

Contract: `api-contract 2`, Limits; `api-contract 6`, 4001 and 4002.
"""

from collections.abc import Collection
from dataclasses import dataclass
from types import MappingProxyType
from typing import BinaryIO

from config.skills import ACCEPTED, AUDIO, IMAGE, MAX_BYTES, VIDEO
from jobs.model import Problem
from producer.errors import Refused, printable

ALIASES = MappingProxyType({"jpeg": "jpg"})

_VIDEOS = ("wmv", "flv", "m4v", "ts", "mts", "m2ts", "3gp", "3g2", "mpg", "mpeg", "vob", "ogv", "asf", "rm")
_MORE_VIDEOS = ("rmvb", "divx", "f4v", "mxf")
_SOUNDS = ("flac", "ogg", "opus", "wma", "aif", "aiff", "amr")
_PICTURES = ("bmp", "tif", "tiff", "heic", "heif", "avif")
CONVERTIBLE = frozenset((*_VIDEOS, *_MORE_VIDEOS, *_SOUNDS, *_PICTURES))
"""Media that the service does not take (api-contract 2, Limits) but ffmpeg can convert."""

EXTENSIONS = frozenset(ACCEPTED) | CONVERTIBLE

SNIFF_BYTES = 4096

_FORMATS = MappingProxyType(  # ffmpeg's demuxer → the kinds of names it may stand behind
    {
        "mov": ("video", "audio"),
        "matroska": ("video",),
        "avi": ("video",),
        "mp3": ("audio",),
        "wav": ("audio",),
        "aac": ("audio",),
        "jpeg_pipe": ("image",),
        "png_pipe": ("image",),
        "gif": ("image",),
        "webp_pipe": ("image",),
    }
)
_DEMUXERS = MappingProxyType(  # of convertible names whose content `sniff` does not tell
    {
        **dict.fromkeys(("wmv", "asf", "wma"), "asf"),
        **dict.fromkeys(("m4v", "3gp", "3g2", "f4v", "heic", "heif", "avif"), "mov"),
        **dict.fromkeys(("ts", "mts", "m2ts"), "mpegts"),
        **dict.fromkeys(("mpg", "mpeg", "vob"), "mpeg"),
        **dict.fromkeys(("ogv", "ogg", "opus"), "ogg"),
        **dict.fromkeys(("rm", "rmvb"), "rm"),
        **dict.fromkeys(("aif", "aiff"), "aiff"),
        **dict.fromkeys(("tif", "tiff"), "tiff_pipe"),
        "bmp": "bmp_pipe",
        "divx": "avi",
    }
)
_NO_DECODER = {"codec_whitelist": "none", "probesize": "32"}
_HEADER_ALONE = MappingProxyType({"mov": _NO_DECODER, "matroska": _NO_DECODER, "avi": _NO_DECODER})
"""Containers whose header names streams and duration: no frame is decoded for it."""

_BOXES = frozenset({b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot", b"styp", b"uuid"})
_STARTS = (
    (b"\x1a\x45\xdf\xa3", "matroska"),
    (b"\xff\xd8\xff", "jpeg_pipe"),
    (b"\x89PNG\r\n\x1a\n", "png_pipe"),
    (b"GIF87a", "gif"),
    (b"GIF89a", "gif"),
    (b"ADIF", "aac"),
)
_FOREIGN = (
    (b"%PDF", "a PDF document"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"Rar!", "a RAR archive"),
    (b"7z\xbc\xaf", "a 7z archive"),
    (b"\x7fELF", "a program"),
    (b"MZ", "a program"),
    (b"FLV\x01", "FLV video"),
    (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "Windows Media"),
    (b"OggS", "Ogg media"),
    (b"fLaC", "FLAC audio"),
    (b"\x00\x00\x01\xba", "MPEG video"),
)
_MPEG_TS_PACKETS = (188, 192, 204)


def extension(name: str) -> str:
    """The extension in lower case, without its dot and with aliases resolved; "" without one."""
    stem, dot, tail = name.rpartition(".")
    tail = tail.lower() if dot and stem else ""
    return ALIASES.get(tail, tail)


def is_media_name(name: str) -> bool:
    """Whether a file is media by its name; all others are left alone."""
    tail = extension(name)
    return tail in EXTENSIONS


def kind_of_extension(tail: str) -> str:
    """``video``, ``image`` or ``audio`` for an accepted or convertible extension; "" for others."""
    kinds = (
        ("video", (*VIDEO, *_VIDEOS, *_MORE_VIDEOS)),
        ("image", (*IMAGE, *_PICTURES)),
        ("audio", (*AUDIO, *_SOUNDS)),
    )
    return next((kind for kind, tails in kinds if tail in tails), "")


def guess_demuxer(tail: str, head: bytes) -> str:
    """Ffmpeg's demuxer for a file, by its first bytes where they tell, else by its name."""
    return sniff(head) or _DEMUXERS.get(tail, tail)


def sniff(head: bytes) -> str | None:
    """The demuxer for what a file's first bytes say it is; None when that is none the service takes."""
    if head[:3] == b"ID3":
        return "mp3"
    if head[4:8] in _BOXES:
        return "mov"
    if head[:4] in {b"RIFF", b"RF64"}:
        return {b"AVI ": "avi", b"WAVE": "wav", b"WEBP": "webp_pipe"}.get(head[8:12])
    for start, name in _STARTS:
        if head.startswith(start):
            return name
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return None
    is_adts = head[1] & 0xF6 == 0xF0  # layer bits are 00
    return "aac" if is_adts else "mp3" if head[1] & 0x06 else None


def fits(demuxer: str, kind: str) -> bool:
    """Whether content of that form may stand behind a name of that kind."""
    return kind in _FORMATS[demuxer]


def looks_like(head: bytes) -> str:
    """What the first bytes seem to be, in words for a person."""
    for start, words in _FOREIGN:
        if head.startswith(start):
            return words
    if is_transport_stream(head):
        return "an MPEG transport stream"
    sample = head[:512]
    is_text = b"\0" not in sample and all(byte >= 0x20 or byte in b"\t\r\n\x1b" for byte in sample)
    return "text" if is_text else "nothing that can be recognised"


def is_transport_stream(head: bytes) -> bool:
    """Whether it is MPEG-TS, and not the TypeScript source that has the same extension."""
    start = 4 if len(head) > 4 and head[:1] != b"\x47" else 0
    return any(
        head[start : start + 1] == b"\x47" == head[start + size : start + size + 1]
        for size in _MPEG_TS_PACKETS
    )


_ACCEPTED_WORDS = "Accepted are " + ", ".join(ACCEPTED) + "; mp4, mov, avi and webm go smoothest."


@dataclass(frozen=True, slots=True)
class Media:
    """What is known of a source before it is sent; ``duration_s`` None = not said by the container."""

    kind: str
    demuxer: str
    duration_s: float | None
    streams: tuple[str, ...]


def check_name(name: str, accepts: Collection[str] = ACCEPTED) -> str:
    """The extension of an accepted name; raises Refused."""
    tail = extension(name)
    if tail in accepts:
        return tail
    problem = _unsupported(name, f"the service does not take .{printable(tail)} files")
    if tail in CONVERTIBLE:
        problem = problem.evolve(advice=f"{problem.advice} Or run with --convert.")
    raise Refused(problem)


def check_size(name: str, size_bytes: int) -> None:
    """Refuse what is empty or larger than 500 MB; raises Refused."""
    if size_bytes == 0:
        message = f"{printable(name)}: the file is empty (0 bytes)"
        raise Refused(Problem(code="empty_file", message=message, advice="Copy or export it again."))
    if size_bytes > MAX_BYTES:
        size = f"{size_bytes / 2**20:.0f} MB" if size_bytes >= MAX_BYTES + 2**20 else f"{size_bytes} bytes"
        message = f"{printable(name)}: {size} is too large; the limit is {MAX_BYTES // 2**20} MB"
        advice = "Compress or trim it below 500 MB, or run with --shrink."
        raise Refused(Problem(code="file_too_large", service_code=4002, message=message, advice=advice))


def inspect(file: BinaryIO, name: str, tail: str) -> Media:
    """Look at the content of a file with an accepted extension; raises Refused."""
    file.seek(0)
    head = file.read(SNIFF_BYTES)
    kind, demuxer = kind_of_extension(tail), sniff(head)
    if tail == "aac" and demuxer == "mp3" and head.startswith(b"ID3"):
        demuxer = "aac"  # the tag before the frames is the same for both
    if demuxer is None:
        raise Refused(_unsupported(name, f"its content is {looks_like(head)}, not .{tail}"))
    if not fits(demuxer, kind):
        raise Refused(_unsupported(name, f"its content ({demuxer.removesuffix('_pipe')}) is no {kind}"))
    if demuxer == "webp_pipe":
        return Media(kind, demuxer, None, ("video",))  # ffmpeg reads still WebP only; the service reads both
    import av  # noqa: PLC0415 - who only reads names (`dropscore status`) needs not wait a tenth of a second

    file.seek(0)
    # The demuxer is named and the file handed over opened: content that calls itself a playlist, or a name
    # with a pattern in it, can make ffmpeg open nothing else.
    try:
        with av.open(file, mode="r", format=demuxer, options=_HEADER_ALONE.get(demuxer, {})) as container:
            streams = tuple(stream.type for stream in container.streams)
            duration = container.duration
    except (av.FFmpegError, ValueError, OverflowError) as exc:
        raise Refused(_unreadable(name, "its container cannot be read")) from exc
    if not {"video", "audio"} & set(streams):
        raise Refused(_unreadable(name, "there is neither picture nor sound in it"))
    return Media(kind, demuxer, duration / av.time_base if duration and kind != "image" else None, streams)


def _unsupported(name: str, why: str) -> Problem:
    message = f"{printable(name)}: unsupported file: {why}"
    return Problem(code="unsupported_file", service_code=4001, message=message, advice=_ACCEPTED_WORDS)


def _unreadable(name: str, why: str) -> Problem:
    advice = "It may be cut short or damaged: play it, then copy or export it again."
    return Problem(
        code="unreadable_file", service_code=4001, message=f"{printable(name)}: {why}", advice=advice
    )


DENIED = "denied_file"
"""Code of the problem of a file that the system does not let us read: its rights may change at any time."""


def denied(name: str, why: str) -> Problem:
    """Return the problem of a file that the system does not let us read."""
    advice = "Give this user the right to read it (chmod +r); it is then taken by itself."
    return Problem(code=DENIED, message=f"{printable(name)}: it cannot be read ({why})", advice=advice)


def unfinished(name: str, missing_bytes: int) -> Problem:
    """Return the problem of a file that ends before its container says, and has not grown for long."""
    missing = f"{missing_bytes / 2**20:,.1f} MB" if missing_bytes >= 2**20 else f"{missing_bytes:,} bytes"
    message = f"{printable(name)}: it is not complete: {missing} are missing, and nobody writes it any more"
    advice = "Copy or download it again; once it is whole it is taken by itself. Nothing was paid."
    return Problem(code="unfinished_file", service_code=4001, message=message, advice=advice)
