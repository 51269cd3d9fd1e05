"""The studio's SQLite file: one connection, short transactions, nothing lost by a kill."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

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
    info TEXT NOT NULL, look TEXT);
CREATE INDEX IF NOT EXISTS media_by_session ON media (session, number);
CREATE TABLE IF NOT EXISTS edits (
    id TEXT PRIMARY KEY, account TEXT NOT NULL, session TEXT NOT NULL, digest TEXT NOT NULL,
    credits INTEGER NOT NULL, at REAL NOT NULL);
CREATE INDEX IF NOT EXISTS edits_by_account ON edits (account);
CREATE TABLE IF NOT EXISTS charges (
    number INTEGER PRIMARY KEY, edit TEXT UNIQUE NOT NULL, account TEXT NOT NULL, session TEXT NOT NULL,
    digest TEXT NOT NULL, credits INTEGER NOT NULL, at REAL NOT NULL);
CREATE TABLE IF NOT EXISTS renders (
    number INTEGER PRIMARY KEY, id TEXT UNIQUE NOT NULL, account TEXT NOT NULL, session TEXT NOT NULL,
    draft TEXT NOT NULL, quality TEXT NOT NULL, status TEXT NOT NULL, error TEXT, fate TEXT,
    secret TEXT UNIQUE NOT NULL, created REAL NOT NULL, ended REAL);
CREATE INDEX IF NOT EXISTS renders_by_status ON renders (status, number);
CREATE INDEX IF NOT EXISTS renders_by_session ON renders (session, status);
CREATE TABLE IF NOT EXISTS claims (
    digest TEXT PRIMARY KEY, account TEXT NOT NULL, session TEXT NOT NULL, expires REAL NOT NULL);
CREATE TABLE IF NOT EXISTS requests (
    number INTEGER PRIMARY KEY, at REAL NOT NULL, endpoint TEXT NOT NULL, account TEXT, session TEXT,
    digest TEXT, attributed INTEGER NOT NULL, fault TEXT);
CREATE TABLE IF NOT EXISTS switches (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""

Value = str | int | float | None


class Database:
    """One SQLite connection in WAL mode; used by one thread at a time."""

    def __init__(self, path: Path) -> None:
        """Open or create the file at `path` with the studio's tables."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._connection.row_factory = sqlite3.Row
        self._connection.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;" + SCHEMA)

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
