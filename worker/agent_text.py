"""What an instruction asks for, and what the agent's words are worth to a person (api-contract 5).

An instruction is routed before anything is sent. A request for an action is made of that action's words
alone: one word from elsewhere ("mood", "sound", "title") and it is an edit. A wrong edit is noticed, a wrong
export is a job that did nothing. The agent in turn believes that a person sits at its GUI: its content is
kept, its clicks are not. The words themselves are in `agent_text.toml`.
"""

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

_CJK = r"\u3400-\u9fff"
_DATA: Mapping[str, Any] = tomllib.loads(Path(__file__).with_suffix(".toml").read_text("utf-8"))


class Action(StrEnum):
    """What an instruction asks for, or what the backend's GUI talk stands for."""

    EDIT = "edit"
    EXPORT = "export"
    CREDITS = "credits"
    STATUS = "status"
    UPLOAD = "upload"


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """A request for an action holds a core word and nothing that is in neither set."""

    core: frozenset[str]
    filler: frozenset[str]


def _words_of(text: str) -> frozenset[str]:
    return frozenset(text.split())


def _compile(pattern: str) -> re.Pattern[str]:
    for name, piece in _DATA["pieces"].items():
        pattern = pattern.replace(f"{{{name}}}", piece)
    return re.compile(pattern, re.IGNORECASE)


_WORDS, _PATTERNS, _TEXT = _DATA["words"], _DATA["patterns"], _DATA["text"]
_REQUESTS: Mapping[Action, Vocabulary] = {
    Action(name): Vocabulary(
        _words_of(entry["core"]),
        frozenset().union(
            _words_of(entry["extra"]), *(_words_of(_WORDS[group]) for group in entry["filler"])
        ),
    )
    for name, entry in _DATA["requests"].items()
}
_POLITE, _DELIVERABLE = _words_of(_WORDS["polite"]), _words_of(_WORDS["deliverable"])
_EDIT_WORDS = _words_of(_WORDS["edit"])
_EXPORT_VERBS, _EXPORT_VERBS_ZH = _words_of(_WORDS["export_verbs"]), tuple(_WORDS["export_verbs_zh"].split())
_NO_REQUEST = frozenset(_WORDS["no_request"])
_DELIVERIES = tuple(map(_compile, _PATTERNS["deliveries"]))
_QUALIFIER, _MUSIC, _MUSIC_GONE, _QUESTION = (
    _compile(_PATTERNS[name]) for name in ("qualifier", "music", "music_gone", "question")
)
_SENTENCE, _CLAUSE_END, _CONDITION, _PURPOSE, _LIST_MARKER = (
    _compile(_TEXT[name]) for name in ("sentence", "clause_end", "condition", "purpose", "list_marker")
)

_TOKEN = re.compile(rf"[{_CJK}]+|[^\W{_CJK}]+(?:['’.-][^\W{_CJK}]+)*")
_EXPORT_JOINT = re.compile(
    r"[,;.!，；。！、\s]*\b(?:and then|and|then|after that)\s+"
    r"|[,;.!，；。！、]+\s*(?:然后|再|并|最后|接着)?|(?:然后|再|并且|并|最后)"
)
_QUOTED = re.compile(r"\"[^\"]*\"|“[^”]*”|「[^」]*」|《[^》]*》|(?<!\w)'[^']*'(?!\w)")
# "Take my film and export it" has its verb at the end in Chinese.
_HANDED_OVER = re.compile(rf"(?:把|将).*(?:{'|'.join(_EXPORT_VERBS_ZH)})(?:一下|出来|给我|吧|了)?$")
# A closing bracket belongs to what it closes, a closing quotation mark to the full stop in it.
_SENTENCE_END = re.compile(r"(?:[.!?。！？]+[\"'”’)]*)?\s*$")


# --- what an instruction asks for -----------------------------------------------------------------


def route(instruction: str) -> Action:
    """Return the action an instruction asks for; EDIT for all that is no clear request for another."""
    words = [found.group().lower().replace("’", "'") for found in _TOKEN.finditer(instruction)]
    text = " ".join(words)
    if not words or text in _NO_REQUEST:
        return Action.EDIT
    if any(pattern.fullmatch(text) for pattern in _DELIVERIES) or _leads_with_export(words):
        return Action.EXPORT
    return next((action for action, vocabulary in _REQUESTS.items() if _fits(words, vocabulary)), Action.EDIT)


def without_export(instruction: str) -> str:
    """Return an edit without the export asked for at its end; that is never sent (api-contract 5).

    "add calm music and export it" becomes "add calm music"; "add music and export a bright mood" stays whole.
    """
    for cut in _EXPORT_JOINT.finditer(instruction):
        head, tail = instruction[: cut.start()].rstrip(" ,;，；、"), instruction[cut.end() :]
        if head and route(tail) is Action.EXPORT:
            return head
    return instruction


def asks_for_music(instruction: str) -> bool:
    """Tell whether the instruction wants music in the result; a quoted title does not count."""
    wanted = _MUSIC_GONE.sub(" ", _QUOTED.sub(" ", instruction))
    return _MUSIC.search(wanted) is not None


def ask_for_video(words: str) -> str:
    """Return the instruction that makes a video of these words; with music, unless they speak of music."""
    text = " ".join(words.split())
    speaks_of_music = asks_for_music(text) or _MUSIC_GONE.search(text) is not None
    return f"create a video{'' if speaks_of_music else ' with background music'}: {text}"


