"""What is found in an outbox, and what is said of what is no result."""

import pytest

from jobs.model import State
from web import report
from web.report import OutboxMissing, read_results


def test_problems_come_first_then_paths(outbox, put):
    put("b")
    put("a")
    put("z", state="failed", error={"class": "NoMusic", "message": "m", "advice": "a"})
    entries, unreadable = read_results(str(outbox))
    assert [entry.name for entry in entries] == ["z.mp4", "a.mp4", "b.mp4"]
    assert unreadable == []


def test_only_the_states_that_are_asked_for(outbox, put):
    put("a")
    put("b", state="cancelled")
    assert [entry.name for entry in read_results(str(outbox), [State.CANCELLED])[0]] == ["b.mp4"]


def test_sub_folders_are_read_and_hidden_ones_are_not(outbox, put):
    path = put("a")
    for folder in ("deep/er", ".trash"):
        (outbox / folder).mkdir(parents=True)
        (outbox / folder / path.name).write_bytes(path.read_bytes())
    (outbox / ".a.result.json").write_bytes(path.read_bytes())
    assert len(read_results(str(outbox))[0]) == 2


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "the file"),
        ("[1]", "the file"),
        ('{"job": 7}', "job"),
    ],
)
def test_what_is_no_result_is_named_with_the_reason(outbox, text, why):
    (outbox / "x.result.json").write_text(text)
    entries, unreadable = read_results(str(outbox))
    assert entries == []
    assert unreadable[0].why.startswith(f"{why}: ")


def test_a_time_that_is_none_is_named(outbox, put):
    put("a", created="yesterday")
    put("b", steps=[{"step": "edit", "started": "never", "ended": "never", "attempts": 1}])
    put("c", created="2026-11-20T10:00:00")
    entries, unreadable = read_results(str(outbox))
    assert [entry.name for entry in entries] == ["c.mp4"]
    assert unreadable[0].why == "a time in it is not ISO 8601"
    assert unreadable[1].why.startswith("started: ")


def test_a_result_without_end_is_cut_off(outbox, put, monkeypatch):
    put("a")
    monkeypatch.setattr(report, "MAX_RESULT_BYTES", 10)
    assert read_results(str(outbox))[1][0].why == "too large for a result"


def test_a_folder_that_is_not_there_is_one_clear_line(tmp_path):
    with pytest.raises(
        OutboxMissing, match="no such folder; name the one that holds the results with --outbox"
    ):
        read_results(str(tmp_path / "none"))


def test_what_waits_is_counted_between_the_steps(put, entries):
    put("a", took={"upload": 2, "edit": 3})
    (entry,) = entries()
    assert entry.took_s == 7  # the stand-in leaves a second after each step
    assert entry.waited_s == 2
