"""The choice between events and polling, and what an observer that cannot be had leads to."""

from queue import SimpleQueue

import pytest

from producer import watch
from producer.watch import Watcher, choose


@pytest.mark.parametrize(
    ("deaf", "mode", "chosen"),
    [(False, "auto", "native"), (True, "auto", "poll"), (True, "native", "native"), (False, "poll", "poll")],
)
def test_auto_looks_at_the_file_system(monkeypatch, deaf, mode, chosen):
    monkeypatch.setattr(watch, "is_deaf", lambda root: (deaf, "nfs4" if deaf else "ext4"))
    assert choose("/in", mode) == chosen


class _NoWatchesLeft:
    def schedule(self, *_arguments, **_options):
        raise OSError(28, "inotify watch limit reached")


def test_without_watches_left_the_root_is_polled(monkeypatch, tmp_path):
    monkeypatch.setattr(watch, "_observer", _NoWatchesLeft)
    watcher = Watcher(str(tmp_path), "native", SimpleQueue())
    assert watcher.check()
    assert watcher.polls
    assert not watcher.check(), "it is not opened again at every turn"


def test_a_root_that_is_not_there_is_away_and_opens_when_it_comes(tmp_path):
    watcher = Watcher(str(tmp_path / "in"), "poll", SimpleQueue())
    assert not watcher.check()
    assert watcher.away
    (tmp_path / "in").mkdir()
    assert watcher.check()
    watcher.looked(0)
    assert not watcher.away
