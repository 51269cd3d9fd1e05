"""One file of a report: a line to find it by, and behind it all there is to tell."""

import base64
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from cli.phrases import MARKS
from cli.report import drawing, phrases
from cli.report.markup import Markup, joined, tag
from cli.report.model import Entry, Pictures
from cli.report.timeline import tracks
from cli.report.totals import said

MAX_TEXT = 2_000
"""Characters shown of one answer of the agent; the whole of it is in the result."""


@dataclass(frozen=True, slots=True)
class Card:
    """What a card is made of; links in it are relative to ``folder``, where the report lies."""

    entry: Entry
    pictures: Pictures | None
    folder: Path
    opened: bool


def card(made: Card) -> Markup:
    """The card of one file."""
    entry = made.entry
    state = entry.result.state
    head = tag(
        "summary",
        tag("span", MARKS[state], class_="mark", aria_hidden="true"),
        tag("span", entry.name, class_="name"),
        tag("span", state.value, class_="state"),
        tag("span", phrases.seconds(entry.took_s) if entry.spans else "", class_="took"),
    )
    return tag("details", head, tag("div", _body(made), class_="body"), class_=state.value, open=made.opened)


def _body(made: Card) -> Iterable[Markup]:
    entry = made.entry
    yield _problem(entry)
    if made.pictures:
        yield _strip(made.pictures)
        yield drawing.waves(made.pictures.before, made.pictures.after)
    yield _timeline(entry)
    yield _words(entry)
    yield _steps(entry)
    yield _facts(made)


def _problem(entry: Entry) -> Markup:
    message = said(entry, "message").removeprefix(f"{entry.name}: ")
    advice = said(entry, "advice")
    if not message and not advice:
        return joined("")
    parts = [tag("strong", _sentence(message)), " ", _sentence(advice)]
    return tag("p", parts, class_="problem")


def _sentence(text: str) -> str:
    text = text.strip()
    return f"{text}." if text and text[-1] not in ".!?" else text


def _strip(pictures: Pictures) -> Markup:
    if not pictures.frames:
        return joined("")
    images = [
        tag("img", src=f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}", alt="", loading="lazy")
        for jpeg in pictures.frames
    ]
    return tag("div", images, class_="strip")


def _timeline(entry: Entry) -> Markup:
    summary = entry.result.timeline
    found = tracks(summary)
    if found:
        return drawing.timeline(found)
    return tag("p", summary) if summary else joined("")


def _words(entry: Entry) -> Markup:
    result = entry.result
    asked = [tag("p", _cut(text), class_="asked") for text in result.instructions]
    answers = [tag("blockquote", _cut(text)) for text in result.texts]
    changed = [tag("li", _cut(text)) for text in result.changes]
    return joined(asked, answers, tag("ul", changed, class_="changes") if changed else "")


def _cut(text: str) -> str:
    return text if len(text) <= MAX_TEXT else f"{text[:MAX_TEXT]} …"


def _steps(entry: Entry) -> Markup:
    if not entry.spans:
        return joined("")
    titles = tag("tr", [tag("th", word, scope="col") for word in ("step", "began (UTC)", "took", "attempts")])
    rows = [
        tag(
            "tr",
            tag("th", drawing.swatch(span.step), span.step, scope="row"),
            tag("td", phrases.moment(span.began)),
            tag("td", phrases.seconds(span.took_s)),
            tag("td", str(span.attempts)),
        )
        for span in entry.spans
    ]
    return tag("table", tag("thead", titles), tag("tbody", rows))


def _facts(made: Card) -> Markup:
    entry, result = made.entry, made.entry.result
    length = f", {phrases.seconds(result.duration_s)}" if result.duration_s else ""
    size = f" ({phrases.size(result.bytes)}{length})" if result.bytes else ""
    balance = result.credits
    facts: list[tuple[str, Markup]] = [
        ("source", _link(result.source, made.folder)),
        ("output", joined(_link(result.output, made.folder), size) if result.output else joined("")),
        ("result", _link(entry.path, made.folder)),
        ("skill", joined(result.skill)),
        ("balance", _balance(balance.before, balance.after)),
        ("job", tag("code", result.job)),
    ]
    return tag("dl", [joined(tag("dt", word), tag("dd", what)) for word, what in facts if what])


def _balance(before: float | None, after: float | None) -> Markup:
    if before is None or after is None:
        return joined("")
    return joined(f"{phrases.credits(before)} credits before the edit, {phrases.credits(after)} after")


def _link(target: str, folder: Path) -> Markup:
    """A file that is there, as a link relative to the report; else its path, as text."""
    if "://" in target or not Path(target).exists():
        return tag("span", target, class_="path")
    relative = os.path.relpath(target, folder)
    # "./" keeps a name such as "data:x" from being read as a scheme.
    address = quote(os.fsencode(relative if relative.startswith("..") else f"./{relative}"))
    return tag("a", Path(target).name, href=address)
