"""What the studio remembers, and the promises of its transactions."""

from __future__ import annotations

from pathlib import Path

import pytest

from studio.errors import Conflict, NotFound, OutOfCredits, RateLimited, SessionUnknown
from studio.media import MediaInfo
from studio.model import Look, RenderStatus, Upload
from studio.store import Change, MintLimits, RenderOrder, Replay, Store, Visit, Work, digest_of

LIMITS = MintLimits(credits=100, life_s=100.0, per_ip=3)
DRAFT = {"t": [{"tt": 0, "m": {}, "sg": [{"d": 1, "m": {}}]}], "d": 1, "m": {}}


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def store(tmp_path, clock):
    store = Store(tmp_path, clock)
    yield store
    store.close()


@pytest.fixture
def account(store):
    return store.accounts.register(100, 1_000.0).account


@pytest.fixture
def session(store, account):
    return store.sessions.open(account, "en").id


def upload(name="elf.mp4"):
    info = MediaInfo("video", "mp4", 8.0, 640, 360, 25.0, has_audio=True, has_video=True)
    return Upload(name, Path(name), "abc", info)


def order(render, session, account, fate=None):
    return RenderOrder(render, account, session, DRAFT, "high", fate)


def test_a_token_is_known_until_it_expires(store, clock):
    minted = store.accounts.mint("client", "ip", LIMITS)
    assert store.accounts.holder(minted.token).id == minted.account
    assert minted.token not in repr(minted)
    clock.now += 100
    assert store.accounts.holder(minted.token) is None


def test_tokens_are_kept_as_digests(store, tmp_path):
    token = store.accounts.mint("client", "ip", LIMITS).token
    store.close()
    assert all(token.encode() not in path.read_bytes() for path in tmp_path.iterdir())


def test_one_token_for_a_client_and_a_few_for_an_address(store, clock):
    store.accounts.mint("a", "ip", LIMITS)
    with pytest.raises(RateLimited):
        store.accounts.mint("a", "other ip", LIMITS)
    store.accounts.mint("b", "ip", LIMITS)
    store.accounts.mint("c", "ip", LIMITS)
    with pytest.raises(RateLimited):
        store.accounts.mint("d", "ip", LIMITS)
    clock.now += 101
    store.accounts.mint("d", "ip", LIMITS)


def test_a_new_token_for_the_same_client_is_the_same_account(store, clock):
    first = store.accounts.mint("a", "ip", LIMITS)
    store.accounts.grant(first.account, 7)
    store.accounts.revoke(first.token)
    second = store.accounts.mint("a", "ip", LIMITS)
    assert (second.account, second.credits) == (first.account, 7)


def test_credits_are_frozen_and_then_charged(store, account, session):
    work = store.edits.begin(account, session, "add music", 60)
    assert (store.accounts.balance(account).available, store.accounts.balance(account).frozen) == (40, 60)
    with pytest.raises(OutOfCredits):
        store.edits.begin(account, session, "add music", 60)
    store.edits.land(work, lambda scene: Change(draft=DRAFT, charged=True))
    balance = store.accounts.balance(account)
    assert (balance.available, balance.frozen, balance.total) == (40, 0, 40)
    assert store.sessions.get(account, session).draft == DRAFT
    assert store.journal.ledger()["charges"][0]["instruction"] == digest_of("add music")


def test_a_key_that_was_charged_is_answered_and_one_at_work_is_awaited(store, account, session):
    store.sessions.receive(account, session, [upload(), upload("frog.mp4")])
    shown = store.sessions.get(account, session).draft
    work = store.edits.begin(account, session, "add music", 50, "key")
    assert store.edits.begin(account, session, "add music", 50, "key") == Replay(None)
    store.edits.land(work, lambda scene: Change(draft=shown, charged=True, said="Done."))
    assert store.edits.begin(account, session, "add music", 50, "key") == Replay("Done.")
    with pytest.raises(Conflict):
        store.edits.begin(account, session, "add drums", 50, "key")
    (charge,) = store.journal.ledger()["charges"]
    assert (charge["key"], charge["files"]) == ("key", ["elf.mp4", "frog.mp4"])


def test_a_key_whose_edit_did_not_land_is_free_again(store, account, session):
    work = store.edits.begin(account, session, "add music", 50, "key")
    store.edits.drop(work)
    assert isinstance(store.edits.begin(account, session, "add music", 50, "key"), Work)


def test_an_edit_that_breaks_while_landing_changes_and_charges_nothing(store, account, session):
    work = store.edits.begin(account, session, "add music", 60)

    def break_down(scene):
        store.sessions.store_draft(session, DRAFT)
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        store.edits.land(work, break_down)
    store.edits.drop(work)
    assert store.accounts.balance(account).available == 100
    assert store.sessions.get(account, session).draft is None


