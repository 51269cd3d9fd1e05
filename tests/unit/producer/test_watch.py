"""The choice between events and polling, and what an observer that cannot be had leads to."""

from queue import SimpleQueue

import pytest

from producer import watch
from producer.watch import Watcher, choose_mode


@pytest.mark.parametrize(
    ("deaf", "mode", "chosen"),
    [(False, "auto", "native"), (True, "auto", "poll"), (True, "native", "native"), (False, "poll", "poll")],
)
def test_auto_looks_at_the_file_system(monkeypatch, deaf, mode, chosen):
    monkeypatch.setattr(watch, "hears_no_events", lambda root: (deaf, "nfs4" if deaf else "ext4"))
    assert choose_mode("/in", mode) == chosen


def test_a_root_that_is_not_there_is_away_and_opens_when_it_comes(tmp_path):
    watcher = Watcher(str(tmp_path / "in"), "poll", SimpleQueue())
    assert not watcher.check()
    assert watcher.away
    (tmp_path / "in").mkdir()
    assert watcher.check()
    watcher.finish_scan(0)
    assert not watcher.away


def test_too_few_watches_for_the_sub_folders_are_noticed_and_the_root_is_polled(monkeypatch, tmp_path):
    for number in range(5):
        (tmp_path / str(number)).mkdir()
    watcher = Watcher(str(tmp_path), "native", SimpleQueue())
    try:
        watcher.check()
        assert watch.count_inotify_watches() >= 6
        rows = ((6, False, False), (3, True, False), (6, False, False), (3, True, False), (3, True, True))
        for watched, lacks, polls in rows:
            monkeypatch.setattr(watch, "count_inotify_watches", lambda watched=watched: watched)
            watcher.finish_scan(1, 6)
            assert (watcher.lacks_watches([watcher]), watcher.polls) == (lacks, polls)
    finally:
        watcher.stop()
