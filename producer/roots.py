"""Which folders are watched, how, and where the outputs of each go."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from config.errors import ConfigError
from config.roots import Root, SessionPer, Watch
from config.settings import Settings
from producer.naming import absolute, beside, writable
from stores import BadPath, StoreError, is_remote, store_of, tidy


@dataclass(frozen=True, slots=True)
class Watched:
    """A root with every question answered; both paths are absolute, or in a bucket."""

    path: str
    outbox: str
    watch: Watch = "auto"
    session: SessionPer = "file"


class Homes:
    """The roots, by what lies in them."""

    def __init__(self, roots: Sequence[Watched]) -> None:
        """Take at least one root."""
        self._roots = roots

    def of(self, path: str) -> Watched:
        """The innermost root that holds a path; for a linked file, the first one without its path."""
        holding = [root for root in self._roots if path.startswith(root.path.rstrip("/") + "/")]
        linked = replace(self._roots[0], path="")
        return max(holding, key=lambda root: len(root.path), default=linked)


def checked(
    settings: Settings, named: Sequence[str | Path], outbox: str | Path | None
) -> tuple[Watched, ...]:
    """The folders that were named, else those of the settings; their outboxes are made.

    Raises:
        ConfigError: none at all, one that is missing, an outbox that is a root or cannot be written.
    """
    roots = [Root(path=str(path)) for path in named] or list(settings.roots)
    if not roots:
        raise ConfigError("no folder to watch: name one, or list them as [[roots]] in dropscore.toml")
    found = tuple(_checked(root, settings, outbox) for root in roots)
    for target in dict.fromkeys(root.outbox for root in found):
        if any(_is_same(target, root.path) for root in found):
            raise ConfigError(f"outbox {target} is an inbox itself; name another folder with --outbox")
        writable(target)
    return found


def _is_same(one: str, other: str) -> bool:
    if is_remote(one) or is_remote(other):
        return one == other
    return Path(one).exists() and Path(one).samefile(other)


def _checked(root: Root, settings: Settings, outbox: str | Path | None) -> Watched:
    try:
        path = _listed(root.path) if is_remote(root.path) else _listable(root.path)
        target = absolute(outbox or root.outbox or beside(path))
    except BadPath as wrong:
        raise ConfigError(str(wrong)) from wrong
    return Watched(path, target, root.watch or settings.watch, root.session or settings.session)


def _listed(root: str) -> str:
    """A folder of a bucket that can be listed; an empty one is as good as any."""
    path = tidy(root)
    try:
        next(iter(store_of(path).list(path)), None)
    except StoreError as broken:
        raise ConfigError(str(broken)) from broken
    return path


def _listable(root: str) -> str:
    if not Path(root).exists():
        raise ConfigError(f"folder {root} does not exist; make it, or name another")
    if not Path(root).is_dir():
        raise ConfigError(f"{root} is no folder; name the folder that holds your videos")
    path = absolute(root)
    try:
        with os.scandir(path):
            return path
    except OSError as broken:
        raise ConfigError(f"folder {path} cannot be read ({broken.strerror})") from broken
