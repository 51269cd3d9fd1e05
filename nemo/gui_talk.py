"""The backend believes a person sits at its GUI: its content is kept, its clicks are not (api-contract 5)."""

import re
from collections.abc import Iterator

from nemo.gui_table import (
    CHINESE,
    CJK,
    CLAUSES,
    CLICKED,
    CONDITION,
    ENGLISH,
    PURPOSE,
    SENTENCE_END,
    SENTENCES,
)
from nemo.phrases_table import Action


def translate(text: str) -> str:
    """Return the agent's words without the talk of clicking, opening, dragging, exporting; may be empty."""
    kept = "".join(_translated(sentence) for sentence in SENTENCES.findall(text))
    return re.sub(r"\n{3,}", "\n\n", re.sub(r"[^\S\n]+\n", "\n", kept)).strip()


def actions(text: str) -> tuple[Action, ...]:
    """Return what the GUI talk in `text` stands for, each action once, in order."""
    clauses = (clause for sentence in SENTENCES.findall(text) for _, clause in _clauses(sentence))
    return tuple(dict.fromkeys(found for clause in clauses if (found := _gui_action(clause)) is not None))


def _translated(sentence: str) -> str:
    """Return a sentence without its GUI clauses, ended as it was; empty if nothing is left."""
    clauses = list(_clauses(sentence))
    keep = _worth_keeping([clause.strip() for _, clause in clauses])
    if all(keep):
        return sentence
    kept = ""
    for wanted, (joint, clause) in zip(keep, clauses, strict=True):
        if wanted:
            kept += (joint if kept else "") + clause
    return _ended(kept, sentence) if _says_something(kept) else ""


def _worth_keeping(clauses: list[str]) -> list[bool]:
    """Tell for each clause whether it is neither GUI talk nor about the GUI talk beside it."""
    gui = [_gui_action(clause) is not None for clause in clauses]
    for place in range(1, len(clauses)):
        gui[place] = gui[place] or (gui[place - 1] and PURPOSE.match(clauses[place]) is not None)
    for place in range(len(clauses) - 1, 0, -1):
        gui[place - 1] = gui[place - 1] or (gui[place] and CONDITION.match(clauses[place - 1]) is not None)
    return [not found for found in gui]


def _says_something(text: str) -> bool:
    return any(character.isalnum() for character in text)


def _ended(kept: str, sentence: str) -> str:
    """Give what is left of a sentence the end that the whole one had, and its capital."""
    end = SENTENCE_END.search(sentence)
    body = SENTENCE_END.sub("", kept).rstrip(" ,;:，；：、")
    if sentence[:1].isupper():
        body = body[:1].upper() + body[1:]
    return body + (end.group() if end else "")


def _clauses(sentence: str) -> Iterator[tuple[str, str]]:
    """Yield the clauses of a sentence, each with what joins it to the one before."""
    start, joint = 0, ""
    for found in CLAUSES.finditer(sentence):
        yield joint, sentence[start : found.start()]
        start, joint = found.end(), found.group()
    yield joint, sentence[start:]


def _gui_action(clause: str) -> Action | None:
    """Return what a clause of GUI talk stands for, or None if it is none."""
    said = clause.strip(" \t\n\"'“”.!。！*_`>-()").replace("’", "'")
    for action, pattern in CHINESE if CJK.search(said) else ENGLISH:
        if pattern.match(said):
            return action or _clicked(said)
    return None


def _clicked(said: str) -> Action:
    return next((action for action, pattern in CLICKED if pattern.search(said)), Action.EDIT)
