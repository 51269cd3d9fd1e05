"""Break the client of the service in many small ways, and see whether its tests notice: ``make mutation``.

Each mutant is one change to one module of `nemovideo`: a comparison turned, an ``and`` for an ``or``, a
``not`` gone, a number off by one, a statement left out, a result lost. It lives in a fork of this process,
whose imports are warm, and is put in the module's place before the tests import it; no file is changed. First
its own unit tests run, then, if none failed, those against a real server.

    python -m tests.mutation                    all five modules, a sample of each
    python -m tests.mutation draft --most 500   one module, every mutant
"""

import argparse
import ast
import contextlib
import copy
import importlib
import importlib.abc
import importlib.util
import io
import os
import random
import signal
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

ROOT = Path(__file__).parents[1]
MODULES = ("stream", "auth", "transport", "draft", "guard")
SERVER_TESTS = {
    "stream": ("test_edits.py",),
    "auth": ("test_accounts.py", "test_every_request.py"),
    "transport": ("test_calls.py", "test_every_request.py", "test_downloads.py", "test_tls.py"),
    "draft": ("test_calls.py",),
    "guard": ("test_downloads.py",),
}
WARM = (
    "pytest",
    "httpx",
    "fakeredis",
    "redis",
    "jobs.ledger",
    "imageio_ffmpeg",
    "hypothesis",
    "cryptography.x509",
)
"""What the tests import besides the client."""

AT_ONCE = 2
WITHIN_S = 120.0
"""A mutant that takes longer runs in circles: it is noticed."""

_TURNED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
}
_SWAPPED: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
}


@dataclass(frozen=True)
class Mutant:
    """One change: of the node with this number in the walk of the tree."""

    module: str
    number: int
    line: int
    what: str


def find_mutants(module: str) -> Iterator[Mutant]:
    """Yield every mutant of a module; annotations, docstrings and log lines are left alone."""
    tree = ast.parse(path_of(module).read_text(encoding="utf-8"))
    skipped = {id(inner) for node in ast.walk(tree) for part in _left_alone(node) for inner in ast.walk(part)}
    for number, node in enumerate(ast.walk(tree)):
        if id(node) in skipped:
            continue
        before = ast.unparse(node) if isinstance(node, ast.expr | ast.stmt) else ""
        changed = _change(copy.deepcopy(node))
        if changed is not None:
            after = ast.unparse(changed)
            what = f"{before.splitlines()[0][:70]}  →  {after.splitlines()[0][:70]}"
            yield Mutant(module, number, node.lineno, what)  # type: ignore[attr-defined] # what is changed has one


def _left_alone(node: ast.AST) -> list[ast.AST]:
    """Return parts that no test should notice: types, docstrings, words for people."""
    parts: list[Any] = [getattr(node, name, None) for name in ("annotation", "returns")]
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        parts.append(node)
    if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
        parts.append(node)
    if isinstance(node, ast.JoinedStr):
        parts.append(node)
    if isinstance(node, ast.ClassDef | ast.FunctionDef):
        parts += node.decorator_list
    return [part for part in parts if part is not None]


def _change(node: ast.AST) -> ast.expr | ast.stmt | None:  # noqa: PLR0911 - one a kind of change
    """Return the node changed, or None for one that is not changed."""
    match node:
        case ast.Compare(ops=[op]) if type(op) in _TURNED:
            node.ops = [_TURNED[type(op)]()]
            return node
        case ast.BoolOp():
            node.op = ast.And() if isinstance(node.op, ast.Or) else ast.Or()
            return node
        case ast.UnaryOp(op=ast.Not()):
            return node.operand
        case ast.BinOp(op=op) if type(op) in _SWAPPED and not isinstance(node.left, ast.Constant):
            node.op = _SWAPPED[type(op)]()
            return node
        case ast.Constant(value=bool() as value):
            return ast.Constant(not value)
        case ast.Constant(value=int() | float() as value):
            return ast.Constant(value + 1)
        case ast.Return(value=ast.expr() as value) if ast.unparse(value) not in {"None", "self"}:
            return ast.Return(ast.Constant(None))
        case ast.Raise() | ast.Expr(value=ast.Call()) | ast.Continue() | ast.Break():
            return ast.Pass()
        case _:
            return None


