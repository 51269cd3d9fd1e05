"""The picture half of the ffmpeg command: copied when it fits as it is, else drawn by a filter graph."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from studio.render.plan import Clip, Plan

_FONTS = (
    "/usr/share/fonts", "/usr/local/share/fonts", "~/.fonts", "~/.local/share/fonts",
    "/System/Library/Fonts", "/Library/Fonts", "C:/Windows/Fonts",
)  # fmt: skip
_WIDE = ("cjk", "wqy", "simhei", "msyh", "pingfang", "hiragino", "droidsansfallback", "arphic", "unifont")
_LATIN = ("dejavusans.", "notosans-regular", "liberationsans-regular", "arial.", "helvetica", "segoeui.")
_ASCII, _BEYOND_LATIN = 0x7F, 0x2E80  # the font inside Pillow draws ASCII, text fonts draw up to the second
_ROWS = 3

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


def draw_title(text: str, width: int, height: int, path: Path) -> None:
    """Write `text` as a PNG of `width` x `height`: white, centred, with a soft edge; long text is wrapped."""
    if not _find_installed(_LATIN):
        apart = unicodedata.normalize("NFKD", text)
        text = unicodedata.normalize("NFC", "".join(s for s in apart if not unicodedata.combining(s)))
    canvas = Image.new("RGBA", (width, height), (0, 0, 0, 0))
    pen = ImageDraw.Draw(canvas)
    size = max(10, min(width // 11, height // 7))
    while True:
        font = _font(text, size)
        rows = _wrap(text, font, int(width * 0.86))
        if len(rows) <= _ROWS or size <= 12:
            break
        size = int(size * 0.85)
    pen.multiline_text(
        (width / 2, height / 2), "\n".join(rows), font=font, fill=(255, 255, 255, 255), anchor="mm",
        align="center", spacing=size // 4, stroke_width=max(1, size // 18), stroke_fill=(0, 0, 0, 150),
    )  # fmt: skip
    canvas.save(path)


def _wrap(text: str, font: Font, width: int) -> list[str]:
    rows: list[str] = []
    for paragraph in text.splitlines() or [""]:
        row = ""
        for piece in _pieces(paragraph):
            if row and font.getlength(row + piece.rstrip()) > width:
                rows.append(row.strip())
                row = ""
            row += piece
        rows.append(row.strip())
    return rows


def _pieces(paragraph: str) -> Iterator[str]:
    """Yield what may stand on a row of its own: words, or single signs where a script has no spaces."""
    word = ""
    for sign in paragraph:
        word += sign
        if sign == " " or ord(sign) >= _BEYOND_LATIN:
            yield word
            word = ""
    if word:
        yield word


def _font(text: str, size: int) -> Font:
    highest = max(map(ord, text), default=0)
    if highest > _ASCII:
        for path in _find_installed(_WIDE if highest >= _BEYOND_LATIN else _LATIN):
            try:
                return ImageFont.truetype(path, size)
            except OSError:
                continue
    return ImageFont.load_default(size)


@lru_cache(maxsize=2)
def _find_installed(names: tuple[str, ...]) -> tuple[str, ...]:
    """Return the installed font files whose name has one of `names` in it."""
    found = []
    for folder in (Path(name).expanduser() for name in _FONTS):
        if folder.is_dir():
            files = (p for p in folder.rglob("*") if p.suffix.lower() in {".ttf", ".ttc", ".otf"})
            found += [str(p) for p in files if any(name in p.name.lower() for name in names)]
    return tuple(sorted(found))


_LONG, _SHORT = 1920, 1080
_SMALL = 3  # so many times smaller is a first look: 640x360
_MOST_FPS = 60.0
_FPS = 25
_WAVE = (1280, 720)
_STILL_LONG = 640  # smaller stills are drawn up to this
_BARS = 64
_ZOOM = 0.12
_FADE_S = 0.4
_LOWER = {"top": -0.38, "bottom": 0.36}  # how far below the centre a text stands, in heights of the picture
_COPIED_FROM = frozenset({"mp4", "mov", "mkv"})
_ENCODER = ("-c:v", "libx264", "-preset", "veryfast", "-crf", "20", "-pix_fmt", "yuv420p", "-threads", "2")
_QUICK_ENCODER = (
    "-c:v",
    "libx264",
    "-preset",
    "ultrafast",
    "-crf",
    "28",
    "-pix_fmt",
    "yuv420p",
    "-threads",
    "2",
)


@dataclass(frozen=True, slots=True)
class Picture:
    """What goes into the ffmpeg command: inputs, options after them, how many inputs there are."""

    inputs: tuple[str, ...]
    options: tuple[str, ...]
    input_count: int


def can_copy(plan: Plan) -> bool:
    """Say whether the source's video stream fits as it is: right codec and size, nothing to draw or cut."""
    if len(plan.pictures) != 1 or plan.titles:
        return False
    clip, info = plan.pictures[0], plan.pictures[0].source.info
    right_stream = info.video_codec == "h264" and info.pixel_format in {"yuv420p", "yuvj420p"}
    right_size = (info.width, info.height) == canvas_of(
        replace(plan, small=False)
    ) and info.fps <= _MOST_FPS + 1
    whole = clip.whole and clip.start_s == 0.0
    return right_stream and right_size and whole and info.rotation == 0 and info.container in _COPIED_FROM


