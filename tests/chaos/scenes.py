"""Scenes that tests play with short times and benches with the real ones; each answers what was seen."""

import os
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from jobs.errors import LedgerUnreachable
from jobs.model import Job, State, Step
from tests.chaos.stage import Stage
from tests.conftest import start_redis


@dataclass(frozen=True, slots=True)
class Seen:
    """What became of the jobs, and what was charged."""

    jobs: list[Job]
    charges: int
    edits_sent: int
    went_on_s: float
    logs: str


def seen(stage: Stage, ids: list[str], went_on_s: float) -> Seen:
    """Wait for the end, and look."""
    stage.wait(stage.quiet, 240)
    charges, sent = len(stage.charges()), stage.requests("run_sse")
    return Seen(stage.jobs(ids), charges, sent, went_on_s, stage.logs())


def editing(stage: Stage, ids: list[str], count: int) -> bool:
    """Whether so many jobs have an edit's stream open, and the service has taken as many messages.

    A job is marked as sending just before the message leaves: on a slow machine the two can be far apart.
    """
    jobs = stage.jobs(ids)
    streams = [
        job for job in jobs if job.step is Step.EDIT and job.checkpoint.instructions[0].status == "sending"
    ]
    running = sum(job.state is State.RUNNING for job in streams)
    return running >= count and stage.requests("run_sse") >= count


def frozen_worker(stage: Stage, clip: Path, lease_s: float, count: int = 2) -> Seen:
    """Freeze a worker in the middle of its edits until another has taken them all over, and longer."""
    ids = stage.submit(clip, count)
    first = stage.worker()
    stage.wait(lambda: editing(stage, ids, count), 60)
    fences = {job.id: job.fence for job in stage.jobs(ids)}
    os.kill(first.pid, signal.SIGSTOP)
    stage.worker()
    took = stage.wait(lambda: all(job.fence != fences[job.id] for job in stage.jobs(ids)), lease_s * 3 + 60)
    time.sleep(lease_s)
    os.kill(first.pid, signal.SIGCONT)
    stage.wait(lambda: "stale write refused" in stage.logs() or "lease lost" in stage.logs(), 90)
    return seen(stage, ids, took)


def redis_outage(stage: Stage, clip: Path, away_s: float, count: int) -> Seen:
    """Kill Redis under open edits, leave it away for a while, start it again from its file."""
    ids = stage.submit(clip, count)
    worker = stage.worker()
    stage.wait(lambda: editing(stage, ids, count), 120)
    stage.redis.kill()
    stage.redis.wait(30)
    time.sleep(away_s)
    stage.redis, _ = start_redis(stage.folder / "redis")
    more = stage.submit(clip, 1, start=count)
    took = stage.wait(lambda: _has_begun(stage, more), 90)
    assert worker.poll() is None, "the worker ended with its broker"
    return seen(stage, ids + more, took)


def _has_begun(stage: Stage, ids: list[str]) -> bool:
    try:
        return all(job.state is not State.QUEUED or job.step is not Step.UPLOAD for job in stage.jobs(ids))
    except LedgerUnreachable:
        return False


def asked_to_stop(stage: Stage, clip: Path) -> tuple[float, Seen]:
    """SIGTERM a worker with a long stream open: how long until it ends, and what becomes of the job."""
    ids = stage.submit(clip, 1)
    worker = stage.worker()
    stage.wait(lambda: editing(stage, ids, 1), 60)
    began = time.monotonic()
    worker.terminate()
    try:
        worker.wait(60)
    except subprocess.TimeoutExpired:
        worker.kill()
    ended_s = time.monotonic() - began
    stage.worker()
    return ended_s, seen(stage, ids, ended_s)
