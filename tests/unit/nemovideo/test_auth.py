"""One anonymous token for all, fetched as rarely as can be; the user's own is never replaced."""

import json
import multiprocessing
import os
import stat
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from nemovideo import Account, AnonymousTokens, FileTokenStore, UserToken, auth, errors
from nemovideo.auth import BearerAuth

WEEK_S = 7 * 86400.0
OLD = "nmv_usr_old"


class Clock:
    """A wall clock that a test sets."""

    def __init__(self, at: float = 1_800_000_000.0) -> None:
        self.at = at

    def __call__(self) -> float:
        return self.at


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
            try:
                yield
            finally:
                self.held = False


class Service:
    """Gives tokens, a new one each time, or always `same`; `failures` come first."""

    def __init__(
        self, *failures: errors.NemoVideoError, same: str = "", expires_at: float | None = None
    ) -> None:
        self.failures = list(failures)
        self.same = same
        self.expires_at = expires_at
        self.asked: list[str] = []

    def __call__(self, client_id: str) -> Account:
        self.asked.append(client_id)
        if self.failures:
            raise self.failures.pop(0)
        return Account(client_id, self.same or f"nmv_usr_{len(self.asked)}", "anon_1", self.expires_at)


def tokens(
    store: Store, service: Service, client_id: str | None = None, clock: Clock | None = None
) -> AnonymousTokens:
    return AnonymousTokens(store, client_id, service, now=clock or Clock())


def known(token: str = OLD, **more: float | int | None) -> Account:
    return Account("c", token, None, **more)  # type: ignore[arg-type]  # numbers alone


# --- fetching --------------------


def test_the_client_id_is_saved_before_it_is_first_used() -> None:
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
    assert len(service.asked) == 2 and len(set(service.asked)) == 1


def test_a_stored_token_is_used_and_nothing_is_asked() -> None:
    service = Service()
    assert tokens(Store(known(expires_at=2e9)), service).bearer() == "nmv_usr_old"
    assert service.asked == []


def test_another_workers_token_is_taken_over() -> None:
    store, service = Store(known("nmv_usr_new")), Service()
    assert tokens(store, service).refresh("nmv_usr_old") == "nmv_usr_new"
    assert service.asked == []


def test_the_users_client_id_comes_first() -> None:
    store, service = Store(Account("other", "nmv_usr_old")), Service()
    assert tokens(store, service, "mine").bearer() == "nmv_usr_1"
    assert service.asked == ["mine"]
    assert store.account is not None and store.account.client_id == "mine"


def test_a_refused_client_id_is_replaced_once_and_saved() -> None:
    store, service = Store(Account("not a uuid")), Service(errors.ClientIdMissing())
    assert tokens(store, service).bearer() == "nmv_usr_2"
    assert store.account is not None and store.account.client_id == service.asked[1] != "not a uuid"


def test_the_users_own_client_id_is_not_replaced() -> None:
    service = Service(errors.ClientIdMissing())
    with pytest.raises(errors.ClientIdMissing):
        tokens(Store(), service, "mine").bearer()
    assert service.asked == ["mine"]


def test_the_account_is_known_after_the_first_call() -> None:
    shared = tokens(Store(), Service())
    assert shared.user_id is None and shared.anonymous
    shared.bearer()
    assert shared.user_id == "anon_1"


def run_together(calls: list[threading.Thread]) -> None:
    for thread in calls:
        thread.start()
    for thread in calls:
        thread.join(20)
    assert not any(thread.is_alive() for thread in calls)


def test_many_workers_ask_once() -> None:
    store, service = Store(known("nmv_usr_bad", expires_at=2e9)), Service()
    workers = [tokens(store, service) for _ in range(4)]
    got: list[str] = []
    run_together(
        [
            threading.Thread(target=lambda w=worker: got.append(w.refresh("nmv_usr_bad")))
            for worker in workers
            for _ in range(8)
        ]
    )
    assert got == ["nmv_usr_1"] * 32
    assert service.asked == ["c"]