def drawn(plan: Plan, titles: Sequence[Path]) -> Picture:
    """Return the picture drawn anew: clips one after the other on one canvas, titles above."""
    width, height = canvas_of(plan)
    clips = plan.pictures or plan.sounds[:1]
    inputs = [argument for clip in clips for argument in _input(clip)]
    for title, path in zip(plan.titles, titles, strict=True):
        # No longer than it is seen: each of its pictures is drawn and faded, at the film's size.
        inputs += ["-loop", "1", "-framerate", str(_FPS), "-t", f"{title.length_s:.3f}", "-i", str(path)]
    chains = _film(plan, width, height) if plan.pictures else [_waveform(width, height, plan.length_s)]
    chains += _captions(plan, len(clips))
    options = (
        "-filter_complex",
        ";".join(chains),
        "-map",
        "[out]",
        "-fps_mode",
        "vfr",
        *(_QUICK_ENCODER if plan.small else _ENCODER),
        "-t",
        f"{plan.length_s:.6f}",
    )
    return Picture(tuple(inputs), options, len(clips) + len(titles))


def canvas_of(plan: Plan) -> tuple[int, int]:
    """Return the even width and height of the output, at most 1920x1080 or 1080x1920."""
    if not plan.pictures:
        asked = (plan.width, plan.height) if plan.width and plan.height else _WAVE
        return _bound(*asked, plan.small)
    first = plan.pictures[0]
    width, height = first.source.info.width, first.source.info.height
    if plan.width and plan.height and (first.fit != "keep" or len(plan.pictures) > 1):
        width, height = plan.width, plan.height
    if first.source.info.kind == "image" and max(width, height) < _STILL_LONG:
        factor = _STILL_LONG / max(width, height)
        width, height = round(width * factor), round(height * factor)
    return _bound(width, height, plan.small)


