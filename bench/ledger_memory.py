"""``python -m bench.ledger_memory [QUEUED] [DONE]``: what a job takes in Redis, queued and done."""

import sys
from pathlib import Path

from bench.reliability.common import clip
from bench.stage import simulated
from tests.chaos.stage import Stage


def main() -> int:
    queued, done = (int(word) for word in (*sys.argv[1:], "20000", "300")[:2])
    with simulated(0.0, DROPSCORE_POLL_INTERVAL=0.05) as stage:
        source = clip(stage.folder)
        stage.worker()
        warm = stage.submit(source, 20)
        stage.wait(lambda: stage.done(warm) == 20, 60)
        before = used_bytes(stage)
        ids = stage.submit(source, done, start=20)
        stage.wait(lambda: stage.done(ids) == done, 300, 0.5)
        print(f"done: {(used_bytes(stage) - before) / done:,.0f} bytes a job, of {done}")
        for worker in stage.workers:
            worker.kill()
            worker.wait()
        before, file_before = used_bytes(stage), file_bytes(stage)
        stage.submit(source, queued, start=done + 20)
        print(f"queued: {(used_bytes(stage) - before) / queued:,.0f} bytes a job, of {queued}")
        print(f"append-only file: {(file_bytes(stage) - file_before) / queued:,.0f} bytes a job submitted")
    return 0


def used_bytes(stage: Stage) -> int:
    """Memory of the data in the server."""
    return int(stage.client.info("memory")["used_memory"])


def file_bytes(stage: Stage) -> int:
    """Size of the append-only file."""
    return sum(path.stat().st_size for path in Path(stage.client.config_get("dir")["dir"]).rglob("*.aof"))


if __name__ == "__main__":
    sys.exit(main())
