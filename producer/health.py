"""``python -m producer.health``: does this host's producer still look?  Exit 0 if it said so lately."""

import socket
import sys

from config.errors import ConfigError
from config.settings import load
from jobs.errors import LedgerError
from jobs.ledger import Ledger
from jobs.redis import connect
from jobs.sources import Sources


def main() -> int:
    """Look for the beat of a producer on this host; answers the exit code."""
    try:
        settings = load()
        if settings.redis_url is None:
            raise ConfigError("DROPSCORE_REDIS_URL is not set")
        ledger = Ledger(connect(settings.redis_url.get_secret_value(), master_name=settings.redis_master))
        return 0 if Sources(ledger).is_alive(socket.gethostname()) else 1
    except (ConfigError, LedgerError) as exc:
        print(f"dropscore producer: {exc}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
