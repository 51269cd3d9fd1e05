"""What a result file in the outbox proves, and what it does not."""

import json
from pathlib import Path

import pytest

from producer.outputs import find_delivered, free_outputs

JOB = "0123456789abcdef"


@pytest.fixture
def outputs(tmp_path):
    return tuple(str(tmp_path / name) for name in ("a.mp4", "a.mov.mp4", "a.0123456789abcdef.mp4"))


def deliver(output, job=JOB, state="done", size_bytes=3):
    Path(output).write_bytes(b"mp4")
    said = {"job": job, "state": state, "bytes": size_bytes}
    Path(output.removesuffix(".mp4") + ".result.json").write_text(json.dumps(said))


def test_nothing_there(outputs):
    assert find_delivered(JOB, outputs) is None
    assert free_outputs(JOB, outputs) == outputs


@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_delivered_result_counts_under_any_of_its_names(outputs, place):
    deliver(outputs[place])
    assert find_delivered(JOB, outputs) == outputs[place]
    assert outputs[place] in free_outputs(JOB, outputs)


@pytest.mark.parametrize("wrong", [{"job": "f" * 16}, {"state": "failed"}, {"size_bytes": 4}])
def test_what_does_not_count_as_done(outputs, wrong):
    deliver(outputs[0], **wrong)
    assert find_delivered(JOB, outputs) is None


def test_a_result_without_its_output_does_not_count(outputs, tmp_path):
    deliver(outputs[0])
    (tmp_path / "a.mp4").unlink()
    assert find_delivered(JOB, outputs) is None


def test_a_strangers_file_and_another_jobs_output_are_never_replaced(outputs, tmp_path):
    (tmp_path / "a.mp4").write_bytes(b"mine")
    deliver(outputs[1], job="f" * 16)
    assert free_outputs(JOB, outputs) == (outputs[2],)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"job": 1}', "\ud800"])
def test_a_broken_result_file_is_no_result(outputs, tmp_path, text):
    deliver(outputs[0])
    (tmp_path / "a.result.json").write_bytes(text.encode("utf-8", "surrogatepass"))
    assert find_delivered(JOB, outputs) is None
    assert outputs[0] not in free_outputs(JOB, outputs)
