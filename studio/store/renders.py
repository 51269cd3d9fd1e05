"""Render jobs: unique ids, one at a time in a session, nothing lost by a restart (api-contract 2.7-2.10)."""

from __future__ import annotations

import json
import secrets
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass

from studio.errors import Conflict, NotFound
from studio.model import Draft, Render, RenderStatus
from studio.store.database import Database


@dataclass(frozen=True, slots=True)
class RenderOrder:
    """A render as it was asked for; `id` is the client's choice."""

    id: str
    account: str
    session: str
    draft: Draft
    quality: str
    fate: str | None = None


class Renders:
    """The renders table."""

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        """Use `database`, and `clock` for the time in seconds since the epoch."""
        self._database = database
        self._clock = clock

    def submit(self, order: RenderOrder) -> Render:
        """Queue a render, or raise `Conflict` when its id was used before."""
        sql = (
            "INSERT OR IGNORE INTO renders"
            " (id, account, session, draft, quality, status, fate, secret, created)"
            " VALUES (?, ?, ?, ?, ?, 'pending', ?, ?, ?)"
        )
        asked = (order.id, order.account, order.session, json.dumps(order.draft), order.quality, order.fate)
        if not self._database.run(sql, *asked, secrets.token_urlsafe(24), self._clock()):
            raise Conflict(f"Render id {order.id} was used before; ask for its status.")
        return self.get(order.account, order.id)

    def get(self, account: str, render: str) -> Render:
        """Answer a render of this account, or raise `NotFound`."""
        row = self._database.one("SELECT * FROM renders WHERE id = ? AND account = ?", render, account)
        if row is None:
            raise NotFound("Render not found.")
        return _render(row)

    def by_secret(self, secret: str) -> Render | None:
        """Answer the render behind a `/cdn/` path."""
        row = self._database.one("SELECT * FROM renders WHERE secret = ?", secret)
        return _render(row) if row else None

    def next(self) -> Render | None:
        """Take the oldest pending render whose session renders nothing now; it is processing then."""
        with self._database.transaction():
            row = self._database.one(
                "SELECT * FROM renders AS r WHERE status = 'pending'"
                " AND NOT EXISTS (SELECT 1 FROM renders AS o WHERE o.session = r.session"
                " AND o.status = 'processing' AND o.fate IS NOT 'dead')"
                " ORDER BY number LIMIT 1"
            )
            if row is None:
                return None
            self._database.run("UPDATE renders SET status = 'processing' WHERE id = ?", row["id"])
        return _render(row)

    def finish(self, render: str, error: str | None) -> None:
        """End a render: completed, or failed with `error`."""
        status = RenderStatus.COMPLETED if error is None else RenderStatus.FAILED
        sql = "UPDATE renders SET status = ?, error = ?, ended = ? WHERE id = ? AND status = 'processing'"
        self._database.run(sql, status, error, self._clock(), render)

    def cancel(self, account: str, render: str) -> Render:
        """Cancel a pending render, or raise `Conflict`: one that has begun cannot be called back."""
        sql = (
            "UPDATE renders SET status = 'failed', error = 'cancelled', ended = ?"
            " WHERE id = ? AND account = ? AND status = 'pending'"
        )
        cancelled = self._database.run(sql, self._clock(), render, account)
        now = self.get(account, render)
        if not cancelled:
            raise Conflict(f"Only a pending render can be cancelled; this one is {now.status}.")
        return now

    def file_names(self) -> list[str]:
        """Answer the names of the files of completed renders."""
        rows = self._database.all("SELECT secret FROM renders WHERE status = 'completed'")
        return [f"{row['secret']}.mp4" for row in rows]

    def requeue(self) -> None:
        """Queue again what was being rendered when the studio was stopped."""
        self._database.run("UPDATE renders SET status = 'pending' WHERE status = 'processing'")


def _render(row: sqlite3.Row) -> Render:
    return Render(
        id=row["id"],
        account=row["account"],
        session=row["session"],
        draft=json.loads(row["draft"]),
        quality=row["quality"],
        status=RenderStatus(row["status"]),
        error=row["error"],
        fate=row["fate"],
        secret=row["secret"],
        created=row["created"],
        ended=row["ended"],
    )
