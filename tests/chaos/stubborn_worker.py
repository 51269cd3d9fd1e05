"""``python -m tests.chaos.stubborn_worker``: a worker with a call that heeds no stop for ``CHAOS_HOLD_S``.

As a name server that does not answer, or a file system that hangs.
"""

import os
import time
from typing import Any

import nemovideo
from tests.chaos.stage import WORKER

open_session = nemovideo.NemoVideo.open_session


def hang(client: nemovideo.NemoVideo, *args: Any, **options: Any) -> nemovideo.Session:
    time.sleep(float(os.environ.pop("CHAOS_HOLD_S", "0")))  # the first one only
    return open_session(client, *args, **options)


if __name__ == "__main__":
    nemovideo.NemoVideo.open_session = hang  # type: ignore[method-assign]  # the one seam
    from tests.chaos.contract import app

    app.worker_main([*WORKER[3:]])
