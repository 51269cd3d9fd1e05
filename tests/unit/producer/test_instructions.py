"""Instructions, nearest first, and what a broken sidecar says."""

import pytest

from config.skills import PUBLISHED
from producer.errors import BrokenSidecar
from producer.instructions import Defaults, Nearby, Wish, filled, is_sidecar_name, sidecar_for

SKILL = PUBLISHED["add-music"]


def wish(**said):
    return Wish.model_validate(said)


@pytest.fixture
def root(tmp_path):
    (tmp_path / "in" / "sub").mkdir(parents=True)
    (tmp_path / "in" / "sub" / "clip.mp4").write_bytes(b"x")
    return tmp_path / "in"


@pytest.fixture
def clip(root):
    return root / "sub" / "clip.mp4"


def asked(clip, root, run=None, row=None):
    return Nearby(Defaults(run or wish(), "add-music", PUBLISHED), row).asked(str(clip), str(root))


def test_the_skills_own_instruction_comes_last(clip, root):
    assert asked(clip, root).instructions == (SKILL.instruction,)
    assert asked(clip, root, wish(instructions="louder")).instructions == ("louder",)


def test_the_nearest_wins_key_by_key(clip, root):
    (root / "_dropscore.toml").write_text('instructions = ["root"]\nlanguage = "ja"\npriority = 3\n')
    assert asked(clip, root, wish(instructions="run")).instructions == ("root",)
    (root / "sub" / "_dropscore.toml").write_text('instructions = ["folder"]\nskill = "music-ab2n"\n')
    assert asked(clip, root).instructions == ("folder",)
    clip.with_suffix(".txt").write_text("stem\n")
    assert asked(clip, root).instructions == ("stem",)
    clip.with_name("clip.mp4.txt").write_text("# a comment\none\n\n  two  \n")
    assert asked(clip, root).instructions == ("one", "two")
    clip.with_name("clip.mp4.json").write_text('{"instructions": "json", "max_credits": 60}')
    nearest = asked(clip, root)
    assert nearest.instructions == ("json",)
    assert (nearest.skill.name, nearest.language, nearest.priority) == ("music-ab2n", "ja", 3)
    assert nearest.max_credits == 60
    assert asked(clip, root, row=wish(instructions="row")).instructions == ("row",)


def test_folder_files_above_the_root_are_not_read(clip, root):
    (root.parent / "_dropscore.toml").write_text('instructions = ["stranger"]\n')
    assert asked(clip, root).instructions == (SKILL.instruction,)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("clip.mp4.toml", 'instructions = ["calm", "soft"]\noutput = "{stem} final"\n'),
        ("clip.mp4.json", '{"instructions": ["calm", "soft"], "output": "{stem} final"}'),
        ("clip.mp4.yaml", "instructions: [calm, soft]\noutput: '{stem} final'\n"),
        ("clip.mp4.yml", "instructions: |\n  calm\n  soft\noutput: '{stem} final'\n"),
    ],
)
@pytest.mark.parametrize("bom", ["", "\ufeff"])
def test_every_form_of_sidecar_with_and_without_a_bom(clip, root, name, text, bom):
    clip.with_name(name).write_text(bom + text, encoding="utf-8")
    said = asked(clip, root)
    assert said.instructions == ("calm", "soft")
    assert said.output == "clip final"


@pytest.mark.parametrize(
    ("name", "text", "line", "why"),
    [
        ("clip.mp4.toml", b'skill = "add-music"\ninstructions = [\n', 3, "not readable as TOML"),
        ("clip.mp4.json", b'{\n"skill": }\n', 2, "not readable as JSON"),
        ("clip.mp4.yaml", b"a: 1\nb: [\n", 3, "not readable as YAML"),
        ("clip.mp4.toml", b"a = " + b"[" * 50_000, 1, "nested too deeply"),
        ("clip.mp4.json", b"[" * 50_000, 1, "not readable as JSON"),
        ("clip.mp4.yaml", b"[" * 5_000, 1, "not readable as YAML"),
        ("clip.mp4.yaml", b"1: 2\n", 1, "1"),
        ("clip.mp4.toml", b"#" * 300_000, 1, "too large for instructions"),
        ("clip.mp4.json", b'{"instructions": ["\\ud800"]}', 1, "instructions"),
        ("clip.mp4.json", b"[1]", 1, "should be a table"),
        ("clip.mp4.txt", b"fine\n\xff\xfe\n", 2, "not UTF-8"),
        ("clip.mp4.toml", b'skill = "add-music"\nvolume = 3\n', 2, "'volume' is not known; there are: instr"),
        ("clip.mp4.toml", b'\n\nskill = "nope"\n', 3, "skill 'nope' is unknown; there are: add-music"),
        ("clip.mp4.toml", b'output = "../x"\n', 1, "must be a name inside the outbox"),
        ("clip.mp4.toml", b"priority = -1\n", 1, "priority: "),
        ("clip.mp4.toml", b"instructions = []\n", 1, "instructions: "),
    ],
)
def test_a_broken_sidecar_names_file_line_and_reason(clip, root, name, text, line, why):
    clip.with_name(name).write_bytes(text)
    with pytest.raises(BrokenSidecar) as caught:
        asked(clip, root)
    message = caught.value.problem.message
    assert message.startswith(f"{clip.with_name(name)}, line {line}: ")
    assert why in message


def test_an_empty_text_says_nothing(clip, root):
    clip.with_suffix(".txt").write_text("\n# nothing\n")
    assert asked(clip, root, wish(instructions="run")).instructions == ("run",)


def test_placeholders():
    path = "/in/Summer 24/clip one.mov"
    assert filled("{name}|{stem}|{folder}|{other}|{}", path) == "clip one.mov|clip one|Summer 24|{other}|{}"


def test_a_stamp_changes_with_what_is_asked_and_with_nothing_else(clip, root):
    def stamp(**run):
        return Nearby(Defaults(wish(**run), "add-music", PUBLISHED)).stamp(str(clip), str(root))

    plain = stamp()
    (root / "sub" / "other.mp4.txt").write_text("not mine")
    assert stamp() == plain
    assert stamp(instructions="louder") != plain
    (root / "_dropscore.toml").write_text("")
    with_folder = stamp()
    clip.with_suffix(".txt").write_text("mine")
    assert len({plain, with_folder, stamp()}) == 3
    assert " " not in stamp()


def test_a_sidecar_leads_back_to_its_files(clip, root):
    (root / "sub" / "clip.mov").touch()
    folder = str(root / "sub")
    assert sidecar_for(f"{folder}/clip.mp4.toml") == [f"{folder}/clip.mp4"]
    assert sorted(sidecar_for(f"{folder}/clip.txt")) == [f"{folder}/clip.mov", f"{folder}/clip.mp4"]
    assert sidecar_for(f"{folder}/clip.json") == []
    assert is_sidecar_name("x.yml")
    assert not is_sidecar_name("x.mp4")
