"""What a file is, by its name and by its first bytes."""

from types import MappingProxyType

from config.skills import ACCEPTED, AUDIO, IMAGE, VIDEO

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


def kind_of(tail: str) -> str:
    """``video``, ``image`` or ``audio`` for an accepted or convertible extension; "" for others."""
    kinds = (
        ("video", (*VIDEO, *_VIDEOS, *_MORE_VIDEOS)),
        ("image", (*IMAGE, *_PICTURES)),
        ("audio", (*AUDIO, *_SOUNDS)),
    )
    return next((kind for kind, tails in kinds if tail in tails), "")


def demuxer_of(tail: str, head: bytes) -> str:
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
    return _sniff_frames(head)


def _sniff_frames(head: bytes) -> str | None:
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return None
    if head[1] & 0xF6 == 0xF0:
        return "aac"  # an ADTS header: layer bits are 00
    return "mp3" if head[1] & 0x06 else None


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
    return "text" if _is_text(head) else "nothing that can be recognised"


def is_transport_stream(head: bytes) -> bool:
    """Whether it is MPEG-TS, and not the TypeScript source that has the same extension."""
    start = 4 if len(head) > 4 and head[:1] != b"\x47" else 0
    return any(
        head[start : start + 1] == b"\x47" == head[start + size : start + size + 1]
        for size in _MPEG_TS_PACKETS
    )


def _is_text(head: bytes) -> bool:
    sample = head[:512]
    return b"\0" not in sample and sum(byte >= 0x20 or byte in b"\t\r\n\x1b" for byte in sample) == len(
        sample
    )
