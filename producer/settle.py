"""When is a file whole?  A state machine over readings; time is passed in, nothing is read here.

A file is settled after two identical readings of size and mtime ``settle_s`` apart. The OS's close event,
or a rename into the folder, shortens that to ``VERIFY_S``, once: a file that was closed and then grew is
written in pieces, and must be calm for the full time. An empty file gets twice the time.

A file that had been calm before the first look, by the inode's own time of change, has that much less to
wait; two readings it gets all the same.
"""

from dataclasses import dataclass, field

VERIFY_S = 0.04
"""Between a close event and the look that confirms it; also the time a sidecar has to come along."""

_REMEMBERED_S = 60.0


@dataclass(frozen=True, slots=True)
class Reading:
    """What one look at a file showed; ``tag`` is an object's ETag."""

    size_bytes: int
    mtime_ns: int
    tag: str = ""
    changed_ns: int = field(default=0, compare=False)
    """When the inode last changed (ctime): no copying program can set it back, as it can the mtime."""

    def calm_s(self, wall_s: float) -> float:
        """For how long nothing about the file had changed, at `wall_s` (Unix seconds)."""
        last_ns = max(self.mtime_ns, self.changed_ns)
        return max(0.0, wall_s - last_ns / 1e9) if self.changed_ns else 0.0


@dataclass(frozen=True, slots=True)
class _Pending:
    reading: Reading
    since: float
    due: float


class Settler:
    """The files that are not settled yet; paths in, readings in, "settled" out. Times are seconds."""

    def __init__(self, settle_s: float, sidecar_wait_s: float = 0.0) -> None:
        """Take the time between two readings, and the least time after which a file is taken."""
        self._settle_s = max(settle_s, sidecar_wait_s)
        self._sidecar_s = sidecar_wait_s
        self._closed_s = max(min(VERIFY_S, settle_s), sidecar_wait_s)
        self._pending: dict[str, _Pending] = {}
        self._closed: dict[str, tuple[Reading, float]] = {}

    def __len__(self) -> int:
        """How many files are being waited for."""
        return len(self._pending)

    def __contains__(self, path: str) -> bool:
        """Whether a file is being waited for."""
        return path in self._pending

    def see(
        self, path: str, reading: Reading, now: float, calm_s: float = 0.0, *, whole: bool = False
    ) -> bool:
        """A look at a file; True when it is settled with this look (and then forgotten here).

        ``calm_s`` is for how long it had been calm before this look, where that can be trusted. One that is
        seen only once it is ``whole`` (an object of a bucket) waits for its sidecar alone.
        """
        known = self._pending.get(path)
        if known is None or known.reading != reading:
            if whole and not self._sidecar_s:
                return True
            credit_s = calm_s if known is None and reading.size_bytes and not self._sidecar_s else 0.0
            wait_s = max(self._settle_s * (1 if reading.size_bytes else 2) - credit_s, self._closed_s)
            self._await(path, reading, now, self._sidecar_s if whole else wait_s)
            return False
        if now < known.due:
            return False
        del self._pending[path]
        return True

    def closed(self, path: str, reading: Reading, now: float) -> None:
        """The writer closed the file, or it was renamed into the folder: one short look remains."""
        self._prune(now)
        before = self._closed.get(path)
        self._closed[path] = (reading, now)
        in_pieces = before is not None and before[0] != reading and now - before[1] < _REMEMBERED_S
        known = self._pending.get(path)
        if reading.size_bytes and not in_pieces:
            self._await(path, reading, now, self._closed_s)
        elif known is None or known.reading != reading:
            self._await(path, reading, now, self._settle_s * (1 if reading.size_bytes else 2))

    def doubt(self, path: str, reading: Reading, now: float) -> bool:
        """The content looks unfinished; True when the file was taken by a close event and is watched again.

        Each reading is doubted once: a file that stays broken is then refused.
        """
        closed = self._closed.pop(path, None)
        if closed is None or closed[0] != reading:
            return False
        self._await(path, reading, now, self._settle_s)
        return True

    def forget(self, path: str) -> None:
        """The file is gone."""
        self._pending.pop(path, None)

    def due(self, now: float) -> list[str]:
        """The files to look at now."""
        return [path for path, pending in self._pending.items() if pending.due <= now]

    def next_due(self) -> float | None:
        """When the next file must be looked at; None when nothing is awaited."""
        return min((pending.due for pending in self._pending.values()), default=None)

    def _await(self, path: str, reading: Reading, now: float, wait_s: float) -> None:
        self._pending[path] = _Pending(reading, now, now + wait_s)

    def _prune(self, now: float) -> None:
        if len(self._closed) > 1000:
            fresh = {path: at for path, at in self._closed.items() if now - at[1] < _REMEMBERED_S}
            self._closed = fresh
