"""``python -m bench.reliability.outages``: a frozen worker, Redis away and restarted, a polite stop."""

import sys
from collections.abc import Callable
from pathlib import Path

from bench.reliability.common import FAST, broken_outputs, clip, double_charges, place, states
from tests.chaos.scenes import Seen, asked_to_stop, frozen_worker, redis_outage
from tests.chaos.stage import Stage


def told(name: str, stage: Stage, seen: Seen) -> int:
    """Print a line; answers 1 when something was lost, paid twice or broken."""
    double, broken = double_charges(stage), broken_outputs(stage, seen.jobs)
    refused = seen.logs.count("stale write refused") + seen.logs.count("lease lost")
    print(
        f"{name}: {states(seen.jobs)}; went on after {seen.went_on_s:.1f} s; {seen.charges} charges for "
        f"{seen.edits_sent} edits sent; double {double}; broken {broken}; stale writes refused {refused}; "
        f"streams cut {seen.logs.count('stream lost')}",
        flush=True,
    )
    return int(bool(double or broken or any(not job.ended for job in seen.jobs)))


def main() -> int:
    settings = {**FAST, "DROPSCORE_DISCONNECT_WAITS": "30,30,30,30,30"}
    scenes: list[tuple[str, tuple[str, ...], Callable[[Stage, Path], Seen]]] = [
        (
            "worker frozen for 90 s",
            ("--think-s", "20"),
            lambda stage, one: frozen_worker(stage, one, 30, count=5),
        ),
        ("Redis away for 60 s", ("--think-s", "25"), lambda stage, one: redis_outage(stage, one, 60, 10)),
        (
            "Redis restarted under 50 streams",
            ("--think-s", "30"),
            lambda stage, one: redis_outage(stage, one, 0, 50),
        ),
        ("SIGTERM with a stream open", ("--think-s", "45"), lambda stage, one: asked_to_stop(stage, one)[1]),
    ]
    failed = 0
    for name, flags, scene in scenes:
        with place() as folder, Stage(folder / "stage", *flags, **settings) as stage:
            failed += told(name, stage, scene(stage, clip(folder)))
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
