"""Files that go to the studio of this machine and come back by links, where one file system has both.

Only with the local backend on loopback, and only through the folder of the studio that keeps its files in our
own state folder: it is readable by its owner alone. Everywhere else files are sent and fetched.
"""

import hashlib
import os
from contextlib import suppress
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

from config.settings import Settings
from nemovideo import Downloaded, Uploaded
from nemovideo.errors import BadAnswer, Refused
from storage import clone_or_link, is_remote
from worker.context import Context


def find_shared_folder(settings: Settings, beside: Path) -> Path | None:
    """Return the folder for links to and from ``beside``; None where files must be sent and fetched."""
    if settings.backend != "local" or not _is_loopback(settings.nemo_api_url):
        return None
    folder = settings.state_dir / "studio" / "handover"
    with suppress(OSError):
        if folder.stat().st_dev == beside.stat().st_dev:
            return folder
    return None


def _is_loopback(url: str) -> bool:
    try:
        return ip_address(urlsplit(url).hostname or "").is_loopback
    except ValueError:
        return False


def hand_over_source(ctx: Context, filename: str) -> Uploaded | None:
    """Give the studio a link to the source; None where it has to be sent, as any server can be."""
    spec = ctx.job.spec
    source = Path(spec.prepared or spec.source)
    if is_remote(str(source)) or (folder := find_shared_folder(ctx.settings, source)) is None:
        return None
    place = folder / uuid4().hex
    try:
        clone_or_link(str(source), str(place))
        return ctx.client.upload_handed_over(ctx.session_id(), place.name, filename)
    except (OSError, Refused, BadAnswer):  # a server without a hand-over may refuse it in any way
        return None
    finally:
        place.unlink(missing_ok=True)


def fetch_render(ctx: Context, render_id: str, part: Path, export: str | None = None) -> Downloaded | None:
    """Make ``part`` a link to the studio's render, or to an ``export`` of it, flushed to disk.

    None where it has to be fetched.
    """
    folder = find_shared_folder(ctx.settings, part.parent)
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
