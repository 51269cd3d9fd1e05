"""How the code reads, in figures: ours beside models of the field. ``python -m bench.house [--models]``.

A private helper is called once when its name stands exactly once outside its own definition, in its module
(or, for a method, in its class). ``--models`` installs the models into a temporary folder first.
"""

import argparse
import ast
import re
import statistics
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

PACKAGES = ("cli", "config", "jobs", "nemovideo", "producer", "storage", "web", "worker")
STUDIO = ("studio",)
MODELS = ("httpx", "procrastinate", "dramatiq", "stamina")

NO_PARTICIPLES = set(
    [
        "is",
        "has",
        "needs",
        "exists",
        "embed",
        "feed",
        "need",
        "speed",
        "seed",
        "proceed",
        "shed",
        "led",
        "bed",
    ]
)
"""Words that end like a participle and are none, and verbs that look like one."""


@dataclass(frozen=True, slots=True)
class Figures:
    """What one tree comes to."""

    name: str
    lines: int
    modules: int
    short_modules: int
    functions: int
    mean: float
    median: float
    longest: int
    once_called: int
    participles: int

    def row(self) -> str:
        """One line of the table."""
        once = 100 * self.once_called / max(1, self.functions)
        short = 100 * self.short_modules / max(1, self.modules)
        part = 100 * self.participles / max(1, self.functions)
        lengths = f"{self.mean:.1f} / {self.median:.0f} / {self.longest}"
        size = f"{self.lines:,} | {self.modules} | {short:.0f} % | {self.lines // max(1, self.modules)}"
        return f"| {self.name} | {size} | {self.functions} | {lengths} | {once:.0f} % | {part:.1f} % |"


HEAD = (
    "| Tree | Lines | Modules | under 60 lines | Mean file | Functions | Mean / median / longest "
    "| Private, called once | Participles |\n|---|---|---|---|---|---|---|---|---|"
)
IRREGULAR = set(
    ["sent", "told", "said", "kept", "held", "made", "found", "written", "taken", "given", "shown", "known"]
)


def measure(name: str, files: Iterable[Path]) -> Figures:
    """Measure all functions of some files."""
    lengths: list[int] = []
    lines = modules = short = once = participles = 0
    for file in files:
        text = file.read_text(encoding="utf-8")
        count = text.count("\n")
        modules, lines = modules + 1, lines + count
        short += count < 60
        tree = ast.parse(text)
        used = Counter(
            node.attr if isinstance(node, ast.Attribute) else node.id
            for node in ast.walk(tree)
            if isinstance(node, ast.Attribute | ast.Name)
        )
        for node in ast.walk(tree):
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            lengths.append((node.end_lineno or node.lineno) - node.lineno + 1)
            private = node.name.startswith("_") and not node.name.startswith("__")
            once += private and used[node.name] == 1
            is_value = any("property" in ast.unparse(one) for one in node.decorator_list)
            participles += not is_value and is_participle(node.name)
    middle = statistics.median(lengths) if lengths else 0
    mean = statistics.mean(lengths) if lengths else 0
    return Figures(
        name, lines, modules, short, len(lengths), mean, middle, max(lengths, default=0), once, participles
    )


def is_participle(name: str) -> bool:
    """Tell whether a function is named by a participle."""
    words = [word for word in name.strip("_").split("_") if word]
    if not words or words[0] in NO_PARTICIPLES:
        return False
    return words[0] in IRREGULAR or bool(re.fullmatch(r"[a-z]{2,}ed", words[0]))


def find_import_circles(root: Path, packages: Iterable[str]) -> list[list[str]]:
    """Find circles of imports between files; imports for type checking alone do not count."""
    files = {
        ".".join(file.relative_to(root).with_suffix("").parts).removesuffix(".__init__"): file
        for package in packages
        for file in (root / package).rglob("*.py")
    }
    arrows = {name: find_imports(file, set(files)) for name, file in files.items()}
    circles, done = [], set()

    def walk(name: str, way: list[str]) -> None:
        if name in way:
            circles.append([*way[way.index(name) :], name])
            return
        if name in done:
            return
        for other in sorted(arrows.get(name, ())):
            # A package that gathers its own modules is no circle with them.
            if other in files and other != name and not name.startswith(f"{other}."):
                walk(other, [*way, name])
        done.add(name)

    for name in sorted(files):
        walk(name, [])
    return circles


def find_imports(file: Path, known: set[str]) -> set[str]:
    """Find the modules that a file imports when it is loaded."""
    found: set[str] = set()
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            whole = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= (whole & known) or {node.module}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return found


def list_files(root: Path, packages: Iterable[str]) -> list[Path]:
    """List the modules of packages; an empty ``__init__`` is none."""
    found = [file for package in packages for file in sorted((root / package).rglob("*.py"))]
    return [file for file in found if file.stat().st_size > 0]


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", action="store_true", help="measure the models too")
    arguments = parser.parse_args()
    root = Path(__file__).resolve().parent.parent
    core = measure("core", list_files(root, PACKAGES))
    studio = measure("studio", list_files(root, STUDIO))
    tests = measure("tests", list_files(root, ["tests"]))
    print(HEAD)
    print("\n".join(one.row() for one in (core, studio, tests)))
    for package in PACKAGES:
        if (root / package).is_dir():
            print(measure(f"{package}/", list_files(root, [package])).row())
    if arguments.models:
        with tempfile.TemporaryDirectory() as folder:
            install = [
                sys.executable,
                "-m",
                "pip",
                "install",
                "--quiet",
                "--no-deps",
                "--target",
                folder,
                *MODELS,
            ]
            subprocess.run(install, check=True)
            for model in MODELS:
                print(measure(model, list_files(Path(folder), [model])).row())
    lua = sum(file.read_text().count("\n") for file in (root / "jobs" / "lua").glob("*.lua"))
    print(f"\nLua: {lua} lines · tests : code {tests.lines / (core.lines + studio.lines):.2f}")
    circles = find_import_circles(root, [*PACKAGES, *STUDIO])
    print(f"import circles: {len(circles)}" + "".join(f"\n  {' → '.join(circle)}" for circle in circles))
    return 0


if __name__ == "__main__":
    sys.exit(main())
