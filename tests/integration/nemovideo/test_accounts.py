"""Whose token goes along, what happens when it is refused, and what a person is told without credits."""

import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

import nemovideo
from nemovideo import errors

pytestmark = pytest.mark.integration

BALANCE = "/api/credits/balance/simple"
STATE = "/api/state/nemo_agent/me/s1/latest"
TOKEN = "/api/auth/anonymous-token"
SESSION = "/api/tasks/me/with-session/nemo_agent"


def test_a_users_refused_token_is_told_and_not_replaced(backend: Any, client: nemovideo.NemoVideo) -> None:
    backend.on("GET", BALANCE, backend.json({"code": 1001}, 401))
    with pytest.raises(errors.AccountRefused):
        client.balance()
    assert [seen.path for seen in backend.seen] == [BALANCE]


class Store:
    """A store in memory."""

    def __init__(self) -> None:
        self.account: nemovideo.Account | None = None
        self._lock = threading.Lock()

    def load(self) -> nemovideo.Account | None:
        return self.account

    def save(self, account: nemovideo.Account) -> None:
        self.account = account

    @contextmanager
    def lock(self) -> Iterator[None]:
        with self._lock:
            yield


@pytest.fixture
def anonymous(backend: Any, http: Any, make_client: Any) -> nemovideo.NemoVideo:
    endpoint = nemovideo.Endpoint(api_url=backend.url, web_url="https://web.example")
    attribution = nemovideo.Attribution("add-music", "1", "unknown")
    tokens = nemovideo.AnonymousTokens(Store(), None, nemovideo.anonymous_mint(endpoint, attribution, http))
    made: nemovideo.NemoVideo = make_client(backend.url, tokens=tokens, endpoint=endpoint)
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


def test_an_anonymous_token_is_fetched_as_the_contract_says(
    backend: Any, anonymous: nemovideo.NemoVideo
) -> None:
    give_tokens(backend)
    backend.on("GET", BALANCE, backend.ok(available=100))
    anonymous.balance()
    token, balance = backend.seen
    assert uuid.UUID(token.headers["x-client-id"])
    assert "authorization" not in token.headers and token.headers["x-skill-source"] == "add-music"
    assert token.body == b""
    assert balance.headers["authorization"] == "Bearer nmv_usr_1"


def test_a_refused_anonymous_token_is_renewed_once_with_the_same_client(
    backend: Any, anonymous: nemovideo.NemoVideo
) -> None:
    give_tokens(backend)
    backend.on("GET", BALANCE, backend.json({"code": 1001}), backend.ok(available=100))
    assert anonymous.balance().available == 100
    first, second = backend.calls(TOKEN)
    assert first.headers["x-client-id"] == second.headers["x-client-id"]
    assert backend.seen[-1].headers["authorization"] == "Bearer nmv_usr_2"


def test_a_token_refused_again_is_told(backend: Any, anonymous: nemovideo.NemoVideo) -> None:
    give_tokens(backend)
    backend.on("GET", BALANCE, backend.json({"code": 1001}))
    with pytest.raises(errors.TokenRefused):
        anonymous.balance()
    assert len(backend.calls(BALANCE)) == 2


