"""What a clause asks of the music and of the sound, given the clauses before it."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import replace

from studio.agent.clauses import (
    NOTHING,
    Part,
    Reader,
    has_only,
    is_definite,
    keeps,
    leave_out_kinds,
    read_length,
    read_span,
    says_the,
)
from studio.agent.grammar import Clause, Token
from studio.agent.requests import (
    AddMusic,
    DropAt,
    Feature,
    Keep,
    LeaveOut,
    NoMusicIn,
    NotDone,
    PlaceMusic,
    RemoveMusic,
    Request,
    SetDuck,
    SetFade,
    SetMode,
    SetTempo,
    SetVolume,
    Span,
    Stress,
    Target,
)

DEFAULT_FADE_S = 3.0
_DEGREES = {(1.4, "much"): 1.9, (1.4, "bit"): 1.15, (0.7, "much"): 0.5, (0.7, "bit"): 0.85}
_TEMPI = {"faster": {"": 1.15, "much": 1.3, "bit": 1.08}, "slower": {"": 0.87, "much": 0.75, "bit": 0.93}}
_BPM = (60, 200)  # what a bare number beside a style may mean
_SLOWEST_BPM = 40  # a smaller number beside "slower" is by how much
_PACES = {"fast": 1.2, "slow": 0.8}
_INSTRUMENTAL = frozenset({"orchestral", "piano", "acoustic", "string quartet", "synthwave"})
_LEVELS = ("loud", "louder", "level", "decibel")
_TO = re.compile(r"(?:\b(?:to|at|al|a|à|auf|para|em|under|below|around|about)|[到至成为在をにで])\s*$")
_TOO = re.compile(r"\btoo (?:loud|quiet|soft)|太")


def read_voice(clause: Clause, reader: Reader) -> Part:
    """Read what is asked of music and speech together."""
    voice = clause.has("target", "original", "sound")
    duck, hear, cover = clause.first("keep", "duck"), clause.has("keep", "hear"), clause.has("keep", "cover")
    softer: list[Request] = [SetVolume("music", factor=0.7)]
    if duck:
        reader.topic = reader.topic or "music"
        rest = leave_out_kinds(clause, "keep", "louder", "degree", "dir")
        if clause.has("neg"):
            return [SetDuck(on=False)], NOTHING
        return [SetDuck(on=True)], replace(
            rest, tokens=tuple(t for t in rest.tokens if t.value != "original")
        )
    if cover and (voice or clause.has("neg")):
        return [SetDuck(on=True), *([] if clause.has("neg") else softer)], NOTHING
    if hear and voice:
        return [SetDuck(on=True), *(softer if clause.has("neg") else [])], NOTHING
    changes = any(clause.has(kind) for kind in (*_LEVELS, "fraction", "neg"))
    if (clause.has("keep", "keep") or clause.has("trim", "keep")) and voice and not changes:
        reader.topic = "original"
        return [SetDuck(on=True)], NOTHING
    return [], clause


def read_fade(clause: Clause, reader: Reader) -> Part:
    fades = {token.value for token in clause.all("fade")}
    more = reader.topic == "fade" and has_only(
        clause, "preposition", "over", "lasting", "dur", "span", "edge", "num", "word", "long"
    )
    faded = reader.requests[-1] if reader.requests else None
    if (
        more
        and not clause.has("preposition", "in", "out")
        and isinstance(faded, SetFade)
        and (length := read_length(clause))
    ):
        into, out = (None if value is None else length for value in (faded.in_s, faded.out_s))
        reader.requests[-1] = SetFade(into, out)
        return [Keep("")], NOTHING
    if not fades and not (more and clause.has("preposition", "in", "out")):
        return [], clause
    reader.topic = "fade"
    rest = leave_out_kinds(
        clause, "fade", "edge", "over", "lasting", "dur", "span", "preposition", "neg", "num"
    )
    if "none" in fades or clause.has("neg"):
        adds = clause.has("add") and clause.has("target", "music") and not is_definite(clause)
        return [SetFade(0.0, 0.0)], rest if adds else leave_out_kinds(rest, "target")
    into = (
        bool(fades & {"in", "both"})
        or clause.has("preposition", "in")
        or ("plain" in fades and clause.has("edge", "start"))
    )
    out = bool(fades & {"out", "both"}) or clause.has("preposition", "out") or not into
    span, number = read_span(clause), clause.first("num")
    length_s = read_length(clause) or (number.number if number else None)
    point = clause.first("point")
    at_s = point.number if point else None
    if length_s is None and span is not None and math.isinf(span.end) and span.start > 0:
        at_s = span.start
    elif length_s is None and span is not None and not span.shares:
        length_s = -span.start if span.start < 0 else span.end - span.start
    length_s = length_s or DEFAULT_FADE_S
    if at_s is not None:
        place = Span(at_s) if into else Span(0.0, at_s + length_s)
        return [PlaceMusic(place), SetFade(length_s if into else None, None if into else length_s)], NOTHING
    music = rest.has("target", "music") or rest.has("style")
    again = (
        music and any(rest.has(kind) for kind in ("add", "mood", "style", "want")) and not is_definite(clause)
    )
    kept = rest if again or any(rest.has(kind) for kind in _LEVELS) else NOTHING
    return [SetFade(length_s if into else None, length_s if out else None)], kept


def read_music_length(clause: Clause, _: Reader) -> Part:
    """Read "trim the music to ten seconds"."""
    music = clause.has("target", "music") or clause.has("part")
    span, length_s, point = read_span(clause), read_length(clause), clause.first("point")
    if not (music and clause.has("trim") and (span or length_s or point)):
        return [], clause
    until = Span(0.0, point.number if point else length_s or 0.0)
    return [PlaceMusic(span or until)], NOTHING


def read_drop(clause: Clause, reader: Reader) -> Part:
    """Read the moment at which the band comes in, and music that builds up to it."""
    builds = (
        clause.has("swell")
        and not clause.has("style")
        and not clause.has("instrument")
        and not clause.has("part")
    )
    bare = (
        clause.has("remove", "drop")
        and (clause.has("point") or clause.has("dur"))
        and not clause.has("target", "original")
    )
    if not (clause.has("drop") or builds or bare):
        return [], clause
    where = clause.first("point") or clause.first("dur") or clause.first("over") or clause.first("lasting")
    span = read_span(clause)
    at_s = where.number if where else span.start if span and not span.shares and span.start > 0 else None
    rest = leave_out_kinds(
        clause, "drop", "swell", "point", "dur", "over", "span", "share", "fraction", "edge", "remove"
    )
    again = any(rest.has(kind) for kind in ("add", "want", "mood", "style")) and not is_definite(clause)
    reader.topic = "music"
    fresh: list[Request] = [AddMusic(only_if_none=True)] if builds and not clause.has("drop") else []
    return [*fresh, DropAt(at_s)], rest if again else NOTHING


def read_mute(clause: Clause, _: Reader) -> Part:
    """Read what is to be silent, all along or in a part of the timeline."""
    music = clause.has("target", "music")
    off = clause.has("dir", "off") and (clause.has("change") or music)
    if not (clause.has("remove", "mute") or off) or (clause.has("add") and not clause.has("target")):
        return [], clause
    span, point = read_span(clause), clause.first("point")
    found: list[Request] = [SetVolume("music" if music else "original", level=0.0)]
    if clause.has("neg"):
        found = [Keep("music" if music else "original")]
    elif music and point:
        found = [PlaceMusic(Span(0.0, point.number))]
    elif span and music:
        found = [NoMusicIn(span)]
    elif span:
        silent: list[Request] = [] if clause.has("target", "original") else [NoMusicIn(span)]
        found = [*silent, NotDone("muting the original sound in one part alone", clause.text)]
    return found, NOTHING


def read_volume(clause: Clause, reader: Reader) -> Part:
    """Read how loud what is to be: each word of loudness goes with the target that is nearest to it."""
    words = _loudness(clause, reader)
    part = clause.first("part") or clause.first("target", "drums")
    louder = clause.first("louder")
    if not words:
        removed = clause.has("remove")
        gone = removed or clause.has("neg") or clause.has("preposition", "out")
        speaks = clause.has("target", "original") or (clause.has("target", "sound") and removed)
        if not (speaks and gone) or clause.has("target", "music") or clause.has("part"):
            return [], clause
        reader.topic = "original"
        return [Keep("original") if keeps(clause) else SetVolume("original", level=0.0)], NOTHING
    turned = next((word for word in words if word.kind == "louder"), louder)
    if part and turned and not clause.has("target", "music", "original"):
        reader.topic = "parts"
        return [Stress(_part_name(part), 1.5 if float(turned.value) > 1 else 0.6)], NOTHING
    if clause.has("remove", "drop"):
        clause = leave_out_kinds(clause, "remove")
    if clause.has("neg") and louder:
        if not _TOO.search(clause.text):
            reader.topic = "music"
            return [Keep("volume")], NOTHING
        words = [replace(louder, kind="loud", value="0.2" if float(louder.value) < 1 else "0.5")]
        clause = leave_out_kinds(clause, "neg", "louder")
    again = clause.has("preposition", "after") or clause.has("rest")
    if again and reader.requests and isinstance(reader.requests[-1], SetDuck):
        return [Keep("")], NOTHING  # "and raise it afterwards": stepping back ends by itself
    found: list[Request] = []
    places = clause.has_any("mood", "style") or (clause.has("add") and not is_definite(clause))
    span = None if places else read_span(clause)
    targets: tuple[Target, ...] = ("music", "original", "sound")
    for target in targets:
        own = [word for word in words if _target_of(word, clause, reader) == target]
        if own:
            found.append(_volume(target, own, clause, span))
            reader.topic = "original" if target == "original" else "music"
    rest = leave_out_kinds(clause, *_LEVELS, "fraction", "degree", "dir")
    return found, leave_out_kinds(rest, "span", "share") if span else rest


def _loudness(clause: Clause, reader: Reader) -> list[Token]:
    """Return the words that say how loud something is to be, or how much louder."""
    words = [token for kind in _LEVELS for token in clause.all(kind)]
    fraction = clause.first("fraction")
    heard = clause.has("target", "volume", "music", "original", "sound") or reader.topic in {
        "music",
        "original",
    }
    alone = clause.has("louder") or not words
    if fraction and alone and heard and not clause.has_any("start", "stop", "keep"):
        words.append(fraction)
    if clause.has_any("change", "add", "part"):  # "up" and "down" of a verb such as "turn"
        up = {"up": "1.4", "down": "0.7"}
        turned = clause.all("dir", "up", "down")
        words += [replace(token, kind="louder", value=up[token.value]) for token in turned]
    if clause.has("remove", "drop") and (words or clause.has("target", "volume")):
        words.append(replace(clause.tokens[0], kind="louder", value="0.7"))
    return words


def _target_of(word: Token, clause: Clause, reader: Reader) -> Target:
    targets = clause.all("target", "music", "original")
    if targets:
        nearest = min(targets, key=lambda t: min(abs(t.start - word.end), abs(word.start - t.end)))
        return "music" if nearest.value == "music" else "original"
    if clause.has("mood") or clause.has("style"):
        return "music"
    if reader.topic == "original" and clause.lead != "stop":
        return "original"
    return "sound" if not reader.topic else "music"


def _volume(target: Target, words: list[Token], clause: Clause, span: Span | None) -> SetVolume:
    """Make one request of the words that go with a target."""
    relative = next((float(word.value) for word in words if word.kind == "louder"), None)
    degree = clause.first("degree")
    if relative is not None and degree:
        relative = _DEGREES.get((relative, degree.value), relative)
    level = next((word.number for word in words if word.kind in {"level", "fraction"}), None)
    decibels = next((word.number for word in words if word.kind == "decibel"), None)
    if decibels is not None:
        if relative is None:
            return SetVolume(target, level=10 ** (-decibels / 20), span=span)
        return SetVolume(target, factor=10 ** (math.copysign(decibels, relative - 1) / 20), span=span)
    # A level beside "louder" or "lower" is what to reach ("lower to 20%"), else by how much.
    stated = next((word for word in words if word.kind in {"level", "fraction"}), None)
    is_goal = stated and _TO.search(clause.text[: stated.start - clause.tokens[0].start])
    if level is not None and (relative is None or is_goal):
        return SetVolume(target, level=min(1.0, level), span=span)
    if level is not None and relative is not None:
        return SetVolume(target, factor=1 + math.copysign(min(level, 1.0), relative - 1), span=span)
    if relative is not None:
        return SetVolume(target, factor=relative, span=span)
    loud = min(float(word.value) for word in words if word.kind == "loud")
    return SetVolume(target, level=1.0 if target == "original" and loud >= 0.6 else loud, span=span)


def _part_name(token: Token) -> str:
    return "drums" if token.kind == "target" else token.value


def read_left_out(clause: Clause, reader: Reader) -> Part:
    """Read which parts are not to play; "and bass" after "no drums" is one more of them."""
    more = reader.negated and reader.topic == "parts"
    if more and clause.lead == "but" and has_only(clause, "neg", "part"):
        return [Keep("music")], NOTHING
    listed = more and has_only(clause, "part", "instrument", "style")
    taken = clause.has("change") and clause.has("preposition", "out")
    gone = clause.has("neg") or clause.has("remove", "remove", "drop") or taken or listed
    lost = [token.value for token in clause.all("part")]
    lost += ["lead" for _ in clause.all("instrument")]
    if not clause.has("target", "music"):
        lost += ["chords" for token in clause.all("style") if token.value in _INSTRUMENTAL]
    if not (gone and lost) or (clause.has("neg") and clause.has("remove")):
        return [], clause
    reader.topic = "parts"
    return [LeaveOut(tuple(dict.fromkeys(lost)), read_span(clause))], NOTHING


def read_stress(clause: Clause, reader: Reader) -> Part:
    """Read which parts are to be stronger or lighter."""
    heavier = clause.first("heavier")
    parts = [*clause.all("part"), *clause.all("target", "drums")]
    speaks = parts or clause.has("target", "music", "tempo") or reader.topic == "music"
    if heavier is None or not speaks or (heavier.value == "more" and not parts):
        return [], clause
    names = dict.fromkeys(_part_name(part) for part in parts) or {"drums": None}
    reader.topic = "music"
    found: list[Request] = [Stress(name, 0.6 if heavier.value == "lighter" else 1.5) for name in names]
    return found, leave_out_kinds(clause, "heavier", "part", "target", "change", "add")


def read_tempo(clause: Clause, reader: Reader) -> Part:
    """Read how fast the music is to be, and in which key; "the same" asks for nothing else."""
    tempo = clause.first("faster")
    if tempo and clause.has("neg"):
        return [Keep("tempo")], NOTHING
    found: list[Request] = list(_tempo(clause, tempo, reader))
    pace = clause.first("pace")
    paced = clause.has("target", "tempo") or clause.has("change") or reader.topic == "music"
    if pace and not tempo and paced and not _adds(clause, reader):
        found.append(SetTempo(factor=_TEMPI["faster" if pace.value == "fast" else "slower"][""]))
        clause = leave_out_kinds(clause, "pace")
    found += [SetMode(mode.value) for mode in clause.all("mode")[:1]]
    same = clause.has("same")
    if found or same:
        reader.topic = "music"
    return (
        (found or [Keep("music")], NOTHING)
        if same
        else (found, leave_out_kinds(clause, "faster", "bpm", "mode"))
    )


def _tempo(clause: Clause, tempo: Token | None, reader: Reader) -> Iterator[SetTempo]:
    """Yield the tempo a clause names, as a number or as a change."""
    bpm, number, times = clause.first("bpm"), clause.first("num"), clause.first("times")
    bare = number and clause.has("preposition", "at") and clause.has_any("mood", "style")
    alone = reader.topic == "music" and has_only(clause, "num")
    if number and (bare or alone) and not bpm and _BPM[0] <= number.number <= _BPM[1]:
        bpm = number
    degree = clause.first("degree")
    change = reader.requests[-1] if reader.requests else None
    if bpm and bpm.number < _SLOWEST_BPM and isinstance(change, SetTempo) and change.factor != 1.0:
        reader.requests[-1] = SetTempo(more=math.copysign(bpm.number, change.factor - 1.0))
        yield SetTempo()
    elif bpm and tempo:
        yield SetTempo(more=bpm.number if tempo.value == "faster" else -bpm.number)
    elif times and clause.has("target", "tempo"):
        yield SetTempo(factor=float(times.value))
    elif bpm:
        yield SetTempo(bpm=bpm.number)
    elif tempo and not clause.has("target", "video"):
        yield SetTempo(factor=_TEMPI[tempo.value][degree.value if degree else ""])


def read_removal(clause: Clause, reader: Reader) -> Part:
    """Read that music is to go, to stay, or to be replaced."""
    if clause.has("neg") and clause.has("another"):
        return [Keep("music")], NOTHING
    negative, removes = clause.has("neg"), clause.has("remove") or clause.has("trim", "off")
    music = clause.has("target", "music") and not _find_avoided(clause) and not reader.found
    if not music or not (negative or removes):
        return [], clause
    reader.topic = "music"
    span = _where(clause, reader)
    found: Request = NoMusicIn(span) if span else RemoveMusic(add=negative)
    if keeps(clause) or (negative and clause.has("stop")):
        found = Keep("music")
    elif clause.has("remove", "replace") or clause.has("another"):
        found = AddMusic(another=True)
    return [found], NOTHING


def read_music(clause: Clause, reader: Reader) -> Part:
    """Read what is asked of the music as a whole: to add it, to bring an instrument in, where it plays."""
    music, span = clause.has("target", "music"), _where(clause, reader)
    speaks = music or reader.topic in {"music", "fade", "parts", "original"} or clause.has("only", "in")
    found: list[Request] = []
    kept = music and clause.has("keep", "keep") and not clause.has_any("mood", "style", "loud")
    feature = _feature(clause, span, reader)
    if kept:
        found = [PlaceMusic(span) if span else Keep("music")]
    elif feature:
        found = [feature]
    elif clause.has("sync") and is_definite(clause) and not clause.has_any("mood", "style", "another"):
        found = [AddMusic(only_if_none=True), Keep("cuts")]
    elif _adds(clause, reader):
        avoided = _find_avoided(clause)
        mood = next((token.value for token in clause.all("mood") if token.value not in avoided), None)
        style = next((token.value for token in clause.all("style") if token.value not in avoided), None)
        pace = clause.first("pace")
        if clause.has("sync") and not mood and not style:
            mood = "energetic"
        bare = clause.has("want") or not clause.has("add")
        piece = AddMusic(
            mood=mood,
            genre=style,
            pace=_PACES[pace.value] if pace else 1.0,
            another=clause.has("another") or clause.has("remove", "replace"),
            avoid=avoided,
            span=span,
            then=clause.lead == "then",
            only_if_none=bare
            and (is_definite(clause) or bool(reader.found))
            and not (mood or style or clause.has("another")),
        )
        found = [piece]
        if span and not (piece.mood or piece.genre or piece.another):
            found = [replace(piece, span=None, only_if_none=True), PlaceMusic(span)]
    elif span and clause.has("neg"):
        found = [NoMusicIn(span)] if reader.topic == "music" else []
    elif span and speaks:
        moves = says_the(clause) or clause.has_any("change", "start", "stop", "keep")
        fresh: list[Request] = [AddMusic(only_if_none=True)] if music and not moves else []
        found = [*fresh, PlaceMusic(span)]
    if found:
        reader.topic = "music"
    return found, NOTHING if found else clause


def _where(clause: Clause, reader: Reader) -> Span | None:
    """Return the part of the timeline a clause speaks of."""
    span = read_span(clause)
    if span:
        return span
    point = clause.first("point")
    if point and clause.has("target", "music"):
        return Span(point.number)
    edge = clause.first("edge", "start", "end")
    if edge and (clause.has("mood") or clause.has("style") or clause.has("neg")):
        return Span(0.0, 0.5, shares=True) if edge.value == "start" else Span(0.5, 1.0, shares=True)
    length = clause.first("lasting")
    if length and clause.has("target", "music") and length.number:
        return Span(0.0, length.number)
    if clause.has("rest"):
        for request in reversed(reader.requests):
            before = getattr(request, "span", None)
            if isinstance(before, Span) and not math.isinf(before.end):
                return Span(before.end, 1.0 if before.shares else math.inf, before.shares)
    return None


def _feature(clause: Clause, span: Span | None, reader: Reader) -> Feature | None:
    """Return an instrument that comes in; the style of a whole piece is none."""
    plain_music = clause.has("target", "music") or clause.has("mood")
    instrument = clause.first("instrument")
    if instrument:
        return None if plain_music and not span else Feature(instrument.value, span, clause.has("swell"))
    point = clause.first("point")
    span = span or (Span(point.number) if point else None)
    style = clause.first("style")
    more = clause.has("heavier", "more")
    late = span is not None and span.start > 0 and not span.shares
    if style and style.value in _INSTRUMENTAL and not plain_music and (late or more or clause.has("swell")):
        return Feature(style.value, span, clause.has("swell"))
    part = clause.first("part")
    if (
        part
        and (clause.has_any("add", "want", "change") or clause.lead == "with" or late)
        and not plain_music
        and not clause.has("style")
    ):
        return Feature(part.value, span, clause.has("swell"))
    return None


def _find_avoided(clause: Clause) -> tuple[str, ...]:
    """Return the moods and styles that a negation stands before."""
    found: list[str] = []
    near = False
    if "enough" in clause.text or "不够" in clause.text:
        return ()
    for token in clause.tokens:
        if token.kind == "neg" or (token.kind, token.value) == ("heavier", "lighter"):
            near = True
        elif near and token.kind in {"mood", "style"}:
            found.append(token.value)
        elif token.kind not in {"word", "degree"}:
            near = near and token.kind in {"add", "want"}
    return tuple(found)


def _adds(clause: Clause, reader: Reader) -> bool:
    """Say whether a clause asks for music that is to be composed or chosen."""
    if any(clause.has(kind) for kind in ("mood", "style", "sync", "another")):
        return True
    music, asks = clause.has("target", "music", "drums"), clause.has("add") or clause.has("want")
    if clause.has("mood_of_picture"):
        return music or asks
    if not music:
        return asks and clause.has("target", "video") and not reader.requests
    if reader.found or clause.has("neg"):
        level = any(isinstance(r, SetVolume) and r.level for r in reader.found)
        verb = clause.has("change") or clause.has("keep") or clause.has("same") or clause.has("heavier")
        wanted = level and (
            reader.wanted or not (verb or asks or clause.has("target", "volume") or says_the(clause))
        )
        return wanted or (
            not is_definite(clause)
            and not clause.has("neg")
            and (asks or (level and not verb and not clause.has("target", "volume")))
        )
    if asks:
        return not (is_definite(clause) and (read_span(clause) or clause.has("point")))
    return not any(
        clause.has(kind) for kind in ("span", "share", "point", "change", "start", "stop", "same", "keep")
    )
