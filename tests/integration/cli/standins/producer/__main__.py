"""A producer for tests of the command line: submits every file it finds, once, and waits or ends."""

import argparse
import os
import time
from pathlib import Path

from config.settings import load
from jobs.codec import result_path
from jobs.connection import connect
from jobs.ledger import Ledger
from jobs.model import Problem, Spec, identity

parser = argparse.ArgumentParser()
parser.add_argument("root", type=Path)
parser.add_argument("--outbox", type=Path)
parser.add_argument("--once", action="store_true")
told = parser.parse_args()
settings = load()
assert settings.redis_url
ledger = Ledger(connect(settings.redis_url.get_secret_value()))
while True:
    for path in sorted(told.root.rglob("*.*")):
        (size, mtime_ns), output = (
            (path.stat().st_size, path.stat().st_mtime_ns),
            told.outbox / f"{path.stem}.mp4",
        )
        spec = Spec(
            source=str(path),
            root=str(told.root),
            output=str(output),
            result=str(result_path(str(output))),
            skill=settings.skill,
            instructions=("music",),
            fingerprint=path.read_text(),
            size_bytes=size,
            created=ledger.now(),
        )
        problem = Problem(
            code=4001, kind="UnsupportedFile", message=f"{path.name} is no video", advice="send an MP4"
        )
        job_id = identity(spec.fingerprint, spec.instructions, spec.skill)
        ledger.submit(
            job_id, spec, [str(output)], f"{size}:{mtime_ns}", problem if "bad" in path.name else None
        )
    if told.once:
        break
    time.sleep(float(os.environ.get("STANDIN_PAUSE", "0.2")))