def test_threads_that_waited_while_one_failed_do_not_ask_too() -> None:
    asked, go = [], threading.Event()

    def mint(client_id: str) -> Account:
        asked.append(client_id)
        go.wait(10)
        raise errors.Unreachable

    shared = AnonymousTokens(Store(), None, mint, now=Clock())
    failed: list[str] = []

    def ask() -> None:
        try:
            shared.bearer()
        except errors.Unreachable as exc:
            failed.append(exc.code)

    threads = [threading.Thread(target=ask) for _ in range(16)]
    threading.Timer(0.5, go.set).start()
    run_together(threads)
    assert failed == ["unreachable"] * 16
    assert len(asked) == 1


# --- expiry --------------------


def test_an_expired_token_is_replaced_with_the_same_client_id() -> None:
    store, service = Store(known(expires_at=1_700_000_000.0)), Service()
    assert tokens(store, service).bearer() == "nmv_usr_1"
    assert service.asked == ["c"]


@pytest.mark.parametrize("expires_at", [1.0, 1_799_999_999.0, 1_800_000_030.0, None])
def test_a_date_that_is_past_already_costs_one_mint_and_not_one_a_request(expires_at: float | None) -> None:
    clock, service = Clock(), Service(expires_at=expires_at)
    store = Store()
    shared = tokens(store, service, clock=clock)
    assert [shared.bearer() for _ in range(5)] == ["nmv_usr_1"] * 5
    assert tokens(store, service, clock=clock).bearer() == "nmv_usr_1"
    assert len(service.asked) == 1
    clock.at += WEEK_S + 1
    assert shared.bearer() == "nmv_usr_2"


def test_a_date_to_come_is_kept() -> None:
    store, clock = Store(), Clock()
    service = Service(expires_at=clock.at + 3600)
    shared = tokens(store, service, clock=clock)
    shared.bearer()
    clock.at += 3599
    assert shared.bearer() == "nmv_usr_1"
    clock.at += 2
    assert shared.bearer() == "nmv_usr_2"


@pytest.mark.parametrize(("left_s", "kept"), [(60.0, False), (60.5, True)])
def test_a_date_less_than_a_minute_ahead_shows_a_wrong_clock(left_s: float, kept: bool) -> None:
    clock, store = Clock(), Store()
    tokens(store, Service(expires_at=clock.at + left_s), clock=clock).bearer()
    assert store.saved[-1].expires_at == clock.at + (left_s if kept else WEEK_S)


def test_a_token_that_expired_by_our_clock_alone_is_used_while_no_other_is_given_out() -> None:
    store, clock = Store(known(expires_at=1.0)), Clock()
    service = Service(errors.TokenRateLimited(), errors.TokenRateLimited())
    shared = tokens(store, service, clock=clock)
    assert [shared.bearer() for _ in range(3)] == ["nmv_usr_old"] * 3
    assert len(service.asked) == 1
    clock.at += 31
    assert shared.bearer() == "nmv_usr_old"
    assert len(service.asked) == 2


# --- a 429 of the token endpoint --------------------


@pytest.mark.parametrize(
    ("asked_s", "wait_s"), [(None, 30.0), (7.0, 7.0), (0.0, 1.0), (604_800.0, 600.0), (float("inf"), 600.0)]
)
def test_a_429_is_waited_out_by_the_whole_fleet(asked_s: float | None, wait_s: float) -> None:
    store, clock = Store(), Clock()
    service = Service(errors.TokenRateLimited(retry_after_s=asked_s))
    first = tokens(store, service, clock=clock)
    for worker in (first, first, tokens(store, service, clock=clock)):
        with pytest.raises(errors.TokenRateLimited) as caught:
            worker.bearer()
        assert caught.value.retry_after_s == wait_s
    assert len(service.asked) == 1
    clock.at += wait_s
    assert first.bearer() == "nmv_usr_2"


def test_a_second_429_in_a_row_is_waited_out_for_ten_minutes() -> None:
    store, clock = Store(), Clock()
    shared = tokens(
        store,
        Service(errors.TokenRateLimited(), errors.TokenRateLimited(), errors.TokenRateLimited()),
        None,
        clock,
    )
    waits = []
    for _ in range(3):
        with pytest.raises(errors.TokenRateLimited) as caught:
            shared.bearer()
        waits.append(caught.value.retry_after_s)
        clock.at += caught.value.retry_after_s or 0
    assert waits == [30.0, 600.0, 600.0]


