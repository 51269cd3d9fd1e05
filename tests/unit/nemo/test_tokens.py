"""One anonymous token for all; the user's own is never replaced."""

import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from nemo import Account, AnonymousTokens, UserToken, errors


class Store:
    """A store in memory, shared as Redis would share it."""

    def __init__(self, account: Account | None = None) -> None:
        self.account = account
        self.saved: list[Account] = []
        self.held = False
        self._lock = threading.Lock()

    def load(self) -> Account | None:
        assert self.held
        return self.account

    def save(self, account: Account) -> None:
        assert self.held
        self.account = account
        self.saved.append(account)

    @contextmanager
    def lock(self) -> Iterator[None]:
        with self._lock:
            self.held = True
            yield
            self.held = False


class Service:
    """Gives tokens; `refusals` come first."""

    def __init__(self, *refusals: errors.NemoError) -> None:
        self.refusals = list(refusals)
        self.asked: list[str] = []

    def __call__(self, client_id: str) -> Account:
        self.asked.append(client_id)
        if self.refusals:
            raise self.refusals.pop(0)
        return Account(client_id, f"nmv_usr_{len(self.asked)}", "anon_1", 1000.0)


def tokens(
    store: Store,
    service: Callable[[str], Account],
    client_id: str | None = None,
    naps: list[float] | None = None,
) -> AnonymousTokens:
    slept = naps if naps is not None else []
    return AnonymousTokens(store, client_id, service, sleep=slept.append, now=lambda: 500.0)


def test_the_first_call_makes_a_client_id_and_keeps_it_before_it_asks() -> None:
    store, service = Store(), Service()
    assert tokens(store, service).bearer() == "nmv_usr_1"
    first, second = store.saved
    assert first.token == "" and second.token == "nmv_usr_1"
    assert first.client_id == second.client_id == service.asked[0] == str(uuid.UUID(first.client_id))


def test_a_client_id_survives_a_token_that_never_came() -> None:
    store, service = Store(), Service(errors.ConnectionLost())
    with pytest.raises(errors.ConnectionLost):
        tokens(store, service).bearer()
    tokens(store, service).bearer()
    assert len(set(service.asked)) == 1


def test_a_stored_token_is_used_and_nothing_is_asked() -> None:
    service = Service()
    assert tokens(Store(Account("c", "nmv_usr_old", None, 1000.0)), service).bearer() == "nmv_usr_old"
    assert service.asked == []


def test_an_expired_token_is_replaced_with_the_same_client_id() -> None:
    store, service = Store(Account("c", "nmv_usr_old", None, 400.0)), Service()
    assert tokens(store, service).bearer() == "nmv_usr_1"
    assert service.asked == ["c"]


def test_another_workers_token_is_taken_over() -> None:
    store, service = Store(Account("c", "nmv_usr_new")), Service()
    assert tokens(store, service).refresh("nmv_usr_old") == "nmv_usr_new"
    assert service.asked == []


def test_the_users_client_id_comes_first() -> None:
    store, service = Store(Account("other", "nmv_usr_old")), Service()
    shared = tokens(store, service, "mine")
    assert shared.bearer() == "nmv_usr_1"
    assert service.asked == ["mine"]
    assert store.account is not None and store.account.client_id == "mine"


def test_many_workers_ask_once() -> None:
    store, service = Store(Account("c", "nmv_usr_bad", None, 1000.0)), Service()
    workers = [tokens(store, service) for _ in range(4)]
    got: list[str] = []
    threads = [
        threading.Thread(target=lambda w=worker: got.append(w.refresh("nmv_usr_bad")))
        for worker in workers
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert set(got) == {"nmv_usr_1"} and len(got) == 32
    assert service.asked == ["c"]


@pytest.mark.parametrize(("asked_s", "slept"), [(None, [30.0]), (7.0, [7.0]), (0.0, [0.0])])
def test_a_429_is_waited_for_once(asked_s: float | None, slept: list[float]) -> None:
    naps: list[float] = []
    service = Service(errors.RateLimited(retry_after_s=asked_s))
    assert tokens(Store(), service, naps=naps).bearer() == "nmv_usr_2"
    assert naps == slept


def test_a_second_429_is_raised() -> None:
    service = Service(errors.RateLimited(), errors.RateLimited())
    with pytest.raises(errors.RateLimited):
        tokens(Store(), service).bearer()
    assert len(service.asked) == 2


def test_a_wait_of_days_is_not_slept_through() -> None:
    naps: list[float] = []
    with pytest.raises(errors.RateLimited):
        tokens(Store(), Service(errors.RateLimited(retry_after_s=604800.0)), naps=naps).bearer()
    assert naps == []


def test_a_refused_client_id_is_replaced_once_and_kept() -> None:
    store, service = Store(Account("not a uuid")), Service(errors.ClientIdMissing())
    assert tokens(store, service).bearer() == "nmv_usr_2"
    assert store.account is not None and store.account.client_id == service.asked[1] != "not a uuid"


def test_the_users_own_client_id_is_not_replaced() -> None:
    with pytest.raises(errors.ClientIdMissing):
        tokens(Store(), Service(errors.ClientIdMissing()), "mine").bearer()


def test_the_account_is_known_after_the_first_call() -> None:
    shared = tokens(Store(), Service())
    assert shared.user_id is None and shared.anonymous
    shared.bearer()
    assert shared.user_id == "anon_1"


def test_a_users_token_is_never_replaced() -> None:
    own = UserToken(" nmv_usr_mine\n")
    assert own.bearer() == "nmv_usr_mine" and not own.anonymous
    with pytest.raises(errors.AccountRefused) as caught:
        own.refresh("nmv_usr_mine")
    assert "NEMO_TOKEN" in caught.value.advice


def test_no_token_in_a_repr() -> None:
    account = Account("c", "nmv_usr_secret", "anon_1", 3.0)
    assert "secret" not in repr(account) + repr(UserToken("nmv_usr_secret"))


def test_a_moment_may_be_stored_as_text() -> None:
    assert Account("c", "t", None, "12.5").expires_at == 12.5  # type: ignore[arg-type]  # as a store kept it
