"""docs/contract.md and docs/security.md name code and tests that exist."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def rows_of(page: str) -> list[list[str]]:
    """The cells of each row of a page's tables, without their heads."""
    lines = (ROOT / "docs" / page).read_text(encoding="utf-8").splitlines()
    heads = ("| Rule", "| Threat", "| Where")
    rows = [line for line in lines if line.startswith("| ") and not line.startswith(heads)]
    return [[cell.strip() for cell in row.strip().strip("|").split("|")] for row in rows]


ROWS, THREATS = rows_of("contract.md"), rows_of("security.md")
RULES = [row for row in ROWS if len(row) == 3]
STATEMENTS = [row for row in ROWS if len(row) == 5]
STATES = ("done", "partly", "not done", "no statement")
# How many lines of each skill document are not blank.
LINES = {"000": 80, "001": 60, "002": 85, "003": 79, "004": 81}


def quoted(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


@cache
def names(path: Path) -> frozenset[str]:
    """All names a module defines, those inside of its classes as ``Class.name``."""
    return frozenset(_defined(ast.parse(path.read_text(encoding="utf-8")), ""))


def _defined(tree: ast.AST, prefix: str) -> list[str]:
    found = []
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.append(prefix + node.name)
            found += _defined(node, f"{prefix}{node.name}.") if isinstance(node, ast.ClassDef) else []
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            found.append(prefix + node.target.id)
        elif isinstance(node, ast.Assign):
            found += [prefix + target.id for target in node.targets if isinstance(target, ast.Name)]
    return found


def exists(dotted: str) -> bool:
    """Whether ``module.name`` or ``module.Class.name`` is there."""
    parts = dotted.split(".")
    for cut in range(len(parts) - 1, 0, -1):
        module = ROOT.joinpath(*parts[:cut])
        for path in (module.with_suffix(".py"), module / "__init__.py"):
            if path.is_file():
                return ".".join(parts[cut:]) in names(path)
    return False


def test_there_is_a_row_for_each_section() -> None:
    assert {row[0][0] for row in RULES} >= set("12345678")
    assert len(RULES) > 90


@pytest.mark.parametrize("rule", [*RULES, *THREATS], ids=lambda row: row[0][:30])
def test_what_a_row_names_is_there(rule: list[str]) -> None:
    code, tests = quoted(rule[1]), quoted(rule[2])
    assert code
    assert tests
    assert [one for one in code if not exists(one)] == []
    for one in tests:
        path, _, name = one.partition("::")
        assert name in names(ROOT / "tests" / path), one


def test_at_least_ten_rules_were_tried_by_breaking_them() -> None:
    tried = [row for row in ROWS if len(row) == 4]
    assert len(tried) >= 10
    for row in tried:
        for one in quoted(row[3]):
            path, _, name = one.partition("::")
            assert name in names(ROOT / "tests" / path), one


@pytest.mark.parametrize("row", STATEMENTS, ids=lambda row: row[1][:40])
def test_a_statement_has_a_state_and_leads_to_rules_or_a_reason(row: list[str]) -> None:
    where, statement, state, how, rules = row
    assert re.fullmatch(r"00[0-4]:\d+( 00[0-4]:\d+)*", where)
    assert statement
    assert state in STATES
    if state in {"done", "partly"}:
        known = {rule[0].split()[0] for rule in RULES}
        assert set(rules.split()) <= known and rules.split()
    if state in {"partly", "not done"}:
        assert len(how) > 20


def test_every_line_of_every_skill_document_has_a_row() -> None:
    places = {place for row in STATEMENTS for place in row[0].split()}
    assert {name: sum(place.startswith(name) for place in places) for name in LINES} == LINES


def test_the_statements_are_counted_as_they_are() -> None:
    counts = [sum(row[2] == state for row in STATEMENTS) for state in STATES]
    line = "**{} statements: {} done, {} partly, {} not done, {} say nothing that could be done.**"
    assert line.format(len(STATEMENTS), *counts) in (ROOT / "docs" / "contract.md").read_text("utf-8")
