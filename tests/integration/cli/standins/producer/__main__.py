"""A producer for tests of the command line: submits every file it finds, once, and waits or ends."""

import argparse
import os
import time
from pathlib import Path

from config.settings import load
from jobs.ledger import Ledger, result_path
from jobs.model import JobSpec, Problem, job_id_for
from jobs.redis import connect
from jobs.sources import Sources

parser = argparse.ArgumentParser()
parser.add_argument("root", type=Path)
parser.add_argument("--outbox", type=Path)
parser.add_argument("--once", action="store_true")
told = parser.parse_args()
settings = load()
assert settings.redis_url
ledger = Ledger(connect(settings.redis_url.get_secret_value()))
sources = Sources(ledger)
while True:
    for path in sorted(told.root.rglob("*.*")):
        (size, mtime_ns), output = (
            (path.stat().st_size, path.stat().st_mtime_ns),
            told.outbox / f"{path.stem}.mp4",
        )
        spec = JobSpec(
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
            code="unsupported_file",
            service_code=4001,
            message=f"{path.name} is no video",
            advice="send an MP4",
        )
        job_id = job_id_for(spec.fingerprint, spec.instructions, spec.skill)
        note = f"{size}:{mtime_ns}"
        submitted = ledger.submit(job_id, spec, [str(output)], note, problem if "bad" in path.name else None)
        if not submitted.new:
            sources.mark({str(path): (note, job_id)})
    if told.once:
        break
    time.sleep(float(os.environ.get("STANDIN_PAUSE", "0.2")))
