"""500 streams in a storm of 429s, under a rate that all workers share (docs/reliability.md, fault 14).

While the streams are open the service refuses every fifth of all requests for half a minute. Its log of all
requests tells whether the shared rate (`DROPSCORE_MAX_RATE`) held; the worker is pinged every few seconds. A
run that has not ended after eight minutes is given up and told as it stands. `DUMP=command` is run with the
worker's process id then, `py-spy dump --pid` say.
"""

import math
import os
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from types import TracebackType

from bench.figures import Row, busiest, machine, numbers, tell, told
from bench.memory import most_resident_mb
from bench.stage import CONTRACT_POLL_S, ready, simulated, sources, submit
from config.celery_app import make_app
from config.settings import load
from jobs.connection import PREFIX
from jobs.model import ENDED
from tests.chaos.stage import Stage

COMMAND = "python -m bench.storm"
WINDOW_S = 10.0
PING_S, RSS_MB, PATIENCE_S = 5.0, 300, 500
_PING_EVERY_S = 3.0


class Pings:
    """Pings the worker every few seconds while `with` lasts; a ping that is not answered counts as 10 s."""

    def __init__(self, stage: Stage) -> None:
        self.took_s: list[float] = []
        self._app = make_app(stage.redis_url, load({}, {}))
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="pings", daemon=True)

    def __enter__(self) -> "Pings":
        self._thread.start()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join(2 * PING_S + 5)
        self._app.close()

    def _run(self) -> None:
        while not self._over.wait(_PING_EVERY_S):
            began = time.monotonic()
            answered = bool(self._app.control.ping(timeout=2 * PING_S, limit=1))
            self.took_s.append(time.monotonic() - began if answered else 2 * PING_S)


@dataclass(frozen=True, slots=True)
class Seen:
    """What one storm showed."""

    ended: int
    took_s: float
    memory_mb: float
    streams: int
    requests: int
    refused: int
    most: int
    slots: str
    pings_s: list[float]


def storm(files: int, rate: int, storm_s: float, percent: float) -> Seen:
    """One worker, all the files at once."""
    settings = {
        "DROPSCORE_MAX_RATE": rate,
        "DROPSCORE_RATE_LIMIT_WAIT": 1,
        "DROPSCORE_GATE_PROBE": 1,
        "DROPSCORE_POLL_INTERVAL": CONTRACT_POLL_S,
        "DROPSCORE_CONCURRENCY": 500,
    }
    with simulated(1.0, **settings) as stage:
        clips = sources(stage, files)
        worker = stage.worker()
        ready(stage)
        with Pings(stage) as pings:
            began = time.monotonic()
            submit(stage, clips)
            streams, refused = _watched(stage, files, storm_s, percent)
        took_s = time.monotonic() - began
        if "DUMP" in os.environ and _left(stage, files):
            subprocess.run([*os.environ["DUMP"].split(), str(worker.pid)], check=False)
        traffic = stage.http.get("/_studio/traffic").json()["requests"]
        most = busiest([one["at"] for one in traffic], WINDOW_S)
        memory_mb, ended = most_resident_mb(worker.pid), stage.ledger.counts()["done"]
        slots = _slots(stage)
        return Seen(ended, took_s, memory_mb, streams, len(traffic), refused, most, slots, pings.took_s)


def _watched(stage: Stage, files: int, storm_s: float, percent: float) -> tuple[int, int]:
    """Follow the files to their end; the storm comes when the streams grow fewer, and goes.

    Answers the most streams that were open at once, and how many requests were refused.
    """
    refusals = {"endpoint": "*", "kind": "429", "retry_after": 1, "probability": percent / 100}
    streams = refused = 0
    began, ends_at = time.monotonic(), math.inf
    while _left(stage, files) and time.monotonic() - began < PATIENCE_S:
        now_open = int(stage.http.get("/_studio/health").json()["edits_in_progress"])
        if not refused and ends_at is math.inf and now_open < streams:
            _refuse(stage, refusals)
            ends_at = time.monotonic() + storm_s
        if time.monotonic() > ends_at:
            refused, ends_at = _refused(stage), math.inf
            _refuse(stage)
        streams = max(streams, now_open)
        time.sleep(0.5)
    return streams, refused or _refused(stage)


def _refuse(stage: Stage, *rules: dict[str, object]) -> None:
    stage.http.post("/_studio/faults", json={"seed": 1, "rules": rules}).raise_for_status()


def _refused(stage: Stage) -> int:
    return int(stage.http.get("/_studio/ledger").json()["faults"].get("429", 0))


def _slots(stage: Stage) -> str:
    """What 429s have left of the slots."""
    limits = {kind: stage.client.get(f"{PREFIX}limit:{kind}") for kind in ("edit", "render", "transfer")}
    return ", ".join(f"{limit} {kind}s" for kind, limit in limits.items() if limit) or "all of them"


def _left(stage: Stage, files: int) -> int:
    """How many files have not ended; those that wait behind a gate have not."""
    counts = stage.ledger.counts()
    return files - sum(counts[state] for state in ENDED)


def main() -> int:
    chosen = numbers(__doc__, files=500, rate=200, storm_s=30, percent=20, runs=1)
    start = machine()
    seen = [storm(chosen.files, chosen.rate, chosen.storm_s, chosen.percent) for _ in range(chosen.runs)]
    allowed = chosen.rate * WINDOW_S
    over = max(one.most for one in seen) / allowed - 1
    pings_s = [ping_s for one in seen for ping_s in one.pings_s] or [2 * PING_S]
    memory_mb, ended = max(one.memory_mb for one in seen), min(one.ended for one in seen)
    good = over <= 0.01 and memory_mb < RSS_MB and max(pings_s) < PING_S and ended == chosen.files
    last = seen[-1]
    note = (
        f"{last.streams} streams at once; {last.requests:,} requests, {last.refused} of them answered 429; "
        f"slots at the end: {last.slots}."
    )
    row = Row(
        f"{chosen.files} streams in a storm of 429s, {chosen.rate} requests/s allowed",
        "all finish; never above the rate by more than 1 %; RSS < 300 MB; ping < 5 s",
        f"{ended} finish in {told([one.took_s for one in seen], 's', 0)}; busiest {WINDOW_S:.0f} s "
        f"{over:+.1%} of {allowed:.0f}; {memory_mb:.0f} MB; ping {told(pings_s, 's', 2)}",
        COMMAND,
        good,
    )
    return tell([row], start, note)


if __name__ == "__main__":
    sys.exit(main())