def test_a_token_that_was_refused_is_not_forgotten_when_no_other_is_given_out() -> None:
    store, clock = Store(known(expires_at=2e9)), Clock()
    shared = tokens(store, Service(errors.TokenRateLimited()), clock=clock)
    with pytest.raises(errors.TokenRateLimited):
        shared.refresh("nmv_usr_old")
    clock.at += 31
    assert shared.bearer() == "nmv_usr_old"  # it may be accepted again: then nothing needs to be fetched


# --- a token that is dead --------------------


def test_a_dead_token_that_is_given_out_again_costs_one_mint_for_the_fleet() -> None:
    store, clock = Store(known("nmv_usr_dead", expires_at=2e9)), Clock()
    service = Service(same="nmv_usr_dead")
    fleet = [tokens(store, service, clock=clock) for _ in range(5)]
    for worker in fleet:
        with pytest.raises(errors.AnonymousRefused) as caught:
            worker.refresh("nmv_usr_dead")
        assert caught.value.retry_after_s == 600.0 and isinstance(caught.value, errors.AccountRefused)
        with pytest.raises(errors.AnonymousRefused):
            worker.bearer()
    assert len(service.asked) == 1


def test_a_dead_token_is_tried_again_after_its_hold_before_another_is_fetched() -> None:
    store, clock = Store(known("nmv_usr_dead", expires_at=2e9)), Clock()
    service = Service(same="nmv_usr_dead")
    shared = tokens(store, service, clock=clock)
    waits = []
    for _ in range(4):
        with pytest.raises(errors.AnonymousRefused) as caught:
            shared.refresh(shared.bearer())
        waits.append(caught.value.retry_after_s)
        clock.at += caught.value.retry_after_s or 0
    assert waits == [600.0, 3600.0, 21600.0, 21600.0]
    assert len(service.asked) == 4


def test_a_new_token_that_is_refused_at_once_is_not_renewed_again() -> None:
    store, clock, service = Store(known("nmv_usr_old", expires_at=2e9)), Clock(), Service()
    shared = tokens(store, service, clock=clock)
    assert shared.refresh("nmv_usr_old") == "nmv_usr_1"
    for _ in range(20):
        with pytest.raises(errors.AnonymousRefused):
            shared.refresh("nmv_usr_1")
    assert len(service.asked) == 1
    clock.at += 601
    assert shared.bearer() == "nmv_usr_1"
    assert shared.refresh("nmv_usr_1") == "nmv_usr_2"


def test_a_first_token_may_be_renewed_at_once() -> None:
    shared = tokens(Store(), Service())
    assert shared.refresh(shared.bearer()) == "nmv_usr_2"


def test_a_renewal_long_ago_does_not_count() -> None:
    clock, service = Clock(), Service()
    shared = tokens(Store(known(minted_at=clock.at - WEEK_S, renewals=3)), service, clock=clock)
    assert shared.refresh("nmv_usr_old") == "nmv_usr_1"
    assert shared.bearer() == "nmv_usr_1"


@pytest.mark.parametrize(("age_s", "counted"), [(86_399.0, 4), (86_400.0, 1)])
def test_renewals_count_for_four_of_the_longest_holds(age_s: float, counted: int) -> None:
    clock = Clock()
    store = Store(known(minted_at=clock.at - age_s, renewals=3))
    tokens(store, Service(), clock=clock).refresh("nmv_usr_old")
    assert store.saved[-1].renewals == counted


def test_a_hold_that_a_clock_step_made_endless_is_none() -> None:
    store, clock = Store(known(retry_at=4e9, renewals=1)), Clock()
    assert tokens(store, Service(), clock=clock).bearer() == "nmv_usr_old"


# --- the user's own token --------------------


def test_a_users_token_is_never_replaced() -> None:
    own = UserToken(" nmv_usr_mine\n")
    assert own.bearer() == "nmv_usr_mine" and not own.anonymous
    with pytest.raises(errors.AccountRefused) as caught:
        own.refresh("nmv_usr_mine")
    assert "NEMO_TOKEN" in caught.value.advice and type(caught.value) is errors.AccountRefused
    assert caught.value.service_code == 1001


def test_a_users_token_of_any_form_is_masked() -> None:
    UserToken("sk/Zz-weird=form!9")
    assert errors.mask("bad sk/Zz-weird=form!9 here") == "bad *** here"
    errors.register_secret("abc")
    assert errors.mask("abc is too short to be one") == "abc is too short to be one"


