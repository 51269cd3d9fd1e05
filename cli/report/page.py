"""The whole page: totals, what needs a person, where the time went, the steps of all files, every file."""

import hashlib
from base64 import b64encode
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from string import Template

from cli.phrases import MARKS, plural
from cli.report import drawing, phrases
from cli.report.card import Card, card
from cli.report.markup import Markup, joined, tag
from cli.report.model import Entry, Pictures, Unreadable
from cli.report.totals import Cause, Share, Totals
from jobs.model import State, Step

GANTT_ROWS = 40
OPEN_UP_TO = 12
"""A report of so few files shows them opened."""


@dataclass(frozen=True, slots=True)
class Page:
    """What a page shows; ``pictures`` are by job, and only of the first files."""

    title: str
    folder: Path
    totals: Totals
    entries: Sequence[Entry]
    unreadable: Sequence[Unreadable]
    pictures: dict[str, Pictures]


def pieces(page: Page) -> Iterator[str]:
    """The page piece by piece, so that thousands of files never stand in memory at once."""
    style, script = _text("page.css"), _text("page.js")
    digest = b64encode(hashlib.sha256(script.encode()).digest()).decode()
    head, tail = (
        Template(_text("page.html"))
        .safe_substitute(title=joined(page.title), style=style, script=script, digest=digest)
        .split("<!-- body -->")
    )
    yield head
    yield drawing.patterns()
    yield from _overview(page)
    yield from _files(page)
    yield tail


def _text(name: str) -> str:
    return files("cli.report").joinpath(name).read_text(encoding="utf-8")


def _overview(page: Page) -> Iterator[Markup]:
    totals = page.totals
    when = phrases.period(totals.began, totals.ended) if totals.files else "no results yet"
    yield tag("header", tag("h1", page.title), tag("p", when))
    yield tag("ul", _tiles(totals), class_="tiles")
    if totals.causes:
        yield _section("What needs you", tag("ul", map(_cause, totals.causes), class_="causes"))
    if page.unreadable:
        yield _section("Results that could not be read", tag("ul", map(_unreadable, page.unreadable)))
    if totals.shares:
        yield _section("Where the time went", _time_table(totals))
        yield _section("Step by step", _gantt(page))


def _section(title: str, *parts: Markup) -> Markup:
    return tag("section", tag("h2", title), parts)


def _tiles(totals: Totals) -> Iterator[Markup]:
    yield _tile(f"{totals.files:,}", "file" if totals.files == 1 else "files")
    for state in State:
        if totals.states[state]:
            yield _tile(f"{MARKS[state]} {totals.states[state]:,}", state.value, state.value)
    if totals.files:
        yield _tile(phrases.seconds(totals.ended - totals.began), "from first to last")
    if totals.video_s:
        yield _tile(phrases.seconds(totals.video_s), "of video")
    if totals.size_bytes:
        yield _tile(phrases.size(totals.size_bytes), "delivered")
    if totals.spent is not None:
        yield _tile(phrases.credits(totals.spent), "credits spent")


def _tile(number: str, word: str, class_: str | None = None) -> Markup:
    return tag("li", tag("b", number), tag("span", word), class_=class_)


def _cause(cause: Cause) -> Markup:
    count = tag("b", plural(cause.count, "file"))
    return tag("li", count, " ", tag("code", cause.kind), tag("span", cause.message), tag("em", cause.advice))


def _unreadable(one: Unreadable) -> Markup:
    return tag("li", tag("code", one.path), " ", one.why)


def _time_table(totals: Totals) -> Markup:
    words = ("step", "share", "", "in all", "median", "longest", "retries")
    most = max(share.part for share in totals.shares)
    titles = tag("tr", [tag("th", word, scope="col") for word in words])
    rows = tag("tbody", [_time_row(share, most) for share in totals.shares])
    return tag("div", tag("table", tag("thead", titles), rows, class_="times"), class_="wide")


def _time_row(share: Share, most: float) -> Markup:
    return tag(
        "tr",
        tag("th", drawing.swatch(share.step), share.step, scope="row"),
        tag("td", f"{share.part:.0%}"),
        tag("td", drawing.share_bar(share.step, share.part / (most or 1.0)), class_="part"),
        tag("td", phrases.seconds(share.total_s)),
        tag("td", phrases.seconds(share.median_s)),
        tag("td", phrases.seconds(share.longest_s)),
        tag("td", f"{share.retries:,}" if share.retries else "–"),
    )


def _gantt(page: Page) -> Markup:
    worked = sorted((entry for entry in page.entries if entry.spans), key=lambda entry: entry.began)
    every = -(-len(worked) // GANTT_ROWS) or 1
    shown = worked[::every]
    rows = [
        tag("div", tag("span", entry.name), drawing.gantt_row(entry, page.totals.began, page.totals.ended))
        for entry in shown
    ]
    legend = [tag("span", drawing.swatch(step), step) for step in (*Step, "waiting")]
    whole = phrases.seconds(page.totals.ended - page.totals.began)
    scale = tag("div", tag("span", "0 s"), tag("span", whole), class_="scale")
    note = (
        tag("p", f"One file in {every:,} is shown, evenly over the batch.", class_="note")
        if every > 1
        else ""
    )
    return joined(tag("div", legend, class_="legend"), note, tag("div", rows, scale, class_="gantt"))


def _files(page: Page) -> Iterator[str]:
    yield "<section><h2>Files</h2>"
    if len(page.entries) > OPEN_UP_TO:
        yield tag(
            "input", type="search", id="find", placeholder="Find by name or state", aria_label="Find a file"
        )
    opened = len(page.entries) <= OPEN_UP_TO
    for entry in page.entries:
        yield card(Card(entry, page.pictures.get(entry.result.job), page.folder, opened))
        yield "\n"
    without = len(page.entries) - len(page.pictures)
    if page.pictures and without:
        yield _note(len(page.pictures))
    yield "</section>"


def _note(count: int) -> Markup:
    return tag("p", f"Pictures are shown of {plural(count, 'file')}; --pictures N shows more.", class_="note")
