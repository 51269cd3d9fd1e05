"""Names are the field's words: what `docs/glossary.md` lists, and none of a private dialect."""

import ast
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
PACKAGES = ("cli", "config", "jobs", "nemovideo", "producer", "storage", "studio", "web", "worker")
FILES = sorted(file for package in PACKAGES for file in (REPOSITORY / package).rglob("*.py"))

NOT_FUNCTIONS = frozenset(
    {"said", "told", "anew", "spoken", "joined", "seen_by", "shop", "census", "letter", "letters", "turn"}
    | {"shelf", "fate", "wish", "wishes", "passing", "telling", "lane", "lanes", "keeper"}
)
"""Words that no function, class or module is named by: they had several meanings, or none to a newcomer."""

NOT_EXCEPTIONS = frozenset({"broken", "gone", "away", "wrong", "refused", "missing", "taken"})
"""What a caught error is not called; it is ``exc``."""


def words_of(name: str) -> set[str]:
    """Return the words of an identifier, in snake case or in camel case."""
    spaced = "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in name)
    return {word for part in spaced.split() for word in part.split("_") if word} | {name.strip("_")}


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(REPOSITORY)))
def test_a_module_and_what_it_defines_are_named_in_plain_words(file: Path) -> None:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    defined = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    names = [file.stem, *(node.name for node in ast.walk(tree) if isinstance(node, defined))]
    assert [name for name in names if words_of(name) & NOT_FUNCTIONS] == []


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(REPOSITORY)))
def test_a_caught_error_is_called_exc(file: Path) -> None:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    caught = [node.name for node in ast.walk(tree) if isinstance(node, ast.ExceptHandler) and node.name]
    assert [name for name in caught if name in NOT_EXCEPTIONS] == []
