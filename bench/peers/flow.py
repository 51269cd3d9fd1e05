"""A Prefect flow: a task a file on a pool of threads; in an environment of its own (requirements.txt)."""

from pathlib import Path

import httpx
from prefect import flow, task
from prefect.futures import wait
from prefect.task_runners import ThreadPoolTaskRunner

from bench.peers import api
from bench.peers.common import Job, read_job, timed


@task(persist_result=False)
def process(http: httpx.Client, clip: Path, outbox: Path, poll_s: float) -> None:
    api.process(http, clip, outbox, poll_s)


@flow(validate_parameters=False)
def add_music(job: Job) -> None:
    with api.connect(job.url, api.get_token(job.url)) as http, timed(job):
        futures = [process.submit(http, clip, job.outbox, job.poll_s) for clip in job.clips]
        wait(futures)
        for future in futures:
            future.result()


if __name__ == "__main__":
    told = read_job()
    add_music.with_options(task_runner=ThreadPoolTaskRunner(max_workers=len(told.clips)))(told)
