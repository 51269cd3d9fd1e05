"""From a text to clauses of tokens: the words that are known, in all languages, and how they are cut."""

from __future__ import annotations

import math
import re
import tomllib
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

_HERE = Path(__file__).parent
_CHINESE = re.compile(r"[\u3400-\u9fff]")
_KANA = re.compile(r"[\u3040-\u30ff]")
_PIECE = re.compile(
    r"(?P<quote>\ue000\d+\ue001)|(?P<clock>\d{1,2}:\d\d(?::\d\d)?(?:\.\d+)?)|(?P<num>\d+(?:[.,]\d+)?)"
    r"|(?P<word>[^\W\d_\u3040-\u9fff]+(?:'[^\W\d_\u3040-\u9fff]+)*)|(?P<sign>\S)"
)
_NUMERALS = re.compile(r"[零〇一二两三四五六七八九十百]+(?=半?(?:个|秒|分|拍|成|%))")
_AFTER_PERCENT = re.compile(r"[零〇一二两三四五六七八九十百]+")
_DIGITS = {sign: value for value, sign in enumerate("零一二三四五六七八九")} | {"〇": 0, "两": 2}
_STOPS = frozenset(",;.!?。、\n")


@dataclass(frozen=True, slots=True)
class Token:
    """A phrase of the instruction: its kind, what it stands for, and where it is in the text."""

    kind: str
    value: str
    start: int
    end: int
    number: float = 0.0
    numbers: tuple[float, ...] = ()


Phrase = tuple[tuple[str, ...], str, str]


def is_chinese(text: str) -> bool:
    """Say whether the text is written with Chinese characters and without Japanese syllables."""
    return bool(_CHINESE.search(text)) and not _KANA.search(text)


def tokens_of(text: str) -> tuple[Token, ...]:
    """Read `text` (as `plain` leaves it) into tokens; each is the longest phrase that is known there."""
    pieces = list(_pieces(text))
    read: list[Token] = []
    at = 0
    while at < len(pieces):
        kind, word, start, end = pieces[at]
        size, found = _find_longest(pieces, at)
        if found is not None and not (kind == "num" and size == 1):
            read.append(_token(*found, start, pieces[at + size - 1][3]))
        elif kind == "num":
            read.append(Token("num", word, start, end, float(word.replace(",", "."))))
        elif kind == "clock":
            seconds = 0.0
            for part in word.split(":"):
                seconds = seconds * 60 + float(part)
            read.append(Token("dur", word, start, end, seconds))
        elif kind == "quote":
            read.append(Token("quote", word[1:-1], start, end))
        elif word in _STOPS:
            read.append(Token("stop_mark", word, start, end))
        elif kind == "word" or _CHINESE.match(word):
            read.append(Token("word", word, start, end))
        at += size
    return tuple(read)


def plain(text: str) -> str:
    """Return `text` in small letters without accents, sign for sign in the same places."""
    return "".join(_plain_sign(sign) for sign in text)


@lru_cache(maxsize=1)
def load_table() -> dict[str, dict[str, str]]:
    """Read the table of words, once."""
    loaded: dict[str, dict[str, str]] = tomllib.loads((_HERE / "lexicon.toml").read_text("utf-8"))
    return loaded


@lru_cache(maxsize=1)
def load_rules() -> list[dict[str, Any]]:
    """Read the rules of the grammar, once."""
    rules: list[dict[str, Any]] = tomllib.loads((_HERE / "grammar.toml").read_text("utf-8"))["rule"]
    return rules


@lru_cache(maxsize=1)
def _index() -> dict[str, list[Phrase]]:
    """Return the phrases by their first piece, longer ones first; of two alike the first one counts."""
    index: dict[str, list[Phrase]] = {}
    seen: set[tuple[str, ...]] = set()
    for kind, values in load_table().items():
        if kind.startswith("style_"):
            continue
        for value, phrases in values.items():
            for phrase in phrases.replace("\n", " ").split(";"):
                words = tuple(piece[1] for piece in _pieces(plain(phrase.strip())))
                if words and words not in seen:
                    seen.add(words)
                    index.setdefault(words[0], []).append((words, kind, value))
    for listed in index.values():
        listed.sort(key=lambda phrase: -len(phrase[0]))
    return index


def _find_longest(pieces: list[tuple[str, str, int, int]], at: int) -> tuple[int, tuple[str, str] | None]:
    for words, kind, value in _index().get(pieces[at][1], ()):
        if words == tuple(piece[1] for piece in pieces[at : at + len(words)]):
            return len(words), (kind, value)
    return 1, None


