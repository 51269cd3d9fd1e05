"""Settings: flag > environment > file > default, and one clear line for what is wrong."""

from pathlib import Path

import pytest

from config.errors import ConfigError
from config.settings import Settings, environment_names, load, to_environment


@pytest.fixture(autouse=True)
def empty(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in environment_names():
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


def test_the_defaults_are_those_that_were_promised() -> None:
    settings = load()
    assert (settings.backend, settings.skill, settings.state_dir) == (
        "local",
        "add-music",
        Path(".dropscore"),
    )
    assert (settings.poll_interval_s, settings.max_polls, settings.rate_limit_wait_s) == (1, 10, 30)
    assert settings.disconnect_waits_s == (30, 60, 60, 60, 60)
    assert (settings.settle_s, settings.lease_s, settings.gate_probe_s, settings.concurrency) == (
        2,
        30,
        60,
        500,
    )


def test_a_flag_goes_before_the_environment_before_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("dropscore.toml").write_text("lease = 11\nsettle = 3\nmax_polls = 7\n", encoding="utf-8")
    monkeypatch.setenv("DROPSCORE_LEASE", "12")
    monkeypatch.setenv("DROPSCORE_SETTLE", "4")
    settings = load({"lease_s": 13, "settle_s": None})
    assert (settings.lease_s, settings.settle_s, settings.max_polls) == (13, 4, 7)


@pytest.mark.parametrize("name", ["NEMO_TOKEN", "NEMO_API_URL"])
def test_naming_the_service_chooses_the_cloud(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "https://api.example.com")
    assert load().backend == "cloud"
    assert load().poll_interval_s == 30
    assert load({"chosen_backend": "local"}).backend == "local"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DROPSCORE_LEASE", "soon"),
        ("DROPSCORE_LEASE", "0"),
        ("DROPSCORE_POLL_INTERVAL", "-1"),
        ("DROPSCORE_MAX_POLLS", "0"),
        ("DROPSCORE_DISCONNECT_WAITS", "1,x"),
        ("DROPSCORE_BACKEND", "moon"),
        ("DROPSCORE_CONCURRENCY", "1e9"),
        ("DROPSCORE_LOG_LEVEL", "LOUD"),
        ("NEMO_API_URL", "ftp://example.com"),
        ("NEMO_CLIENT_ID", "me"),
        ("DROPSCORE_LEESE", "30"),
        ("DROPSCORE_METRICS_PORT", "0"),
        ("DROPSCORE_METRICS_PORT", "70000"),
        ("DROPSCORE_METRICS_HOST", "everywhere"),
        ("DROPSCORE_NOTIFY", "me@example.com"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318"),
    ],
)
def test_what_is_wrong_is_one_line_that_names_it(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError) as wrong:
        load()
    assert name in str(wrong.value)
    assert "\n" not in str(wrong.value)


def test_a_secret_that_is_wrong_is_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEMO_TOKEN", "nmv_usr_secret")
    assert "secret" not in repr(load())
    assert "secret" not in str(load())


def test_an_address_of_people_is_a_secret_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DROPSCORE_NOTIFY", "json://host/secret, secret://")
    with pytest.raises(ConfigError) as wrong:
        load()
    assert "secret" not in str(wrong.value)
    assert "secret" not in str(wrong.value.__cause__)  # what a stack trace would show
    assert "address 2" in str(wrong.value)


def test_addresses_are_parted_where_a_new_one_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(
        "DROPSCORE_NOTIFY", "mailto://u:p@x.org?to=a@x.org,b@x.org,json://h/a\n ntfys://topic, "
    )
    settings = load()
    assert settings.notify_urls == ("mailto://u:p@x.org?to=a@x.org,b@x.org", "json://h/a", "ntfys://topic")
    assert "topic" not in repr(settings)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("leese = 3", "'leese' is no setting"),
        ("lease =", "not readable as TOML"),
        ('[skills.mine]\ntitle = "Mine"', "skills.mine"),
        ('skill = "none"', "skill 'none' is unknown"),
    ],
)
def test_a_broken_file_is_one_clear_line(text: str, said: str) -> None:
    Path("dropscore.toml").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=said):
        load().all_skills()


def test_a_sixth_skill_is_a_table() -> None:
    Path("dropscore.toml").write_text(
        '[skills.mine]\ninstruction = "add jazz"\n[skills.add-music]\nversion = "2.0.1"\n', encoding="utf-8"
    )
    skills = load({"skill": "mine"}).all_skills()
    assert skills["mine"].instruction == "add jazz"
    assert skills["add-music"].version == "2.0.1"
    assert len(skills) == 6


def test_a_child_process_sees_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    told = load({"lease_s": 5, "disconnect_waits_s": "1,2", "nemo_token": "nmv_usr_x"})
    for name, value in to_environment(told).items():
        monkeypatch.setenv(name, value)
    seen = load()
    assert isinstance(seen, Settings)
    assert (seen.lease_s, seen.disconnect_waits_s, seen.backend) == (5, (1, 2), "cloud")
    assert seen.nemo_token == told.nemo_token
