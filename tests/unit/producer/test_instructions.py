"""Instructions, nearest first, and what a broken sidecar says."""

import json
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from config.skills import PUBLISHED
from producer.errors import SourceBusy, UnusableSidecar
from producer.instructions import (
    Defaults,
    InstructionResolver,
    InstructionSpec,
    fill_placeholders,
    media_of_sidecar,
)

SKILL = PUBLISHED["add-music"]


def spec(**keys):
    return InstructionSpec.model_validate(keys)


@pytest.fixture
def root(tmp_path):
    (tmp_path / "in" / "sub").mkdir(parents=True)
    (tmp_path / "in" / "sub" / "clip.mp4").write_bytes(b"x")
    return tmp_path / "in"


@pytest.fixture
def clip(root):
    return root / "sub" / "clip.mp4"


def resolve(clip, root, run=None, row=None):
    return InstructionResolver(Defaults(run or spec(), "add-music", PUBLISHED), row or spec()).resolve(
        str(clip), str(root)
    )


def test_the_skills_own_instruction_comes_last(clip, root):
    assert resolve(clip, root).instructions == (SKILL.instruction,)
    assert resolve(clip, root, spec(instructions="louder")).instructions == ("louder",)


def test_the_nearest_wins_key_by_key(clip, root):
    (root / "_dropscore.toml").write_text('instructions = ["root"]\nlanguage = "ja"\npriority = 3\n')
    assert resolve(clip, root, spec(instructions="run")).instructions == ("root",)
    (root / "sub" / "_dropscore.toml").write_text('instructions = ["folder"]\nskill = "music-ab2n"\n')
    assert resolve(clip, root).instructions == ("folder",)
    clip.with_suffix(".txt").write_text("stem\n")
    assert resolve(clip, root).instructions == ("stem",)
    clip.with_name("clip.mp4.txt").write_text("# a comment\none\n\n  two  \n")
    assert resolve(clip, root).instructions == ("one", "two")
    clip.with_name("clip.mp4.txt").unlink()
    clip.with_name("CLIP.mp4.TOML").write_text('instructions = "toml"\nmax_credits = 60\n')
    nearest = resolve(clip, root)
    assert nearest.instructions == ("toml",)
    assert (nearest.skill.name, nearest.language, nearest.backlog) == ("music-ab2n", "ja", True)
    assert nearest.max_credits == 60
    assert resolve(clip, root, row=spec(instructions="row")).instructions == ("row",)


def test_folder_files_above_the_root_are_not_read(clip, root):
    (root.parent / "_dropscore.toml").write_text('instructions = ["stranger"]\n')
    assert resolve(clip, root).instructions == (SKILL.instruction,)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("clip.mp4.toml", 'instructions = ["calm", "soft"]\noutput = "{stem} final"\n'),
        ("clip.toml", 'instructions = """\\ncalm\\nsoft"""\noutput = "{stem} final"\n'),
        ("CLIP.MP4.Toml", 'instructions = ["calm", "soft"]\noutput = "{stem} final"\n'),
    ],
)
@pytest.mark.parametrize("bom", ["", "\ufeff"])
def test_every_form_of_sidecar_with_and_without_a_bom(clip, root, name, text, bom):
    clip.with_name(name).write_text(bom + text, encoding="utf-8")
    said = resolve(clip, root)
    assert said.instructions == ("calm", "soft")
    assert said.output == "clip final"


