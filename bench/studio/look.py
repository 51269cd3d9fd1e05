"""How long looking takes, and which cuts it finds: `python -m bench.studio.look [FILE ...]`."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from bench.studio.clips import scenes, table
from studio.analyse import look
from studio.media import probe

_SIZES = (
    ("320x180", "libx264"),
    ("1280x720", "libx264"),
    ("1920x1080", "libx264"),
    ("640x360", "libvpx-vp9"),
)
_NEAR_S = 0.1


def clips(folder: Path) -> Iterator[tuple[Path, list[float]]]:
    rng = np.random.default_rng(3)
    for size, codec in _SIZES:
        lengths = [float(length) for length in np.round(rng.uniform(1.2, 4.0, 8), 2)]
        suffix = "webm" if codec == "libvpx-vp9" else "mp4"
        yield scenes(folder / f"{size} {codec}.{suffix}", lengths, size, codec), list(np.cumsum(lengths)[:-1])


def row(path: Path, cuts: list[float] | None) -> list[object]:
    info = probe(path)
    began_s = time.process_time()
    found = look(path, info)
    spent_s = time.process_time() - began_s
    right = sum(any(abs(cut - seen) < _NEAR_S for seen in found.cuts_s) for cut in cuts or ())
    known = f"{right} of {len(cuts)}, {len(found.cuts_s) - right} wrong" if cuts is not None else "?"
    return [path.name, f"{info.duration_s:.1f}", f"{spent_s:.2f}", f"{spent_s / info.duration_s:.3f}", known]


def main() -> None:
    head = ["clip", "length, s", "look, CPU s", "share of its length", "cuts found"]
    if len(sys.argv) > 1:
        table(head, [row(Path(name), None) for name in sys.argv[1:]])
        return
    with tempfile.TemporaryDirectory() as name:
        table(head, [row(path, cuts) for path, cuts in clips(Path(name))])


if __name__ == "__main__":
    main()
