"""Properties of the state machine that says when a file is whole."""

import os
import time
from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from producer.scan import read
from producer.settle import VERIFY_S, Reading, Settler

SETTLE_S = 2.0
A, B = Reading(10, 1), Reading(20, 2)
EMPTY = Reading(0, 1)


def test_two_identical_readings_settle_a_file():
    settler = Settler(SETTLE_S)
    assert not settler.see("a", A, 0.0)
    assert not settler.see("a", A, 1.9)
    assert settler.see("a", A, 2.0)
    assert len(settler) == 0


def test_a_change_begins_anew():
    settler = Settler(SETTLE_S)
    settler.see("a", A, 0.0)
    assert not settler.see("a", B, 2.0)
    assert not settler.see("a", B, 3.9)
    assert settler.see("a", B, 4.0)


def test_a_close_event_shortens_the_wait_once():
    settler = Settler(SETTLE_S)
    settler.closed("a", A, 0.0)
    assert settler.due(VERIFY_S) == ["a"]
    assert settler.see("a", A, VERIFY_S)
    settler.closed("a", B, 1.0)
    assert not settler.see("a", B, 1.0 + VERIFY_S), "it is written in pieces"
    assert settler.see("a", B, 3.0)


def test_a_file_that_grew_after_its_close_event_is_not_taken():
    settler = Settler(SETTLE_S)
    settler.closed("a", A, 0.0)
    assert not settler.see("a", B, VERIFY_S)
    assert settler.see("a", B, VERIFY_S + SETTLE_S)


def test_an_empty_file_waits_twice_as_long_even_after_a_close_event():
    settler = Settler(SETTLE_S)
    settler.closed("a", EMPTY, 0.0)
    assert not settler.see("a", EMPTY, 3.9)
    assert settler.see("a", EMPTY, 4.0)


def test_what_a_close_event_gave_is_doubted_once():
    settler = Settler(SETTLE_S)
    settler.closed("a", A, 0.0)
    assert settler.see("a", A, VERIFY_S)
    assert settler.doubt("a", A, VERIFY_S)
    assert not settler.see("a", A, 1.0)
    assert settler.see("a", A, VERIFY_S + SETTLE_S)
    assert not settler.doubt("a", A, 3.0), "it was calm for the full time"


def test_the_wait_for_a_sidecar_is_kept_after_a_close_event():
    settler = Settler(SETTLE_S, sidecar_wait_s=5.0)
    settler.closed("a", A, 0.0)
    assert not settler.see("a", A, 4.9)
    assert settler.see("a", A, 5.0)


def test_a_file_that_was_calm_before_the_first_look_gets_a_short_second_one():
    settler = Settler(SETTLE_S)
    assert not settler.see("old", A, 0.0, calm_s=3600.0)
    assert settler.see("old", A, VERIFY_S)
    assert not settler.see("young", A, 0.0, calm_s=1.5)
    assert not settler.see("young", A, 0.4)
    assert settler.see("young", A, 0.5)


def test_calm_is_no_credit_for_a_file_that_changes_is_empty_or_waits_for_a_sidecar():
    settler = Settler(SETTLE_S)
    settler.see("a", A, 0.0, calm_s=60.0)
    assert not settler.see("a", B, VERIFY_S, calm_s=60.0)
    assert not settler.see("a", B, 1.9)
    assert settler.see("a", B, VERIFY_S + SETTLE_S)
    settler.see("empty", EMPTY, 0.0, calm_s=60.0)
    assert not settler.see("empty", EMPTY, 3.9)
    waiting = Settler(SETTLE_S, sidecar_wait_s=5.0)
    waiting.see("a", A, 0.0, calm_s=60.0)
    assert not waiting.see("a", A, 4.9)


