"""The plain loop: one file after the other."""

from bench.peers.api import connect, get_token, process
from bench.peers.common import read_job, timed


def main() -> None:
    job = read_job()
    with connect(job.url, get_token(job.url)) as http, timed(job):
        for clip in job.clips:
            process(http, clip, job.outbox, job.poll_s)


if __name__ == "__main__":
    main()
