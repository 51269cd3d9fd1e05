"""``python -m worker.flower``: Flower on the same broker as the workers, behind a password and read-only.

Flower's pages are open unless a password is set, and its buttons can stop workers: neither is left to
chance (reliability, "Security"). Flags are Flower's own, as ``--address=0.0.0.0 --port=5555``; without them
it listens on loopback. ``/metrics`` and ``/healthcheck`` ask for no password: keep its port private.
"""

import os
import sys
from collections.abc import Sequence

from config.celery_app import make_app
from config.errors import ConfigError
from config.settings import Settings, load

COLUMNS = "--tasks-columns=name,args,state,received,runtime,worker"
"""The list of tasks shows the argument, which is the job's id, in place of Celery's own."""


def main(flags: Sequence[str]) -> int:
    """Serve until SIGTERM; answers 2, with one line, when a setting is missing or wrong."""
    try:
        settings = load()
        if settings.redis_url is None:
            raise ConfigError("DROPSCORE_REDIS_URL: Flower needs the address of the workers' Redis server")
        ours = [f"--basic-auth={password(settings)}", "--read-only=True"]
    except ConfigError as wrong:
        print(f"dropscore flower: {wrong}", file=sys.stderr)
        return 2
    app = make_app(settings.redis_url.get_secret_value(), settings)
    said = ["--address=127.0.0.1", COLUMNS, *flags, *ours]  # the last word counts: it is ours
    try:
        app.start(["flower", *said])
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    return 0


def password(settings: Settings) -> str:
    """``user:password`` as Flower takes it; raises ConfigError."""
    said = settings.flower_auth.get_secret_value() if settings.flower_auth else ""
    user, _, word = said.partition(":")
    if not (user and word and said.isascii()) or "," in said:
        raise ConfigError("DROPSCORE_FLOWER_AUTH: should be user:password, in ASCII and without a comma")
    return said


if __name__ == "__main__":
    code = main(sys.argv[1:])
    sys.stdout.flush()
    sys.stderr.flush()
    # Flower's threads ask a broker that is away for ever, and the interpreter would wait for them; they hold
    # nothing that is worth a wait.
    os._exit(code)
