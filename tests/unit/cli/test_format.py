import pytest

from cli import format as formats
from jobs.model import State, Step


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-1, "0:00"), (7.9, "0:07"), (760, "12:40"), (3723, "1:02:03"), (90_000, "25:00:00")],
)
def test_durations(seconds, text):
    assert formats.format_duration(seconds) == text


def test_progress_only_grows_from_step_to_step_and_within_a_render(make_job):
    parts = [formats.measure_progress(make_job(step=step)) for step in Step]
    assert parts == sorted(parts)
    assert parts[0] == 0.0
    render = [
        formats.measure_progress(make_job(step=Step.POLL, percent=percent))
        for percent in (0, 1, 50, 100, 900)
    ]
    assert render == sorted(render)
    assert render[-1] <= formats.measure_progress(make_job(step=Step.DOWNLOAD))
    assert formats.measure_progress(make_job(state=State.DONE, step=Step.DOWNLOAD)) == 1.0


def test_what_is_said_of_each_state_is_there():
    assert set(formats.MARKS) == set(State)
    assert set(formats.ACTIVITY) == set(Step)


@pytest.mark.parametrize(
    ("parts", "line"),
    [
        (("It broke", "Try again"), "It broke. Try again."),
        (("It broke!", ""), "It broke!"),
        ((" spaces. ", "end"), "spaces. end."),
        (("two\nlines",), "two\\nlines."),
    ],
)
def test_sentences(parts, line):
    assert formats.join_sentences(*parts) == line


def test_a_path_is_said_from_where_one_stands(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert formats.format_path(tmp_path / "outbox") == "outbox"
    assert formats.format_path("/elsewhere/x") == "/elsewhere/x"
    assert formats.format_path("/e/\udce9") == "/e/\\udce9"
