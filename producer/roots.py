"""Which folders are watched, how, and where the outputs of each go."""

import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from config.errors import ConfigError
from config.roots import Root, SessionPer, Watch
from config.settings import Settings
from producer.outbox import ensure_writable
from producer.outputs import absolute, default_outbox
from storage import StorageError, is_remote, storage_for, tidy


@dataclass(frozen=True, slots=True)
class WatchedRoot:
    """A root with every question answered; both paths are absolute, or in a bucket."""

    path: str
    outbox: str
    watch: Watch = "auto"
    session: SessionPer = "file"


class Roots:
    """The roots, by what lies in them."""

    def __init__(self, roots: Sequence[WatchedRoot]) -> None:
        """Take at least one root."""
        self._by_prefix = sorted(
            ((root.path.rstrip("/") + "/", root) for root in roots), key=lambda pair: -len(pair[0])
        )
        self._linked = replace(roots[0], path="")

    def of(self, path: str) -> WatchedRoot:
        """Return the innermost root that holds a path; for a linked file, the first one without its path."""
        return next((root for prefix, root in self._by_prefix if path.startswith(prefix)), self._linked)


def check_roots(
    settings: Settings, named: Sequence[str | Path], outbox: str | Path | None
) -> tuple[WatchedRoot, ...]:
    """The folders that were named, else those of the settings; their outboxes are made.

    Raises:
        ConfigError: none at all, one that is missing, an outbox that is a root or cannot be written.
    """
    roots = [Root(path=str(path)) for path in named] or list(settings.roots)
    if not roots:
        raise ConfigError("no folder to watch: name one, or list them as [[roots]] in dropscore.toml")
    found = tuple(_check_root(root, settings, outbox) for root in roots)
    for target in dict.fromkeys(root.outbox for root in found):
        for root in found:
            is_same = target == root.path
            with suppress(OSError):  # one that is not there yet, or is in a bucket, is another
                is_same = is_same or Path(target).samefile(root.path)
            if is_same:
                raise ConfigError(f"outbox {target} is an inbox itself; name another folder with --outbox")
        ensure_writable(target, settings.state_dir)
    return found


def _check_root(root: Root, settings: Settings, outbox: str | Path | None) -> WatchedRoot:
    try:
        if is_remote(root.path):
            path = tidy(root.path)
            next(iter(storage_for(path).scan()), None)  # an empty folder of a bucket is as good as any
        elif not Path(root.path).is_dir():
            if Path(root.path).exists():
                raise ConfigError(f"{root.path} is not a folder; name the folder that holds your videos")
            raise ConfigError(f"folder {root.path} does not exist; make it, or name another")
        else:
            path = absolute(root.path)
            os.scandir(path).close()
        target = absolute(outbox or root.outbox or default_outbox(path))
    except StorageError as exc:
        raise ConfigError(str(exc)) from exc
    except OSError as exc:
        raise ConfigError(f"folder {root.path} cannot be read ({exc.strerror})") from exc
    return WatchedRoot(path, target, root.watch or settings.watch, root.session or settings.session)
