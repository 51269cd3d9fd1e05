"""What a clause asks of the picture and its words, or of what nobody here can do."""

from __future__ import annotations

import math
from dataclasses import replace

from studio.agent.clauses import NOTHING, Part, Reader, has_only, leave_out_kinds, read_length, read_span
from studio.agent.grammar import Clause, Token
from studio.agent.requests import (
    Keep,
    NotDone,
    RemoveText,
    Request,
    Reshape,
    ShowText,
    Span,
    Trim,
)


def read_beyond(clause: Clause, reader: Reader) -> Part:
    """Name what cannot be done; to ask for none of it is to ask for nothing."""
    if clause.has("no_singing"):
        reader.topic = "music"
        return [Keep("singing")], leave_out_kinds(clause, "no_singing", "neg")
    beyond = clause.all("beyond")
    if not beyond or clause.has("quote"):
        return [], clause
    if clause.has("neg"):
        return [Keep("picture")], leave_out_kinds(clause, "beyond", "neg")
    offset = clause.tokens[0].start
    named: list[Request] = [NotDone(t.value, clause.text[t.start - offset : t.end - offset]) for t in beyond]
    speaks_of_music = clause.has("target", "music") and (clause.has("mood") or clause.has("style"))
    return named, leave_out_kinds(clause, "beyond") if speaks_of_music else NOTHING


def read_text(clause: Clause, reader: Reader) -> Part:
    quote = clause.first("quote")
    named = clause.first("target", "text", "caption")
    if quote and not named and clause.has("target", "music"):
        return [], clause
    shown = reader.requests[-1] if reader.requests else None
    if not quote and not named:
        more = reader.topic == "text" and isinstance(shown, ShowText) and has_only(clause, *_ABOUT_TEXT)
        if more and isinstance(shown, ShowText):
            reader.requests[-1] = _place_text(shown, clause)
            return [Keep("")], NOTHING
        return [], clause
    reader.topic = "text"
    if quote is None:
        if clause.has("remove") or clause.has("neg"):
            return [RemoveText()], NOTHING
        return [NotDone("a text, unless you tell me its words in quotes")], NOTHING
    kind = "caption" if clause.has("target", "caption") else "title"
    return [_place_text(ShowText(quote.value, kind), clause)], NOTHING


_ABOUT_TEXT = (
    "lasting", "dur", "place", "edge", "span", "share", "over", "order", "preposition", "word", "only",
    "point", "keep",
)  # fmt: skip


def _place_text(text: ShowText, clause: Clause) -> ShowText:
    """Add to a text where and when it stands."""
    place, edge, point = clause.first("place"), clause.first("edge"), clause.first("point")
    length = read_length(clause)
    span = read_span(clause)
    if span is not None and span.start < 0:
        text, span = replace(text, length_s=-span.start, last=True), None
    if point:
        span = Span(point.number)
    return replace(
        text,
        place=place.value if place else text.place,
        last=bool(edge and edge.value == "end") or text.last,
        whole=bool(edge and edge.value == "whole") or text.whole,
        length_s=length or text.length_s,
        span=span or text.span,
    )


def read_shape(clause: Clause, reader: Reader) -> Part:
    aspect, fit = clause.first("aspect"), clause.first("fit")
    shape = next((r for r in reversed(reader.requests) if isinstance(r, Reshape)), None)
    if aspect:
        reader.topic = "shape"
        across, down = (int(number) for number in aspect.numbers)
        rest = leave_out_kinds(clause, "aspect", "fit", "preposition")
        speaks_on = rest.has("target", "music") or rest.has("style") or rest.has("sync")
        return [Reshape((across, down), fit.value if fit else "blur")], rest if speaks_on else NOTHING
    if fit and shape:
        reader.requests[reader.requests.index(shape)] = replace(shape, fit=fit.value)
        return [Keep("")], NOTHING
    return [], clause


def read_trim(clause: Clause, reader: Reader) -> Part:
    heard = clause.has("target", "music", "original", "volume", "sound", "tempo", "drums")
    if heard or clause.has("remove", "mute") or clause.has_any("part", "mood", "style"):
        return [], clause
    span, length_s = read_span(clause), read_length(clause)
    verb, fraction = clause.first("trim"), clause.first("fraction")
    found: Trim | None = None
    if span:
        found = _trim_to(span, verb, clause, reader)
    elif fraction and verb:
        found = Trim(Span(0.0, fraction.number, shares=True))
    elif length_s:
        bare = clause.has("change") and has_only(clause, "change", "dur", "to", "target", "word")
        if verb or bare or (clause.has("long") and not clause.has("add")):
            found = Trim(Span(0.0, length_s))
    return ([found], NOTHING) if found else ([], clause)


def _trim_to(span: Span, verb: Token | None, clause: Clause, reader: Reader) -> Trim | None:
    """Return the cut that a clause with a part of the video asks for, or None."""
    last = reader.requests[-1] if reader.requests else None
    if isinstance(last, Trim) and has_only(clause, "span", "share", "target"):
        return replace(last, span=span)
    if clause.has("target", "video") and clause.has_any("start", "stop") and not reader.topic:
        return Trim(span)
    only = not reader.topic and clause.has("only", "only") and not clause.has("preposition")
    spared = not reader.topic and clause.has("neg") and has_only(clause, "neg", "span", "target")
    if not (verb or only or spared or clause.has("remove") or clause.has("keep", "keep")):
        return None
    between = span.start > 0 and not math.isinf(span.end)
    bare = verb is not None and verb.value == "bare"
    drops = (verb is not None and verb.value in {"off", "bare"}) or clause.has_any("remove", "neg")
    return Trim(span, drop=drops and not (between and bare))
