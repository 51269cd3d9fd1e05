"""A clip written at 1 MB/s: taken once, whole, by native and by poll."""

import sys
import threading
import time
from pathlib import Path

from bench.producer.common import clip, place, start


def write_slowly(path: Path, seconds: int) -> None:
    size_bytes = seconds * 1_000_000
    whole = clip() + (size_bytes + 8).to_bytes(4, "big") + b"free" + b"x" * size_bytes
    with path.open("wb", buffering=0) as file:
        for at in range(0, len(whole), 100_000):
            file.write(whole[at : at + 100_000])
            time.sleep(0.1)


def main(seconds: int = 30) -> None:
    for mode in ("native", "poll"):
        with place() as here:
            process = start(here, "--watch", mode)
            writer = threading.Thread(target=write_slowly, args=(here.inbox / "slow.mp4", seconds))
            writer.start()
            early = 0
            while writer.is_alive():
                early = max(early, here.jobs())
                time.sleep(0.05)
            closed, gives_up = time.monotonic(), time.monotonic() + 20
            while not here.jobs() and time.monotonic() < gives_up:
                time.sleep(0.01)
            taken_s = time.monotonic() - closed
            time.sleep(5)
            process.terminate()
            process.wait()
            (job,) = [job for state in here.ledger.counts() for job in here.ledger.all_in(state)]
            whole = job.spec.size_bytes == (here.inbox / "slow.mp4").stat().st_size
            print(
                f"{mode}: {early} jobs while it was written, 1 job {taken_s:.1f} s after its end, "
                f"{'whole' if whole else 'CUT'}, {job.state}",
                flush=True,
            )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
