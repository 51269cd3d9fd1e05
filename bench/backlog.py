"""A backlog at default settings: does it flow from the start, and does a file dropped by hand get its turn?

200 files alone go first, through a worker of their own, and tell the rate; then the backlog is submitted,
and one worker is started. After 40 s files are dropped by hand, one after the other; they draw the same
durations as those that are timed alone. A second backlog is paused and resumed. With more files than
``--seconds`` suffice for, the run ends there. The service is `bench.service`, edits 1 to 4 s, renders 3 to
9 s.
"""

import statistics
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from bench.figures import Row, machine, numbers, show, summarize
from bench.stage import INSTRUCTIONS, Stage, find_faults, place
from jobs.control import pause, resume
from jobs.gates import Gates
from jobs.model import job_id_for
from jobs.redis import PREFIX
from jobs.stats import read_stats

COMMAND = "python -m bench.backlog"
ALONE, HAND = 200, 3
STEADY_FROM_S, HAND_AT_S, PAUSED_S = 30.0, 40.0, 5.0
SAMPLE_S = 0.1
SHARE_OF_ALL = 0.95
"""The rate is measured up to here: at the end there is less and less to do."""


@dataclass
class Watch(threading.Thread):
    """Looks at a stage up to ten times a second: what was delivered, and which renders wait to be fetched."""

    stage: Stage
    began: float
    delivered: list[tuple[float, int]] = field(default_factory=list)
    waiting: list[tuple[int, int]] = field(default_factory=list)
    in_flight: list[int] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        super().__init__(name="watch", daemon=True)

    __hash__ = threading.Thread.__hash__

    def run(self) -> None:
        began = time.monotonic()
        # A look takes longer with each file in the outbox: no more than a tenth of a core goes to it.
        while not self.over.wait(max(SAMPLE_S, 10 * (time.monotonic() - began))):
            began = time.monotonic()
            self.delivered.append((time.monotonic() - self.began, self.stage.count_delivered()))
            limits = read_stats(self.stage.ledger).limits
            if limits:
                queued = self.stage.client.zcard(f"{PREFIX}due:download") - limits["download"].in_flight
                self.waiting.append((queued, limits["download"].limit))
                self.in_flight.append(limits["edit"].in_flight + limits["render"].in_flight)

    def first_s(self, count: int = 1) -> float:
        """Return when so many were delivered; infinite when they never were."""
        return next((at_s for at_s, number in self.delivered if number >= count), float("inf"))

    def rate(self, since_s: float, until_s: float) -> float:
        """Return deliveries a second between two moments."""
        window = [(at_s, number) for at_s, number in self.delivered if since_s <= at_s <= until_s]
        (start_s, first), (end_s, last) = window[0], window[-1]
        return (last - first) / (end_s - start_s)


@dataclass(frozen=True)
class Paused:
    """What was seen of a pause: claims and results after it, and how soon work went on."""

    queued: int
    claims: int
    results: int
    resumed_s: float


def measure_alone(folder: Path) -> tuple[float, list[float]]:
    """Time 200 files alone, then files by hand, each alone; answers files a second, and seconds."""
    with Stage(folder) as stage:
        ids = stage.submit(stage.make_files([f"clip{number:06d}" for number in range(ALONE)]), backlog=True)
        began = time.monotonic()
        stage.start_worker()
        stage.wait(lambda: stage.count_delivered() == len(ids), 300)
        per_s = ALONE / (time.monotonic() - began)
        return per_s, drop_by_hand(stage, "alone")


def drop_by_hand(stage: Stage, name: str) -> list[float]:
    """Drop files one after the other; answers how long each took."""
    took_s = []
    for number in range(HAND):
        (path,) = stage.make_files([f"{name}__hand{number}"])
        stage.submit([path])
        took_s.append(stage.wait((stage.outbox / path.name).exists, 300, 0.02))
    return took_s


def pause_for_a_while(stage: Stage) -> Paused:
    """Pause, look what is begun all the same, and resume."""
    gates, client = Gates(stage.ledger), stage.client
    queued = stage.count_states().get("queued", 0)
    pause(gates)
    at, claimed = stage.ledger.now(), set()
    results = count_results(stage)
    until = time.monotonic() + PAUSED_S
    while time.monotonic() < until:
        claimed |= set(client.zrangebyscore(f"{PREFIX}in:running", at + 0.001, "+inf"))
        time.sleep(0.01)
    added = count_results(stage) - results
    resumed, began = stage.ledger.now(), time.monotonic()
    resume(gates, [])
    key = f"{PREFIX}in:running"
    stage.wait(lambda: client.zcount(key, resumed, "+inf") > 0, 30, 0.005)
    return Paused(queued, len(claimed), added, time.monotonic() - began)


