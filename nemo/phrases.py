"""What an instruction asks for, before anything is sent (api-contract 5), and what the agent's words are.

A request for an action is made of that action's words alone. One word from elsewhere ("mood", "sound",
"title") and it is an edit: a wrong edit is noticed, a wrong export is a job that did nothing.
"""

import re
from collections.abc import Iterator

from nemo.phrases_table import (
    DELIVERABLE_WORDS,
    DELIVERIES,
    EDIT_WORDS,
    EXPORT_VERBS,
    EXPORT_VERBS_ZH,
    MUSIC_GONE,
    MUSIC_WORDS,
    NO_REQUEST,
    NOISE,
    QUESTION,
    REQUESTS,
    Action,
    Vocabulary,
)

_CJK = r"\u3400-\u9fff"
_TOKEN = re.compile(rf"[{_CJK}]+|[^\W{_CJK}]+(?:['’.-][^\W{_CJK}]+)*")
_CLAUSE_END = re.compile(
    r"[,;.!，；。！、\s]*\b(?:and then|and|then|after that)\s+"
    r"|[,;.!，；。！、]+\s*(?:然后|再|并|最后|接着)?|(?:然后|再|并且|并|最后)"
)
_QUOTED = re.compile(r"\"[^\"]*\"|“[^”]*”|「[^」]*」|《[^》]*》|(?<!\w)'[^']*'(?!\w)")
# "Take my film and export it" has its verb at the end in Chinese.
_HANDED_OVER = re.compile(rf"(?:把|将).*(?:{'|'.join(EXPORT_VERBS_ZH)})(?:一下|出来|给我|吧|了)?$")
_NOISE = re.compile(NOISE, re.IGNORECASE)
_QUESTION = re.compile(QUESTION, re.IGNORECASE)
_MUSIC = re.compile(MUSIC_WORDS, re.IGNORECASE)
_MUSIC_GONE = re.compile(MUSIC_GONE, re.IGNORECASE)


def route(instruction: str) -> Action:
    """Return the action an instruction asks for; EDIT for all that is no clear request for another."""
    words = _words(instruction)
    said = " ".join(words)
    if not words or said in NO_REQUEST:
        return Action.EDIT
    if any(re.fullmatch(pattern, said) for pattern in DELIVERIES) or _leads_with_export(words):
        return Action.EXPORT
    return next((action for action, words_of in REQUESTS.items() if _fits(words, words_of)), Action.EDIT)


def without_export(instruction: str) -> str:
    """Return an edit without the export asked for at its end; that is never sent (api-contract 5).

    "add calm music and export it" becomes "add calm music"; "add music and export a bright mood" stays whole.
    """
    for cut in _CLAUSE_END.finditer(instruction):
        head, tail = instruction[: cut.start()].rstrip(" ,;，；、"), instruction[cut.end() :]
        if head and route(tail) is Action.EXPORT:
            return head
    return instruction


def is_question(text: str) -> bool:
    """Tell whether the agent asks for something in place of doing it."""
    return _QUESTION.search(text.strip()) is not None


def is_temporary_noise(text: str) -> bool:
    """Tell whether this is the "temporary issue" that may follow good replies (api-contract 3.6)."""
    return _NOISE.search(text) is not None


def asks_for_music(instruction: str) -> bool:
    """Tell whether the instruction wants music in the result; a quoted title does not count."""
    wanted = _MUSIC_GONE.sub(" ", _QUOTED.sub(" ", instruction))
    return _MUSIC.search(wanted) is not None


def _words(text: str) -> list[str]:
    return [found.group().lower().replace("’", "'") for found in _TOKEN.finditer(text)]


def _fits(words: list[str], vocabulary: Vocabulary) -> bool:
    """Tell whether the words are all of the vocabulary, and one of them is a core word."""
    known = vocabulary.core | vocabulary.filler
    pieces = [piece for word in words for piece in _pieces(word, known)]
    return all(piece in known for piece in pieces) and any(piece in vocabulary.core for piece in pieces)


def _pieces(word: str, known: frozenset[str]) -> Iterator[str]:
    """Yield a word, or the known words in a run of Chinese, the longest first; what is left is unknown."""
    while word:
        size = len(word)
        if re.match(rf"[{_CJK}]", word):
            size = next((n for n in range(min(len(word), 6), 0, -1) if word[:n] in known), len(word))
        yield word[:size]
        word = word[size:]


def _leads_with_export(words: list[str]) -> bool:
    """Tell whether an order to export a video stands at the head, whatever the video is called."""
    polite = REQUESTS[Action.UPLOAD].filler - DELIVERABLE_WORDS
    rest = words
    while rest and rest[0] in polite:
        rest = rest[1:]
    said = "".join(rest)
    leads = bool(rest) and bool(
        rest[0] in EXPORT_VERBS or said.startswith(EXPORT_VERBS_ZH) or _HANDED_OVER.search("".join(words))
    )
    edits = any(
        word in EDIT_WORDS or any(part in word for part in EDIT_WORDS if not part.isascii()) for word in words
    )
    names_one = any(word in said if not word.isascii() else word in rest for word in DELIVERABLE_WORDS)
    return leads and names_one and not edits
