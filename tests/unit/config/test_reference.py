"""docs/settings.md says what the settings classes say, and every block in it is one that loads."""

import re
import tomllib
from pathlib import Path

import pytest

from config.reference import PAGE, page
from config.roots import Root
from config.settings import Settings, environment_names, load

ROOT = Path(__file__).parents[3]
TOML = re.compile(r"```toml\n(.*?)```", re.DOTALL)


def test_the_page_is_what_the_classes_say() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "docs/settings.md is stale: run `make docs`"


def test_every_setting_is_described_and_listed_once() -> None:
    assert all(field.description for field in (*Settings.model_fields.values(), *Root.model_fields.values()))
    assert [name for name in environment_names() if page().count(f"| `{name}` |") != 1] == []


@pytest.mark.parametrize(
    "row",
    [
        "| `DROPSCORE_LEASE` | `lease` | seconds, ≥ 0.5 | `30` | How long a dead worker holds a job. |",
        "| `DROPSCORE_WATCH` | `watch` | `auto`, `native`, `poll` | `auto` |",
        "| `DROPSCORE_CONCURRENCY` | `concurrency` | whole number, ≥ 1, ≤ 10000 | `1000` |",
        "| `DROPSCORE_DISCONNECT_WAITS` | `disconnect_waits` | list of seconds, ≥ 0 |  |",
        "| `NEMO_TOKEN` | `nemo_token` | secret |  |",
        "| `outbox` | text |  |",
    ],
)
def test_type_range_and_default_are_told(row: str) -> None:
    assert row in page()


@pytest.mark.parametrize(
    "path", [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))], ids=lambda p: p.name
)
def test_a_file_of_settings_that_a_page_shows_is_one(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number, block in enumerate(TOML.findall(path.read_text(encoding="utf-8"))):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "dropscore.toml").write_text(block, encoding="utf-8")
        monkeypatch.chdir(folder)
        assert {*tomllib.loads(block)} <= {*load(environ={}).model_dump(exclude_unset=True)}
