"""100,000 clips in 1,000 folders: the first run takes them in, the second finds nothing new."""

import sys

from bench.producer.common import fill, place, start, watch


def main(files: int = 100_000, folders: int = 1_000) -> None:
    with place() as here:
        fill(here.inbox, files, folders)
        for run in ("first", "second"):
            before = here.jobs()
            took_s, peak_mb = watch(start(here, "--once"))
            print(
                f"{run} run: {took_s:.1f} s, {peak_mb:.0f} MB, {here.jobs() - before:,} new jobs", flush=True
            )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
