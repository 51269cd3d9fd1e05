"""``python -m worker [--quiet]``: what ``dropscore worker`` and ``run`` start; ``--quiet`` shows no banner.

Celery's command line also loads its shell, Flower and what else is installed for it: a third of the start.
``celery -A worker.app worker`` is the same worker, with Celery's flags.
"""

import os
import socket
import sys

from config.logs import load_structlog


def main() -> int:
    """Work until a signal, and return the exit code.

    It neither asks for its neighbours at its start, which takes a second, nor follows their events: workers
    know of each other by the ledger. Its node name is unique, so that several may share a host.
    """
    load_structlog()
    sys.modules["httpx._main"] = None  # type: ignore[assignment] # its command line, and with it rich
    from worker.app import app  # noqa: PLC0415 - after that

    worker = app.Worker(
        hostname=f"worker-{os.getpid()}@{socket.gethostname()}",
        without_mingle=True,
        without_gossip=True,
        quiet="--quiet" in sys.argv[1:],
    )
    worker.start()
    return int(worker.exitcode or 0)


if __name__ == "__main__":
    sys.exit(main())
