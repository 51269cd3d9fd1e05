"""``--json`` of every command: one document alone on standard output, with the keys of docs/json.md."""

import json
import subprocess
from pathlib import Path

import imageio_ffmpeg
import pytest

from cli.main import app
from tests.documented import documented, keys, sections

pytestmark = pytest.mark.integration

SERVICES = {"worker", "watch", "studio", "web"}  # they print no answer


def asked(place, *arguments, code=0, **extra):
    """What a command prints with ``--json``, and what it prints on standard error."""
    said = place.run(*arguments, "--json", **extra)
    assert said.returncode == code, said.stdout + said.stderr
    return json.loads(said.stdout), said.stderr


def test_every_command_has_a_section_and_every_section_a_command():
    names = {str(one.name or one.callback.__name__) for one in app.registered_commands if one.callback}
    told = {heading.split()[0] for heading in sections()}
    assert told == (names - SERVICES) | {"error"}


def test_a_run_prints_its_ending_and_tells_the_rest_on_standard_error(place):
    place.drop("a.mp4", "fail-1.mp4")
    (place.inbox / "twin.mp4").write_text("a.mp4")
    seen, err = asked(place, "run", "inbox", "--once", code=1)
    assert (seen["exit_code"], seen["left"], seen["states"]) == (1, 0, {"done": 1, "failed": 1})
    assert seen["outbox"] == str(place.folder / "outbox")
    assert "a.mp4: done in" in err
    twin, original = (str(place.inbox / name) for name in ("twin.mp4", "a.mp4"))
    (row,) = seen["duplicates"]
    assert {row["source"], row["same_as"]} == {twin, original}
    assert row["output"] in {str(place.folder / "outbox" / name) for name in ("a.mp4", "twin.mp4")}
    assert keys(seen) - keys(seen["files"]) <= documented("run INBOX") | {"source"}
    assert keys(seen["files"]) <= documented("status JOB")
    assert keys(asked(place, "status")[0]) <= documented("status")
    listed, _ = asked(place, "results")
    assert {row["state"] for row in listed} == {"done", "failed"}
    assert keys(listed) <= documented("status JOB")


def test_a_held_run_names_the_gate_and_orders_answer(place):
    place.drop("fail-1.mp4", "a.mp4")
    asked(place, "run", "inbox", "--once", code=1)
    place.drop("credits-1.mp4")
    seen, _ = asked(place, "run", "inbox", "--once", code=4)
    assert [Path(result["source"]).name for result in seen["standing"]] == ["fail-1.mp4"]
    (held,) = seen["held"]
    assert (held["gate"], held["waiting"], seen["left"]) == ("credits", 1, 1)
    assert keys(held) <= documented("run INBOX")
    resumed, _ = asked(place, "resume")
    assert resumed == {"opened": [{"gate": "credits", "files": 1}], "drain_ended": False}
    assert [asked(place, "pause")[0]["new"] for _ in range(2)] == [True, False]
    assert asked(place, "drain")[0] == {"draining": True, "in_work": 1}
    retried, err = asked(place, "retry", "inbox/a.mp4", "inbox/fail-1.mp4", code=1)
    refused, queued = retried["jobs"]
    assert (refused["error"]["code"], refused["state"]) == ("not_allowed", "done")
    assert (queued["error"], queued["state"], queued["step"]) == (None, "queued", "edit")
    assert err.count("\n") == 1
    cancelled, _ = asked(place, "cancel", "inbox/fail-1.mp4")
    assert [row["state"] for row in cancelled["jobs"]] == ["cancelled"]
    for heading, printed in (("retry", retried), ("cancel", cancelled), ("resume", resumed)):
        assert keys(printed) <= documented(heading)
    assert {"draining", "in_work"} <= documented("drain")
    assert {"paused", "new"} <= documented("pause")


def test_a_run_that_is_stopped_at_once_is_an_error(place):
    place.drop("a.mp4")
    process = place.start("run", "inbox", "--json", STANDIN_PACE="2", DROPSCORE_LEASE="2")
    assert any(": upload" in line for line in process.stderr)
    process.terminate()
    assert any("starting nothing new" in line for line in process.stderr)
    process.terminate()
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert json.loads(out)["error"]["code"] == "interrupted"


