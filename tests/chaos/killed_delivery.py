"""``python -m tests.chaos.killed_delivery``: a worker that ends by SIGKILL while it delivers to a bucket.

``CHAOS_AFTER`` says after which effect: ``part`` = the hidden object is there, ``put`` = the output is,
``result`` = its result is too, and only the ledger does not know it yet; ``never`` goes on after ``part``.
"""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import obstore

from storage import s3
from tests.chaos.contract import app
from tests.chaos.stage import WORKER

AFTER = os.environ["CHAOS_AFTER"]


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class Doomed(s3.BucketStorage):
    def deliver(self, part: Path, path: str, sha256: str, check: Callable[[], None]) -> None:
        if AFTER in {"part", "never"}:  # a clip of a second goes the way of the large ones
            self._put_parts(part, path, check)
            part.unlink()
            return
        super().deliver(part, path, sha256, check)
        if AFTER == "put":
            die()

    def write(self, path: str, data: bytes, mark: str) -> None:
        super().write(path, data, mark)
        if AFTER == "result" and b'"state": "done"' in data:
            die()


def copy(*_: Any, **__: Any) -> None:
    die()


if __name__ == "__main__":
    s3.BucketStorage = Doomed  # type: ignore[misc]  # the test is about this seam
    if AFTER == "part":
        obstore.copy = copy
    app.worker_main([*WORKER[3:]])
