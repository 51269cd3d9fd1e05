"""A random file system script against producer and ledger: each settled file is submitted exactly once.

Time is the test's own: the loop is driven step by step, so that no example sleeps.
"""

import os
import shutil
import time
from pathlib import Path
from queue import SimpleQueue

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from jobs.ledger import Ledger
from producer.fingerprint import fingerprint
from producer.instructions import Defaults, InstructionSpec
from producer.loop import Producer, Timing
from producer.pipeline import Pipeline, Policy
from producer.roots import Roots, WatchedRoot
from producer.scan import Rules
from producer.stability import StabilityTracker
from producer.submit import Submitter
from producer.watch import Watcher

pytestmark = pytest.mark.integration
SETTLE_S = 2.0
NAMES = st.sampled_from(["a.mp4", "b.mp4", "sub/c.mp4"])


class _Upkeep:
    """Nothing but files: no hours of work, no hooks."""

    newest_first = ignore_existing = False
    left_out = ()

    def tick(self):
        pass

    handle_delivered = tick

    def why_held(self):
        return ""


class FileSystem(RuleBasedStateMachine):
    """What a person and their tools do to a folder, with the time at which each file last changed."""

    client = None
    folder = Path()
    skills = None
    clip = b""

    def __init__(self):
        super().__init__()
        self.client.flushall()
        shutil.rmtree(self.folder, ignore_errors=True)
        self.root, self.outbox = self.folder / "in", self.folder / "out"
        self.root.mkdir(parents=True)
        self.now, self.version, self.mtime = 1000.0, 0, 1_700_000_000
        self.changed: dict[str, float] = {}  # path → when it last changed
        self.whole: set[str] = set()  # fingerprints that were calm for long enough to be taken
        self.away = False
        self._start()

    def _start(self):
        root = str(self.root)
        ledger = Ledger(self.client)
        defaults = Defaults(InstructionSpec.model_validate({}), "add-music", self.skills)
        roots = Roots([WatchedRoot(root, str(self.outbox))])

        def wall():
            return time.time() + 3600  # what is cut short is refused at once

        pipeline = Pipeline(ledger, Submitter(ledger), roots, defaults, Policy(SETTLE_S), wall)
        self.producer = Producer(
            [Watcher(root, "poll", SimpleQueue())],
            Rules(),
            StabilityTracker(SETTLE_S),
            pipeline,
            SimpleQueue(),
            Timing(0.5, 0.5),
            _Upkeep(),
            monotonic=lambda: self.now,
        )

    def _touched(self, name):
        self.mtime += 1
        there = self.root / name
        os.utime(there, ns=(self.mtime * 10**9, self.mtime * 10**9))
        self.changed[name] = self.now

    def _print(self, name):
        there = self.root / name
        with there.open("rb") as file:
            return fingerprint(file, there.stat().st_size)

    @precondition(lambda self: not self.away)
    @rule(name=NAMES, whole=st.booleans())
    def create(self, name, whole):
        self.version += 1
        there = self.root / name
        there.parent.mkdir(exist_ok=True)
        body = self.version.to_bytes(8, "big")
        content = self.clip + (16).to_bytes(4, "big") + b"free" + body
        there.write_bytes(content if whole else content[: len(content) // 2])
        self._touched(name)

    @precondition(lambda self: not self.away and self.changed)
    @rule(data=st.data())
    def append(self, data):
        name = data.draw(st.sampled_from(sorted(self.changed)))
        self.version += 1
        with (self.root / name).open("ab") as file:
            file.write((16).to_bytes(4, "big") + b"free" + self.version.to_bytes(8, "big"))
        self._touched(name)

    @precondition(lambda self: not self.away and self.changed)
    @rule(data=st.data())
    def touch(self, data):
        self._touched(data.draw(st.sampled_from(sorted(self.changed))))

    @precondition(lambda self: not self.away and self.changed)
    @rule(data=st.data())
    def delete(self, data):
        name = data.draw(st.sampled_from(sorted(self.changed)))
        (self.root / name).unlink()
        del self.changed[name]

    @precondition(lambda self: not self.away and self.changed)
    @rule(data=st.data(), to=NAMES)
    def rename(self, data, to):
        name = data.draw(st.sampled_from(sorted(self.changed)))
        (self.root / to).parent.mkdir(exist_ok=True)
        (self.root / name).rename(self.root / to)
        del self.changed[name]
        self.changed[to] = self.now  # a name of its own must be calm by itself

    @precondition(lambda self: not self.away and self.changed)
    @rule(data=st.data(), to=NAMES)
    def copy(self, data, to):
        name = data.draw(st.sampled_from(sorted(self.changed)))
        if name != to:
            (self.root / to).parent.mkdir(exist_ok=True)
            shutil.copyfile(self.root / name, self.root / to)
            self._touched(to)

    @rule()
    def unmount_or_mount(self):
        other = self.root.with_name("away")
        (other if self.away else self.root).rename(self.root if self.away else other)
        self.away = not self.away

    @rule()
    def kill_and_start_again(self):
        self.producer.close()
        self._start()

    @rule(seconds=st.sampled_from([0.2, 0.6, 1.0, 3.0]))
    def wait(self, seconds):
        end = self.now + seconds
        while self.now < end:
            self.now = min(self.now + 0.25, end)
            self.producer.step()
        if not self.away:
            calm = (name for name, at in self.changed.items() if self.now - at >= SETTLE_S)
            self.whole |= {self._print(name) for name in calm}

    def _jobs(self):
        ids = [key.rpartition(":")[2] for key in self.client.keys("dropscore:job:*")]
        return Ledger(self.client).many(ids)

    def teardown(self):
        if self.away:
            self.unmount_or_mount()
        for _ in range(3):
            self.wait(3.0)
        jobs = self._jobs()
        taken = [job.spec.fingerprint for job in jobs if job.problem is None]
        assert len(taken) == len(set(taken)), "one content is one job"
        assert set(taken) <= self.whole, "nothing was taken that was not calm"
        refused = {job.spec.source for job in jobs if job.problem is not None}
        for name in self.changed:
            assert self._print(name) in taken or str(self.root / name) in refused, f"{name} was forgotten"
        self.producer.close()


def test_each_settled_file_is_submitted_exactly_once(bench, clip, tmp_path):
    class Here(FileSystem):
        client, folder, skills = bench.client, tmp_path / "fs", bench.settings.all_skills()

    Here.clip = clip
    run_state_machine_as_test(
        Here,
        settings=settings(
            max_examples=50,
            stateful_step_count=25,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            database=None,
        ),
    )
