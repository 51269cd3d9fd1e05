"""What a media file is: its kind, size, length and codecs, read with PyAV."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from studio.errors import UnreadableMedia

if TYPE_CHECKING:  # PyAV is loaded on first use, so that the server starts fast.
    from av.container import InputContainer
    from av.video.stream import VideoStream

Kind = Literal["video", "audio", "image"]

_STILLS = frozenset(
    {"image2", "png_pipe", "jpeg_pipe", "webp_pipe", "bmp_pipe", "tiff_pipe", "mjpeg", "webp_anim"}
)
_NAMES = {"png_pipe": "png", "jpeg_pipe": "jpg", "image2": "jpg", "webp_pipe": "webp"}
_RIGHT_ANGLE = 90


@dataclass(frozen=True, slots=True)
class MediaInfo:
    """One media file as a person sees it: width and height have the rotation applied; an image lasts 0 s."""

    kind: Kind
    container: str
    duration_s: float
    width: int
    height: int
    fps: float
    has_audio: bool
    has_video: bool
    video_codec: str = ""
    audio_codec: str = ""
    rotation: int = 0
    pixel_format: str = ""


def probe(path: Path) -> MediaInfo:
    """Open `path`, decode its first picture or sound, and say what it is.

    Raises UnreadableMedia, with one line, when there is nothing in it that can be shown or heard.
    """
    import av  # noqa: PLC0415 - loaded on first use, see above

    if _is_empty(path):
        raise UnreadableMedia(f"{path.name} is empty (0 bytes); export or copy it again")
    try:
        with av.open(str(path)) as container:
            return _describe(container, path)
    except (av.FFmpegError, ValueError, IndexError) as exc:
        raise UnreadableMedia(
            f"{path.name} cannot be read as video, audio or image; it is damaged or of another type"
        ) from exc


def picture_stream(container: InputContainer) -> VideoStream | None:
    """Return the first moving or still picture of `container` that is no cover art."""
    from av.stream import Disposition  # noqa: PLC0415 - loaded on first use

    pictures = (s for s in container.streams.video if not s.disposition & Disposition.attached_pic)
    return next(pictures, None)


def _is_empty(path: Path) -> bool:
    try:
        return path.stat().st_size == 0
    except OSError as exc:
        raise UnreadableMedia(f"{path.name} cannot be opened: {exc.strerror or exc}") from exc


def _describe(container: InputContainer, path: Path) -> MediaInfo:
    picture = picture_stream(container)
    sound = container.streams.audio[0] if container.streams.audio else None
    if picture is None and sound is None:
        raise UnreadableMedia(f"{path.name} holds neither picture nor sound; send a video, a photo or a song")
    frame = next(container.decode(picture), None) if picture else None
    if picture and frame is None and sound is None:
        raise UnreadableMedia(f"{path.name} is cut off before its first picture; copy it again")
    if frame is None:
        picture = None
        container.seek(0)
        if next(container.decode(container.streams.audio[0]), None) is None:
            raise UnreadableMedia(f"{path.name} is cut off before its first sound; copy it again")
    length_s = _duration_s(container)
    still = picture is not None and sound is None and _is_still(container, picture, length_s)
    turned = abs(frame.rotation) % 180 == _RIGHT_ANGLE if frame else False
    width, height = (frame.width, frame.height) if frame else (0, 0)
    return MediaInfo(
        kind="image" if still else "video" if picture else "audio",
        container=_container_name(container),
        duration_s=0.0 if still else length_s,
        width=height if turned else width,
        height=width if turned else height,
        fps=0.0 if still or picture is None else _fps(picture),
        has_audio=sound is not None,
        has_video=picture is not None,
        video_codec=picture.codec_context.name if picture else "",
        audio_codec=sound.codec_context.name if sound else "",
        rotation=round(frame.rotation) if frame else 0,
        pixel_format=frame.format.name if frame else "",
    )


def _is_still(container: InputContainer, picture: VideoStream, length_s: float) -> bool:
    name = container.format.name
    if name in _STILLS:
        return True
    if name not in {"gif", "apng", "avif"}:
        return False
    if picture.frames == 1 or length_s == 0.0:
        return True
    container.seek(0)
    return len(list(islice(container.decode(picture), 2))) == 1


def _duration_s(container: InputContainer) -> float:
    if container.duration and container.duration > 0:
        return container.duration / 1_000_000
    lengths = [float(s.duration * s.time_base) for s in container.streams if s.duration and s.time_base]
    return max(lengths) if lengths else _last_timestamp_s(container)


def _last_timestamp_s(container: InputContainer) -> float:
    """Walk the packets of a recording whose header names no length (a browser's webm, a raw stream)."""
    container.seek(0)
    end_s = 0.0
    for packet in container.demux():
        if packet.pts is not None and packet.time_base:
            end_s = max(end_s, float((packet.pts + (packet.duration or 0)) * packet.time_base))
    return end_s


def _fps(picture: VideoStream) -> float:
    rate = picture.average_rate or picture.guessed_rate or picture.base_rate
    return float(rate) if rate else 25.0


def _container_name(container: InputContainer) -> str:
    name = container.format.name
    if name == "matroska,webm":  # PyAV does not tell the document type: it stands in the file's head
        with Path(container.name).open("rb") as file:
            return "webm" if b"webm" in file.read(64) else "mkv"
    if name.startswith("mov,"):
        return "mov" if container.metadata.get("major_brand", "").startswith("qt") else "mp4"
    return _NAMES.get(name, name.split(",", maxsplit=1)[0])
