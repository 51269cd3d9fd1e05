"""What README.md and docs/*.md name is there: make targets, modules, commands, pages, headings, pictures."""

import re
from importlib.util import find_spec
from pathlib import Path

import pytest

from cli.main import app
from tests.pages import PAGES, ROOT, BadMark, blocks, expected

TEXTS = {page: page.read_text(encoding="utf-8") for page in PAGES}
BENCHES = {f"bench-{path.stem}" for path in (ROOT / "bench").glob("[a-z]*.py")}  # the rule bench-%
TARGETS = BENCHES | set(re.findall(r"(?m)^([a-z-]+):", (ROOT / "Makefile").read_text()))
COMMANDS = {str(one.name or one.callback.__name__) for one in app.registered_commands if one.callback}

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


def _code(text: str) -> list[str]:
    """All that stands as code on a page, in blocks and inline."""
    fenced = re.findall(r"```\w*\n(.*?)```", text, re.S)
    return [*fenced, *re.findall(r"`([^`\n]+)`", re.sub(r"```\w*\n.*?```", "", text, flags=re.S))]


@each_page
def test_every_block_has_marks_that_can_be_brought_about(page: Path) -> None:
    for block in blocks(page):
        assert block.commands


@pytest.mark.parametrize(
    "text",
    ["<!-- run: moon -->\n```console\n$ true\n```\n", "```console\nno command\n```\n", "```sh\n```\n"],
)
def test_a_block_that_nobody_could_run_is_an_error(tmp_path: Path, text: str) -> None:
    (tmp_path / "page.md").write_text(text)
    with pytest.raises(BadMark, match=r"page\.md:\d"):
        blocks(tmp_path / "page.md")


def test_a_shown_line_stands_for_its_like() -> None:
    line = expected("11:11:16  talk.mp4: done in 3 s -> outbox/…")
    assert line.search("09:08:07 talk.mp4: done in 14 s -> outbox/talk.mp4")
    assert not line.search("09:08:07 talk.mp4: failed in 14 s -> outbox/talk.mp4")


@each_page
def test_every_make_target_exists(page: Path) -> None:
    named = {
        word for code in _code(TEXTS[page]) for word in re.findall(r"(?m)^(?:\$ )?make ([a-z][a-z-]*)", code)
    }
    assert named <= TARGETS


@each_page
def test_every_module_exists(page: Path) -> None:
    named = {word for code in _code(TEXTS[page]) for word in re.findall(r"python -m ([\w.]+)", code)}
    assert [name for name in named if find_spec(name) is None] == []


@each_page
def test_every_command_exists(page: Path) -> None:
    words = {
        word for code in _code(TEXTS[page]) for word in re.findall(r"\bdropscore ([a-z]+)\b(?![.:/])", code)
    }
    assert words <= COMMANDS


@each_page
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", TEXTS[page]):
        if target.startswith(("http://", "https://")):
            continue
        name, _, heading = target.partition("#")
        there = (page.parent / name).resolve() if name else page
        assert there.exists(), target
        assert not heading or heading in _anchors(there), target


def _anchors(page: Path) -> set[str]:
    """The headings of a page, as GitHub makes anchors of them."""
    heads = re.findall(r"(?m)^#+ (.*)$", page.read_text(encoding="utf-8"))
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}
