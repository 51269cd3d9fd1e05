"""Sessions, their files and their renders."""

from __future__ import annotations

import json
import secrets
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from studio.errors import Conflict, NotFound, SessionUnknown
from studio.media import MediaInfo
from studio.model import EXPORTS, Draft, Look, Media, Render, RenderStatus, Session, Upload
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
            media = tuple(self.keep(account, session, upload) for upload in uploads)
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

    def list_settled(self, before_s: float) -> list[Path]:
        """Answer the files of sessions whose last render ended before that time, the oldest first."""
        sql = (
            "SELECT media.path FROM media JOIN renders ON renders.session = media.session"
            " GROUP BY media.id HAVING max(coalesce(renders.ended, 9e99)) < ? ORDER BY media.number"
        )
        return [Path(row["path"]) for row in self._database.all(sql, before_s)]

    def forget(self, sources: Sequence[Path]) -> None:
        """Forget the sessions that these files came in; their renders stay known."""
        with self._database.transaction():
            for path in sources:
                sql = "DELETE FROM sessions WHERE id IN (SELECT session FROM media WHERE path = ?)"
                self._database.run(sql, str(path))
                self._database.run("DELETE FROM media WHERE path = ?", str(path))

    def file_names(self) -> list[str]:
        """Answer the names under which uploads are kept."""
        return [Path(row["path"]).name for row in self._database.all("SELECT path FROM media")]

    def store_look(self, media: str, look: Look) -> None:
        """Keep what the analysis found in a file."""
        self._database.run("UPDATE media SET look = ? WHERE id = ?", json.dumps(asdict(look)), media)

    def keep(self, account: str, session: str, upload: Upload) -> Media:
        """Keep a file in a session; the draft stays as it is."""
        media = Media(
            id=f"med_{secrets.token_hex(12)}",
            filename=upload.filename,
            path=upload.path,
            secret=secrets.token_urlsafe(24),
            sha256=upload.sha256,
            info=upload.info,
            look=None,
            stamp=upload.stamp,
        )
        sql = (
            "INSERT INTO media (id, account, session, filename, path, secret, sha256, info, stamp)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
        )
        kept = (media.filename, str(media.path), media.secret, media.sha256, json.dumps(asdict(media.info)))
        self._database.run(sql, media.id, account, session, *kept, media.stamp)
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
        stamp=row["stamp"],
    )


@dataclass(frozen=True, slots=True)
class RenderOrder:
    """A render as it was asked for; `id` is the client's choice."""

    id: str
    account: str
    session: str
    draft: Draft
    quality: str
    fate: str | None = None
    exports: tuple[str, ...] = ()


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
            " (id, account, session, draft, quality, status, fate, exports, secret, created)"
            " VALUES (?, ?, ?, ?, ?, 'pending', ?, ?, ?, ?)"
        )
        asked = (order.id, order.account, order.session, json.dumps(order.draft), order.quality, order.fate)
        wanted = ",".join(order.exports) or None
        if not self._database.run(sql, *asked, wanted, secrets.token_urlsafe(24), self._clock()):
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
        rows = self._database.all("SELECT secret, exports FROM renders WHERE status = 'completed'")
        names = [f"{row['secret']}.mp4" for row in rows]
        for row in rows:
            for kind in _split(row["exports"]):
                names += [f"{row['secret']}.{name}" for name in EXPORTS[kind]]
        return names

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
        exports=_split(row["exports"]),
        status=RenderStatus(row["status"]),
        error=row["error"],
        fate=row["fate"],
        secret=row["secret"],
        created=row["created"],
        ended=row["ended"],
    )


def _split(words: str | None) -> tuple[str, ...]:
    return tuple(words.split(",")) if words else ()
