"""``python -m worker``: a worker process."""

import sys

from worker.main import INTERRUPTED, main

if __name__ == "__main__":
    try:
        code = main()
    except KeyboardInterrupt:  # before there was anything to end politely
        code = INTERRUPTED
    sys.exit(code)
