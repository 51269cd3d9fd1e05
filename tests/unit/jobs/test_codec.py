"""What is packed comes back as it was, whatever is in it."""

import json
import string

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from jobs.ledger import (
    Ledger,
    pack_checkpoint,
    pack_kept,
    pack_output,
    pack_spec,
    pack_steps,
    path_key,
    result_path,
    unpack_job,
    unpack_kept,
    unpack_output,
)
from jobs.model import (
    Checkpoint,
    InstructionState,
    InstructionStatus,
    JobSpec,
    Problem,
    RenderRef,
    SessionRef,
    State,
    Step,
    StepRecord,
    UploadRef,
)
from tests.unit.jobs.actions import bring_to, claim_alone, end_step, submit

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
TIMES = st.floats(0, 4e9)
COUNTS = st.integers(0, 2**53)
JSON = st.recursive(
    st.none() | st.booleans() | COUNTS | TIMES | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
SESSIONS = st.builds(SessionRef, session_id=TEXT, task_id=st.none() | TEXT, user_id=st.none() | TEXT)
INSTRUCTIONS = st.builds(
    InstructionState,
    text=TEXT,
    action=TEXT,
    status=st.sampled_from(InstructionStatus),
    before=st.none() | TEXT,
    attempts=COUNTS,
    reads=COUNTS,
    follow_ups=COUNTS,
    replies=st.tuples(TEXT),
    changes=st.tuples(TEXT, TEXT),
    note=TEXT,
    stream_lost=st.booleans(),
    max_attempts=COUNTS,
)
RENDERS = st.builds(
    RenderRef,
    render_id=TEXT,
    polls=COUNTS,
    progress=TIMES,
    url=st.none() | TEXT,
    moved=TIMES,
)
CHECKPOINTS = st.builds(
    Checkpoint,
    session=st.none() | SESSIONS,
    sessions=COUNTS,
    rehomed=st.booleans(),
    upload=st.none() | st.builds(UploadRef, sha256=TEXT, size_bytes=COUNTS, filename=TEXT),
    before_upload=TEXT,
    after_upload=TEXT,
    instructions=st.lists(INSTRUCTIONS, max_size=3).map(tuple),
    current=st.integers(0, 5),
    before_draft=st.none() | st.dictionaries(TEXT, JSON, max_size=3),
    draft=st.none() | st.dictionaries(TEXT, JSON, max_size=3),
    summary=TEXT,
    render=st.none() | RENDERS,
    sha256=TEXT,
    size_bytes=COUNTS,
    duration_s=st.none() | TIMES,
    credits_before=st.none() | TIMES,
    edits_before=st.none() | COUNTS,
)
SPECS = st.builds(
    JobSpec,
    source=TEXT,
    root=TEXT,
    skill=TEXT,
    instructions=st.lists(TEXT, max_size=3).map(tuple),
    fingerprint=TEXT,
    prepared=TEXT,
    size_bytes=COUNTS,
    duration_s=st.none() | TIMES,
    mtime_ns=COUNTS,
    etag=TEXT,
    backlog=st.booleans(),
    language=st.none() | TEXT,
    max_credits=st.none() | COUNTS,
    session_group=st.none() | TEXT,
    parent=st.none() | TEXT,
    created=TIMES,
)
ROW = {"source": "/in/a.mp4", "state": "queued", "step": "upload", "updated": "1.5"}


@given(CHECKPOINTS)
@settings(max_examples=150, deadline=None)
def test_a_checkpoint_comes_back_as_it_was(checkpoint: Checkpoint) -> None:
    packed = pack_checkpoint(checkpoint)
    assert all(isinstance(text, str) for text in packed.values())
    assert unpack_job("j", ROW | packed).checkpoint == checkpoint
    assert pack_checkpoint(unpack_job("j", ROW | packed).checkpoint) == packed


@given(CHECKPOINTS, CHECKPOINTS)
@settings(max_examples=100, deadline=None)
def test_writing_what_changed_is_as_good_as_writing_all(first: Checkpoint, second: Checkpoint) -> None:
    before, after = pack_checkpoint(first), pack_checkpoint(second)
    changed = {name: text for name, text in after.items() if before.get(name) != text}
    assert unpack_job("j", ROW | before | changed).checkpoint == second


@given(SPECS, TEXT)
@settings(max_examples=150, deadline=None)
def test_a_spec_comes_back_as_it_was(spec: JobSpec, stem: str) -> None:
    row = ROW | {"spec": pack_spec(spec), "source": spec.source, "output": f"{stem}.mp4"}
    found = unpack_job("j", row).spec
    assert found == spec.evolve(output=f"{stem}.mp4", result=f"{stem}.result.json")


@given(SPECS)
@settings(max_examples=50, deadline=None)
def test_a_shortened_spec_still_knows_its_source_and_its_session(spec: JobSpec) -> None:
    short = spec.shorten()
    kept = ("source", "session_group", "parent")
    assert all(getattr(short, name) == getattr(spec, name) for name in kept)
    assert (short.instructions, short.skill, short.fingerprint, short.root) == ((), "", "", "")


@given(
    st.lists(st.builds(StepRecord, step=st.sampled_from(Step), started=TIMES, ended=TIMES, attempts=COUNTS))
)
@settings(max_examples=50, deadline=None)
def test_records_of_steps_come_back_as_they_were(steps: list[StepRecord]) -> None:
    assert unpack_job("j", ROW | {"steps": pack_steps(tuple(steps))}).steps == tuple(steps)


def test_a_row_with_next_to_nothing_in_it_is_a_job() -> None:
    job = unpack_job("j", ROW)
    assert (job.state, job.step, job.spec.output, job.spec.result) == (State.QUEUED, Step.UPLOAD, "", "")
    assert (job.checkpoint, job.steps, job.problem, job.fence) == (Checkpoint(), (), None, "")
    assert (job.attempts, job.crashes, job.lapsed, job.updated) == (0, 0, 0.0, 1.5)


def test_fields_of_a_later_version_are_passed_over() -> None:
    later = {"problem": '{"code":"x","colour":"red"}', "render": '{"render_id":"r","quality":9}', "mood": "?"}
    job = unpack_job("j", ROW | later)
    assert job.problem == Problem(code="x")
    assert job.checkpoint.render == RenderRef(render_id="r")


def test_what_is_empty_takes_no_room() -> None:
    assert {text for name, text in pack_checkpoint(Checkpoint()).items() if name != "checkpoint"} == {""}
    assert json.loads(pack_checkpoint(Checkpoint())["checkpoint"]) == {}
    assert pack_spec(JobSpec(source="/in/a.mp4", output="/out/a.mp4")) == "{}"


@given(st.lists(st.text(st.characters(), min_size=1, max_size=12), unique=True, max_size=30))
@settings(max_examples=50, deadline=None)
def test_paths_have_keys_of_their_own(paths: list[str]) -> None:
    sound = [path for path in paths if not any("\ud800" <= sign <= "\udfff" for sign in path)]
    keys = {path_key(path) for path in sound}
    assert len(keys) == len(sound)
    assert all(len(key) == 12 and set(key) <= {*string.ascii_letters, *string.digits, *"-_"} for key in keys)


def test_the_result_lies_beside_the_output() -> None:
    assert result_path("/out/a.b.mp4") == "/out/a.b.result.json"
    assert result_path("") == ""


def test_a_name_shows_neither_folder_nor_query() -> None:
    assert JobSpec(source="/in/a b.mp4").name == "a b.mp4"
    assert JobSpec(source="https://x.example/v/clip.mp4?sig=secret").name == "clip.mp4"


ID = "0f8fad5b-d9cb-469f-a165-70867728950e"
PATHS = st.text(st.sampled_from("/ab.:=~é"), max_size=12)


@given(source=PATHS, output=PATHS)
@example(source="/x/aa.mp4", output="/x/a.mp4")
@example(source="/films/in/clip.mp4", output="/films/in/clip.mp4")
@example(source="/films/clip.mp4", output="")
def test_an_output_is_unpacked_as_it_was_packed(source: str, output: str) -> None:
    output = f"/{output}" if output else ""
    assert unpack_output(source, pack_output(source, output)) == output
    assert unpack_output(source, output) == output  # a record of before


def test_an_output_beside_its_source_takes_a_few_letters() -> None:
    assert pack_output("/home/me/films/in/clip.mp4", "/home/me/films/out/clip.mp4") == "=15:9:out"
    assert pack_output("s3://b/in/a.mov", "/out/b.mp4") == "/out/b.mp4"


@pytest.mark.parametrize(
    "session_id",
    [ID, ID.replace("-", ""), "s1", "a=b", "=", "a=ABCDEFGHIJKLMNOPQRSTUV", "~~", f"x={ID}", "é" * 40],
)
@pytest.mark.parametrize(
    "render_id", [f"render_{ID.replace('-', '')}", "render_0123456789abcdef", "_", "_ABCDEFGHIJK", "r~1", "r"]
)
def test_what_a_delivered_output_can_be_made_from_is_kept_in_few_letters(
    session_id: str, render_id: str
) -> None:
    point = Checkpoint(
        session=SessionRef(session_id=session_id, backend="cloud"),
        render=RenderRef(render_id=render_id),
        sha256="x",
    )
    packed = pack_kept(point)
    found = unpack_kept(packed)
    assert found.session is not None
    assert found.render is not None
    assert (found.session.session_id, found.render.render_id) == (session_id, render_id)
    assert found.session.backend == "cloud"
    if render_id.startswith("render_") and len(session_id) in {32, 36}:
        assert len(packed) <= 64


def test_the_record_of_a_job_that_is_done_is_kept_in_one_piece(ledger: Ledger) -> None:
    """A field above 64 letters made a hash table of it: 760 bytes a job in place of 490."""
    source = "/home/somebody/videos/holidays/in/clip 0001.mp4"
    submit(ledger, "j1", source=source, output=source.replace("/in/", "/out/"))
    point = Checkpoint(
        session=SessionRef(session_id=ID, backend="cloud"),
        render=RenderRef(render_id="render_0123456789abcdef"),
        sha256="x",
    )
    bring_to(ledger, "j1", Step.DOWNLOAD)
    job = claim_alone(ledger, "j1", Step.DOWNLOAD)
    assert end_step(ledger, job.evolve(checkpoint=point), State.DONE)
    row = ledger.client.hgetall("dropscore:job:j1")
    assert max(map(len, row.values())) <= 64
    assert sum(map(len, row.values())) < 120, row
    assert ledger.get("j1").spec.output == source.replace("/in/", "/out/")
    assert [one.output for one in ledger.delivered()] == [source.replace("/in/", "/out/")]
