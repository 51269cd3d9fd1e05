"""Whose account it is, and how a balance is said."""

import pytest

from cli.account import Balance, account_of, has_account, resolve_service
from cli.errors import Unusable
from config.settings import load
from jobs.token_store import SharedTokenStore


@pytest.mark.parametrize(
    ("flags", "whose"),
    [
        ({}, "local studio"),
        ({"chosen_backend": "cloud"}, "anonymous"),
        ({"nemo_token": "nmv_x"}, "yours"),
        ({"nemo_token": "nmv_x", "chosen_backend": "local"}, "local studio"),
    ],
)
def test_whose_account_is_used(flags, whose):
    assert account_of(load(flags, environ={})) == whose


def test_the_local_studio_never_sees_a_token(tmp_path):
    (tmp_path / "studio.port").write_text("4711")
    flags = {"nemo_token": "nmv_x", "chosen_backend": "local", "state_dir": tmp_path}
    settings = resolve_service(load(flags, environ={}))
    assert (settings.nemo_api_url, settings.nemo_token) == ("http://127.0.0.1:4711", None)


def test_a_studio_that_never_ran_is_said(tmp_path):
    with pytest.raises(Unusable, match="has not run yet"):
        resolve_service(load({"state_dir": tmp_path}, environ={}))


def balance(**changes):
    said = {"account": "yours", "available": 4950, "reserved": 50, "total": 5000}
    return Balance(**{**said, "limit": None, "spent": 0, "set_aside": 0, **changes})


def test_a_balance_is_one_line_and_a_budget_another():
    assert list(balance().lines()) == [
        "4,950 credits available, 50 reserved by work in progress, 5,000 in total (yours)"
    ]
    (_, second) = list(balance(limit=200, spent=100, set_aside=50).lines())
    assert second == "budget: 100 of 200 spent since the last run began, 50 set aside for edits in flight"


def test_an_anonymous_account_is_known_once_it_was_made(ledger):
    settings = load({"chosen_backend": "cloud"}, environ={})
    assert not has_account(settings, ledger)
    SharedTokenStore(ledger, settings.nemo_api_url).save({"client_id": "c", "token": "nmv_t"})
    assert has_account(settings, ledger)
