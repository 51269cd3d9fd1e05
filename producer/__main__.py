"""``python -m producer [ROOT…] [--outbox DIR] [--once]``: the producer as a process of its own."""

import argparse
import os
import signal
import sys
import threading

from config.errors import ConfigError
from config.logs import configure
from config.settings import load
from producer.roots import checked
from producer.run import Options, produce

_LAST_S = 0.8
"""After a stop signal: every submission is one atomic script, so that the end may come at any moment."""


def main(argv: list[str] | None = None) -> int:
    """Parse, produce, and answer the exit code (expectations, "Exit codes")."""
    said = _parser().parse_args(argv)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: _end(stop))
    try:
        settings = load(
            {
                "watch": said.watch,
                "sidecar_wait_s": said.sidecar_wait,
                "ignore": tuple(said.ignore) or None,
                "shrink": said.shrink or None,
                "convert": said.convert or None,
            }
        )
        configure(settings.log_level, settings.log_json)
        roots = checked(settings, said.roots, said.outbox)
        return produce(settings, roots, stop, Options(said.once, said.follow_links, said.again))
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
    add = parser.add_argument
    add("roots", nargs="*", metavar="ROOT", help="[default: the [[roots]] of dropscore.toml]")
    add("--outbox", metavar="DIR", help="[default: outbox beside each root]")
    add("--once", action="store_true", help="end when all there is has been submitted")
    add("--watch", choices=("auto", "native", "poll"))
    add("--sidecar-wait", type=float, metavar="SECONDS")
    add("--ignore", action="append", default=[], metavar="GLOB")
    add("--shrink", action="store_true", help="compress what is larger than 500 MB")
    add("--convert", action="store_true", help="convert what the service does not take")
    add("--follow-links", action="store_true", help="follow links that leave a root")
    add("--again", default="", metavar="WORD", help="a new word makes every file new work")
    return parser


if __name__ == "__main__":
    sys.exit(main())