def _fits(words: list[str], vocabulary: Vocabulary) -> bool:
    """Tell whether the words are all of the vocabulary, and one of them is a core word.

    A size or a rate ("60fps", "1080x1920") goes with any request for an export.
    """
    known = vocabulary.core | vocabulary.filler
    exports = vocabulary is _REQUESTS[Action.EXPORT]
    pieces = [piece for word in words for piece in _split(word, known)]
    return any(piece in vocabulary.core for piece in pieces) and all(
        piece in known or (exports and _QUALIFIER.fullmatch(piece)) for piece in pieces
    )


def _split(word: str, known: frozenset[str]) -> Iterator[str]:
    """Yield a word, or the known words in a run of Chinese, the longest first; what is left is unknown."""
    while word:
        size = len(word)
        if re.match(rf"[{_CJK}]", word):
            size = next((n for n in range(min(len(word), 6), 0, -1) if word[:n] in known), len(word))
        yield word[:size]
        word = word[size:]


def _leads_with_export(words: list[str]) -> bool:
    """Tell whether an order to export a video stands at the head, whatever the video is called."""
    polite = _REQUESTS[Action.UPLOAD].filler - _DELIVERABLE
    rest = words
    while rest and rest[0] in polite:
        rest = rest[1:]
    text = "".join(rest)
    leads = bool(rest) and bool(
        rest[0] in _EXPORT_VERBS or text.startswith(_EXPORT_VERBS_ZH) or _HANDED_OVER.search("".join(words))
    )
    edits = any(
        word in _EDIT_WORDS or any(part in word for part in _EDIT_WORDS if not part.isascii())
        for word in words
    )
    names_one = any(word in text if not word.isascii() else word in rest for word in _DELIVERABLE)
    return leads and names_one and not edits


_TOOLS = {words: re.compile(pattern, re.IGNORECASE) for words, pattern in _DATA["tools"].items()}


def describe_tool(name: str) -> str:
    """Return in plain words what the agent does with a tool; empty for one that says nothing."""
    return next((words for words, pattern in _TOOLS.items() if pattern.search(name)), "")


# --- what the agent's words are worth -------------------------------------------------------------


def is_question(text: str) -> bool:
    """Tell whether the agent asks for something in place of doing it."""
    return _QUESTION.search(text.strip()) is not None


def translate(text: str) -> str:
    """Return the agent's words without the talk of clicking, opening, dragging, exporting; may be empty.

    A step of a list goes with its number, and a line that introduced nothing but such steps goes too.
    """
    lines: list[str] = []
    heading: int | None = None  # the line that a list belongs to, as long as none of its steps was kept
    dropped = False
    for line in [*text.split("\n"), None]:
        marker = _LIST_MARKER.match(line) if line is not None else None
        if line is None or (line.strip() and not marker):
            if heading is not None and dropped:
                lines[heading] = "".join(_SENTENCE.findall(lines[heading])[:-1])
            heading, dropped = None, False
        if line is None:
            break
        start = marker.group() if marker else ""
        body = line[len(start) :]
        kept = "".join(map(_translate_sentence, _SENTENCE.findall(body)))
        if marker and body.strip():
            if not kept.strip():
                dropped = True
                continue
            heading = None
        lines.append(start + kept)
        if not marker and kept.rstrip().endswith((":", "：")):
            heading = len(lines) - 1
    return re.sub(r"\n{3,}", "\n\n", re.sub(r"[^\S\n]+\n", "\n", "\n".join(lines))).strip()


def _translate_sentence(sentence: str) -> str:
    """Return a sentence without its GUI clauses, ended as it was; empty if nothing is left."""
    clauses = list(_split_clauses(sentence))
    keep = _choose_clauses([clause.strip() for _, clause in clauses])
    if all(keep):
        return sentence
    kept = ""
    for wanted, (joint, clause) in zip(keep, clauses, strict=True):
        if wanted:
            kept += (joint if kept else "") + clause
    if not any(character.isalnum() for character in kept):
        return ""
    end = _SENTENCE_END.search(sentence)
    body = _SENTENCE_END.sub("", kept).rstrip(" ,;:，；：、")
    if sentence[:1].isupper():
        body = body[:1].upper() + body[1:]
    return body + (end.group() if end else "")


def _choose_clauses(clauses: list[str]) -> list[bool]:
    """Tell for each clause whether it is neither GUI talk nor about the GUI talk beside it."""
    gui = [_is_gui_talk(clause) for clause in clauses]
    for place in range(1, len(clauses)):
        gui[place] = gui[place] or (gui[place - 1] and _PURPOSE.match(clauses[place]) is not None)
    for place in range(len(clauses) - 1, 0, -1):
        gui[place - 1] = gui[place - 1] or (gui[place] and _CONDITION.match(clauses[place - 1]) is not None)
    return [not found for found in gui]


def _split_clauses(sentence: str) -> Iterator[tuple[str, str]]:
    """Yield the clauses of a sentence, each with what joins it to the one before."""
    start, joint = 0, ""
    for found in _CLAUSE_END.finditer(sentence):
        yield joint, sentence[start : found.start()]
        start, joint = found.end(), found.group()
    yield joint, sentence[start:]


_GUI = {language: tuple(map(_compile, patterns)) for language, patterns in _DATA["gui"].items()}


def _is_gui_talk(clause: str) -> bool:
    text = re.sub(r"[*`]", "", clause.strip(" \t\n\"'“”.!。！*_`>-()").replace("’", "'"))
    language = "chinese" if re.search(rf"[{_CJK}]", text) else "english"
    return any(pattern.match(text) for pattern in _GUI[language])