@pytest.mark.parametrize(
    ("name", "text", "line", "why"),
    [
        ("clip.mp4.toml", b'skill = "add-music"\ninstructions = [\n', 3, "not readable as TOML"),
        ("clip.mp4.json", b"{}", None, "no longer read from JSON and YAML"),
        ("clip.mp4.yml", b"a: 1", None, "no longer read from JSON and YAML"),
        ("clip.mp4.tmol", b"skill = 1", None, "looks like instructions"),
        ("clip.MP4.text", b"calm", None, "looks like instructions"),
        ("_dropscore.txt", b"calm", None, "read from _dropscore.toml alone"),
        ("_dropscore.yaml", b"calm", None, "read from _dropscore.toml alone"),
        ("clip.mp4.toml", b"a = " + b"[" * 1_500, None, "nested too deeply"),
        ("clip.mp4.toml", b"priority = " + b"9" * 1_900, 1, "priority: "),
        ("clip.mp4.toml", b"#" * 300_000, None, "longer than 2,000 characters"),
        ("clip.mp4.txt", b"one more line\n" * 900, None, "longer than 2,000 characters"),
        ("clip.mp4.txt", b"calm\0piano", None, "not a text file"),
        ("clip.mp4.toml", b"volume = 1\n", 1, "'volume' is not known; there are: instr"),
        ("clip.mp4.toml", b'instruction = "x"\n', 1, "did you mean 'instructions'?"),
        ("clip.mp4.txt", b"fine\n\xff\xfe\n", 2, "not UTF-8"),
        ("clip.mp4.toml", b'\n\nskill = "nope"\n', None, "skill 'nope' is unknown; there are: add-music"),
        ("clip.mp4.toml", b'output = "../x"\n', 1, "must be a name inside the outbox"),
        ("clip.mp4.toml", b"priority = -1\n", 1, "priority: "),
        ("clip.mp4.toml", b"instructions = []\n", 1, "instructions: "),
    ],
)
def test_a_broken_sidecar_names_file_line_and_reason(clip, root, name, text, line, why):
    clip.with_name(name).write_bytes(text)
    with pytest.raises(UnusableSidecar) as caught:
        resolve(clip, root)
    message = caught.value.problem.message
    place = f", line {line}" if line else ""
    assert message.startswith(f"{clip.with_name(name)}{place}: ")
    assert "\n" not in message
    assert why in message


@pytest.mark.parametrize("name", ["clip.mp4.txt", "clip.toml"])
@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig"])
def test_what_an_editor_of_windows_saves_is_read(clip, root, name, encoding):
    text = "calm piano\r\n" if name.endswith("txt") else 'instructions = "calm piano"\r\n'
    clip.with_name(name).write_bytes(text.encode(encoding))
    assert resolve(clip, root).instructions == ("calm piano",)


def test_an_empty_text_says_nothing(clip, root):
    clip.with_suffix(".txt").write_text("\n# nothing\n")
    assert resolve(clip, root, spec(instructions="run")).instructions == ("run",)


def test_placeholders():
    path = "/in/Summer 24/clip one.mov"
    assert (
        fill_placeholders("{name}|{stem}|{folder}|{other}|{}", path)
        == "clip one.mov|clip one|Summer 24|{other}|{}"
    )


def test_a_stamp_changes_with_what_is_asked_and_with_nothing_else(clip, root):
    def stamp(**run):
        return InstructionResolver(Defaults(spec(**run), "add-music", PUBLISHED)).stamp(str(clip), str(root))

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
    assert media_of_sidecar(f"{folder}/clip.mp4.toml") == [f"{folder}/clip.mp4"]
    assert sorted(media_of_sidecar(f"{folder}/clip.txt")) == [f"{folder}/clip.mov", f"{folder}/clip.mp4"]
    assert media_of_sidecar(f"{folder}/clip.json") == []


def test_all_sidecars_of_a_file_count_and_those_of_one_level_must_agree(clip, root):
    clip.with_name("clip.mp4.toml").write_text('language = "ja"\n')
    clip.with_name("clip.mp4.txt").write_text("calm\n")
    clip.with_name("clip.toml").write_text('max_credits = 7\nlanguage = "de"\n')
    found = resolve(clip, root)
    assert (found.instructions, found.language, found.max_credits) == (("calm",), "ja", 7)
    clip.with_name("CLIP.mp4.TXT").write_text("loud\n")
    with pytest.raises(UnusableSidecar, match="says something else than") as caught:
        resolve(clip, root)
    assert "instructions" in str(caught.value)