def test_no_token_in_a_repr() -> None:
    account = Account("c", "nmv_usr_secret", "anon_1", 3.0)
    assert "secret" not in repr(account) + repr(UserToken("nmv_usr_secret"))


def test_a_moment_may_be_stored_as_text() -> None:
    assert Account("c", "t", None, "12.5").expires_at == 12.5  # type: ignore[arg-type]  # as a store kept it


def test_the_token_goes_to_the_apis_own_origin_alone() -> None:
    bearer = BearerAuth("nmv_usr_x", lambda url: url.host == "api")
    for host, header in (("api", "Bearer nmv_usr_x"), ("cdn", None)):
        request = next(bearer.auth_flow(httpx.Request("GET", f"http://{host}/")))
        assert request.headers.get("Authorization") == header


# --- the file store --------------------


def test_the_file_store_keeps_the_account_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "state" / "account.json"
    store = FileTokenStore(path)
    assert store.load() is None
    account = Account("c", "nmv_usr_1", "anon_1", 5.0, 4.0, 2, 6.0)
    with store.lock():
        store.save(account)
    assert FileTokenStore(path).load() == account
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert sorted(found.name for found in path.parent.iterdir()) == ["account.json", "account.json.lock"]
    unlocked = FileTokenStore(tmp_path / "another" / "account.json")
    unlocked.save(account)
    assert unlocked.load() == account


@pytest.mark.parametrize(
    "content", ["", "no json", "[1]", '{"other": 1}', '{"client_id": "c", "expires_at": "x"}']
)
def test_a_file_that_cannot_be_understood_counts_as_none(tmp_path: Path, content: str) -> None:
    path = tmp_path / "account.json"
    path.write_text(content)
    assert FileTokenStore(path).load() is None


def test_an_account_of_an_older_version_is_understood(tmp_path: Path) -> None:
    path = tmp_path / "account.json"
    path.write_text(json.dumps({"client_id": "c", "token": "t", "user_id": None, "expires_at": 1.0}))
    assert FileTokenStore(path).load() == Account("c", "t", None, 1.0)


def test_a_folder_that_cannot_be_used_is_an_error_of_ours(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    store = FileTokenStore(tmp_path / "file" / "account.json")
    with pytest.raises(errors.StoreUnusable):
        store.save(Account("c"))
    with pytest.raises(errors.StoreUnusable), store.lock():
        pass


def test_a_file_that_cannot_be_read_is_an_error_of_ours(tmp_path: Path) -> None:
    with pytest.raises(errors.StoreUnusable, match="cannot be read"):
        FileTokenStore(tmp_path).load()


def test_a_lock_ends_with_its_block_and_nobody_else_may_open_its_file(tmp_path: Path) -> None:
    store = FileTokenStore(tmp_path / "account.json")
    mask = os.umask(0)
    try:
        for _ in range(2):
            with store.lock():
                pass
    finally:
        os.umask(mask)
    assert stat.S_IMODE((tmp_path / "account.json.lock").stat().st_mode) == 0o600


def test_an_account_is_on_disk_before_it_takes_the_place_of_the_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, sizes = tmp_path / "account.json", []
    monkeypatch.setattr(auth.os, "fsync", lambda file: sizes.append((os.fstat(file).st_size, path.exists())))
    FileTokenStore(path).save(known())
    assert sizes == [(path.stat().st_size, False)]


def count_up(path: Path, times: int) -> None:
    store = FileTokenStore(path)
    for _ in range(times):
        with store.lock():
            account = store.load() or Account("c")
            store.save(Account("c", renewals=account.renewals + 1))


def test_the_lock_holds_between_processes(tmp_path: Path) -> None:
    path = tmp_path / "account.json"
    spawn = multiprocessing.get_context("spawn")
    processes = [spawn.Process(target=count_up, args=(path, 25)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    account = FileTokenStore(path).load()
    assert account is not None and account.renewals == 75


def test_a_lock_that_is_never_given_back_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auth, "LOCK_WAIT_S", 0.1)
    store = FileTokenStore(tmp_path / "account.json")
    with store.lock(), pytest.raises(errors.StoreUnusable, match="locked"), store.lock():
        pass
