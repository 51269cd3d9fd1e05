"""What all readers of clauses share: what was read before, and the spans and lengths of time in a clause."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field, replace

from studio.agent.grammar import Clause
from studio.agent.requests import (
    Request,
    Span,
)

_SPANS, _LENGTHS = ("span", "share"), ("over", "lasting", "long", "length", "dur", "to")
_VERBS = ("add", "want", "change", "remove", "order", "trim", "neg", "keep", "only")
_DEFINITE = re.compile(r"(?:\bthe|\bits|\bthis)\s+(?:background\s+)?$", re.IGNORECASE)


@dataclass(slots=True)
class Reader:
    """What was read so far: the requests, and what they speak of."""

    requests: list[Request] = field(default_factory=list)
    topic: str = ""
    wanted: bool = False
    negated: bool = False
    found: list[Request] = field(default_factory=list)


Part = tuple[list[Request], Clause]


def leave_out_kinds(clause: Clause, *kinds: str) -> Clause:
    """Return the clause without the tokens of these kinds: they have been read."""
    return replace(clause, tokens=tuple(token for token in clause.tokens if token.kind not in kinds))


NOTHING = Clause("", (), "")


def has_only(clause: Clause, *kinds: str) -> bool:
    """Say whether a clause has nothing but these kinds, and more than words that mean nothing here."""
    return all(t.kind in kinds for t in clause.tokens) and any(t.kind != "word" for t in clause.tokens)


def read_length(clause: Clause) -> float | None:
    return next((token.number for kind in _LENGTHS if (token := clause.first(kind))), None)


def read_span(clause: Clause) -> Span | None:
    token = clause.first("span") or clause.first("share")
    point, fraction = clause.first("point") or clause.first("dur"), clause.first("fraction")
    if token and clause.has("stop") and token.numbers[0] > 0 and math.isinf(token.numbers[1]):
        return Span(0.0, token.numbers[0])
    if token is None and clause.has("stop") and (point or fraction):
        return (
            Span(0.0, point.number) if point else Span(0.0, fraction.number if fraction else 1.0, shares=True)
        )
    if token is None and clause.has("start") and clause.has("point"):
        return Span(point.number if point else 0.0)
    if token is None and clause.has("start") and fraction:
        return Span(fraction.number, 1.0, shares=True)
    if token is None:
        return None
    return Span(token.numbers[0], token.numbers[1], shares=token.kind == "share")


def is_definite(clause: Clause) -> bool:
    """Say whether "the music" is spoken of: music that is there."""
    music = clause.first("target", "music")
    if music is None:
        return False
    return says_the(clause) or music.start == clause.tokens[0].start


def says_the(clause: Clause) -> bool:
    music = clause.first("target", "music")
    return bool(music and _DEFINITE.search(clause.text[: max(0, music.start - clause.tokens[0].start)]))


def keeps(clause: Clause) -> bool:
    """Say whether a negation spares what is there ("do not remove it"), unlike "no music"."""
    asks = clause.has("add") or clause.has("want")
    spares = clause.has("neg", "dont") and not asks
    return clause.has("neg") and (spares or any(clause.has(kind) for kind in ("remove", "change", "trim")))
