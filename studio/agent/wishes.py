"""From words to a wish: what an instruction asks for, as a value (English and Chinese)."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from studio.agent import words

DEFAULT_FADE_S = 3.0
DEFAULT_TITLE_S = 3.0

_NUMBER = r"(\d+(?:\.\d+)?)"
_SECOND_WORD = r"(?:-?\s*(?:seconds?|secs?|s(?![a-z])|秒钟?))"
_SECONDS = re.compile(_NUMBER + r"\s*" + _SECOND_WORD, re.IGNORECASE)
_FIRST = re.compile(rf"(?:first|opening|initial|前面?|开头)\s*{_NUMBER}\s*{_SECOND_WORD}", re.IGNORECASE)
_LAST = re.compile(rf"(?:last|final|closing|最后|末尾|结尾)\s*{_NUMBER}\s*{_SECOND_WORD}", re.IGNORECASE)
_START = re.compile(
    rf"(?:start|begin|come|enter)\w*\s(?:[a-z]+ ){{0,3}}(?:at|after|from)\s*{_NUMBER}\s*{_SECOND_WORD}"
    rf"|从第?\s*{_NUMBER}\s*秒钟?(?:开始|起)",
    re.IGNORECASE,
)
_BETWEEN = re.compile(
    rf"(?:from|between)\s*{_NUMBER}\s*{_SECOND_WORD}?\s*(?:to|until|till|and|-|–)\s*{_NUMBER}\s*{_SECOND_WORD}"
    rf"|从?第?{_NUMBER}\s*秒?\s*[到至]\s*第?{_NUMBER}\s*秒",
    re.IGNORECASE,
)
_PERCENT = re.compile(_NUMBER + r"\s*(?:%|％|percent|per cent)|百分之\s*" + _NUMBER, re.IGNORECASE)
_BPM = re.compile(
    r"(\d{2,3})\s*(?:bpm|拍)|bpm\s*(?:of|=|:)?\s*(\d{2,3})|tempo\s*(?:of|=|:|to)\s*(\d{2,3})", re.IGNORECASE
)
_QUOTED = re.compile(r"[\"“”„「『《](.+?)[\"“”」』》]|(?<!\w)['‘](.+?)['’](?!\w)", re.DOTALL)
_SAYS = re.compile(
    r"(?:title|text|caption|heading)s?\s*"
    r"(?:(?:that |which )?(?:says?|saying|reads?|reading|called)|[:：])\s*(.+)"
    r"|(?:title|text|caption|heading)\s+((?-i:[A-Z0-9][\w'’&-]*)(?:\s+(?-i:[A-Z0-9&][\w'’&-]*))*)",
    re.IGNORECASE,
)
_AFTER_TITLE = re.compile(
    r"\s+(?:for \d.*|at the (?:start|end|beginning).*|in the .*|on .*)?$", re.IGNORECASE
)
_CLAUSE = re.compile(
    r"[,;.!?，；。！？、]+(?!\d)|\b(?:and(?!\s+(?:out|\d))|then|but|while)\b|然后|并且|并|同时|而且",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Span:
    """A part of the timeline, in s from its start, or from its end where negative; None is the very end."""

    start_s: float = 0.0
    end_s: float | None = None

    def within(self, length_ms: int) -> tuple[int, int]:
        """Return start and end in ms on a timeline of that length."""
        start_ms = round(self.start_s * 1000) + (length_ms if self.start_s < 0 else 0)
        end_ms = length_ms if self.end_s is None else min(length_ms, round(self.end_s * 1000))
        return max(0, start_ms), end_ms


@dataclass(frozen=True, slots=True)
class Wish:
    """What an instruction asks for; None and False mean that it says nothing about it. Times are seconds."""

    music: bool = False
    another: bool = False
    remove_music: bool = False
    mood: str | None = None
    genre: str | None = None
    bpm: int | None = None
    tempo: float | None = None
    volume: float | None = None
    louder: float | None = None
    fade_in_s: float | None = None
    fade_out_s: float | None = None
    duck: bool | None = None
    without: tuple[str, ...] = ()
    span: Span | None = None
    original: float | None = None
    title: str | None = None
    title_s: float | None = None
    title_last: bool = False
    remove_title: bool = False
    aspect: tuple[int, int] | None = None
    fit: str | None = None
    keep_s: float | None = None
    skip_s: float | None = None
    keep_last_s: float | None = None
    drop_last_s: float | None = None
    lost: tuple[str, ...] = ()

    @property
    def empty(self) -> bool:
        """Whether nothing was understood."""
        return replace(self, lost=()) == Wish()


def read(text: str) -> Wish:
    """Understand an instruction as far as the tables go."""
    bare, title = _lift_quotes(text)
    wish = _read_title(bare, Wish(), title)
    lost: list[str] = []
    for clause in _clauses(bare):
        if words.ORDER.match(clause) and not words.TITLE.search(clause) and _understood(clause, Wish()).empty:
            lost.append(clause)
        wish = _understood(clause, wish)
    wish = _settle(bare, wish)
    return replace(wish, lost=tuple(lost))


def _understood(clause: str, wish: Wish) -> Wish:
    for reader in _READERS:
        wish = reader(clause, wish)
    return wish


def _lift_quotes(text: str) -> tuple[str, str | None]:
    """Take what stands in quotes out of the text, so that its words are not taken for instructions."""
    found = _QUOTED.search(text)
    quoted = next((group for group in found.groups() if group), None) if found else None
    return _QUOTED.sub(" ", text), quoted.strip() if quoted else None


def _clauses(text: str) -> list[str]:
    return [part.strip() for part in _CLAUSE.split(text) if part and part.strip()]


def _read_title(text: str, wish: Wish, quoted: str | None) -> Wish:
    clause = next((part for part in _clauses(text) if words.TITLE.search(part)), None)
    if clause is None:
        return wish
    if words.REMOVE.search(clause):
        return replace(wish, remove_title=True)
    title = quoted or _unquoted_title(clause)
    if title is None:
        return wish
    last = bool(words.AT_END.search(clause))
    return replace(wish, title=title, title_s=_seconds(clause) or DEFAULT_TITLE_S, title_last=last)


def _unquoted_title(clause: str) -> str | None:
    """Answer what a title is said to say, or the capitalised words that follow the word title."""
    found = _SAYS.search(clause)
    return _AFTER_TITLE.sub("", next(group for group in found.groups() if group)) if found else None


def _read_removal(clause: str, wish: Wish) -> Wish:
    aims = words.MUSIC.search(clause) and words.REMOVE.search(clause)
    spared = words.meaning_of(words.INSTRUMENTS, clause) or words.ORIGINAL.search(clause)
    return replace(wish, remove_music=True) if aims and not spared else wish


def _read_another(clause: str, wish: Wish) -> Wish:
    return replace(wish, another=True, music=True) if words.ANOTHER.search(clause) else wish


def _read_music(clause: str, wish: Wish) -> Wish:
    clause = words.ORIGINAL.sub(" ", clause)
    if not words.MUSIC.search(clause) or words.REMOVE.search(clause) or words.NEGATION.search(clause):
        return wish
    new = words.REQUEST_OF_NEW.search(clause) and not words.THE_MUSIC.search(clause)
    return replace(wish, music=True) if new or words.REQUEST.search(clause) else wish


def _read_mood(clause: str, wish: Wish) -> Wish:
    genre = words.meaning_of(words.GENRES, clause)
    mood = words.meaning_of(words.MOODS, clause)
    if genre and not wish.genre:
        wish = replace(wish, genre=genre[0], mood=wish.mood or mood or genre[1])
    return replace(wish, mood=wish.mood or mood)


def _read_tempo(clause: str, wish: Wish) -> Wish:
    found = _BPM.search(clause)
    if found:
        return replace(wish, bpm=int(next(group for group in found.groups() if group)))
    tempo = words.meaning_of(words.TEMPO, clause) or words.meaning_of(words.TEMPO_NEW, clause)
    return replace(wish, tempo=tempo) if tempo else wish


def _read_volume(clause: str, wish: Wish) -> Wish:
    if words.ORIGINAL.search(clause):
        return wish
    percent = 0.0 if words.MUTED_MUSIC.search(clause) else _percent(clause)
    if percent is not None:
        return replace(wish, volume=percent)
    louder = words.meaning_of(words.LOUDER, clause)
    if louder:
        return replace(wish, louder=louder)
    loudness = words.meaning_of(words.LOUDNESS, clause)
    return replace(wish, volume=loudness) if loudness else wish


def _read_fades(clause: str, wish: Wish) -> Wish:
    if words.NO_FADE.search(clause):
        return replace(wish, fade_in_s=0.0, fade_out_s=0.0)
    length_s = _seconds(clause) or DEFAULT_FADE_S
    both = words.FADE_BOTH.search(clause)
    if both or words.FADE_IN.search(clause):
        wish = replace(wish, fade_in_s=length_s)
    if both or words.FADE_OUT.search(clause):
        wish = replace(wish, fade_out_s=length_s)
    return wish


def _read_original(clause: str, wish: Wish) -> Wish:
    if words.NO_DUCK.search(clause):
        return replace(wish, duck=False)
    if not words.ORIGINAL.search(clause):
        return replace(wish, original=0.0) if _mutes_all(clause) else wish
    percent = _percent(clause)
    if percent is not None:
        return replace(wish, original=percent)
    if words.KEEP.search(clause):
        return replace(wish, duck=True)
    if words.MUTE.search(clause):
        return replace(wish, original=0.0)
    louder = words.meaning_of(words.LOUDER, clause)
    return replace(wish, original=min(1.0, 0.7 * louder)) if louder else wish


def _mutes_all(clause: str) -> bool:
    return bool(words.MUTED.search(clause)) and not words.MUTED_MUSIC.search(clause)


def _read_without(clause: str, wish: Wish) -> Wish:
    if not words.WITHOUT.search(clause):
        return wish
    return replace(wish, without=wish.without + words.meanings_of(words.INSTRUMENTS, clause))


def _read_aspect(clause: str, wish: Wish) -> Wish:
    aspect = words.meaning_of(words.ASPECT, clause)
    fit = words.meaning_of(words.FIT, clause)
    return replace(wish, aspect=wish.aspect or aspect, fit=wish.fit or fit)


def _read_length(clause: str, wish: Wish) -> Wish:
    first_s, last_s = _found_s(_FIRST, clause), _found_s(_LAST, clause)
    if words.CUT.search(clause) and (first_s or last_s) and not words.TRIM.search(clause):
        return replace(wish, skip_s=first_s, drop_last_s=last_s)
    if words.TRIM.search(clause):
        return replace(wish, keep_s=first_s or (None if last_s else _seconds(clause)), keep_last_s=last_s)
    return wish


def _read_span(clause: str, wish: Wish) -> Wish:
    """Read where the music plays; a length that belongs to a fade, a title or a cut is none of it."""
    if any(other.search(clause) for other in (words.FADES, words.TITLE, words.CUT, words.TRIM)):
        return wish
    between = _BETWEEN.search(clause)
    if between:
        from_s, to_s = (float(group) for group in between.groups() if group)
        return replace(wish, span=Span(from_s, to_s))
    first_s, last_s, start_s = (_found_s(part, clause) for part in (_FIRST, _LAST, _START))
    if first_s:
        return replace(wish, span=Span(0.0, first_s))
    if last_s:
        return replace(wish, span=Span(-last_s))
    return replace(wish, span=Span(start_s)) if start_s else wish


def _found_s(part: re.Pattern[str], clause: str) -> float | None:
    found = part.search(clause)
    return float(next(group for group in found.groups() if group)) if found else None


_READERS: tuple[Callable[[str, Wish], Wish], ...] = (
    _read_removal,
    _read_another,
    _read_music,
    _read_mood,
    _read_tempo,
    _read_volume,
    _read_fades,
    _read_original,
    _read_without,
    _read_aspect,
    _read_length,
    _read_span,
)


def _settle(text: str, wish: Wish) -> Wish:
    """Conclude from the whole instruction: a mood, a genre or the word alone asks for music."""
    if wish.empty and words.MUSIC.search(text) and not words.NEGATION.search(text):
        return replace(wish, music=True)
    if wish.genre or (wish.mood and not wish.title):
        wish = replace(wish, music=True)
    if wish.remove_music:
        wish = replace(wish, music=wish.another)
    if wish.music and wish.louder and not wish.another and wish.volume is None:
        wish = replace(wish, volume=0.35 * wish.louder, louder=None)
    return wish


def _seconds(text: str) -> float | None:
    found = _SECONDS.search(text)
    return float(found[1]) if found else None


def _percent(text: str) -> float | None:
    found = _PERCENT.search(text)
    return min(100.0, float(found[1] or found[2])) / 100 if found else None