def _pieces(text: str) -> Iterator[tuple[str, str, int, int]]:
    """Yield words, numbers and signs with their places; hyphens are as good as spaces."""
    at = 0
    while at < len(text):
        numerals = _NUMERALS.match(text, at) or (
            _AFTER_PERCENT.match(text, at) if text[max(0, at - 3) : at] == "百分之" else None
        )
        if numerals:
            signs = numerals[0]
            total = digit = 0
            for sign in signs:
                if sign in "十百":
                    total += (digit or 1) * (10 if sign == "十" else 100)
                    digit = 0
                else:
                    digit = _DIGITS[sign]
            chinese_number = total + digit
            yield "num", str(chinese_number), at, numerals.end()
            at = numerals.end()
            continue
        found = _PIECE.match(text, at)
        if found is None or found[0] in "-_()[]":
            at += 1
            continue
        kind = str(found.lastgroup)
        if kind == "clock" and found[0] in {"9:16", "16:10"}:
            found, kind = re.compile(r"\d+").match(text, at) or found, "num"
        yield kind, found[0], at, found.end()
        at = found.end()


def _token(kind: str, value: str, start: int, end: int) -> Token:
    if kind in {"number", "dur", "fraction"}:
        return Token("num" if kind == "number" else kind, value, start, end, float(value))
    if kind in {"share", "aspect"}:
        return Token(kind, value, start, end, numbers=tuple(float(part) for part in value.split()))
    return Token(kind, value, start, end)


@lru_cache(maxsize=4096)
def _plain_sign(sign: str) -> str:
    """Return a sign in small letters, without accents and of usual width; always one sign."""
    if "\u3040" <= sign <= "\u30ff":
        return sign
    bare = "".join(
        part for part in unicodedata.normalize("NFKD", sign.lower()) if not unicodedata.combining(part)
    )
    known = {
        "’": "'",
        "‘": "'",
        "，": ",",
        "；": ";",
        "！": "!",
        "？": "?",
        "：": ":",
        "×": "x",
        "–": "-",
        "—": ",",
        "ß": "s",
    }
    return known.get(sign) or (bare if len(bare) == 1 else sign)


_QUOTED = re.compile(r"[\"“”„«「『《]\s*(.+?)\s*[\"“”»」』》]|(?<!\w)['‘](.+?)['’](?!\w)", re.DOTALL)
_ENDS = r"[,;.!?。！？；，、\n]"
_LABEL = (
    r"(?:titles?|texts?|captions?|headings?|headlines?|subtitles?|lower thirds?|overlay|words|titulo|titre"
    r"|titel|untertitel|legenda)"
)
_SAYS = (
    r"(?:(?:that |which )?(?:says?|saying|reads?|reading|called|named)\b"
    r"|que diga|qui dit|mit dem text|dizendo)"
)
_TAIL = (
    r"(?=\s+(?:for|at the|in the|on the|on top|throughout|during|over the|from|until|after|and|with|then"
    rf"|durante|al|pendant|au|am|für)\b|\s*{_ENDS}(?!\d)|\s*$)"
)
# What a text is to say when it has no quotes: after a colon or "that says", or capitals after "title".
_UNQUOTED = (
    re.compile(rf"\b{_LABEL}\b[^:,;.!?\n]{{0,40}}:\s*(.+?)(?=\s*[;.!?\n](?!\d)|,|\s*$)", re.IGNORECASE),
    re.compile(rf"\b{_LABEL}\b[^,;.!?\n]{{0,30}}?\b{_SAYS}\s*:?\s*(.+?){_TAIL}", re.IGNORECASE),
    re.compile(
        r"(?i:\b(?:title|text|caption|heading|words)) ((?:[A-Z0-9][\w'’&-]*)(?:\s+(?:[A-Z0-9&][\w'’&-]*))*)"
    ),
    re.compile(
        r"(?:标题|字幕|文字|片名)[^，。；,;]{0,6}?(?:写着?|叫做?|内容[是为]|[是为：:])\s*"
        rf"(.+?)(?=\s*{_ENDS}|\s*$)"
    ),
)


@dataclass(frozen=True, slots=True)
class Clause:
    """A part of an instruction: what leads to it ("", "and", "but", "then", "with"), its tokens, its text."""

    lead: str
    tokens: tuple[Token, ...]
    text: str

    def all(self, kind: str, *values: str) -> tuple[Token, ...]:
        """Return the tokens of a kind, and of these values when there are any."""
        return tuple(t for t in self.tokens if t.kind == kind and (not values or t.value in values))

    def first(self, kind: str, *values: str) -> Token | None:
        """Return the first such token, or None."""
        return next(iter(self.all(kind, *values)), None)

    def has(self, kind: str, *values: str) -> bool:
        """Say whether there is such a token."""
        return self.first(kind, *values) is not None

    def has_any(self, *kinds: str) -> bool:
        """Say whether there is a token of one of these kinds."""
        return any(token.kind in kinds for token in self.tokens)


