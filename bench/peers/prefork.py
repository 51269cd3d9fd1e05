"""One blocking Celery task a file, in a prefork pool.

The worker: ``PEER_BROKER=redis://… celery -A bench.peers.prefork worker --pool prefork``. This module sends
the tasks and waits for their results.
"""

import os
from functools import cache
from pathlib import Path

import httpx
from celery import Celery, group

from bench.peers import api
from bench.peers.common import read_job, timed

BROKER = os.environ["PEER_BROKER"]
app = Celery("prefork", broker=BROKER, backend=BROKER)
app.conf.update(
    worker_prefetch_multiplier=1,
    broker_connection_retry_on_startup=True,
    broker_transport_options={"global_keyprefix": "peer:"},
)


@cache
def client(url: str, token: str) -> httpx.Client:
    """One client a child."""
    return api.connect(url, token)


@app.task(name="process")
def process(url: str, token: str, clip: str, outbox: str, poll_s: float) -> None:
    api.process(client(url, token), Path(clip), Path(outbox), poll_s)


def main() -> None:
    job = read_job()
    token = api.get_token(job.url)
    tasks = group(process.s(job.url, token, str(clip), str(job.outbox), job.poll_s) for clip in job.clips)
    with timed(job):
        tasks.apply_async().get(timeout=1800)


if __name__ == "__main__":
    main()
