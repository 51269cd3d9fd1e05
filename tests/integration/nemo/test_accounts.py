"""Whose token goes along, what happens when it is refused, and what a person is told without credits."""

import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

import nemo
from nemo import errors

pytestmark = pytest.mark.integration

BALANCE = "/api/credits/balance/simple"
STATE = "/api/state/nemo_agent/me/s1/latest"
TOKEN = "/api/auth/anonymous-token"


def test_a_users_refused_token_is_told_and_not_replaced(backend: Any, client: nemo.NemoClient) -> None:
    backend.on("GET", BALANCE, backend.json({"code": 1001}, 401))
    with pytest.raises(errors.AccountRefused):
        client.balance()
    assert [seen.path for seen in backend.seen] == [BALANCE]


class Store:
    """A store in memory."""

    def __init__(self) -> None:
        self.account: nemo.Account | None = None
        self._lock = threading.Lock()

    def load(self) -> nemo.Account | None:
        return self.account

    def save(self, account: nemo.Account) -> None:
        self.account = account

    @contextmanager
    def lock(self) -> Iterator[None]:
        with self._lock:
            yield


@pytest.fixture
def anonymous(backend: Any, http: Any, make_client: Any) -> nemo.NemoClient:
    endpoint = nemo.Endpoint(api_url=backend.url, web_url="https://web.example")
    attribution = nemo.Attribution("add-music", "1", "unknown")
    tokens = nemo.AnonymousTokens(Store(), None, nemo.anonymous_mint(endpoint, attribution, http))
    made: nemo.NemoClient = make_client(backend.url, tokens=tokens, endpoint=endpoint)
    return made


def give_tokens(backend: Any) -> None:
    backend.on(
        "POST",
        TOKEN,
        *(
            backend.ok(token=f"nmv_usr_{n}", user_id="anon_1", credits=100, expires_at="2099-01-01T00:00:00Z")
            for n in (1, 2, 3)
        ),
    )


def test_an_anonymous_token_is_fetched_as_the_contract_says(backend: Any, anonymous: nemo.NemoClient) -> None:
    give_tokens(backend)
    backend.on("GET", BALANCE, backend.ok(available=100))
    anonymous.balance()
    token, balance = backend.seen
    assert uuid.UUID(token.headers["x-client-id"])
    assert "authorization" not in token.headers and token.headers["x-skill-source"] == "add-music"
    assert token.body == b""
    assert balance.headers["authorization"] == "Bearer nmv_usr_1"


def test_a_refused_anonymous_token_is_renewed_once_with_the_same_client(
    backend: Any, anonymous: nemo.NemoClient
) -> None:
    give_tokens(backend)
    backend.on("GET", BALANCE, backend.json({"code": 1001}), backend.ok(available=100))
    assert anonymous.balance().available == 100
    first, second = backend.calls(TOKEN)
    assert first.headers["x-client-id"] == second.headers["x-client-id"]
    assert backend.seen[-1].headers["authorization"] == "Bearer nmv_usr_2"


def test_a_token_refused_again_is_told(backend: Any, anonymous: nemo.NemoClient) -> None:
    give_tokens(backend)
    backend.on("GET", BALANCE, backend.json({"code": 1001}))
    with pytest.raises(errors.TokenRefused):
        anonymous.balance()
    assert len(backend.calls(BALANCE)) == 2


@pytest.mark.parametrize("carrier", ["json", "status", "stream"])
def test_an_edit_with_a_refused_token_was_not_taken_and_is_repeated(
    backend: Any, anonymous: nemo.NemoClient, carrier: str
) -> None:
    give_tokens(backend)
    refused = {
        "json": backend.json({"code": 1001}),
        "status": backend.json({"detail": "x"}, 401),
        "stream": backend.sse({"code": 1001, "message": "expired"}),
    }[carrier]
    backend.on("POST", "/run_sse", refused, backend.sse({"text": "Done."}))
    assert anonymous.edit("s1", "add music").texts == ("Done.",)
    assert [seen.headers["authorization"][-1] for seen in backend.calls("/run_sse")] == ["1", "2"]


def test_the_token_request_is_never_repeated_blindly(backend: Any, anonymous: nemo.NemoClient) -> None:
    backend.on("POST", TOKEN, backend.json({}, 500))
    with pytest.raises(errors.ServerError):
        anonymous.balance()
    assert len(backend.calls(TOKEN)) == 1


def test_out_of_credits_tells_the_way_out(
    backend: Any, anonymous: nemo.NemoClient, client: nemo.NemoClient
) -> None:
    give_tokens(backend)
    backend.on("POST", "/run_sse", backend.json({"code": 2001}))
    with pytest.raises(errors.OutOfCredits) as caught:
        anonymous.edit("s1", "add music")
    assert "https://web.example/register?bind=anon_1" in caught.value.advice
    with pytest.raises(errors.OutOfCredits) as caught:
        client.edit("s1", "add music")
    assert caught.value.advice == "Top up credits in your account"


def test_an_account_without_an_id_gets_it_from_the_session(backend: Any, anonymous: nemo.NemoClient) -> None:
    backend.on("POST", TOKEN, backend.ok(token="nmv_usr_1"))
    backend.on("POST", "/run_sse", backend.json({"code": 2001}))
    backend.on("GET", STATE, backend.ok(state={}, user_id="anon_7"))
    with pytest.raises(errors.OutOfCredits) as caught:
        anonymous.edit("s1", "add music")
    assert caught.value.advice.endswith("/register?bind=anon_7")
    backend.on("GET", STATE, backend.json({}, 500))
    with pytest.raises(errors.OutOfCredits) as caught:
        anonymous.edit("s1", "add music")
    assert caught.value.advice.endswith("/register")