def test_a_copy_that_keeps_its_old_mtime_is_not_calm(tmp_path):
    """`cp -p`, `tar` and `rsync` set the mtime back; the inode's own time of change is not theirs to set."""
    copied = tmp_path / "copied.mp4"
    copied.write_bytes(b"bytes")
    os.utime(copied, (0, 0))
    reading = read(str(copied))
    assert reading is not None
    assert reading.calm_s(time.time()) < 60
    assert reading.calm_s(time.time() + 3600) > 3500
    assert A.calm_s(time.time()) == 0.0, "nothing is known of its inode"


@given(st.lists(st.tuples(st.sampled_from("ab"), st.floats(0, 3)), max_size=30))
def test_next_due_is_the_first_of_all_due_times(steps):
    settler, now = Settler(SETTLE_S), 0.0
    for path, wait_s in steps:
        now += wait_s
        settler.see(path, A, now)
        due = settler.next_due()
        assert (due is None) == (len(settler) == 0)
        assert due is None or (settler.due(due) and not settler.due(due - 0.001))


@dataclass
class _File:
    reading: Reading
    since: float
    closed: int = 0
    taken: list[tuple[Reading, float]] = field(default_factory=list)


class SettleMachine(RuleBasedStateMachine):
    """A file system of three files against the settler: what is taken was calm for long enough."""

    def __init__(self):
        super().__init__()
        self.settler, self.now, self.version = Settler(SETTLE_S), 0.0, 0
        self.files: dict[str, _File] = {}

    def _write(self, path):
        self.version += 1
        known = self.files.get(path)
        taken, closed = (known.taken, known.closed) if known else ([], 0)
        self.files[path] = _File(Reading(self.version, self.version), self.now, closed, taken)

    @rule(path=st.sampled_from("abc"))
    def write(self, path):
        self._write(path)
        self.settler.see(path, self.files[path].reading, self.now)

    @rule(path=st.sampled_from("abc"))
    def write_unnoticed(self, path):
        self._write(path)

    @rule()
    def scan(self):
        for path, file in self.files.items():
            if self.settler.see(path, file.reading, self.now, calm_s=self.now - file.since):
                file.taken.append((file.reading, self.now))
                assert self.now - file.since >= (SETTLE_S if not file.closed else VERIFY_S) - 1e-9

    @precondition(lambda self: self.files)
    @rule(data=st.data())
    def close(self, data):
        path = data.draw(st.sampled_from(sorted(self.files)))
        self.files[path].closed += 1
        self.settler.closed(path, self.files[path].reading, self.now)

    @precondition(lambda self: self.files)
    @rule(data=st.data())
    def delete(self, data):
        path = data.draw(st.sampled_from(sorted(self.files)))
        del self.files[path]
        self.settler.forget(path)

    @rule(seconds=st.sampled_from([0.01, VERIFY_S, 0.5, SETTLE_S, 5.0]))
    def wait(self, seconds):
        self.now += seconds
        for path in self.settler.due(self.now):
            file = self.files[path]
            if self.settler.see(path, file.reading, self.now):
                calm_s = self.now - file.since
                assert calm_s >= (SETTLE_S if not file.closed else VERIFY_S) - 1e-9
                file.taken.append((file.reading, self.now))

    @invariant()
    def waits_only_for_files_that_are_there(self):
        assert all(path in self.files for path in "abc" if path in self.settler)

    def teardown(self):
        awaited = [path for path in self.files if path in self.settler]
        for _ in range(3):
            self.wait(2 * SETTLE_S)
        assert len(self.settler) == 0, "a calm file is taken in the end"
        for path in awaited:
            assert self.files[path].taken[-1][0] == self.files[path].reading


TestSettleMachine = SettleMachine.TestCase


def test_a_file_that_is_replaced_later_is_not_taken_for_one_written_in_pieces():
    settler = Settler(SETTLE_S)
    settler.closed("a", A, 0.0)
    settler.see("a", A, VERIFY_S)
    settler.closed("a", B, 100.0)
    assert settler.see("a", B, 100.0 + VERIFY_S)