def _bound(width: int, height: int, small: bool) -> tuple[int, int]:
    long, short = (_LONG // _SMALL, _SHORT // _SMALL) if small else (_LONG, _SHORT)
    across, down = (long, short) if width >= height else (short, long)
    factor = min(1.0, across / width, down / height)
    return max(2, round(width * factor / 2) * 2), max(2, round(height * factor / 2) * 2)


def _input(clip: Clip) -> list[str]:
    if clip.source.info.kind == "image":
        return ["-i", str(clip.source.path)]
    seek = ["-ss", f"{clip.offset_s:.6f}"] if clip.offset_s else []
    length = [] if clip.whole else ["-t", f"{clip.length_s:.6f}"]
    return [*seek, *length, "-i", str(clip.source.path)]


def _film(plan: Plan, width: int, height: int) -> list[str]:
    chains = [_clip(clip, n, width, height, len(plan.pictures)) for n, clip in enumerate(plan.pictures)]
    if len(plan.pictures) == 1:
        # The last picture stays for as long as there is sound.
        return [*chains, "[v0]tpad=stop=-1:stop_mode=clone[film]"]
    names = "".join(f"[v{n}]" for n in range(len(plan.pictures)))
    return [*chains, f"{names}concat=n={len(plan.pictures)}:v=1,tpad=stop=-1:stop_mode=clone[film]"]


def _clip(clip: Clip, number: int, width: int, height: int, count: int) -> str:
    info = clip.source.info
    steps = [_fit(clip, number, width, height)]
    if info.kind == "image":
        steps.append(_zoom(clip, width, height))
    elif count > 1:
        steps.append(f"fps={min(info.fps, _MOST_FPS):.4f}")
        steps.append(f"tpad=stop=-1:stop_mode=clone,trim=duration={clip.length_s:.6f},setpts=PTS-STARTPTS")
    elif info.fps > _MOST_FPS + 1:
        steps.append(f"fps={_MOST_FPS:.0f}")
    return f"[{number}:V:0]{','.join(steps)},scale=out_range=tv,setsar=1,format=yuv420p[v{number}]"


def _fit(clip: Clip, number: int, width: int, height: int) -> str:
    inside = f"scale={width}:{height}:force_original_aspect_ratio=decrease:force_divisible_by=2"
    over = f"scale={width}:{height}:force_original_aspect_ratio=increase,crop={width}:{height}"
    if clip.fit == "crop":
        return over
    if clip.fit == "blur":
        soft = f"scale={width // 8 * 2}:-2,boxblur=8:2,{over},eq=brightness=-0.08"
        return (
            f"split[a{number}][b{number}];[a{number}]{soft}[back{number}];[b{number}]{inside}[front{number}];"
            f"[back{number}][front{number}]overlay=(W-w)/2:(H-h)/2"
        )
    return f"{inside},pad={width}:{height}:(ow-iw)/2:(oh-ih)/2"


def _zoom(clip: Clip, width: int, height: int) -> str:
    """Zoom in slowly; drawn at twice the size first, so that the steps of a pixel do not show."""
    frames = max(1, round(clip.length_s * _FPS))
    return (
        f"scale={2 * width}:{2 * height},zoompan=z='1+{_ZOOM}*on/{frames}':d={frames}:fps={_FPS}"
        f":s={width}x{height}:x='iw/2-iw/zoom/2':y='ih/2-ih/zoom/2'"
    )


def _waveform(width: int, height: int, length_s: float) -> str:
    bar = max(2, width // _BARS)
    return (
        f"gradients=s={width}x{height}:c0=0x10142e:c1=0x3a1c57:x0=0:y0=0:x1={width}:y1={height}:r={_FPS}:d=0.04"
        f",format=yuv420p,loop=loop=-1:size=1,setpts=N/{_FPS}/TB,trim=duration={length_s:.6f}[back];"
        f"[0:a:0]aformat=channel_layouts=mono,showwaves=s={_BARS}x90:mode=cline:r={_FPS}:scale=sqrt"
        f":colors=0x7fd7ff,scale={width}:{height // 4 * 2}:flags=neighbor,format=yuva420p"
        f",drawgrid=x={-(bar // 10)}:w={bar}:h={10 * height}:t={bar * 2 // 5}:c=black@0:replace=1[wave];"
        f"[back][wave]overlay=0:(H-h)/2:eof_action=pass:format=yuv420,format=yuv420p"
        ",tpad=stop=-1:stop_mode=clone[film]"
    )


def _captions(plan: Plan, first_input: int) -> list[str]:
    chains, below = [], "film"
    for n, title in enumerate(plan.titles):
        fade_s = min(_FADE_S, title.length_s / 3)
        end_s = title.start_s + title.length_s
        chains.append(
            f"[{first_input + n}:v]format=rgba,fade=in:st=0:d={fade_s:.3f}:alpha=1,"
            f"fade=out:st={title.length_s - fade_s:.3f}:d={fade_s:.3f}:alpha=1,"
            f"setpts=PTS+{title.start_s:.3f}/TB[t{n}]"
        )
        chains.append(
            f"[{below}][t{n}]overlay=(W-w)/2:(H-h)/2+H*{_LOWER.get(title.place, 0)}:eof_action=pass"
            f":enable='between(t,{title.start_s:.3f},{end_s:.3f})'[f{n}]"
        )
        below = f"f{n}"
    return [*chains, f"[{below}]null[out]"]
