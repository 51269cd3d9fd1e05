"""``python -m bench.load.bookkeeping [FILES]``: a service that answers at once, six steps a file."""

import sys

from bench.load.common import commands, rss_mb, simulated


def main() -> int:
    files = int(sys.argv[1]) if len(sys.argv) > 1 else 400
    settings = {"DROPSCORE_CONCURRENCY": 16, "DROPSCORE_POLL_INTERVAL": 0.05}
    with simulated(0.0, **settings) as (stage, source):
        worker = stage.worker()
        warm = stage.submit(source, 10)
        stage.wait(lambda: stage.done(warm) == 10, 60)
        before = commands(stage)
        stage.submit(source, files, start=10)
        took = stage.wait(lambda: stage.ledger.counts()["done"] == files + 10, 300, 0.2)
        print(f"{files} files in {took:.1f} s: {files / took:.1f} a second; {stage.counts()}")
        print(
            f"Redis: {(commands(stage) - before) / files:.0f} commands a file; "
            f"worker {rss_mb(worker.pid):.0f} MB"
        )
        return 0


if __name__ == "__main__":
    sys.exit(main())
