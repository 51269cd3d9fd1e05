"""What is packed comes back as it was, whatever is in it."""

import json
import string

from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.ledger import pack_checkpoint, pack_spec, pack_steps, path_key, result_path, unpack_job
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
