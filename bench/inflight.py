"""1,000 files in flight in one worker, at the service's own pace: do all end, in what memory, in what time?

The longest single file is sent alone through the same worker first, and timed. ``--scale 10`` makes the
service ten times faster than it is, and with it the load ten times higher.
"""

import statistics
import sys
import time
from dataclasses import dataclass

from bench.figures import Row, machine, numbers, tell, told
from bench.memory import most_resident_mb
from bench.stage import CONTRACT_POLL_S, drawn, ready, simulated, sources, submit

COMMAND = "python -m bench.inflight"


@dataclass(frozen=True, slots=True)
class Seen:
    """One run: the longest file alone, then all of them."""

    alone_s: float
    all_s: float
    memory_mb: float
    ended: int


def measure(files: int, scale: int) -> Seen:
    """One worker, one service, one run, 1:``scale``."""
    settings = {"DROPSCORE_CONCURRENCY": files + 24, "DROPSCORE_POLL_INTERVAL": CONTRACT_POLL_S / scale}
    with simulated(1 / scale, **settings) as stage:
        clips = sources(stage, files)
        worker = stage.worker()
        ready(stage)
        longest = max(clips, key=lambda clip: drawn(clip.stem, 1 / scale, CONTRACT_POLL_S / scale).whole_s)
        alone = submit(stage, [longest], "alone-")
        alone_s = stage.wait(lambda: stage.done(alone) == 1, 300)
        began = time.monotonic()
        submit(stage, clips)
        stage.wait(lambda: stage.ledger.counts()["done"] == files + 1 or stage.quiet(), 600, 0.25)
        all_s = time.monotonic() - began
        ended = stage.ledger.counts()["done"] - 1
        return Seen(alone_s, all_s, most_resident_mb(worker.pid), ended)


def main() -> int:
    chosen = numbers(__doc__, files=1_000, scale=1, runs=3)
    start = machine()
    seen = [measure(chosen.files, chosen.scale) for _ in range(chosen.runs)]
    alone_s, all_s = [one.alone_s for one in seen], [one.all_s for one in seen]
    memory_mb, ended = [one.memory_mb for one in seen], min(one.ended for one in seen)
    ratio = statistics.median(all_s) / statistics.median(alone_s)
    good = ended == chosen.files and max(memory_mb) < 300 and ratio <= 1.25
    scale, poll_s = 1 / chosen.scale, CONTRACT_POLL_S / chosen.scale
    nominal = max(drawn(f"clip{number:05d}", scale, poll_s).whole_s for number in range(chosen.files))
    row = Row(
        f"{chosen.files:,} files in flight in one worker, 1:{chosen.scale}",
        "all finish; RSS < 300 MB; makespan ≤ 1.25 × the longest single file",
        f"{ended:,} finish; {told(memory_mb, 'MB', 0)}; {told(all_s, 's')} = {ratio:.2f} × the longest",
        COMMAND,
        good,
    )
    note = f"The longest file draws {nominal:.1f} s with its polls; alone it took {told(alone_s, 's')}."
    return tell([row], start, note)


if __name__ == "__main__":
    sys.exit(main())