def test_a_link_that_leads_out_of_the_root_is_not_read(clip, root):
    (root.parent / "id_rsa").write_text("a secret key")
    clip.with_name("clip.mp4.txt").symlink_to(root.parent / "id_rsa")
    with pytest.raises(UnusableSidecar, match="leads out of the folder") as caught:
        resolve(clip, root)
    assert "secret" not in str(caught.value)
    clip.with_name("clip.mp4.txt").unlink()
    (root / "shared.txt").write_text("calm")
    clip.with_name("clip.mp4.txt").symlink_to(root / "shared.txt")
    assert resolve(clip, root).instructions == ("calm",)


def test_of_a_sparse_sidecar_little_is_read(clip, root):
    with clip.with_name("clip.mp4.txt").open("wb") as file:
        file.truncate(3 * 2**30)
    tracemalloc.start()
    with pytest.raises(UnusableSidecar):
        resolve(clip, root)
    assert tracemalloc.get_traced_memory()[1] < 2**20
    tracemalloc.stop()


def test_a_sidecar_that_is_being_written_is_waited_for(clip, root):
    clip.with_name("clip.mp4.txt").write_text("ca")
    resolver = InstructionResolver(Defaults(spec(), "add-music", PUBLISHED), settle_s=30.0)
    with pytest.raises(SourceBusy):
        resolver.resolve(str(clip), str(root))


def test_a_file_that_is_named_alone_has_the_rules_of_all_folders_above_it(clip, root):
    (root / "_dropscore.toml").write_text('instructions = ["root"]\n')
    assert resolve(clip, "").instructions == ("root",)


@pytest.mark.parametrize(
    "name",
    [
        "clip.mp4.srt",
        "clip.mp4.txt~",
        "clip.mp4.html",
        "clip.mp4.vtt",
        "clip.nfo",
        "clip.mp4.ttml",
        "clip.json",
    ],
)
def test_what_players_and_editors_put_beside_a_video_is_no_instruction(clip, root, name):
    clip.with_name(name).write_text("anything")
    assert resolve(clip, root).instructions == (SKILL.instruction,)


CORPUS = sorted((Path(__file__).parent / "corpus").iterdir())


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.name)
def test_whatever_is_in_a_sidecar_it_is_read_or_one_line(clip, root, path):
    kind = path.suffix
    clip.with_name(f"clip.mp4{kind}").write_bytes(path.read_bytes())
    try:
        assert resolve(clip, root).instructions
    except UnusableSidecar as exc:
        assert "\n" not in str(exc)
        assert len(str(exc)) < 800


@given(st.binary(max_size=300), st.sampled_from([".txt", ".toml"]))
@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
def test_no_content_of_a_sidecar_is_a_crash(clip, root, content, kind):
    _try(clip, root, content, kind)


TOML_VALUES = st.one_of(
    st.text(max_size=30).map(json.dumps),
    st.sampled_from(
        ["true", "[]", "[[]]", "{}", "1e400", "nan", "-1", "1979-05-27", "'\\ud800'", "[1, 'a']"]
    ),
)


@given(st.dictionaries(st.sampled_from([*InstructionSpec.model_fields, "other"]), TOML_VALUES, max_size=4))
@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
def test_no_value_of_a_key_is_a_crash(clip, root, table):
    content = "".join(f"{key} = {value}\n" for key, value in table.items())
    _try(clip, root, content.encode("utf-8", "replace"), ".toml")


def _try(clip, root, content, kind):
    for name in (f"clip.mp4{kind}", "_dropscore.toml"):
        clip.with_name(name).write_bytes(content)
        try:
            assert resolve(clip, root).instructions
        except UnusableSidecar as exc:
            assert "\n" not in str(exc)
        clip.with_name(name).unlink()
