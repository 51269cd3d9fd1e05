"""Draw a title as a picture with a clear background."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

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
    if not _installed(_LATIN):
        text = _plain(text)
    canvas = Image.new("RGBA", (width, height), (0, 0, 0, 0))
    pen = ImageDraw.Draw(canvas)
    size = max(10, min(width // 11, height // 7))
    while True:
        font = _font(text, size)
        rows = _wrapped(text, font, int(width * 0.86))
        if len(rows) <= _ROWS or size <= 12:
            break
        size = int(size * 0.85)
    pen.multiline_text(
        (width / 2, height / 2), "\n".join(rows), font=font, fill=(255, 255, 255, 255), anchor="mm",
        align="center", spacing=size // 4, stroke_width=max(1, size // 18), stroke_fill=(0, 0, 0, 150),
    )  # fmt: skip
    canvas.save(path)


def _plain(text: str) -> str:
    """Take the accents off letters that the built-in font does not have; other scripts stay."""
    apart = unicodedata.normalize("NFKD", text)
    return unicodedata.normalize("NFC", "".join(s for s in apart if not unicodedata.combining(s)))


def _wrapped(text: str, font: Font, width: int) -> list[str]:
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
        for path in _installed(_WIDE if highest >= _BEYOND_LATIN else _LATIN):
            try:
                return ImageFont.truetype(path, size)
            except OSError:
                continue
    return ImageFont.load_default(size)


@lru_cache(maxsize=2)
def _installed(names: tuple[str, ...]) -> tuple[str, ...]:
    """Return the installed font files whose name has one of `names` in it."""
    found = []
    for folder in (Path(name).expanduser() for name in _FONTS):
        if folder.is_dir():
            files = (p for p in folder.rglob("*") if p.suffix.lower() in {".ttf", ".ttc", ".otf"})
            found += [str(p) for p in files if any(name in p.name.lower() for name in names)]
    return tuple(sorted(found))
