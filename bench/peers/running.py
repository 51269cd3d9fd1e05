"""Peers as processes: started against a stage's service, timed by themselves, their memory watched."""

import hashlib
import json
import os
import subprocess
import sys
import venv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.memory import Watch
from bench.stage import POLL_S, delivered
from config.celery_app import broker_url
from tests.chaos.stage import Stage

PATIENCE_S = 500
_HERE = Path(__file__).parent
_PREFECT = _HERE.parent.parent / ".venv-prefect"


@dataclass(frozen=True, slots=True)
class Ran:
    """What one run took, and its most memory (PSS); ``children_mb`` is what its children had of their own."""

    took_s: float
    peak_mb: float
    children_mb: float = 0.0


class PeerBrokenError(Exception):
    """A peer ended without a figure; the message says why."""


def run(stage: Stage, peer: str, files: int, poll_s: float = POLL_S) -> Ran:
    """Run a peer that is one process over the first files of the stage's inbox."""
    process = _start(stage, peer, files, poll_s, sys.executable, {})
    with Watch(process.pid) as watch:
        took_s = _took_s(stage, process, peer, files)
    return Ran(took_s, watch.peak_mb)


def run_flow(stage: Stage, files: int) -> Ran:
    """Run the Prefect flow with a server that lives as long as it does; both count as its memory."""
    python = prefect_python()
    settings = {
        "PREFECT_HOME": str(stage.folder / "prefect"),
        "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "true",
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
        "PREFECT_LOGGING_LEVEL": "ERROR",
    }
    process = _start(stage, "flow", files, POLL_S, str(python), settings)
    with Watch(process.pid) as watch:
        took_s = _took_s(stage, process, "flow", files)
    return Ran(took_s, watch.peak_mb)


def run_prefork(stage: Stage, files: int, children: int) -> Ran:
    """Run the prefork peer with so many children; its memory is the worker's, without who sends the tasks."""
    broker = {"PEER_BROKER": broker_url(stage.redis_url)}
    words = ["worker", "--pool", "prefork", "--concurrency", str(children), "--loglevel", "WARNING"]
    command = [sys.executable, "-W", "ignore", "-m", "celery", "-A", "bench.peers.prefork", *words]
    with (stage.folder / "prefork.log").open("ab") as log:
        worker = subprocess.Popen(command, env={**os.environ, **broker}, stdout=log, stderr=log)
    try:
        with Watch(worker.pid) as watch:
            sender = _start(stage, "prefork", files, POLL_S, sys.executable, broker)
            took_s = _took_s(stage, sender, "prefork", files)
    finally:
        _end(worker)
    return Ran(took_s, watch.peak_mb, watch.children_mb)


def prefect_python() -> Path:
    """Python with Prefect in an environment of its own, made once; raises PeerBrokenError."""
    pins = _HERE / "requirements.txt"
    stamp, digest = _PREFECT / "pins", hashlib.sha256(pins.read_bytes()).hexdigest()
    python = _PREFECT / "bin" / "python"
    if stamp.exists() and stamp.read_text(encoding="ascii") == digest:
        return python
    print("Installing Prefect into .venv-prefect (once, about a minute) ...", file=sys.stderr, flush=True)
    venv.create(_PREFECT, clear=True, with_pip=True)
    command = [str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check", "--require-hashes"]
    try:
        # The pins are complete, and some versions of pip trip over extras among hashes.
        subprocess.run(
            [*command, "--no-deps", "-r", str(pins)], check=True, timeout=PATIENCE_S, stdout=sys.stderr
        )
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as failed:
        raise PeerBrokenError("Prefect could not be installed") from failed
    stamp.write_text(digest, encoding="ascii")
    return python


def _start(
    stage: Stage, peer: str, files: int, poll_s: float, python: str, settings: Mapping[str, str]
) -> "subprocess.Popen[bytes]":
    words = ["--url", stage.studio_url, "--inbox", str(stage.folder / "in"), "--files", str(files)]
    words += ["--outbox", str(_outbox(stage, peer)), "--poll-s", str(poll_s)]
    with (stage.folder / f"{peer}.log").open("ab") as log:
        command = [python, "-m", f"bench.peers.{peer}", *words]
        return subprocess.Popen(command, env={**os.environ, **settings}, stdout=subprocess.PIPE, stderr=log)


def _took_s(stage: Stage, process: "subprocess.Popen[bytes]", peer: str, files: int) -> float:
    """Wait for a peer's end; the seconds by its own clock, from the first file's begin to the last's end."""
    try:
        said, _ = process.communicate(timeout=PATIENCE_S)
    except subprocess.TimeoutExpired as late:
        raise PeerBrokenError(f"{peer} did not end within {PATIENCE_S} s") from late
    finally:
        _end(process)
    there = delivered(_outbox(stage, peer))
    if process.returncode or there != files:
        last = (stage.folder / f"{peer}.log").read_text(errors="replace").strip().splitlines()[-1:]
        raise PeerBrokenError(f"{peer} ended with {there} of {files} files: {' '.join(last)}")
    return float(json.loads(said.splitlines()[-1])["took_s"])


def _outbox(stage: Stage, peer: str) -> Path:
    return stage.folder / f"out-{peer}"


def _end(process: "subprocess.Popen[bytes]") -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
