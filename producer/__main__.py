"""``python -m producer ROOT… --outbox DIR [--once]``: the producer as a process of its own."""

import argparse
import os
import signal
import sys
import threading
from pathlib import Path

from config.errors import ConfigError
from config.logs import configure
from config.settings import load
from producer.run import Options, produce

_LAST_S = 0.8
"""After a stop signal: every submission is one atomic script, so that the end may come at any moment."""


def main(argv: list[str] | None = None) -> int:
    """Parse, produce, and answer the exit code (expectations, "Exit codes")."""
    said = _parser().parse_args(argv)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: _end(stop))
    options = Options(
        watch=said.watch,
        sidecar_wait_s=said.sidecar_wait,
        ignore=tuple(said.ignore),
        follow_links=said.follow_links,
        again=said.again,
    )
    try:
        settings = load()
        configure(settings.log_level, settings.log_json)
        return produce(settings, said.roots, said.outbox, said.once, stop, options)
    except ConfigError as wrong:
        print(wrong, file=sys.stderr)
        return 2


def _end(stop: threading.Event) -> None:
    if not stop.is_set():
        stop.set()
        last = threading.Timer(_LAST_S, os._exit, args=(0,))
        last.daemon = True
        last.start()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m producer", description="Finds files and submits them.")
    parser.add_argument("roots", nargs="+", type=Path, metavar="ROOT")
    parser.add_argument("--outbox", type=Path, required=True, metavar="DIR")
    parser.add_argument("--once", action="store_true", help="end when all there is has been submitted")
    parser.add_argument("--watch", choices=("auto", "native", "poll"), default="auto")
    parser.add_argument("--sidecar-wait", type=float, default=0.0, metavar="SECONDS")
    parser.add_argument("--ignore", action="append", default=[], metavar="GLOB")
    parser.add_argument("--follow-links", action="store_true", help="follow links that leave a root")
    parser.add_argument("--again", default="", metavar="WORD", help="a new word makes every file new work")
    return parser


if __name__ == "__main__":
    sys.exit(main())
