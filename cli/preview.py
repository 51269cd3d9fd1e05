"""What ``preview`` does: 15 seconds of a clip under several kinds of music, to choose from."""

import shlex
from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from cli.control import Answer
from cli.errors import Unusable
from cli.format import escape_controls, format_path
from studio.errors import RenderFailed, StudioError
from studio.preview import make_previews
from web.format import format_bytes


class PreviewFile(BaseModel):
    """One of the films."""

    model_config = ConfigDict(frozen=True)

    mood: str
    instruction: str
    path: str
    bytes: int
    said: str


class Previews(Answer):
    """The films, and the folder that ``run`` would be given."""

    source: str
    previews: tuple[PreviewFile, ...]

    def lines(self) -> Iterator[str]:
        """Yield a line a film, and the next command."""
        for one in self.previews:
            yield f"{format_path(one.path)}  {format_bytes(one.bytes)}  {escape_controls(one.said)}"
        first = self.previews[0]
        folder = shlex.quote(format_path(Path(self.source).parent))
        yield "Listen, then do the whole folder with the one you like:"
        yield f"dropscore run {folder} -i {shlex.quote(first.instruction)}"


def preview_clip(clip: Path, moods: str, folder: Path | None, start_s: float) -> Previews:
    """Make the films, by default in ``previews`` beside the clip's folder, where no inbox takes them.

    Raises Unusable: one line on the clip, the moods or the folder.
    """
    source = clip.resolve()
    wanted = list(dict.fromkeys(word for part in moods.split(",") if (word := part.strip())))
    if not wanted:
        raise Unusable("--moods: name some, such as calm,epic,happy")
    if not source.is_file():
        raise Unusable(f"{clip}: no such file")
    target = folder or source.parent.parent / "previews"
    try:
        target.mkdir(parents=True, exist_ok=True)
        made = [*make_previews(source, wanted, target.resolve(), start_s=start_s)]
    except (StudioError, RenderFailed) as exc:
        raise Unusable(str(exc)) from exc
    except OSError as exc:
        raise Unusable(f"{target}: the previews cannot be written there ({exc.strerror or exc})") from exc
    return Previews(
        source=str(source),
        previews=tuple(
            PreviewFile(
                mood=one.mood,
                instruction=one.instruction,
                path=str(one.path),
                bytes=one.path.stat().st_size,
                said=one.said,
            )
            for one in made
        ),
    )
