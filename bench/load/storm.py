"""``python -m bench.load.storm [FILES]``: open streams under a storm of 429s, with a rate limit of our own.

Prints how many requests reached the service in its busiest 10 seconds, the worker's memory, and how long it
took to answer a ping.
"""

import itertools
import sys
import time

from bench.load.common import rss_mb, simulated
from config.celery_app import make_app
from config.settings import Settings

RATE = 50
WINDOW_S = 10.0


def busiest(times: list[float]) -> int:
    """The most requests in any window."""
    times = sorted(times)
    starts = itertools.count()
    most, first = 0, next(starts)
    for last, at in enumerate(times):
        while at - times[first] > WINDOW_S:
            first = next(starts)
        most = max(most, last - first + 1)
    return most


def ping_s(url: str) -> float:
    """Seconds until a worker answers."""
    began = time.monotonic()
    with make_app(url, Settings()) as app:
        answers = app.control.ping(timeout=5.0, limit=1)
    return time.monotonic() - began if answers else float("inf")


def main() -> int:
    files = int(sys.argv[1]) if len(sys.argv) > 1 else 300
    settings = {"DROPSCORE_MAX_RATE": RATE, "DROPSCORE_RATE_LIMIT_WAIT": 1, "DROPSCORE_GATE_PROBE": 1}
    with simulated(0.3, DROPSCORE_POLL_INTERVAL=5, DROPSCORE_CONCURRENCY=500, **settings) as (stage, source):
        rule = {"endpoint": "*", "kind": "429", "retry_after": 1, "probability": 0.02}
        stage.http.post("/_studio/faults", json={"seed": 1, "rules": [rule]}).raise_for_status()
        worker = stage.worker()
        ids = stage.submit(source, files)
        time.sleep(20)
        ping = ping_s(stage.redis_url)
        stage.wait(lambda: stage.done(ids) == files, 400, 0.5)
        seen = stage.http.get("/_studio/ledger").json()
        times = [one["at"] for one in seen["requests"]]
        most, allowed = busiest(times), RATE * WINDOW_S
        print(f"{files} files done; {len(times)} requests, {seen['faults'].get('429', 0)} answered 429")
        print(
            f"busiest {WINDOW_S:.0f} s: {most} requests, allowed {allowed:.0f} "
            f"({100 * most / allowed - 100:+.1f} %)"
        )
        print(f"worker: at most {rss_mb(worker.pid):.0f} MB; ping answered after {ping:.1f} s")
        return int(most > allowed * 1.01 or rss_mb(worker.pid) > 300 or ping > 5)


if __name__ == "__main__":
    sys.exit(main())
