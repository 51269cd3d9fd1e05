"""Roots that lie in a bucket keep their path as it is said."""

from pathlib import Path

from config.roots import Root
from config.settings import load, to_environment


def test_a_root_in_a_bucket_passes_through_the_environment_as_it_is() -> None:
    settings = load(environ={}, flags={"roots": [{"path": "s3://clips/in", "outbox": "s3://clips/out"}]})
    assert settings.roots == (Root(path="s3://clips/in", outbox="s3://clips/out"),)
    told = to_environment(settings)["DROPSCORE_ROOTS"]
    assert load(environ={}, flags={"roots": told}).roots == settings.roots


def test_roots_of_both_kinds_stand_in_one_line() -> None:
    settings = load(environ={}, flags={"roots": "s3://clips/in, /srv/nas"})
    assert [root.path for root in settings.roots] == ["s3://clips/in", "/srv/nas"]
    assert Root.model_validate({"path": Path("/srv/nas")}).path == "/srv/nas"