def test_a_restart_frees_what_was_frozen(store, account, session, tmp_path, clock):
    store.edits.begin(account, session, "add music", 60)
    again = Store(tmp_path, clock)
    assert again.accounts.balance(account).frozen == 0
    again.close()


def test_granting_leaves_what_is_frozen_out(store, account, session):
    store.edits.begin(account, session, "add music", 60)
    store.accounts.grant(None, 500)
    assert store.accounts.balance(account).available == 500
    assert store.accounts.balance(account).frozen == 60


def test_a_question_is_remembered_until_an_edit_lands(store, account, session):
    work = store.edits.begin(account, session, "add music", 1)
    store.edits.land(work, lambda scene: Change(asked="add music"))
    assert store.sessions.get(account, session).asked == "add music"
    store.sessions.store_draft(session, DRAFT)
    assert store.sessions.get(account, session).asked is None


def test_uploads_become_the_draft_and_keep_their_look(store, account, session):
    media = store.sessions.receive(account, session, [upload(), upload("frog.mp4")])
    assert [item.filename for item in store.sessions.media_of(session)] == ["elf.mp4", "frog.mp4"]
    assert store.sessions.get(account, session).draft["d"] == 16_000
    store.sessions.store_look(media[0].id, Look("calm", {"motion": 0.1}))
    assert store.sessions.find_media(account, media[0].id).look == Look("calm", {"motion": 0.1})
    assert store.sessions.media_by_secret(media[1].secret).id == media[1].id
    assert store.sessions.find_media("somebody else", media[0].id) is None


def test_sessions_and_renders_belong_to_an_account(store, account, session):
    store.renders.submit(order("render_1", session, account))
    with pytest.raises(SessionUnknown):
        store.sessions.get("somebody else", session)
    with pytest.raises(NotFound):
        store.renders.get("somebody else", "render_1")


def test_a_render_id_is_used_once(store, account, session):
    store.renders.submit(order("render_1", session, account))
    with pytest.raises(Conflict):
        store.renders.submit(order("render_1", session, account))


def test_one_render_at_a_time_in_a_session(store, account, session):
    other = store.sessions.open(account, None).id
    for render, where in (("render_1", session), ("render_2", session), ("render_3", other)):
        store.renders.submit(order(render, where, account))
    assert store.renders.next().id == "render_1"
    assert store.renders.next().id == "render_3"
    assert store.renders.next() is None
    store.renders.finish("render_1", None)
    assert store.renders.next().id == "render_2"


def test_a_dead_render_does_not_stand_in_the_way(store, account, session):
    store.renders.submit(order("render_1", session, account, fate="dead"))
    store.renders.submit(order("render_2", session, account))
    assert store.renders.next().id == "render_1"
    assert store.renders.next().id == "render_2"


def test_only_a_pending_render_can_be_cancelled(store, account, session):
    store.renders.submit(order("render_1", session, account))
    store.renders.submit(order("render_2", session, account))
    store.renders.next()
    assert store.renders.cancel(account, "render_2").status is RenderStatus.FAILED
    with pytest.raises(Conflict):
        store.renders.cancel(account, "render_1")
    with pytest.raises(NotFound):
        store.renders.cancel(account, "render_9")


def test_a_restart_queues_what_was_being_rendered(store, account, session, tmp_path, clock):
    store.renders.submit(order("render_1", session, account))
    store.renders.next()
    again = Store(tmp_path, clock)
    assert again.renders.get(account, "render_1").status is RenderStatus.PENDING
    again.close()


def test_the_journal_and_its_switches(store):
    store.journal.note(Visit("render", "anon_1", "s", "d", attributed=False, fault="429"))
    visit = store.journal.ledger()["requests"][0]
    assert (visit["endpoint"], visit["attributed"], visit["fault"]) == ("render", False, "429")
    assert store.journal.read_switch("plan", "pro") == "pro"
    store.journal.switch("plan", "free")
    assert store.journal.read_switch("plan", "pro") == "free"


def test_the_sources_of_ended_sessions_are_let_go_the_oldest_first(store, account, clock):
    ended, busy = (store.sessions.open(account, "en").id for _ in range(2))
    for session, name in ((ended, "a.mp4"), (busy, "b.mp4")):
        store.sessions.receive(account, session, [upload(name)])
    store.renders.submit(order("r1", ended, account))
    store.renders.submit(order("r2", busy, account))
    store.renders.next()
    store.renders.finish("r1", None)
    assert store.sessions.list_settled(clock.now) == []
    clock.now += 10
    assert store.sessions.list_settled(clock.now) == [Path("a.mp4")]
    store.sessions.forget([Path("a.mp4")])
    with pytest.raises(SessionUnknown):
        store.sessions.get(account, ended)
    assert store.renders.get(account, "r1").status is RenderStatus.COMPLETED
    assert store.sessions.get(account, busy).id == busy
    assert store.sessions.list_settled(clock.now) == []