def test_a_tweak_is_a_job_of_its_own(place):
    place.drop("a.mp4")
    (first,) = asked(place, "run", "inbox", "--once")[0]["files"]
    seen, _ = asked(place, "tweak", "inbox/a.mp4", "softer")
    assert (seen["output"], seen["state"], seen["new"]) == (
        str(place.folder / "outbox/a.v2.mp4"),
        "queued",
        True,
    )
    assert not asked(place, "tweak", first["job"], "softer")[0]["new"]
    assert keys(seen) <= documented("tweak")


def test_an_empty_inbox_is_an_empty_ending(place):
    seen, err = asked(place, "run", "inbox", "--once")
    assert (seen["files"], seen["states"], seen["exit_code"]) == ([], {}, 0)
    assert err == "inbox is empty: put videos into it\n"


def test_samples_submit_and_the_page(place):
    made, _ = asked(place, "samples", "clips")
    assert len(made["made"]) == 3
    assert keys(made) <= documented("samples DIR")
    assert asked(place, "samples", "clips")[0]["made"] == []
    plan, _ = asked(place, "submit", "-n", "clips")
    assert (plan["dry_run"], plan["files"]) == (True, 3)
    assert keys(plan) <= documented("submit")
    (place.folder / "list.csv").write_text("path\nclips/talk.mp4\nclips/gone.mp4\n")
    wrong, err = asked(place, "submit", "--manifest", "list.csv", code=2)
    assert wrong["error"]["rows"] == ["list.csv, row 3: clips/gone.mp4 does not exist"]
    assert err.count("\n") == 2
    (place.folder / "outbox").mkdir(exist_ok=True)
    page, _ = asked(place, "report")
    assert keys(page) <= documented("report")


@pytest.mark.parametrize(
    ("arguments", "code", "kind"),
    [
        (["run", "nowhere"], 2, "unusable"),
        (["status"], 2, "unusable"),
        (["results", "--state", "gone"], 2, "usage"),
        (["retry"], 2, "unusable"),
        (["watch", "inbox"], 2, "usage"),
        (["run", "inbox", "--backend", "moon"], 2, "config_error"),
        (["credits"], 2, "unusable"),
    ],
)
def test_an_error_is_one_object_and_the_same_line_for_people(place, arguments, code, kind):
    seen, err = asked(place, *arguments, code=code)
    assert list(seen) == ["error"]
    assert (seen["error"]["code"], seen["error"]["exit_code"]) == (kind, code)
    assert err == f"dropscore: {seen['error']['message']}\n"
    assert set(seen["error"]) <= documented("error")


@pytest.mark.parametrize("word", ["nmv_secret123", "Bearer secret123"])
def test_a_secret_in_an_error_is_masked_in_both(place, word):
    seen, err = asked(place, "run", word, code=2)
    assert "secret123" not in json.dumps(seen) + err


def test_forgetting_and_cleaning_answer(place):
    place.drop("a.mp4")
    asked(place, "run", "inbox", "--once")
    forgotten, _ = asked(place, "forget", "--older-than", "90d")
    assert forgotten == {"forgotten": 0}
    cleaned, _ = asked(place, "clean", "-n")
    assert keys(cleaned) <= documented("clean")


def test_a_list_of_skills_and_a_check_up(place):
    skills, _ = asked(place, "skills")
    assert len(skills) == 5
    assert keys(skills) <= documented("skills")
    well, _ = asked(place, "doctor", "inbox")
    assert well["well"]
    assert keys(well) <= documented("doctor")


def test_status_watch_prints_a_line_for_each_change(place):
    clip = [
        imageio_ffmpeg.get_ffmpeg_exe(),
        "-v",
        "error",
        "-f",
        "lavfi",
        "-i",
        "testsrc=size=32x32:duration=1",
    ]
    (place.folder / "other").mkdir()
    run = place.start("run", "other", STANDIN_PACE="0.01")
    place.pid_of("-m worker")
    watching = place.start("status", "--watch", "--json")
    assert json.loads(watching.stdout.readline())["total"] == 0
    subprocess.run([*clip, str(place.inbox / "a.mp4")], check=True, stdin=subprocess.DEVNULL)
    place.run("submit", "inbox/a.mp4")
    assert any(json.loads(line)["states"]["done"] == 1 for line in watching.stdout)
    for process in (watching, run):
        process.send_signal(2)
        process.communicate(timeout=60)
