"""The producer killed -9 at random moments during a backlog: every file once, none twice."""

import random
import sys
import time

from bench.producer.common import fill, place, start
from jobs.sources import Sources


def main(files: int = 5_000, kills: int = 100) -> None:
    chance, killed = random.Random(7), 0
    with place() as here:
        fill(here.inbox, files, 50)
        for _ in range(kills):
            before, gives_up = here.jobs(), time.monotonic() + 30
            share = chance.randrange(1, 2 * files // kills)
            process = start(here, "--once")
            while here.jobs() < min(before + share, files) and time.monotonic() < gives_up:
                time.sleep(0.002)
            time.sleep(chance.uniform(0, 0.02))
            process.kill()
            killed += process.wait() == -9
        assert start(here, "--once").wait() == 0
        jobs = [job for state in here.ledger.counts() for job in here.ledger.all_in(state)]
        sources, outputs = {job.spec.source for job in jobs}, {job.spec.output for job in jobs}
        twins = sum(1 for _ in Sources(here.ledger).duplicates())
        waiting = here.queued()
        print(
            f"killed {killed} of {kills} times: {len(jobs):,} jobs of {files:,} files, "
            f"{len(sources):,} sources, {len(outputs):,} outputs, {twins} duplicates, {waiting:,} queued"
        )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
