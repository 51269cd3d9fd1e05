"""100,000 clips, in 1,000 folders or flat in one: the first run takes them in, the second finds nothing new.

python -m bench.producer.scale [FILES [FOLDERS]]     # FOLDERS 1 = flat
"""

import os
import sys

from bench.producer.common import fill, place, start, watch


def main(files: int = 100_000, folders: int = 1_000) -> None:
    with place() as here:
        fill(here.inbox, files, folders)
        for run in ("first", "second"):
            before, spent = here.jobs(), os.times()
            took_s, peak_mb = watch(start(here, "--once"))
            after = os.times()
            cpu_s = after.children_user + after.children_system - spent.children_user - spent.children_system
            print(
                f"{run} run, {files:,} files in {folders:,} folders: {took_s:.1f} s, {cpu_s:.1f} s of CPU, "
                f"{peak_mb:.0f} MB, {here.jobs() - before:,} new jobs",
                flush=True,
            )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
