"""A service that answers at once: how many files a second go through all six steps, all on one machine.

Redis is asked what it has done: the reads it processed are the round trips (a pipeline counts once), and a
second, shorter run under MONITOR tells whose the commands are, by their keys.
"""

import statistics
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from bench.figures import Row, machine, numbers, tell, told
from bench.stage import delivered, ready, simulated, sources, submit
from config.celery_app import KEY_PREFIX
from jobs.connection import connect
from tests.chaos.stage import Stage

COMMAND = "python -m bench.bookkeeping"
SETTINGS = {"DROPSCORE_CONCURRENCY": 16, "DROPSCORE_POLL_INTERVAL": 0.05}
WARM = 10
_BRACKETS = frozenset({"MULTI", "EXEC"})


@dataclass(frozen=True, slots=True)
class Seen:
    """One run: files a second, and what Redis did for each file."""

    per_s: float
    trips: float
    commands: float


def measure(files: int, workers: int) -> Seen:
    """So many workers; nobody but they asks Redis meanwhile, except for the jobs that are taken in."""
    with simulated(0.0, **SETTINGS) as stage:
        clips = _warm(stage, files, workers)
        before, began = _stats(stage), time.monotonic()
        submit(stage, clips)
        stage.wait(lambda: delivered(stage.outbox) == files + WARM, 300, 0.05)
        took_s = time.monotonic() - began
        after = _stats(stage)
        stage.wait(stage.quiet, 30)
        return Seen(files / took_s, *((now - then) / files for now, then in zip(after, before, strict=True)))


def whose(files: int) -> dict[str, Counter[str]]:
    """The commands of a run by whom they serve: ours, ours inside scripts, Celery's, or others."""
    with simulated(0.0, **SETTINGS) as stage:
        clips = _warm(stage, files, 1)
        with _Listener(stage.redis_url) as listener:
            submit(stage, clips)
            stage.wait(lambda: delivered(stage.outbox) == files + WARM, 300, 0.05)
        return listener.heard


def _warm(stage: Stage, files: int, workers: int) -> list[Path]:
    """Workers that have done their first files; answers the rest."""
    for _ in range(workers):
        stage.worker()
    ready(stage)
    clips = sources(stage, files + WARM)
    submit(stage, clips[:WARM])
    stage.wait(lambda: delivered(stage.outbox) == WARM and stage.quiet(), 60)
    return clips[WARM:]


def _stats(stage: Stage) -> tuple[int, int]:
    stats = stage.client.info("stats")
    return int(stats["total_reads_processed"]), int(stats["total_commands_processed"])


class _Listener:
    """Hears every command that Redis carries out while `with` lasts."""

    def __init__(self, url: str) -> None:
        self.heard: dict[str, Counter[str]] = {}
        self._client = connect(url)
        self._over = threading.Event()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="monitor", daemon=True)

    def __enter__(self) -> "_Listener":
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join(10)  # the worker's own beats go on, so the next command comes soon
        self._client.close()

    def _run(self) -> None:
        with self._client.monitor() as monitor:
            self._ready.set()
            while not self._over.is_set():
                command = monitor.next_command()
                words = str(command["command"]).split()
                whom = owner(words, in_script=command["client_type"] == "lua")
                self.heard.setdefault(whom, Counter())[words[0].upper()] += 1


def owner(words: list[str], *, in_script: bool) -> str:
    """Whom a command serves, by the first key it names."""
    if words[0].upper() in _BRACKETS:
        return "transactions"
    if any(KEY_PREFIX in word or "_kombu" in word or "celery" in word for word in words[1:]):
        return "Celery's"
    if in_script:
        return "ours inside scripts"
    return "ours" if any("dropscore:" in word for word in words[1:]) else "others"


def split(heard: dict[str, Counter[str]], files: int) -> str:
    """What was heard, a file."""
    parts = []
    for whom, names in sorted(heard.items(), key=lambda item: -item[1].total()):
        most = ", ".join(f"{name} {number / files:.1f}" for name, number in names.most_common(5))
        parts.append(f"{whom} {names.total() / files:.1f} ({most})")
    return "; ".join(parts)


def main() -> int:
    chosen = numbers(__doc__, files=400, workers=2, listened=100, runs=3)
    start = machine()
    seen = [measure(chosen.files, chosen.workers) for _ in range(chosen.runs)]
    alone = [measure(chosen.files, 1).per_s for _ in range(chosen.runs)]
    heard = split(whose(chosen.listened), chosen.listened)
    per_s, trips, commands = ([getattr(one, name) for one in seen] for name in ("per_s", "trips", "commands"))
    row = Row(
        f"bookkeeping: a service that answers at once, six steps a file, {chosen.workers} workers",
        "≥ 40 files/s on 2 cores, Redis and service included; round trips counted",
        f"{told(per_s, 'files/s')}; a file: {told(trips, 'trips', 0)}, {told(commands, 'commands', 0)}",
        COMMAND,
        statistics.median(per_s) >= 40,
    )
    return tell([row], start, f"One worker: {told(alone, 'files/s')}. Commands a file: {heard}.")


if __name__ == "__main__":
    sys.exit(main())
