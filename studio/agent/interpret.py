"""From clauses to requests: what each part of an instruction asks for, given the parts before it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from studio.agent.clauses import Part, Reader
from studio.agent.grammar import Clause, parse, values_of
from studio.agent.read_music import (
    read_drop,
    read_fade,
    read_left_out,
    read_music,
    read_music_length,
    read_mute,
    read_removal,
    read_stress,
    read_tempo,
    read_voice,
    read_volume,
)
from studio.agent.read_picture import read_beyond, read_shape, read_text, read_trim
from studio.agent.requests import (
    AddMusic,
    DropAt,
    Keep,
    NoMusicIn,
    NotDone,
    PlaceMusic,
    RemoveMusic,
    Request,
    Span,
    Trim,
)


def read(text: str) -> tuple[Request, ...]:
    """Understand an instruction: what it asks for, in its order; empty when it asks for nothing."""
    reader = Reader()
    for clause in parse(text):
        found = _read_clause(clause, reader)
        if not found and (
            (clause.lead == "then" and clause.has("word"))
            or (
                any(clause.has(kind) for kind in ("add", "change", "remove", "order", "trim"))
                and (len(clause.tokens) > 1 or clause.has("word"))
            )
        ):
            found = [NotDone(words=clause.text)]
        reader.requests += found
    return _settle(reader.requests)


def mood_and_genre(text: str) -> tuple[str | None, str | None]:
    """Return the mood and the genre that words speak of."""
    tokens = [token for clause in parse(text) for token in clause.tokens]
    mood = next((token.value for token in tokens if token.kind == "mood"), None)
    genre = next((token.value for token in tokens if token.kind == "style"), None)
    return mood or values_of("style_mood").get(genre or ""), genre


def _read_clause(clause: Clause, reader: Reader) -> list[Request]:
    found: list[Request] = []
    if clause.tokens[0].kind == "question":
        return [NotDone(words=clause.text)]
    reader.found = found
    whole = clause
    for read_part in _PARTS:
        requests, clause = read_part(clause, reader)
        found += requests
        if not clause.tokens:
            break
    reader.negated = whole.has("neg") or whole.has("remove") or (reader.negated and reader.topic == "parts")
    reader.wanted = reader.wanted or whole.has("want")
    return found


_PARTS: tuple[Callable[[Clause, Reader], Part], ...] = (
    read_beyond,
    read_text,
    read_shape,
    read_voice,
    read_fade,
    read_music_length,
    read_trim,
    read_drop,
    read_mute,
    read_volume,
    read_left_out,
    read_stress,
    read_tempo,
    read_removal,
    read_music,
)


def _settle(requests: list[Request]) -> tuple[Request, ...]:
    """Put together what belongs together: pieces of music become one, or follow each other."""
    pieces: list[AddMusic] = []
    others = [r for r in requests if not isinstance(r, AddMusic) and r != Keep("")]
    gaps = any(isinstance(r, NoMusicIn) for r in requests)
    for piece in (r for r in requests if isinstance(r, AddMusic)):
        last = pieces[-1] if pieces else None
        follows = piece.span is not None or (piece.then and not gaps and (piece.mood or piece.genre))
        if last is None or (follows and (last.mood or last.genre or last.span)):
            pieces.append(piece)
        else:
            named = last.genre is None and piece.genre is not None
            pieces[-1] = replace(
                last,
                mood=last.mood or piece.mood,
                genre=piece.genre if named else last.genre,
                pace=last.pace if last.pace != 1.0 else piece.pace,
                another=last.another or piece.another,
                avoid=last.avoid + piece.avoid,
                span=last.span or piece.span,
                only_if_none=last.only_if_none and piece.only_if_none,
            )
    if len(pieces) > 1:
        pieces = _in_a_row(pieces)
    elif pieces and pieces[0].span and DropAt(None) in others and not pieces[0].span.shares:
        others[others.index(DropAt(None))] = DropAt(pieces[0].span.end)
        pieces = [replace(pieces[0], span=None)]
    moods = values_of("style_mood")
    pieces = [replace(piece, mood=piece.mood or moods.get(piece.genre or "")) for piece in pieces]
    if pieces:
        others = [r for r in others if not isinstance(r, RemoveMusic)]
    first = [r for r in others if isinstance(r, Trim | RemoveMusic)]
    return (*first, *pieces, *_join_fades(r for r in others if r not in first))


def _join_fades(requests: Iterable[Request]) -> Iterator[Request]:
    """Yield requests; what was said in two parts of where the music plays becomes one."""
    where: Span | None = None
    for request in requests:
        if isinstance(request, PlaceMusic) and not request.span.shares and request.span.start >= 0:
            span = request.span
            where = Span(max(where.start, span.start), min(where.end, span.end)) if where else span
        else:
            yield request
    if where:
        yield PlaceMusic(where)


def _in_a_row(pieces: list[AddMusic]) -> list[AddMusic]:
    """Give each piece its part of the timeline: what was said, what is left, or an equal share."""
    if all(piece.span is None for piece in pieces):
        share = 1 / len(pieces)
        return [replace(p, span=Span(n * share, (n + 1) * share, shares=True)) for n, p in enumerate(pieces)]
    placed: list[AddMusic] = []
    for n, piece in enumerate(pieces):
        span, after = piece.span, pieces[n + 1].span if n + 1 < len(pieces) else None
        before = placed[-1].span if placed else None
        if span is None:
            start, shares = (before.end, before.shares) if before else (0.0, bool(after and after.shares))
            end = after.start if after and after.shares == shares else 1.0 if shares else math.inf
            span = Span(0.0 if math.isinf(start) else start, end, shares)
        elif math.isinf(span.end) and after and after.start > span.start and not after.shares:
            span = replace(span, end=after.start)
        placed.append(replace(piece, span=span))
    return placed