def parse(text: str) -> tuple[Clause, ...]:
    """Read an instruction into its clauses."""
    marked, quotes = _mark_quotes(text)
    tokens = [token for token in tokens_of(plain(marked)) if token.kind != "filler"]
    for rule in _rules():
        tokens = rule.apply(tokens)
    clauses: list[Clause] = []
    part: list[Token] = []
    lead = ""
    for token in [*tokens, Token("stop_mark", "stop", len(marked), len(marked))]:
        without = token.kind == "neg" and (
            plain(marked[token.start : token.end]) in {"without", "sans", "ohne", "sin", "sem"}
        )
        if token.kind not in {"stop_mark", "and"} and not (without and part):
            part.append(token)
            continue
        if part:
            raw = marked[part[0].start : part[-1].end]
            text_of = _QUOTE_MARK.sub(lambda found: quotes[int(found[1])], raw)
            clauses.append(
                Clause(
                    lead,
                    tuple(
                        (Token("quote", quotes[int(t.value)], t.start, t.end) if t.kind == "quote" else t)
                        for t in part
                    ),
                    text_of,
                )
            )
            lead = ""
        part = [token] if without else []
        lead = "with" if without else token.value if token.kind == "and" else lead or "stop"
    return tuple(clauses)


_QUOTE_MARK = re.compile("\ue000(\\d+)\ue001")


def _mark_quotes(text: str) -> tuple[str, list[str]]:
    """Put marks in place of quoted words, so that they are not taken for instructions."""
    quotes: list[str] = []

    def mark(found: re.Match[str]) -> str:
        if "\ue000" in found[0]:
            return found[0]
        group = next(n for n in range(1, len(found.groups()) + 1) if found[n])
        quotes.append(found[group].strip())
        before = (
            found[0][: found.start(group) - found.start()] if group == 1 and found.re is not _QUOTED else ""
        )
        return f"{before} \ue000{len(quotes) - 1}\ue001 "

    marked = _QUOTED.sub(mark, text)
    for pattern in _UNQUOTED:
        marked = pattern.sub(mark, marked)
    return marked, quotes


@dataclass(frozen=True, slots=True)
class _Part:
    """One place in a rule: the tokens that may stand there, and whether it may be empty."""

    options: frozenset[tuple[str, str]]
    optional: bool

    def fits(self, token: Token) -> bool:
        return (token.kind, "") in self.options or (token.kind, token.value) in self.options


@dataclass(frozen=True, slots=True)
class _Rule:
    make: str
    parts: tuple[_Part, ...]
    do: Callable[[list[float]], tuple[float, ...]]

    def apply(self, tokens: list[Token]) -> list[Token]:
        """Return the tokens with everything that matches put together."""
        done: list[Token] = []
        at = 0
        while at < len(tokens):
            size = self._match(tokens, at)
            if size == 0:
                done.append(tokens[at])
                at += 1
                continue
            matched = tokens[at : at + size]
            numbers = [t.number for t in matched if t.kind in _NUMBERS]
            if matched[-1].kind != "edge" and any((t.kind, t.value) == ("edge", "start") for t in matched):
                numbers.insert(0, 0.0)
            values = self.do(numbers)
            number = values[0] if values else 0.0
            done.append(Token(self.make, self.make, matched[0].start, matched[-1].end, number, values))
            at += size
        return done

    def _match(self, tokens: list[Token], at: int) -> int:
        """Return how many tokens from `at` match, 0 if they do not."""
        begun = at
        for part in self.parts:
            if at < len(tokens) and part.fits(tokens[at]):
                at += 1
            elif not part.optional:
                return 0
        return at - begun


_NUMBERS = frozenset({"num", "dur", "fraction", "length"})
_ACTIONS: dict[str, Callable[[list[float]], tuple[float, ...]]] = {
    "number": lambda n: (n[-1],),
    "tens": lambda n: (sum(n),),
    "percent": lambda n: (n[-1] / 100,),
    "loose_percent": lambda n: (n[-1] if n[-1] <= 1 else n[-1] / 100,),
    "tenths": lambda n: (n[-1] / 10,),
    "until_end": lambda n: (0.0, -n[-1]),
    "thousandths": lambda n: (n[-1] / 1000,),
    "minutes": lambda n: (n[0] * 60 + sum(n[1:]),),
    "between": lambda n: (n[0], n[-1]) if len(n) > 1 else (0.0, n[0]),
    "head": lambda n: (0.0, n[-1]),
    "tail": lambda n: (-n[-1], math.inf),
    "after": lambda n: (n[-1], math.inf),
    "until": lambda n: (0.0, n[-1]),
    "head_share": lambda n: (0.0, n[-1]),
    "tail_share": lambda n: (1.0 - n[-1], 1.0),
    "from_share": lambda n: (n[-1], 1.0),
}


@lru_cache(maxsize=1)
def _rules() -> tuple[_Rule, ...]:
    rules = []
    for rule in load_rules():
        parts = []
        for word in rule["of"].split():
            pairs = (option.partition("=") for option in word.rstrip("?").split("|"))
            parts.append(_Part(frozenset((kind, value) for kind, _, value in pairs), word.endswith("?")))
        rules.append(_Rule(rule["make"], tuple(parts), _ACTIONS[rule["do"]]))
    return tuple(rules)


def values_of(kind: str) -> dict[str, str]:
    """Return the words of a kind as the table has them."""
    return load_table().get(kind, {})