def count_results(stage: Stage) -> int:
    """Count the result files that belong to no delivered video."""
    results = {path.name.removesuffix(".result.json") for path in stage.outbox.glob("*.result.json")}
    return len(results - {path.stem for path in stage.outbox.glob("*.mp4")})


def main() -> int:
    chosen = numbers(__doc__, files=3_000, seconds=600, queued=5_000)
    start, command = machine(), f"{COMMAND} --files {chosen.files} --seconds {chosen.seconds}"
    with place() as folder:
        alone_per_s, alone_s = measure_alone(folder / "alone")
        with Stage(folder / "backlog") as stage:
            names = [f"clip{number:06d}" for number in range(chosen.files)]
            ids = stage.submit(stage.make_files(names), backlog=True)
            watch = Watch(stage, time.monotonic())
            worker = stage.start_worker()
            watch.start()
            stage.wait(lambda: time.monotonic() - watch.began > HAND_AT_S, HAND_AT_S + 1)
            hand_s = drop_by_hand(stage, "late")
            all_files = chosen.files + HAND
            gives_up = watch.began + chosen.seconds
            stage.wait(
                lambda: stage.count_delivered() >= SHARE_OF_ALL * all_files or time.monotonic() > gives_up,
                chosen.seconds + 60,
                1.0,
            )
            steady_until_s = time.monotonic() - watch.began
            delivered, claims, messages = (
                stage.count_delivered(),
                stage.count_claims(),
                stage.count_messages(),
            )
            whole = delivered >= SHARE_OF_ALL * all_files
            if whole:
                stage.wait(lambda: stage.all_ended() or worker.poll() is not None, 120)
                delivered, claims, messages = (
                    stage.count_delivered(),
                    stage.count_claims(),
                    stage.count_messages(),
                )
            watch.over.set()
            watch.join()
            ids += [job_id_for(f"late__hand{number}", INSTRUCTIONS, "add-music") for number in range(HAND)]
            faults = find_faults(stage, ids) if whole else None
        with Stage(folder / "pause") as stage:
            stage.submit(
                stage.make_files([f"clip{number:06d}" for number in range(chosen.queued)]), backlog=True
            )
            stage.start_worker()
            stage.wait(lambda: stage.count_delivered() > 0, 60)
            paused = pause_for_a_while(stage)
    first_s, per_s = watch.first_s(), watch.rate(STEADY_FROM_S, steady_until_s)
    # What a run that was cut short has in work was claimed too: only whole ones tell claims a file exactly.
    per_file = claims / delivered
    most = max(queued for queued, _ in watch.waiting)
    beyond = sum(queued >= limit for queued, limit in watch.waiting)
    hand, alone = statistics.median(hand_s), statistics.median(alone_s)
    low, high = (choose(limit for _, limit in watch.waiting) for choose in (min, max))
    flow = f"{per_s / alone_per_s:.0%}: {per_s:.1f}/s against {alone_per_s:.1f}/s"
    claimed = f"{per_file:.1f} ({messages / delivered:.1f} messages)"
    waited = (
        f"{most} at most in {len(watch.waiting):,} looks; the limit {low} to {high}; {beyond} not below it"
    )
    by_hand = f"{hand / alone:.2f} ×: {summarize(hand_s, 's')} against {summarize(alone_s, 's')}"
    begun = f"{paused.claims} claims, {paused.results} result files in {PAUSED_S:.0f} s"
    untouched = paused.claims == paused.results == 0
    rows = [
        Row(
            f"backlog of {chosen.files:,}: first delivery",
            "≤ 20 s",
            f"{first_s:.1f} s",
            command,
            first_s <= 20,
        ),
        Row(
            "from the 30th second on, against 200 files alone",
            "≥ 85 %",
            flow,
            command,
            per_s >= 0.85 * alone_per_s,
        ),
        Row("claims a delivered file", "≤ 9", claimed, command, per_file <= 9),
        Row(
            "finished renders that wait for a download", "fewer than the limit", waited, command, beyond == 0
        ),
        Row("a file dropped by hand into it", "≤ 2 × alone", by_hand, command, hand <= 2 * alone),
        Row(
            f"`pause` with {paused.queued:,} queued",
            "0 claims, 0 results, at once",
            begun,
            command,
            untouched,
        ),
        Row("`resume`", "goes on within 1 s", f"{paused.resumed_s:.2f} s", command, paused.resumed_s <= 1),
    ]
    notes = [f"In flight at most: {max(watch.in_flight)}. Delivered: {delivered:,} of {all_files:,}."]
    if faults is not None:
        notes.append(f"Afterwards: {faults}.")
    return show(rows, start, *notes)


if __name__ == "__main__":
    sys.exit(main())
