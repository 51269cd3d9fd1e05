"""``python -m producer.health``: does this host's producer still look?  Exit 0 if it said so lately."""

import socket
import sys

from config.errors import ConfigError
from config.settings import load
from jobs.connection import connect
from jobs.errors import LedgerError
from jobs.intake import Intake
from jobs.ledger import Ledger


def main() -> int:
    """Look for the beat of a producer on this host; answers the exit code."""
    try:
        settings = load()
        if settings.redis_url is None:
            raise ConfigError("DROPSCORE_REDIS_URL is not set")
        ledger = Ledger(connect(settings.redis_url.get_secret_value()))
        return 0 if Intake(ledger).beats(socket.gethostname()) else 1
    except (ConfigError, LedgerError) as broken:
        print(f"dropscore producer: {broken}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
