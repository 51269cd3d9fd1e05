"""``python -m worker.health``: is this host's worker alive?  Exit 0 when it answers Celery's ping, else 1.

A process that is there but consumes nothing any more is what this finds (reliability, "Traps of Celery").
"""

import socket
import sys

from kombu.exceptions import OperationalError

from config.celery_app import make_app
from config.errors import ConfigError
from config.settings import load

TIMEOUT_S = 3.0


def main() -> int:
    """Ping all workers and look for one of this host; answers the exit code."""
    try:
        settings = load()
        url = settings.redis_url.get_secret_value() if settings.redis_url else ""
        answers = make_app(url, settings).control.ping(timeout=TIMEOUT_S) if url else []
    except (ConfigError, OperationalError, OSError) as broken:
        print(f"dropscore worker: {broken}", file=sys.stderr)
        return 1
    here = f"@{socket.gethostname()}"
    return 0 if any(name.endswith(here) for answer in answers for name in answer) else 1


if __name__ == "__main__":
    sys.exit(main())
