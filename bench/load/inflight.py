"""``python -m bench.load.inflight [FILES]``: 1,000 files in flight in one worker, time scale 1:10."""

import sys

from bench.load.common import rss_mb, simulated

SCALE = 0.1
LONGEST_S = (40 + 90) * SCALE


def main() -> int:
    files = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    settings = {"DROPSCORE_CONCURRENCY": files, "DROPSCORE_POLL_INTERVAL": 3, "DROPSCORE_MAX_TRANSFERS": 200}
    with simulated(SCALE, **settings) as (stage, source):
        worker = stage.worker()
        stage.wait(lambda: bool(stage.client.exists("dropscore:broker:_kombu.binding.dropscore")), 30)
        ids = stage.submit(source, files)
        took = stage.wait(lambda: stage.ledger.counts()["done"] == files or stage.quiet(), 300, 0.5)
        print(
            f"{files} files: {stage.counts()} in {took:.1f} s; "
            f"the longest single file takes {LONGEST_S:.0f} s and its polls"
        )
        print(f"worker: at most {rss_mb(worker.pid):.0f} MB; charges {len(stage.charges())}")
        return int(stage.done(ids) != files)


if __name__ == "__main__":
    sys.exit(main())
