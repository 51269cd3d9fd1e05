"""The page itself, without media."""

import re
from pathlib import Path

import pytest

from web.format import format_bytes, format_period, format_seconds
from web.report import ReportNotWritten, ReportOptions, write_report

HOSTILE = "<img src=x onerror=alert(1)>\"'&\u202e.mp4"


def page(outbox: Path, **changes) -> str:
    out = outbox.parent / "report.html"
    write_report(ReportOptions(str(outbox), out, **changes))
    return out.read_text()


def test_hostile_words_stay_words(outbox, put):
    error = {"class": HOSTILE, "message": HOSTILE, "advice": HOSTILE, "code": None}
    put(
        "a",
        source=f"/in/{HOSTILE}",
        texts=[HOSTILE],
        changes=[HOSTILE],
        instructions=[HOSTILE],
        timeline=f"Timeline (1 track): 1. Video: {HOSTILE} (0-1s)",
        skill=HOSTILE,
        state="failed",
        error=error,
    )
    (outbox / "<script>.result.json").write_text("{}")
    text = page(outbox)
    assert "<img src=x" not in text
    assert text.count("<script>") == 1  # the page's own
    assert "\u202e" not in text


def test_nothing_is_fetched_from_elsewhere(outbox, put):
    put("a", source="https://example.com/a.mp4")
    text = page(outbox)
    assert "default-src 'none'" in text
    assert re.findall(r'(?:src|href)="(?!data:|\./|\.\./)[^"]*"', text) == []


def test_a_few_files_are_opened_and_many_are_not(outbox, put):
    for index in range(12):
        put(f"f{index}")
    assert page(outbox).count(" open>") == 12
    put("one-more")
    text = page(outbox)
    assert " open>" not in text
    assert 'id="find"' in text


def test_links_are_relative_and_names_cannot_become_schemes(outbox, put):
    source = outbox.parent / "data:text#?%.mp4"
    source.write_text("x")
    put("a", source=str(source))
    text = page(outbox)
    assert 'href="./data%3Atext%23%3F%25.mp4"' in text
    assert 'href="./out/a.result.json"' in text


def test_an_empty_outbox_makes_a_page_too(outbox):
    text = page(outbox)
    assert "no results yet" in text
    assert "<b>0</b><span>files</span>" in text


def test_many_files_are_sampled_in_the_chart(outbox, put):
    for index in range(90):
        put(f"f{index:02}", took={"edit": 1})
    text = page(outbox)
    assert "One file in 3 is shown" in text
    assert text.count('role="img"') == 30


def test_what_needs_a_person_names_every_file_and_folds_a_long_list(outbox, put):
    for index in range(30):
        put(
            f"f{index:02}",
            state="failed",
            error={"code": "no_music", "service_code": None, "message": "no music", "advice": "say more"},
        )
    part = page(outbox).partition("What needs you")[2].partition("<h2>Files")[0]
    assert part.count(".mp4") == 30
    shown, _, folded = part.partition("<details")
    assert (shown.count(".mp4"), folded.count(".mp4")) == (20, 10)
    assert "and 10 more" in folded
    assert "<code>no_music</code>" in part


def test_the_files_stand_before_the_charts(outbox, put):
    put("a", took={"edit": 1})
    text = page(outbox)
    assert text.index("<h2>Files") < text.index("<h2>Where the time went") < text.index("<h2>Step by step")


def test_a_sentence_to_copy_fits_the_state(outbox, put):
    put("a", source="/in/it's.mp4")
    put("b", state="failed")
    put("c", state="unconfirmed")
    put("d", state="cancelled")
    text = page(outbox).replace("&#39;", "'")
    for line in (
        """dropscore tweak '/in/it'"'"'s.mp4' 'make the music softer'""".replace('"', "&#34;"),
        "dropscore retry /in/b.mp4<",
        "dropscore retry /in/c.mp4 --resend<",
        "dropscore retry /in/d.mp4<",
    ):
        assert f"<code>{line}" in text


def test_a_player_finds_the_videos_beside_the_page(outbox, put):
    source, output = outbox.parent / "in é.mp4", outbox / "a.mp4"
    for path in (source, output):
        path.write_bytes(b"x")
    put("a", source=str(source), output=str(output))
    text = page(outbox, pictures=0)
    assert '<video controls preload="none" playsinline src="./out/a.mp4"' in text
    assert 'data-before="./in%20%C3%A9.mp4"' in text


def test_an_answer_without_end_is_cut(outbox, put):
    put("a", texts=["y" * 5000])
    text = page(outbox)
    assert "y" * 2000 + " …" in text
    assert "y" * 2001 not in text


def test_a_page_that_cannot_be_written_is_one_line_and_leaves_nothing(outbox, put):
    put("a")
    target = outbox.parent / "taken"
    target.mkdir()
    with pytest.raises(ReportNotWritten, match="the report could not be written"):
        write_report(ReportOptions(str(outbox), target))
    assert list(outbox.parent.glob(".*")) == []


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0.04, "0.0 s"),
        (9.96, "10.0 s"),
        (41.2, "41 s"),
        (59.7, "1:00 min"),
        (760, "12:40 min"),
        (3723, "1:02:03 h"),
    ],
)
def test_seconds_for_people(value, words):
    assert format_seconds(value) == words


@pytest.mark.parametrize(
    ("value", "words"), [(9, "9 B"), (12_345, "12 KB"), (3_400_000, "3.4 MB"), (1.2e9, "1.2 GB")]
)
def test_sizes_for_people(value, words):
    assert format_bytes(value) == words


def test_a_period_names_the_second_date_only_when_it_is_another():
    assert format_period(0, 3600) == "1 Jan 1970, 00:00:00 to 01:00:00 UTC"
    assert format_period(0, 90_000) == "1 Jan 1970, 00:00:00 to 2 Jan 1970, 01:00:00 UTC"
