"""Edits and what they cost: frozen while they work, charged in the moment they land (api-contract 2.5, 3)."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass

from studio.errors import OutOfCredits
from studio.model import Draft, Media, Session
from studio.store.accounts import Accounts
from studio.store.database import Database
from studio.store.sessions import Sessions


@dataclass(frozen=True, slots=True)
class Work:
    """An edit in progress, with its credits reserved."""

    id: str
    account: str
    session: str
    instruction: str


@dataclass(frozen=True, slots=True)
class Scene:
    """What an edit looks at when it lands: the session as it is now, and the session's files."""

    session: Session
    media: tuple[Media, ...]


@dataclass(frozen=True, slots=True)
class Change:
    """What an edit leaves behind: the draft (None: as it was), what it asked and said, the charge."""

    draft: Draft | None = None
    asked: str | None = None
    charged: bool = False
    said: str = ""


class Edits:
    """The edits in progress and the charges of those that landed."""

    def __init__(
        self, database: Database, accounts: Accounts, sessions: Sessions, clock: Callable[[], float]
    ) -> None:
        """Use the other tables, and `clock` for the time in seconds since the epoch."""
        self._database = database
        self._accounts = accounts
        self._sessions = sessions
        self._clock = clock

    def begin(self, account: str, session: str, instruction: str, price: int) -> Work:
        """Reserve the price of an edit, or raise `OutOfCredits` (2001)."""
        work = Work(secrets.token_hex(16), account, session, instruction)
        with self._database.transaction():
            if self._accounts.balance(account).available < price:
                raise OutOfCredits("Not enough credits for an edit.")
            sql = "INSERT INTO edits VALUES (?, ?, ?, ?, ?, ?)"
            self._database.run(sql, work.id, account, session, digest_of(instruction), price, self._clock())
        return work

    def land(self, work: Work, decide: Callable[[Scene], Change]) -> Change:
        """Change the draft and charge for it, both or neither; `decide` sees the session as it is now."""
        with self._database.transaction():
            session = self._sessions.get(work.account, work.session)
            change = decide(Scene(session, self._sessions.media_of(work.session)))
            self._keep(work, change)
            if change.charged:
                self._charge(work)
            self._forget(work)
        return change

    def drop(self, work: Work) -> None:
        """End an edit that does not land; its credits are free again. Harmless after `land`."""
        self._forget(work)

    def drop_all(self) -> None:
        """Free what edits had reserved when the studio was stopped in the middle of them."""
        self._database.run("DELETE FROM edits")

    def _keep(self, work: Work, change: Change) -> None:
        if change.asked is not None:
            self._sessions.ask(work.session, change.asked)
        elif change.draft is not None:
            self._sessions.store_draft(work.session, change.draft)

    def _charge(self, work: Work) -> None:
        sql = (
            "INSERT INTO charges (edit, account, session, digest, credits, at)"
            " SELECT id, account, session, digest, credits, ? FROM edits WHERE id = ?"
        )
        self._database.run(sql, self._clock(), work.id)
        price = "(SELECT credits FROM edits WHERE id = ?)"
        sql = f"UPDATE accounts SET credits = credits - {price} WHERE id = ?"  # noqa: S608 - a constant of ours
        self._database.run(sql, work.id, work.account)

    def _forget(self, work: Work) -> None:
        self._database.run("DELETE FROM edits WHERE id = ?", work.id)


def digest_of(instruction: str) -> str:
    """Answer the SHA-256 of an instruction: how the ledger names it."""
    return hashlib.sha256(instruction.encode()).hexdigest()
