"""Edits and what they cost: frozen while they work, charged in the moment they land (api-contract 2.5, 3)."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass

from studio.errors import Conflict, OutOfCredits
from studio.model import Draft, Media, Session, Upload
from studio.store.accounts import Accounts
from studio.store.database import Database
from studio.store.sessions import Sessions
from studio.timeline import media_ids


@dataclass(frozen=True, slots=True)
class Work:
    """An edit in progress, with its credits reserved."""

    id: str
    account: str
    session: str
    instruction: str


@dataclass(frozen=True, slots=True)
class Replay:
    """What came of a key that was used before: the words of the charged edit, None while it works."""

    said: str | None


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

    def begin(
        self, account: str, session: str, instruction: str, price: int, key: str | None = None
    ) -> Work | Replay:
        """Reserve the price of an edit, or answer what came of it when its `key` was used before.

        Raises OutOfCredits (2001), and Conflict when the key stood for another instruction.
        """
        work = Work(secrets.token_hex(16), account, session, instruction)
        with self._database.transaction():
            if key is not None and (earlier := self._earlier(session, key, instruction)) is not None:
                return earlier
            if self._accounts.balance(account).available < price:
                raise OutOfCredits("Not enough credits for an edit.")
            sql = (
                "INSERT INTO edits (id, account, session, digest, credits, at, key)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)"
            )
            digest = digest_of(instruction)
            self._database.run(sql, work.id, account, session, digest, price, self._clock(), key)
        return work

    def land(self, work: Work, decide: Callable[[Scene], Change], made: Upload | None = None) -> Change:
        """Change the draft and charge for it, both or neither; `decide` sees the session as it is now.

        A clip that was `made` for the edit is the last of the session's files then.
        """
        with self._database.transaction():
            session = self._sessions.get(work.account, work.session)
            if made is not None:
                self._sessions.keep(work.account, work.session, made)
            media = self._sessions.media_of(work.session)
            change = decide(Scene(session, media))
            if change.asked is not None:
                self._sessions.ask(work.session, change.asked)
            elif change.draft is not None:
                self._sessions.store_draft(work.session, change.draft)
            if change.charged:
                shown = media_ids(change.draft or session.draft or {"t": []})
                files = [item.filename for item in media if item.id in shown]
                sql = (
                    "INSERT INTO charges (edit, account, session, digest, credits, at, key, files, said)"
                    " SELECT id, account, session, digest, credits, ?, key, ?, ? FROM edits WHERE id = ?"
                )
                self._database.run(sql, self._clock(), json.dumps(files), change.said, work.id)
                price = "(SELECT credits FROM edits WHERE id = ?)"
                sql = f"UPDATE accounts SET credits = credits - {price} WHERE id = ?"  # noqa: S608 - a constant of ours
                self._database.run(sql, work.id, work.account)
            self.drop(work)
        return change

    def drop(self, work: Work) -> None:
        """End an edit that does not land; its credits are free again. Harmless after `land`."""
        self._database.run("DELETE FROM edits WHERE id = ?", work.id)

    def drop_all(self) -> None:
        """Free what edits had reserved when the studio was stopped in the middle of them."""
        self._database.run("DELETE FROM edits")

    def _earlier(self, session: str, key: str, instruction: str) -> Replay | None:
        """Answer what came of a key, or None when nothing was charged for it and nobody works on it."""
        sql = (
            "SELECT digest, COALESCE(said, '') AS said FROM charges WHERE session = ?1 AND key = ?2"
            " UNION ALL SELECT digest, NULL FROM edits WHERE session = ?1 AND key = ?2"
        )
        row = self._database.one(sql, session, key)
        if row is not None and row["digest"] != digest_of(instruction):
            raise Conflict("X-Idempotency-Key was used for another instruction.")
        return None if row is None else Replay(row["said"])


def digest_of(instruction: str) -> str:
    """Answer the SHA-256 of an instruction: how the ledger names it."""
    return hashlib.sha256(instruction.encode()).hexdigest()
