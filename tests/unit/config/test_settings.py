"""Settings: flag > environment > file > default, and one clear line for what is wrong."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from config.errors import ConfigError
from config.settings import Settings, environment_names, find_state_home, load, to_environment


@pytest.fixture(autouse=True)
def empty(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in environment_names():
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


def test_the_defaults_are_those_that_were_promised() -> None:
    settings = load()
    state_dir = find_state_home() / "shared"
    assert (settings.backend, settings.skill, settings.state_dir) == ("local", "add-music", state_dir)
    assert (settings.poll_interval_s, settings.max_polls, settings.rate_limit_wait_s) == (1, 10, 30)
    assert settings.disconnect_waits_s == (1, 2, 4, 8, 15)
    assert (settings.settle_s, settings.lease_s, settings.gate_probe_s, settings.concurrency) == (
        2,
        30,
        60,
        1000,
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


def test_exports_are_the_local_studios(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DROPSCORE_EXPORT", "stems, midi")
    assert load().exports == ("stems", "midi")
    with pytest.raises(ConfigError, match=r"DROPSCORE_EXPORT: .*local studio"):
        load({"exports": ("wav",), "chosen_backend": "cloud"})
    with pytest.raises(ConfigError, match="DROPSCORE_EXPORT"):
        load({"exports": ("mp3",)})


def test_a_preview_that_could_not_be_made_whole_is_refused() -> None:
    assert load({"preview": True}).output_template == "{folder}/{stem}.preview.mp4"
    with pytest.raises(ConfigError, match="one quality alone"):
        load({"preview": True, "chosen_backend": "cloud"})
    with pytest.raises(ConfigError, match="share a session"):
        load({"preview": True, "session": "folder"})


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
    told = load({"lease_s": 5, "chosen_disconnect_waits_s": "1,2", "nemo_token": "nmv_usr_x"})
    for name, value in to_environment(told).items():
        monkeypatch.setenv(name, value)
    seen = load()
    assert isinstance(seen, Settings)
    assert (seen.lease_s, seen.disconnect_waits_s, seen.backend) == (5, (1, 2), "cloud")
    assert seen.nemo_token == told.nemo_token


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DROPSCORE_PORT", "tcp://10.0.0.7:80"),
        ("DROPSCORE_SERVICE_HOST", "10.0.0.7"),
        ("DROPSCORE_SERVICE_PORT", "80"),
        ("DROPSCORE_SERVICE_PORT_HTTP", "80"),
        ("DROPSCORE_PORT_80_TCP", "tcp://10.0.0.7:80"),
        ("DROPSCORE_PORT_80_TCP_ADDR", "10.0.0.7"),
        ("DROPSCORE_REDIS_SERVICE_HOST", "10.0.0.8"),
        ("DROPSCORE_METRICS_PORT", "tcp://10.0.0.9:9100"),
    ],
)
def test_what_kubernetes_puts_into_every_pod_is_ignored(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    assert load().metrics_port is None


@pytest.mark.parametrize("name", ["DROPSCORE_METRIC_PORT", "DROPSCORE_SERVICE", "DROPSCORE_PORTS"])
def test_a_misspelt_setting_is_not_taken_for_a_service(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "80")
    with pytest.raises(ConfigError, match=name):
        load()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DROPSCORE_SKILLS", "{bad"),
        ("DROPSCORE_SKILLS", '{"mine": 3}'),
        ("DROPSCORE_ROOTS", "[bad"),
        ("DROPSCORE_LEASE", "inf"),
        ("DROPSCORE_LEASE", "nan"),
        ("DROPSCORE_MAX_RATE", "inf"),
        ("DROPSCORE_SETTLE", "nan"),
        ("DROPSCORE_RESCAN", "inf"),
        ("DROPSCORE_INSTRUCTION", "   "),
        ("DROPSCORE_HOURS", "25:00-26:00"),
        ("DROPSCORE_HOURS", "Someday"),
        ("DROPSCORE_OUTPUT", "same.mp4"),
        ("DROPSCORE_OUTPUT", "../{stem}.mp4"),
        ("DROPSCORE_OUTPUT", "{stem}.avi"),
        ("DROPSCORE_OUTPUT", "{colour}-{stem}.mp4"),
        ("DROPSCORE_HOOK_AFTER", "'unclosed"),
        ("DROPSCORE_ON_CHANGE", "pay"),
        ("DROPSCORE_ORDER", "random"),
        ("DROPSCORE_ONLY", "films"),
    ],
)
def test_a_setting_that_no_file_could_be_processed_with_is_one_line(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError) as wrong:
        load()
    assert str(wrong.value).startswith(name)
    assert "\n" not in str(wrong.value)


@pytest.mark.parametrize(
    "text",
    ["lease = inf", 'lease = "soon"', 'hours = "Someday"', '[roots]\npath = "x"', "[skills.a]\nversion = 3"],
)
def test_what_is_wrong_in_the_file_is_named_as_it_stands_there(text: str) -> None:
    Path("dropscore.toml").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as wrong:
        load().all_skills()
    key = text.strip("[").replace("]", " ").replace(".", " ").split()[0]
    assert "dropscore.toml" in str(wrong.value)
    assert key in str(wrong.value)
    assert "DROPSCORE_" not in str(wrong.value)


@given(
    st.sampled_from(sorted(set(environment_names()) - {"DROPSCORE_NOTIFY", "NEMO_TOKEN"})),
    st.text(st.characters(blacklist_characters="\0"), max_size=60),
)
@hypothesis_settings(max_examples=300, deadline=None)
def test_no_value_of_a_setting_is_a_traceback(name: str, value: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(name, value.encode("utf-8", "ignore").decode())
        try:
            load().all_skills()
        except ConfigError as exc:
            assert "\n" not in str(exc)


@given(st.text(max_size=80))
@hypothesis_settings(max_examples=100, deadline=None)
def test_no_file_of_settings_is_a_traceback(text: str) -> None:
    Path("dropscore.toml").write_text(text, encoding="utf-8", errors="replace")
    try:
        load().all_skills()
    except ConfigError as exc:
        assert "\n" not in str(exc)
    finally:
        Path("dropscore.toml").unlink()