@pytest.mark.parametrize("carrier", ["json", "status", "stream"])
def test_an_edit_with_a_refused_token_was_not_taken_and_is_repeated(
    backend: Any, anonymous: nemovideo.NemoVideo, carrier: str
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


def test_the_token_request_is_never_repeated_blindly(backend: Any, anonymous: nemovideo.NemoVideo) -> None:
    backend.on("POST", TOKEN, backend.json({}, 500))
    with pytest.raises(errors.ServerError):
        anonymous.balance()
    assert len(backend.calls(TOKEN)) == 1


def test_out_of_credits_tells_the_way_out(
    backend: Any, anonymous: nemovideo.NemoVideo, client: nemovideo.NemoVideo
) -> None:
    give_tokens(backend)
    backend.on("POST", "/run_sse", backend.json({"code": 2001}))
    with pytest.raises(errors.OutOfCredits) as caught:
        anonymous.edit("s1", "add music")
    assert "https://web.example/register?bind=anon_1" in caught.value.advice
    with pytest.raises(errors.OutOfCredits) as caught:
        client.edit("s1", "add music")
    assert caught.value.advice == "Top up credits in your account"


def test_an_account_without_an_id_gets_it_from_the_session(
    backend: Any, anonymous: nemovideo.NemoVideo
) -> None:
    backend.on("POST", TOKEN, backend.ok(token="nmv_usr_1"))
    backend.on("POST", "/run_sse", backend.json({"code": 2001}))
    backend.on("GET", STATE, backend.ok(state={}, user_id="anon_7"))
    with pytest.raises(errors.OutOfCredits) as caught:
        anonymous.edit("s1", "add music")
    assert caught.value.advice.endswith("/register?bind=anon_7")


def test_an_id_that_nobody_names_leaves_a_link_without_one(
    backend: Any, anonymous: nemovideo.NemoVideo
) -> None:
    backend.on("POST", TOKEN, backend.ok(token="nmv_usr_1"))
    backend.on("POST", "/run_sse", backend.json({"code": 2001}))
    backend.on("GET", STATE, backend.json({}, 500))
    with pytest.raises(errors.OutOfCredits) as caught:
        anonymous.edit("s1", "add music")
    assert caught.value.advice.endswith("/register")


@pytest.mark.parametrize("key", ["bind_id", "user_id"])
def test_the_id_of_a_new_session_is_used_without_asking_again(
    backend: Any, anonymous: nemovideo.NemoVideo, key: str
) -> None:
    backend.on("POST", TOKEN, backend.ok(token="nmv_usr_1"))
    backend.on("POST", SESSION, backend.ok(session_id="s1", **{key: "anon_8"}))
    backend.on("POST", "/run_sse", backend.json({"code": 2001}))
    copy = anonymous.with_skill(nemovideo.Attribution("music-ab2n", "1", "unknown"))
    copy.open_session()
    with pytest.raises(errors.OutOfCredits) as caught:
        anonymous.edit("s1", "add music")
    assert caught.value.advice.endswith("/register?bind=anon_8")
    assert backend.calls(STATE) == []


def test_a_balance_below_the_price_is_an_error_of_ours(backend: Any, anonymous: nemovideo.NemoVideo) -> None:
    give_tokens(backend)
    backend.on("GET", BALANCE, backend.ok(available=30))
    assert anonymous.afford(30).available == 30
    with pytest.raises(errors.BalanceTooLow) as caught:
        anonymous.afford(50)
    assert (caught.value.service_code, caught.value.needed_credits) == (None, 50)
    assert caught.value.advice.endswith("/register?bind=anon_1")


def test_a_429_of_the_token_endpoint_is_told_apart(backend: Any, anonymous: nemovideo.NemoVideo) -> None:
    backend.on("POST", TOKEN, backend.json({}, 429, Retry_After="604800"))
    for _ in range(5):
        with pytest.raises(errors.TokenRateLimited) as caught:
            anonymous.balance()
        assert 590 < (caught.value.retry_after_s or 0) <= 600
        assert not isinstance(caught.value, errors.RateLimited)
    assert len(backend.seen) == 1


def test_a_dead_token_costs_one_mint_however_often_it_is_asked_for(
    backend: Any, anonymous: nemovideo.NemoVideo
) -> None:
    backend.on("POST", TOKEN, backend.ok(token="nmv_usr_dead"))
    backend.on("GET", BALANCE, backend.json({"code": 1001}, 401))
    for _ in range(5):
        with pytest.raises(errors.AnonymousRefused):
            anonymous.balance()
    assert len(backend.calls(TOKEN)) == 2 and len(backend.calls(BALANCE)) == 1  # the first, and one renewal
