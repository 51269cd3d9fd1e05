"""Accounts, their tokens and their credits (api-contract 2.1, 2.5)."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass

from studio.errors import RateLimited
from studio.model import Account, Balance, Minted
from studio.store.database import Database


@dataclass(frozen=True, slots=True)
class MintLimits:
    """How many tokens may be had: one per client id and life, `per_ip` per address and life."""

    credits: int
    life_s: float
    per_ip: int


class Accounts:
    """The accounts table; tokens are kept as SHA-256 digests only."""

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        """Use `database`, and `clock` for the time in seconds since the epoch."""
        self._database = database
        self._clock = clock

    def mint(self, client_id: str, ip: str, limits: MintLimits) -> Minted:
        """Make an anonymous token for a client id, or raise `RateLimited` (api-contract 2.1)."""
        with self._database.transaction():
            now = self._clock()
            living = (
                "SELECT COUNT(*) FROM tokens JOIN accounts ON id = account"
                " WHERE client_id = ? AND expires > ?"
            )
            if self._database.number(living, client_id, now):
                raise RateLimited("This client id already has a token that lives; use that one.")
            recent = "SELECT COUNT(*) FROM tokens WHERE ip = ? AND created > ?"
            if self._database.number(recent, ip, now - limits.life_s) >= limits.per_ip:
                raise RateLimited("Too many tokens for this address within 7 days.")
            account = self._account_of(client_id, limits.credits)
            return self._new_token(account, ip, limits.life_s)

    def register(self, credits: int, life_s: float) -> Minted:
        """Make a registered account with a token of its own."""
        with self._database.transaction():
            account = f"user_{secrets.token_hex(8)}"
            self._insert(account, None, credits)
            return self._new_token(account, "", life_s)

    def holder(self, token: str) -> Account | None:
        """Answer the account of a living token, or None."""
        sql = "SELECT account FROM tokens WHERE digest = ? AND expires > ?"
        row = self._database.one(sql, _digest(token), self._clock())
        return Account(row["account"]) if row else None

    def revoke(self, token: str) -> None:
        """Let a token expire now."""
        self._database.run("UPDATE tokens SET expires = 0 WHERE digest = ?", _digest(token))

    def balance(self, account: str) -> Balance:
        """Answer the credits of an account."""
        frozen = self._database.number("SELECT SUM(credits) FROM edits WHERE account = ?", account)
        total = self._database.number("SELECT credits FROM accounts WHERE id = ?", account)
        return Balance(available=total - frozen, frozen=frozen)

    def grant(self, account: str | None, available: int) -> None:
        """Set what is available to an account, or to every account (None)."""
        frozen = "(SELECT COALESCE(SUM(e.credits), 0) FROM edits e WHERE e.account = accounts.id)"
        sql = f"UPDATE accounts SET credits = ? + {frozen} WHERE ? IN ('', id)"  # noqa: S608 - a constant of ours
        self._database.run(sql, available, account or "")

    def claim(self, account: str, session: str, life_s: float) -> str:
        """Make a claim token, the only token that may stand in a link (api-contract 2.11)."""
        token = f"clm_{secrets.token_urlsafe(24)}"
        sql = "INSERT INTO claims VALUES (?, ?, ?, ?)"
        self._database.run(sql, _digest(token), account, session, self._clock() + life_s)
        return token

    def _account_of(self, client_id: str, credits: int) -> str:
        row = self._database.one("SELECT id FROM accounts WHERE client_id = ?", client_id)
        if row:
            return str(row["id"])
        account = f"anon_{secrets.token_hex(8)}"
        self._insert(account, client_id, credits)
        return account

    def _insert(self, account: str, client_id: str | None, credits: int) -> None:
        sql = "INSERT INTO accounts VALUES (?, ?, ?, ?)"
        self._database.run(sql, account, client_id, credits, self._clock())

    def _new_token(self, account: str, ip: str, life_s: float) -> Minted:
        token, now = f"nmv_usr_{secrets.token_urlsafe(32)}", self._clock()
        sql = "INSERT INTO tokens VALUES (?, ?, ?, ?, ?)"
        self._database.run(sql, _digest(token), account, ip, now, now + life_s)
        credits = self.balance(account).available
        return Minted(token=token, account=account, credits=credits, expires=now + life_s)


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
