"""``celery -A tests.chaos.contract worker``: a worker at a service that keeps to the contract and no more.

The studio charges a message that comes twice once, and says so; a worker then sends a lost one again. Here it
must not: what is tried is what holds in the cloud.
"""

from dataclasses import replace
from typing import Any

import nemovideo
from worker.app import app

__all__ = ["app"]

_open_session = nemovideo.NemoVideo.open_session


def open_session(client: nemovideo.NemoVideo, *args: Any, **options: Any) -> nemovideo.Session:
    return replace(_open_session(client, *args, **options), idempotent_edits=False)


nemovideo.NemoVideo.open_session = open_session  # type: ignore[method-assign]  # the one seam
