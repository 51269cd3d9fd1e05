"""The studio's ledger: who asked for what, what was charged, what was rendered; and its switches."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from studio.store.database import Database


@dataclass(frozen=True, slots=True)
class Visit:
    """A request to an endpoint that costs or makes something; `digest` names the instruction."""

    endpoint: str
    account: str | None = None
    session: str | None = None
    digest: str | None = None
    attributed: bool = True
    fault: str | None = None


class Journal:
    """The requests table, and the reading of what the others recorded."""

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        """Use `database`, and `clock` for the time in seconds since the epoch."""
        self._database = database
        self._clock = clock

    def note(self, visit: Visit) -> None:
        """Record a request."""
        sql = (
            "INSERT INTO requests (at, endpoint, account, session, digest, attributed, fault)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)"
        )
        who = (visit.endpoint, visit.account, visit.session, visit.digest)
        self._database.run(sql, self._clock(), *who, visit.attributed, visit.fault)

    def ledger(self) -> dict[str, list[dict[str, Any]]]:
        """Answer all charges, requests, edits in progress, renders and accounts, oldest first."""
        charges = (
            "SELECT edit, account, session, digest AS instruction, credits, at FROM charges ORDER BY number"
        )
        requests = (
            "SELECT at, endpoint, account, session, digest AS instruction, attributed, fault"
            " FROM requests ORDER BY number"
        )
        working = (
            "SELECT id AS edit, account, session, digest AS instruction, credits, at FROM edits ORDER BY at"
        )
        renders = "SELECT id, account, session, status, error, created, ended FROM renders ORDER BY number"
        return {
            "charges": self._rows(charges),
            "requests": [{**row, "attributed": bool(row["attributed"])} for row in self._rows(requests)],
            "working": self._rows(working),
            "renders": self._rows(renders),
            "accounts": self._rows("SELECT id, credits FROM accounts ORDER BY created"),
        }

    def switch(self, name: str, value: str) -> None:
        """Set a switch, e.g. the plan; it outlives a restart."""
        self._database.run("INSERT OR REPLACE INTO switches VALUES (?, ?)", name, value)

    def switched(self, name: str, default: str) -> str:
        """Answer a switch, or `default` when it was never set."""
        row = self._database.one("SELECT value FROM switches WHERE name = ?", name)
        return str(row["value"]) if row else default

    def _rows(self, sql: str) -> list[dict[str, Any]]:
        rows: list[sqlite3.Row] = self._database.all(sql)
        return [dict(row) for row in rows]
