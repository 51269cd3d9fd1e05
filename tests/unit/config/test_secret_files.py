"""Secrets that come from files."""

import pytest

from config.errors import ConfigError
from config.settings import SECRETS, Settings, load


@pytest.fixture(autouse=True)
def _alone(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    for name in Settings.model_fields.values():
        monkeypatch.delenv(name.alias, raising=False)


def told(monkeypatch, **environ):
    for name, value in environ.items():
        monkeypatch.setenv(name, str(value))
    return load()


def test_a_secret_is_read_from_the_file_that_is_named(monkeypatch, tmp_path):
    (tmp_path / "token").write_text("nmv_usr_secret\n")
    (tmp_path / "url").write_text("redis://:pw@redis:6379/0")
    settings = told(
        monkeypatch, NEMO_TOKEN_FILE=tmp_path / "token", DROPSCORE_REDIS_URL_FILE=tmp_path / "url"
    )
    assert settings.nemo_token.get_secret_value() == "nmv_usr_secret"
    assert settings.redis_url.get_secret_value() == "redis://:pw@redis:6379/0"
    assert settings.backend == "cloud"
    assert "secret" not in repr(settings)


def test_the_variable_itself_goes_first(monkeypatch, tmp_path):
    (tmp_path / "url").write_text("redis://file")
    settings = told(
        monkeypatch, DROPSCORE_REDIS_URL_FILE=tmp_path / "url", DROPSCORE_REDIS_URL="redis://variable"
    )
    assert settings.redis_url.get_secret_value() == "redis://variable"


def test_an_empty_file_is_no_secret(monkeypatch, tmp_path):
    (tmp_path / "token").write_text("\n")
    settings = told(monkeypatch, NEMO_TOKEN_FILE=tmp_path / "token")
    assert (settings.nemo_token, settings.backend) == (None, "local")


def test_a_token_is_not_read_for_the_local_studio(monkeypatch, tmp_path):
    (tmp_path / "token").write_text("nmv_usr_secret")
    settings = told(monkeypatch, NEMO_TOKEN_FILE=tmp_path / "token", DROPSCORE_BACKEND="local")
    assert settings.nemo_token is None


def test_a_file_that_cannot_be_read_is_one_line_without_its_content(monkeypatch, tmp_path):
    (tmp_path / "token").write_bytes(b"\xffsecret")
    for path in (tmp_path / "token", tmp_path / "none", tmp_path):
        with pytest.raises(ConfigError, match=f"^NEMO_TOKEN_FILE: {path} cannot be read") as raised:
            told(monkeypatch, NEMO_TOKEN_FILE=path)
        assert "secret;" not in str(raised.value)
        assert "\n" not in str(raised.value)


def test_every_secret_setting_is_in_the_list():
    fields = Settings.model_fields.values()
    assert {field.alias for field in fields if "SecretStr" in str(field.annotation)} == set(SECRETS)


def test_only_secrets_have_files(monkeypatch):
    with pytest.raises(ConfigError, match="DROPSCORE_SKILL_FILE is no setting"):
        told(monkeypatch, DROPSCORE_SKILL_FILE="x")


@pytest.mark.parametrize("way", ["flag", "file"])
def test_nor_when_the_local_studio_was_chosen_in_another_way(monkeypatch, tmp_path, way):
    (tmp_path / "token").write_text("nmv_usr_secret")
    monkeypatch.setenv("NEMO_TOKEN_FILE", str(tmp_path / "token"))
    if way == "file":
        (tmp_path / "dropscore.toml").write_text('backend = "local"')
    settings = load({"chosen_backend": "local"} if way == "flag" else {})
    assert (settings.nemo_token, settings.backend) == (None, "local")
