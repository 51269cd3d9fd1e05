"""Sessions, what was uploaded to them, and their drafts (api-contract 2.2, 2.4, 2.6)."""

from __future__ import annotations

import json
import secrets
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

from studio.errors import SessionUnknown
from studio.media import MediaInfo
from studio.model import Draft, Look, Media, Session, Upload
from studio.store.database import Database
from studio.timeline import fresh_draft


class Sessions:
    """The sessions and media tables."""

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        """Use `database`, and `clock` for the time in seconds since the epoch."""
        self._database = database
        self._clock = clock

    def open(self, account: str, language: str | None) -> Session:
        """Make a new session without a draft."""
        session = Session(secrets.token_hex(16), account, secrets.token_hex(12), language, None, None)
        sql = "INSERT INTO sessions VALUES (?, ?, ?, ?, NULL, NULL, ?)"
        self._database.run(sql, session.id, account, session.task, language, self._clock())
        return session

    def get(self, account: str, session: str) -> Session:
        """Answer a session of this account, or raise `SessionUnknown`."""
        row = self._database.one("SELECT * FROM sessions WHERE id = ? AND account = ?", session, account)
        if row is None:
            raise SessionUnknown("Session not found; open a new one and upload again.")
        draft = None if row["draft"] is None else json.loads(row["draft"])
        return Session(row["id"], row["account"], row["task"], row["language"], draft, row["asked"])

    def receive(self, account: str, session: str, uploads: Sequence[Upload]) -> tuple[Media, ...]:
        """Keep what was uploaded, and make it the session's new draft."""
        with self._database.transaction():
            media = tuple(self._add(account, session, upload) for upload in uploads)
            self.store_draft(session, fresh_draft(media))
        return media

    def store_draft(self, session: str, draft: Draft | None) -> None:
        """Replace the session's draft; nothing is left to be asked."""
        text = None if draft is None else json.dumps(draft)
        self._database.run("UPDATE sessions SET draft = ?, asked = NULL WHERE id = ?", text, session)

    def ask(self, session: str, instruction: str) -> None:
        """Remember an instruction that was answered with a question."""
        self._database.run("UPDATE sessions SET asked = ? WHERE id = ?", instruction, session)

    def media_of(self, session: str) -> tuple[Media, ...]:
        """Answer what was uploaded to a session, oldest first."""
        rows = self._database.all("SELECT * FROM media WHERE session = ? ORDER BY number", session)
        return tuple(_media(row) for row in rows)

    def find_media(self, account: str, media: str) -> Media | None:
        """Answer one file of this account by its id, whatever session it came in."""
        row = self._database.one("SELECT * FROM media WHERE id = ? AND account = ?", media, account)
        return _media(row) if row else None

    def media_by_secret(self, secret: str) -> Media | None:
        """Answer the file behind a `/cdn/` path."""
        row = self._database.one("SELECT * FROM media WHERE secret = ?", secret)
        return _media(row) if row else None

    def file_names(self) -> list[str]:
        """Answer the names under which uploads are kept."""
        return [Path(row["path"]).name for row in self._database.all("SELECT path FROM media")]

    def store_look(self, media: str, look: Look) -> None:
        """Keep what the analysis found in a file."""
        self._database.run("UPDATE media SET look = ? WHERE id = ?", json.dumps(asdict(look)), media)

    def _add(self, account: str, session: str, upload: Upload) -> Media:
        ids = (f"med_{secrets.token_hex(12)}", secrets.token_urlsafe(24))
        media = Media(ids[0], upload.filename, upload.path, ids[1], upload.sha256, upload.info, None)
        sql = (
            "INSERT INTO media (id, account, session, filename, path, secret, sha256, info)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
        )
        kept = (media.filename, str(media.path), media.secret, media.sha256, json.dumps(asdict(media.info)))
        self._database.run(sql, media.id, account, session, *kept)
        return media


def _media(row: sqlite3.Row) -> Media:
    return Media(
        id=row["id"],
        filename=row["filename"],
        path=Path(row["path"]),
        secret=row["secret"],
        sha256=row["sha256"],
        info=MediaInfo(**json.loads(row["info"])),
        look=None if row["look"] is None else Look(**json.loads(row["look"])),
    )
