"""Files that go to the studio of this machine and come back by links, where one file system has both.

Only with the local backend, in a session whose studio announced it, and only through the studio's folder in
our own state folder, which is readable by its owner alone. Everywhere else files are sent and fetched.
"""

import hashlib
import os
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

from nemovideo import Downloaded, Uploaded
from nemovideo.errors import BadAnswer, Refused
from storage import clone_or_link, is_remote
from worker.context import Context


def find_shared_folder(ctx: Context, beside: Path) -> Path | None:
    """Return the folder for links to and from ``beside``; None where files must be sent and fetched."""
    session = ctx.checkpoint.session
    if ctx.settings.backend != "local" or session is None or not session.file_handover:
        return None
    folder = ctx.settings.state_dir / "studio" / "handover"
    with suppress(OSError):
        if folder.stat().st_dev == beside.stat().st_dev:
            return folder
    return None


def hand_over_source(ctx: Context, filename: str) -> Uploaded | None:
    """Give the studio a link to the source; None where it has to be sent, as any server can be."""
    spec = ctx.job.spec
    source = Path(spec.prepared or spec.source)
    if is_remote(str(source)) or (folder := find_shared_folder(ctx, source)) is None:
        return None
    place = folder / uuid4().hex
    try:
        clone_or_link(str(source), str(place))
        return ctx.client.upload_handed_over(ctx.session_id(), place.name, filename)
    except (OSError, Refused, BadAnswer):
        return None
    finally:
        place.unlink(missing_ok=True)


def fetch_render(ctx: Context, render_id: str, part: Path, export: str | None = None) -> Downloaded | None:
    """Make ``part`` a link to the studio's render, or to an ``export`` of it, flushed to disk.

    None where it has to be fetched.
    """
    folder = find_shared_folder(ctx, part.parent)
    if folder is None:
        return None
    place = folder / uuid4().hex
    try:
        ctx.client.hand_over(render_id, place.name, export)
        with place.open("rb") as file:
            os.fsync(file.fileno())
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
            size_bytes = os.fstat(file.fileno()).st_size
        place.replace(part)
    except (OSError, Refused, BadAnswer):
        return None
    finally:
        place.unlink(missing_ok=True)
    return Downloaded(sha256, size_bytes)
