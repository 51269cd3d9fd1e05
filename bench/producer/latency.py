"""From the close event to the job in the ledger, one file after the other."""

import random
import statistics
import sys
import time

from bench.producer.common import clip, place, start, unlike


def main(files: int = 200) -> None:
    chance, one, took_ms = random.Random(1), clip(), []
    with place() as here:
        process = start(here)
        try:
            time.sleep(3)
            for number in range(files):
                with (here.inbox / f"{number}.mp4").open("wb") as file:
                    file.write(unlike(one, number))
                closed = time.monotonic()
                while here.queued() <= number:
                    assert time.monotonic() - closed < 20, f"file {number} was not taken"
                    time.sleep(0.001)
                took_ms.append((time.monotonic() - closed) * 1000)
                time.sleep(chance.uniform(0.02, 0.1))
        finally:
            process.terminate()
            process.wait()
    worst = sorted(took_ms)[int(len(took_ms) * 0.99)]
    print(f"{files} files: median {statistics.median(took_ms):.0f} ms, 99 % within {worst:.0f} ms")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
