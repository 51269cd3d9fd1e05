"""Each check by itself; the whole command against real parts is an integration test."""

import io

import httpx
import pytest
from rich.console import Console

from cli import doctor
from cli.doctor import Check, Checkup, Where, examine
from config.roots import Root
from config.settings import load


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def by_name(examined):
    return {check.name.partition(" ")[0]: check for check in examined.checks}


def test_a_wrong_setting_is_the_one_check_that_fails(here):
    (here / "dropscore.toml").write_text("leese = 3")
    examined = examine({}, Where((), str(here / "outbox")))
    assert (examined.well, [check.name for check in examined.checks]) == (False, ["settings"])
    assert "leese" in examined.checks[0].message


def test_on_a_fresh_machine_all_is_well_and_nothing_is_made(here):
    (here / "in").mkdir()
    examined = examine({}, Where((str(here / "in"),), str(here / "outbox")))
    assert examined.well, examined
    assert {check.state for check in examined.checks} <= {"ok", "warn"}
    assert set(by_name(examined)) == {
        "settings",
        "redis",
        "service",
        "ffmpeg",
        "instruments",
        "state",
        "outbox",
        "folder",
    }
    assert [path.name for path in here.iterdir()] == ["in"]


@pytest.mark.parametrize(("skew_s", "state"), [(1, "ok"), (-4, "ok"), (90, "warn"), (-90, "warn")])
def test_clocks_that_differ_are_named(skew_s, state):
    check = doctor.check_clock("redis", "answers", skew_s)
    assert check.state == state
    assert ("timedatectl" in check.fix) is (state == "warn")


@pytest.mark.parametrize(("free", "state"), [(10**12, "ok"), (10**9, "warn"), (10**6, "fail")])
def test_a_disk_that_fills_up_is_told_in_time(here, monkeypatch, free, state):
    usage = type("Usage", (), {"free": free})
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda _folder: usage)
    assert doctor.check_disk("outbox", here / "not" / "yet").state == state


@pytest.mark.parametrize(
    ("kind", "watch", "state", "word"),
    [
        ("ext4", None, "ok", "native"),
        ("nfs4", None, "ok", "poll"),
        ("nfs4", "native", "warn", "native"),
        ("nfs4", "poll", "ok", "poll"),
    ],
)
def test_a_root_says_its_file_system_and_how_it_is_watched(here, monkeypatch, kind, watch, state, word):
    monkeypatch.setattr(doctor, "hears_no_events", lambda _path: (kind == "nfs4", kind))
    check = doctor.check_root(Root(path=here, watch=watch), load(environ={}))
    assert (check.state, word in check.message, kind in check.message) == (state, True, True)


def test_a_root_that_is_missing_fails(here):
    check = doctor.check_root(Root(path=here / "gone"), load(environ={}))
    assert (check.state, check.message) == ("fail", "does not exist")


def test_ffmpeg_that_does_not_run_fails(monkeypatch):
    monkeypatch.setattr(doctor.imageio_ffmpeg, "get_ffmpeg_exe", lambda: "/nowhere/ffmpeg")
    assert doctor.check_ffmpeg().state == "fail"


def test_a_service_that_is_away_fails_with_what_to_look_at():
    settings = load({"nemo_api_url": "http://127.0.0.1:9"}, environ={})
    check = doctor.check_reachable(settings, asleep=False)
    assert check.state == "fail"
    assert "NEMO_API_URL" in check.fix


def test_the_services_own_date_tells_a_clock_that_is_off(monkeypatch):
    def answer(_request):
        return httpx.Response(404, headers={"Date": "Wed, 21 Oct 2026 07:28:00 GMT"})

    transport = httpx.MockTransport(answer)
    monkeypatch.setattr(doctor.nemovideo, "http_client", lambda _n: httpx.Client(transport=transport))
    settings = load({"nemo_api_url": "https://api.example"}, environ={})
    on_time = 1_792_567_680.0
    assert doctor.check_reachable(settings, asleep=False, now=lambda: on_time).state == "ok"
    assert doctor.check_reachable(settings, asleep=False, now=lambda: on_time + 300).state == "warn"


def test_what_is_not_well_is_printed_with_how_to_fix_it():
    out = io.StringIO()
    bad = Check(name="redis", state="fail", message="no answer", fix="Start it.")
    doctor.print_checks(Checkup(well=False, checks=(bad,)), Console(file=out, width=80))
    assert [line.strip() for line in out.getvalue().splitlines()] == ["✗  redis  no answer", "Start it."]


def test_a_studio_whose_libraries_are_missing_fails_for_the_local_backend_alone(monkeypatch):
    monkeypatch.setattr(doctor, "find_spec", lambda name: None if name == "PIL" else object())
    (check,) = doctor.check_service(load({"chosen_backend": "local"}, {}), None)
    assert (check.state, check.message) == ("fail", "the local studio needs PIL")
    assert "dropscore[studio]" in check.fix
    monkeypatch.undo()
    assert [check.state for check in doctor.check_service(load({"chosen_backend": "local"}, {}), None)] == [
        "ok"
    ]
