"""Three short clips to try the program with; how they were made stands in ``samples/README.md``."""

import shutil
from pathlib import Path

from cli.errors import Unusable
from cli.paths import holds_files

_INSTALLED = Path(__file__).with_name("clips")
_CHECKOUT = Path(__file__).parents[1] / "samples"


def copy_samples(folder: Path) -> list[Path]:
    """Copy the clips into a folder that holds no files yet; answers those copied, none if it held files.

    Raises:
        Unusable: the folder cannot be written to.
    """
    clips = sorted((_INSTALLED if _INSTALLED.is_dir() else _CHECKOUT).glob("*.mp4"))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if holds_files(str(folder)):
            return []
        return [Path(shutil.copyfile(clip, folder / clip.name)) for clip in clips]
    except OSError as exc:
        reason = (exc.strerror or "").lower()
        raise Unusable(f"{folder}: the samples cannot be written there ({reason})") from exc
