"""1,000,000 jobs that have ended: their memory in Redis, and how long a look at the stats takes.

A few jobs go the whole way through a real worker; what they leave in the server is copied under other
names, in pipelines: the same fields of the same lengths, the same indexes. That every key of a copy has the
type, the fields and the encoding of its model is checked on a sample. Ended jobs are of no other kind:
``done``.
"""

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.figures import Row, machine, numbers, show, summarize
from bench.stage import Stage, place
from jobs.ledger import path_key
from jobs.model import Job
from jobs.redis import PREFIX

COMMAND = "python -m bench.ended"
MOST_MB, MOST_S = 500, 0.6
MODELS, SAMPLE, RUNS = 5, 200, 5
LOOK = (
    "import sys; from jobs.ledger import Ledger; from jobs.redis import connect; "
    "from jobs.stats import read_stats; print(read_stats(Ledger(connect(sys.argv[1]))).jobs['done'])"
)


def copy_jobs(stage: Stage, model: Job, count: int) -> Iterator[str]:
    """Write copies of a done job under names of the same length; yields their ids."""
    client = stage.client
    fields: dict[str, str] = client.hgetall(f"{PREFIX}job:{model.id}")
    note = client.hget(f"{PREFIX}sources", path_key(model.spec.source)).rpartition(" ")[0]
    stem, output = Path(model.spec.source).stem, Path(model.spec.output)
    for first in range(0, count, 2_000):
        with client.pipeline(transaction=False) as pipe:
            for number in range(first, min(count, first + 2_000)):
                name, job_id = f"copy{number:07d}", f"{number:016x}"
                row = {key: value.replace(stem, name) for key, value in fields.items()}
                at = float(row["updated"]) + number / 1e3
                pipe.hset(f"{PREFIX}job:{job_id}", mapping=row | {"updated": f"{at:.0f}"})
                pipe.zadd(f"{PREFIX}in:done", {job_id: at})
                pipe.hset(f"{PREFIX}outputs", path_key(str(output.with_stem(name))), job_id)
                pipe.hset(f"{PREFIX}sources", path_key(row["source"]), f"{note} {job_id}")
                yield job_id
            pipe.execute()


def describe_record(stage: Stage, job_id: str) -> dict[str, Any]:
    """Describe what the server keeps of a job: fields and their lengths, encoding, and its indexes."""
    client, key = stage.client, f"{PREFIX}job:{job_id}"
    row, spec = client.hgetall(key), stage.ledger.get(job_id).spec
    return {
        "lengths": {name: len(value) for name, value in sorted(row.items()) if name not in {"updated"}},
        "encoding": client.object("encoding", key),
        "done": client.zscore(f"{PREFIX}in:done", job_id) is not None,
        "output": client.hget(f"{PREFIX}outputs", path_key(spec.output)) == job_id,
        "source": client.hget(f"{PREFIX}sources", path_key(row["source"])).endswith(job_id),
    }


def time_command(command: list[str], stage: Stage) -> list[float]:
    """Answers the seconds of a few runs of a whole process."""
    took_s = []
    for _ in range(RUNS):
        began = time.monotonic()
        subprocess.run(command, env=stage.environment(), check=True, stdout=subprocess.DEVNULL, timeout=60)
        took_s.append(time.monotonic() - began)
    return took_s


def main() -> int:
    chosen = numbers(__doc__, jobs=1_000_000)
    start = machine()
    with place() as folder, Stage(folder, scale=0.0) as stage:
        models = stage.submit(stage.make_files([f"film{number:07d}" for number in range(MODELS)]))
        stage.start_worker()
        stage.wait(stage.all_ended, 60)
        for worker in stage.workers:
            worker.kill()
            worker.wait()
        keys = sorted(stage.client.scan_iter(f"{PREFIX}*"))
        own = {key for key in keys if any(job_id in key for job_id in models)}
        assert len(own) == MODELS, f"a job that has ended keeps more than its record: {own}"
        model = describe_record(stage, models[0])
        before = int(stage.client.info("memory")["used_memory"])
        ids = list(copy_jobs(stage, stage.ledger.get(models[0]), chosen.jobs))
        memory_mb = int(stage.client.info("memory")["used_memory"]) / 1e6
        for job_id in ids[:: max(1, chosen.jobs // SAMPLE)]:
            assert describe_record(stage, job_id) == model, (job_id, describe_record(stage, job_id), model)
        program = str(Path(sys.executable).with_name("dropscore"))
        status_s = time_command([program, "status", "--json"], stage)
        look_s = time_command([sys.executable, "-c", LOOK, stage.redis_url], stage)
    each = (memory_mb * 1e6 - before) / chosen.jobs
    command = f"{COMMAND} --jobs {chosen.jobs}"
    rows = [
        Row(
            f"{chosen.jobs:,} ended jobs, in Redis",
            f"< {MOST_MB} MB",
            f"{memory_mb:.0f} MB, {each:.0f} bytes each",
            command,
            memory_mb < MOST_MB,
        ),
        Row(
            "`dropscore status` then, a whole process",
            f"< {MOST_S} s",
            f"{summarize(status_s, 's', 2)}; reading the stats alone, in a process of its own, "
            f"{summarize(look_s, 's', 2)}",
            command,
            statistics.median(status_s) < MOST_S,
        ),
    ]
    return show(rows, start, f"The record that was copied: {json.dumps(model)}")


if __name__ == "__main__":
    sys.exit(main())
