"""``python -m tests.chaos.killed_delivery``: a worker that ends by SIGKILL while it delivers to a bucket.

``CHAOS_AFTER`` says after which effect: ``part`` = the hidden object is there, ``put`` = the output is,
``result`` = its result is too, and only the ledger does not know it yet; ``never`` goes on after ``part``.
"""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import obstore

from stores import s3
from worker.main import main

AFTER = os.environ["CHAOS_AFTER"]


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class Doomed(s3.ObjectStore):
    def put(self, part: Path, path: str, sha256: str, check: Callable[[], None]) -> None:
        if AFTER in {"part", "never"}:  # a clip of a second goes the way of the large ones
            self._put_parts(part, path, check)
            part.unlink()
            return
        super().put(part, path, sha256, check)
        if AFTER == "put":
            die()

    def write(self, path: str, data: bytes, mark: str) -> None:
        super().write(path, data, mark)
        if AFTER == "result" and b'"state": "done"' in data:
            die()


def copy(*_: Any, **__: Any) -> None:
    die()


if __name__ == "__main__":
    s3.S3 = Doomed()
    if AFTER == "part":
        obstore.copy = copy
    sys.exit(main())
