"""Which folders are watched, how, and where the outputs of each go."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from config.errors import ConfigError
from config.roots import Root, SessionPer, Watch
from config.settings import Settings
from producer.naming import absolute, writable


@dataclass(frozen=True, slots=True)
class Watched:
    """A root with every question answered; both paths are absolute."""

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


def checked(settings: Settings, named: Sequence[Path], outbox: Path | None) -> tuple[Watched, ...]:
    """The folders that were named, else those of the settings; their outboxes are made.

    Raises:
        ConfigError: none at all, one that is missing, an outbox that is a root or cannot be written.
    """
    roots = [Root(path=path) for path in named] or list(settings.roots)
    if not roots:
        raise ConfigError("no folder to watch: name one, or list them as [[roots]] in dropscore.toml")
    found = tuple(_checked(root, settings, outbox) for root in roots)
    for target in dict.fromkeys(root.outbox for root in found):
        there = Path(target)
        if there.exists() and any(there.samefile(root.path) for root in found):
            raise ConfigError(f"outbox {target} is an inbox itself; name another folder with --outbox")
        writable(target)
    return found


def _checked(root: Root, settings: Settings, outbox: Path | None) -> Watched:
    if not root.path.exists():
        raise ConfigError(f"folder {root.path} does not exist; make it, or name another")
    if not root.path.is_dir():
        raise ConfigError(f"{root.path} is no folder; name the folder that holds your videos")
    path = _listable(absolute(root.path))
    target = outbox or root.outbox or Path(path).with_name("outbox")
    return Watched(path, absolute(target), root.watch or settings.watch, root.session or settings.session)


def _listable(root: str) -> str:
    try:
        with os.scandir(root):
            return root
    except OSError as broken:
        raise ConfigError(f"folder {root} cannot be read ({broken.strerror})") from broken