def path_of(module: str) -> Path:
    """Return the file of a module of the client."""
    return ROOT / "nemovideo" / f"{module}.py"


def compile_mutant(mutant: Mutant) -> CodeType:
    """Compile the module with its one change."""
    tree = ast.parse(path_of(mutant.module).read_text(encoding="utf-8"))
    target = list(ast.walk(tree))[mutant.number]

    class Swap(ast.NodeTransformer):
        def visit(self, node: ast.AST) -> Any:
            if node is not target:
                return self.generic_visit(node)
            changed = _change(node)
            return ast.copy_location(changed, node) if changed is not None else node

    return compile(ast.fix_missing_locations(Swap().visit(tree)), str(path_of(mutant.module)), "exec")


class Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Gives out the mutant where its module is imported."""

    def __init__(self, name: str, code: CodeType) -> None:
        self._name, self._code = name, code

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> Any:
        return importlib.util.spec_from_loader(fullname, self) if fullname == self._name else None

    def exec_module(self, module: ModuleType) -> None:
        exec(self._code, module.__dict__)  # noqa: S102 - our own module, with one change


def is_noticed(mutant: Mutant | None, module: str) -> bool:
    """Run the tests of a module in a fork, with the mutant in its place; True when one fails."""
    child = os.fork()
    if child == 0:
        _run_tests(mutant, module)
    gives_up = time.monotonic() + WITHIN_S
    while True:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return status != 0
        if time.monotonic() > gives_up:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return True
        time.sleep(0.02)


def _run_tests(mutant: Mutant | None, module: str) -> None:
    """Run the tests, and leave with 0 when all pass; never returns."""
    import pytest  # noqa: PLC0415 - loaded by the parent already

    code = 1
    try:
        os.setpgid(0, 0)
        sink = os.open(os.devnull, os.O_WRONLY)
        os.dup2(sink, 1)
        os.dup2(sink, 2)
        if mutant is not None:
            sys.meta_path.insert(0, Finder(f"nemovideo.{module}", compile_mutant(mutant)))
        options = [
            "-x",
            "-q",
            "--no-header",
            "-p",
            "no:cacheprovider",
            "--timeout",
            "30",
            "-W",
            "ignore::pytest.PytestAssertRewriteWarning",
        ]
        with contextlib.redirect_stdout(io.StringIO()):
            code = int(pytest.main([*options, str(ROOT / f"tests/unit/nemovideo/test_{module}.py")]))
            if code == 0:
                for name in [name for name in sys.modules if name.startswith("tests.")]:
                    del sys.modules[name]
                server = [str(ROOT / "tests/integration/nemovideo" / name) for name in SERVER_TESTS[module]]
                code = int(pytest.main([*options, *server]))
    finally:
        os._exit(code)


def try_mutant(mutant: Mutant) -> bool:
    """Try one mutant, and print it when nobody noticed."""
    noticed = is_noticed(mutant, mutant.module)
    if not noticed:
        print(f"  nemovideo/{mutant.module}.py:{mutant.line}  {mutant.what}", flush=True)
    return noticed


def main() -> None:
    """Try the mutants, and print those that nobody noticed."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutation")
    parser.add_argument("modules", nargs="*", default=MODULES, metavar="MODULE")
    parser.add_argument("--most", type=int, default=30, help="mutants of each module [30]")
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    os.chdir(ROOT)
    for name in WARM:
        importlib.import_module(name)
    assert not any(name.startswith("nemovideo") for name in sys.modules)

    total = caught = 0
    for module in chosen.modules:
        if is_noticed(None, module):
            sys.exit(f"{module}: its tests fail as it is")
        mutants = list(find_mutants(module))
        tried = random.Random(chosen.seed).sample(mutants, min(chosen.most, len(mutants)))
        with ThreadPoolExecutor(AT_ONCE) as pool:
            noticed = list(pool.map(try_mutant, tried))
        left = sorted(
            (one for one, seen in zip(tried, noticed, strict=True) if not seen), key=lambda m: m.line
        )
        total, caught = total + len(tried), caught + len(tried) - len(left)
        print(
            f"{module}: {len(tried) - len(left)} of {len(tried)} noticed ({len(mutants)} in all)", flush=True
        )
    print(f"{caught} of {total} noticed: {100 * caught / total:.0f} %")


if __name__ == "__main__":
    main()
