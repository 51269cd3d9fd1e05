"""The language an instruction is written in, for the session's `language` field (api-contract 2.2).

By its script, else by common words. Instructions are short: where the words do not tell two languages apart
the answer is None, because a wrong language is worse than none. The words are in `language.toml`.
"""

import re
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path

_DATA: Mapping[str, Mapping[str, str]] = tomllib.loads(Path(__file__).with_suffix(".toml").read_text("utf-8"))
_SCRIPTS = {language: re.compile(f"[{signs}]") for language, signs in _DATA["scripts"].items()}
_WORDS = {language: frozenset(words.split()) for language, words in _DATA["words"].items()}
_WORD = re.compile(r"[^\W\d_]+")
_QUOTED = re.compile(r"\"[^\"]*\"|“[^”]*”|「[^」]*」|(?<!\w)'[^']*'(?!\w)")


def detect_language(texts: Iterable[str]) -> str | None:
    """Return the language of texts as `en` or `zh-CN`, or None if it is not clear; titles do not count."""
    text = _QUOTED.sub(" ", "\n".join(texts))
    for language, signs in _SCRIPTS.items():
        if signs.search(text):
            return language
    words = _WORD.findall(text.lower())
    scores = {
        language: sum(min(len(word), 2) for word in words if word in known)  # one letter says less
        for language, known in _WORDS.items()
    }
    best, second = sorted(scores, key=lambda language: -scores[language])[:2]
    return best if scores[best] > max(scores[second], 1) else None
