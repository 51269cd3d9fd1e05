"""The database file, and the journal of requests in it."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SCHEMA = """
CREATE TABLE IF NOT EXISTS accounts (
    id TEXT PRIMARY KEY, client_id TEXT UNIQUE, credits INTEGER NOT NULL, created REAL NOT NULL);
CREATE TABLE IF NOT EXISTS tokens (
    digest TEXT PRIMARY KEY, account TEXT NOT NULL, ip TEXT NOT NULL, created REAL NOT NULL,
    expires REAL NOT NULL);
CREATE INDEX IF NOT EXISTS tokens_by_account ON tokens (account, expires);
CREATE INDEX IF NOT EXISTS tokens_by_ip ON tokens (ip, created);
CREATE TABLE IF NOT EXISTS sessions (
    id TEXT PRIMARY KEY, account TEXT NOT NULL, task TEXT NOT NULL, language TEXT, draft TEXT,
    asked TEXT, created REAL NOT NULL);
CREATE TABLE IF NOT EXISTS media (
    number INTEGER PRIMARY KEY, id TEXT UNIQUE NOT NULL, account TEXT NOT NULL, session TEXT NOT NULL,
    filename TEXT NOT NULL, path TEXT NOT NULL, secret TEXT UNIQUE NOT NULL, sha256 TEXT NOT NULL,
    info TEXT NOT NULL, look TEXT, stamp TEXT);
CREATE INDEX IF NOT EXISTS media_by_session ON media (session, number);
CREATE TABLE IF NOT EXISTS edits (
    id TEXT PRIMARY KEY, account TEXT NOT NULL, session TEXT NOT NULL, digest TEXT NOT NULL,
    credits INTEGER NOT NULL, at REAL NOT NULL, key TEXT);
CREATE INDEX IF NOT EXISTS edits_by_account ON edits (account);
CREATE TABLE IF NOT EXISTS charges (
    number INTEGER PRIMARY KEY, edit TEXT UNIQUE NOT NULL, account TEXT NOT NULL, session TEXT NOT NULL,
    digest TEXT NOT NULL, credits INTEGER NOT NULL, at REAL NOT NULL, key TEXT, files TEXT, said TEXT);
CREATE TABLE IF NOT EXISTS renders (
    number INTEGER PRIMARY KEY, id TEXT UNIQUE NOT NULL, account TEXT NOT NULL, session TEXT NOT NULL,
    draft TEXT NOT NULL, quality TEXT NOT NULL, status TEXT NOT NULL, error TEXT, fate TEXT,
    secret TEXT UNIQUE NOT NULL, created REAL NOT NULL, ended REAL, exports TEXT);
CREATE INDEX IF NOT EXISTS renders_by_status ON renders (status, number);
CREATE INDEX IF NOT EXISTS renders_by_session ON renders (session, status);
CREATE TABLE IF NOT EXISTS claims (
    digest TEXT PRIMARY KEY, account TEXT NOT NULL, session TEXT NOT NULL, expires REAL NOT NULL);
CREATE TABLE IF NOT EXISTS requests (
    number INTEGER PRIMARY KEY, at REAL NOT NULL, endpoint TEXT NOT NULL, account TEXT, session TEXT,
    digest TEXT, attributed INTEGER NOT NULL, fault TEXT);
CREATE TABLE IF NOT EXISTS switches (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""

_LATER_COLUMNS = (
    ("edits", "key"),
    ("charges", "key"),
    ("charges", "files"),
    ("charges", "said"),
    ("media", "stamp"),
    ("renders", "exports"),
)
"""Columns that a file of an earlier version lacks; all of them are texts that may be missing."""

Value = str | int | float | None


class Database:
    """One SQLite connection in WAL mode; used by one thread at a time."""

    def __init__(self, path: Path) -> None:
        """Open or create the file at `path` with the studio's tables."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._connection.row_factory = sqlite3.Row
        self._connection.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;" + SCHEMA)
        for table, column in _LATER_COLUMNS:
            if column not in {row["name"] for row in self.all(f"PRAGMA table_info({table})")}:
                self.run(f"ALTER TABLE {table} ADD COLUMN {column} TEXT")
        self.run("CREATE INDEX IF NOT EXISTS charges_by_key ON charges (session, key)")

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All the statements inside land together, or none does."""
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")

    def run(self, sql: str, *values: Value) -> int:
        """Execute one statement; answer the number of rows it changed."""
        return self._connection.execute(sql, values).rowcount

    def one(self, sql: str, *values: Value) -> sqlite3.Row | None:
        """Answer the first row, or None."""
        row: sqlite3.Row | None = self._connection.execute(sql, values).fetchone()
        return row

    def all(self, sql: str, *values: Value) -> list[sqlite3.Row]:
        """Answer every row."""
        return self._connection.execute(sql, values).fetchall()

    def number(self, sql: str, *values: Value) -> int:
        """Answer the first column of the first row as a whole number (0 for NULL)."""
        row = self.one(sql, *values)
        return int(row[0] or 0) if row else 0

    def close(self) -> None:
        """Close the connection; the write-ahead log is folded into the file."""
        self._connection.close()


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
            "SELECT edit, account, session, digest AS instruction, credits, at, key, files FROM charges"
            " ORDER BY number"
        )
        requests = (
            "SELECT at, endpoint, account, session, digest AS instruction, attributed, fault"
            " FROM requests ORDER BY number"
        )
        working = (
            "SELECT id AS edit, account, session, digest AS instruction, credits, at FROM edits ORDER BY at"
        )
        renders = (
            "SELECT id, account, session, quality, status, error, created, ended FROM renders ORDER BY number"
        )
        return {
            "charges": [{**row, "files": json.loads(row["files"] or "[]")} for row in self._rows(charges)],
            "requests": [{**row, "attributed": bool(row["attributed"])} for row in self._rows(requests)],
            "working": self._rows(working),
            "renders": self._rows(renders),
            "accounts": self._rows("SELECT id, credits FROM accounts ORDER BY created"),
        }

    def switch(self, name: str, value: str) -> None:
        """Set a switch, e.g. the plan; it outlives a restart."""
        self._database.run("INSERT OR REPLACE INTO switches VALUES (?, ?)", name, value)

    def read_switch(self, name: str, default: str) -> str:
        """Answer a switch, or `default` when it was never set."""
        row = self._database.one("SELECT value FROM switches WHERE name = ?", name)
        return str(row["value"]) if row else default

    def _rows(self, sql: str) -> list[dict[str, Any]]:
        rows: list[sqlite3.Row] = self._database.all(sql)
        return [dict(row) for row in rows]
