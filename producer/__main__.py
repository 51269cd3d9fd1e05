"""``python -m producer [ROOT…] [--outbox DIR] [--once]``: the producer as a process of its own."""

import argparse
import os
import signal
import sys
import threading
import traceback
from types import FrameType

from config.errors import ConfigError
from config.logs import configure
from config.settings import load
from jobs.errors import LedgerUnreachable
from producer.roots import check_roots
from producer.service import Options, produce

CRASHED = 70
"""Exit code of a defect of ours (sysexits.h: EX_SOFTWARE)."""

_LAST_S = 0.8
"""After a stop signal: every submission is one atomic script, so that the end may come at any moment."""


def main(argv: list[str] | None = None) -> int:
    """Parse, produce, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m producer", description="Finds files and submits them.")
    add = parser.add_argument
    add("roots", nargs="*", metavar="ROOT", help="[default: the [[roots]] of dropscore.toml]")
    add("--outbox", metavar="DIR", help="[default: outbox beside each root]")
    add("--once", action="store_true", help="end when all there is has been submitted")
    add("--watch", choices=("auto", "native", "poll"))
    add("--sidecar-wait", type=float, metavar="SECONDS")
    add("--ignore", action="append", default=[], metavar="GLOB")
    add("--only", action="append", default=[], choices=("video", "audio", "image"))
    add("--newest-first", action="store_true", help="take the newest files first")
    add("--ignore-existing", action="store_true", help="leave alone what is there at the start")
    add("--move-done", metavar="DIR", help="move originals there after success")
    add("--shrink", action="store_true", help="compress what is larger than 500 MB")
    add("--convert", action="store_true", help="convert what the service does not take")
    add("--follow-links", action="store_true", help="follow links that leave a root")
    add("--again", default="", metavar="WORD", help="a new word makes every file new work")
    flags = parser.parse_args(argv)
    stop = threading.Event()
    set_on_signals(stop)
    try:
        settings = load(
            {
                "watch": flags.watch,
                "sidecar_wait_s": flags.sidecar_wait,
                "ignore": tuple(flags.ignore) or None,
                "only": tuple(flags.only) or None,
                "order": "newest" if flags.newest_first else None,
                "ignore_existing": flags.ignore_existing or None,
                "move_done": flags.move_done,
                "shrink": flags.shrink or None,
                "convert": flags.convert or None,
            }
        )
        configure(settings.log_level, settings.log_json)
        roots = check_roots(settings, flags.roots, flags.outbox)
        return produce(settings, roots, stop, Options(flags.once, flags.follow_links, flags.again))
    except (ConfigError, LedgerUnreachable) as exc:
        print(exc, file=sys.stderr)
        return 2


def set_on_signals(stop: threading.Event) -> None:
    """Set ``stop`` on SIGTERM and SIGINT, and end the process with 0 soon after, whatever it waits for."""
    timer = threading.Timer(_LAST_S, os._exit, args=(0,))
    timer.daemon = True

    def end(_number: int, _frame: FrameType | None) -> None:
        if timer.ident is None:
            # First: the signal may come while this very thread holds the lock of the event, in its wait().
            timer.start()
            stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Exception:  # noqa: BLE001 (exit code 1 means "files were left out": a crash needs one of its own)
        traceback.print_exc()
        sys.exit(CRASHED)
