"""Hosts that are cut off from each other: what they held goes on elsewhere, once, and all of it comes out."""

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from jobs.model import State, Step
from tests.acceptance.hosts import containers, namespaces
from tests.acceptance.hosts.cluster import LEASE_S, Cluster, started
from tests.acceptance.hosts.hosts import Hosts
from worker.delivery import measure_video

pytestmark = [pytest.mark.acceptance, pytest.mark.slow, pytest.mark.timeout(900)]

CUT_OFF_S = 90.0
AHEAD_S = 600
"""How wrong the clock of the worker is that takes over; it must not think that all leases have ended."""
CLOCK_S = 3.0
"""Beyond the lease: a look of the scheduler, its message, and a worker that takes it on two shared cores."""

STALE = "stale write refused"
LET_GO = (STALE, "lease lost")
"""What a worker logs when it lets a job go that is another's now."""

EARLY = ("early1", "early2", "early3", "early4")
EDITED = ("edit1", "edit2", "edit3")
HELD = (*EARLY, *EDITED)


WAYS: dict[str, tuple[Callable[[], str], type[Hosts]]] = {
    "namespaces": (namespaces.missing, namespaces.Namespaces),
    "containers": (containers.missing, containers.Containers),
}


@pytest.fixture(scope="module", params=WAYS)
def cluster(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Redis, a studio, a worker and a producer; the second worker comes with the first test."""
    missing, hosts = WAYS[request.param]
    if why := missing():
        pytest.skip(f"{why}: hosts as {request.param} are not tried")
    with started(hosts(tmp_path_factory.mktemp("hosts"))) as found:
        found.worker("worker1")
        found.producer("producer")
        yield found


def _hold(cluster: Cluster, clip: Path) -> None:
    """Let the one worker there is hold two polls, two downloads and three open edits; another joins."""
    cluster.faults(
        {"endpoint": "cdn", "kind": "slow", "bytes_per_s": 200},
        {"endpoint": "status", "kind": "timeout", "hold_s": 600, "count": 2},
    )
    cluster.drop(clip, *EARLY)
    cluster.wait(lambda: cluster.running(2, Step.POLL) and cluster.running(2, Step.DOWNLOAD), 90)
    cluster.drop(clip, *EDITED)
    cluster.wait(lambda: cluster.running(3, Step.EDIT), 20)
    cluster.worker("worker2", AHEAD_S)


def _worked_on(cluster: Cluster, host: str, names: tuple[str, ...]) -> bool:
    ids = {job.id for job in cluster.jobs(*names).values()}
    return any(line.get("job") in ids for line in cluster.log_lines(host))


def test_a_worker_is_cut_off_for_90_s_while_it_holds_jobs_in_three_steps(
    cluster: Cluster, clip: Path
) -> None:
    _hold(cluster, clip)
    held = cluster.jobs(*HELD)
    assert Counter(job.step for job in held.values()) == {Step.POLL: 2, Step.DOWNLOAD: 2, Step.EDIT: 3}
    assert {cluster.owner(job) for job in held.values()} == {"worker1"}
    cluster.hosts.cut_off("worker1")
    began = time.monotonic()
    cluster.faults()
    cluster.drop(clip, "meanwhile1", "meanwhile2")
    cluster.wait(lambda: all(cluster.owner(job) == "worker2" for job in cluster.jobs(*HELD).values()), 60)
    went_on_s = time.monotonic() - began
    done_s = went_on_s + cluster.wait(lambda: cluster.done(*HELD, "meanwhile1", "meanwhile2"), 45)
    time.sleep(CUT_OFF_S - (time.monotonic() - began))
    by_itself, before = len(_let_go(cluster, "worker1")), cluster.jobs(*HELD)
    cluster.hosts.heal("worker1")
    edits = {held[name].id for name in EDITED}
    late_s = cluster.wait(lambda: _let_go(cluster, "worker1", STALE).keys() >= edits, 60)
    let_go = _let_go(cluster, "worker1")
    print(f"cut off for 90 s: its 7 jobs went on after {went_on_s:.1f} s, all were done after {done_s:.1f} s")
    print(
        f"it let {by_itself} go by itself; the last late write was refused {late_s:.1f} s after it was healed"
    )
    assert let_go.keys() >= {job.id for job in held.values()}
    assert cluster.jobs(*HELD) == before
    assert went_on_s < LEASE_S + CLOCK_S


def _let_go(cluster: Cluster, host: str, *events: str) -> dict[str, str]:
    """Job → what a worker logged when it let it go; of these events only, if there are some."""
    wanted = events or LET_GO
    return {line["job"]: line["event"] for line in cluster.log_lines(host) if line["event"] in wanted}


def test_the_healed_worker_takes_its_share_again(cluster: Cluster, clip: Path) -> None:
    names = tuple(f"share{number}" for number in range(8))
    cluster.drop(clip, *names)
    both_s = cluster.wait(
        lambda: all(_worked_on(cluster, host, names) for host in ("worker1", "worker2")), 60
    )
    cluster.wait(lambda: cluster.done(*names), 120)
    print(f"healed: both workers at work {both_s:.1f} s after new files came")


def test_a_worker_that_reaches_the_service_and_not_the_ledger_stops_before_another_begins(
    cluster: Cluster, clip: Path
) -> None:
    names = ("half1", "half2", "half3", "half4")
    cluster.faults({"endpoint": "cdn", "kind": "slow", "bytes_per_s": 500})
    cluster.drop(clip, *names)
    cluster.wait(lambda: cluster.running(4, Step.DOWNLOAD), 90)
    cluster.faults()
    jobs = list(cluster.jobs(*names).values())
    parted = cluster.owner(jobs[0])
    held = [job for job in jobs if cluster.owner(job) == parted]
    cluster.hosts.part(parted, "redis")
    went_on_s = cluster.wait(lambda: parted not in [cluster.owner(job) for job in cluster.many(held)], 60)
    ended = _let_go(cluster, parted).keys() >= {job.id for job in held}
    cluster.wait(lambda: cluster.done(*names), 60)
    cluster.hosts.rejoin(parted, "redis")
    print(f"parted from Redis alone: its {len(held)} downloads went on elsewhere after {went_on_s:.1f} s")
    assert ended, "two workers wrote one file"


def test_files_dropped_while_the_producer_is_cut_off_are_taken_afterwards(
    cluster: Cluster, clip: Path
) -> None:
    names = ("alone1", "alone2", "alone3")
    cluster.hosts.cut_off("producer")
    cluster.drop(clip, *names)
    time.sleep(15)
    assert cluster.jobs(*names) == {}
    cluster.hosts.heal("producer")
    taken_s = cluster.wait(lambda: len(cluster.jobs(*names)) == 3, 60)
    print(f"producer cut off for 15 s: its 3 files were taken {taken_s:.1f} s after it was healed")
    cluster.wait(lambda: cluster.done(*names), 90)


def test_redis_is_cut_off_from_all_under_open_edits(cluster: Cluster, clip: Path) -> None:
    names = ("under1", "under2", "under3", "under4")
    cluster.drop(clip, *names)
    cluster.wait(lambda: cluster.running(4, Step.EDIT), 30)
    before = {host: len(cluster.hosts.log(host)) for host in ("worker1", "worker2")}
    cluster.hosts.cut_off("redis")
    cluster.drop(clip, "late1", "late2")
    time.sleep(20)
    cluster.hosts.heal("redis")
    late_s = cluster.wait(lambda: cluster.begun("late1", "late2"), 60)
    cluster.wait(lambda: cluster.done(*names, "late1", "late2"), 120)
    lines = [line for host, since in before.items() for line in cluster.log_lines(host, since)]
    cut = [line for line in lines if "stream lost" in line["event"]]
    print(
        f"Redis cut off for 20 s: new files begun {late_s:.1f} s after it was healed; {len(cut)} streams cut"
    )
    assert not cut


@pytest.mark.parametrize(
    ("host", "part"), [("worker1", "worker"), ("worker2", "worker"), ("producer", "producer")]
)
def test_every_host_says_that_it_is_well_again(cluster: Cluster, host: str, part: str) -> None:
    assert ("pong" in cluster.health(host, part)) is (part == "worker")
    assert cluster.hosts.lives(host)


def test_nothing_was_lost_paid_twice_or_broken(cluster: Cluster) -> None:
    assert cluster.quiet()
    jobs = cluster.jobs()
    assert Counter(job.state for job in jobs.values()) == {State.DONE: len(list(cluster.inbox.iterdir()))}
    charges = Counter(charge["session"] for charge in cluster.charges())
    results = [json.loads(Path(job.spec.result).read_text()) for job in jobs.values()]
    sessions = [result["ids"]["session"] for result in results]
    assert charges == Counter(sessions)
    assert all(measure_video(Path(job.spec.output), None) > 0 for job in jobs.values())
    there = {path.name for path in cluster.outbox.iterdir()}
    assert there == {f"{name}.{kind}" for name in jobs for kind in ("mp4", "result.json")}
    print(f"{len(jobs)} files done, {charges.total()} charges")
