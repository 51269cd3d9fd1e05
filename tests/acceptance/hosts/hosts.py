"""Hosts with addresses of their own on one private network; each can be cut off from the rest, and healed."""

import secrets
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

NOBODY = "02:00:00:00:00:01"
"""A hardware address that no host has: what is sent there is lost without a word."""
NO_ENVIRONMENT: Mapping[str, str] = {}


class Hosts(ABC):
    """Use it in ``with``: whatever it made is gone afterwards, and all of it has `prefix` in its name.

    ``folder`` is on every host, at the same path, as a shared file system would be; it holds their logs.
    """

    python: str
    """The Python that has the product, as a host calls it."""
    server: str
    """The Redis server, as a host calls it."""

    def __init__(self, folder: Path) -> None:
        """Nothing is made before ``with``."""
        self.folder = folder
        token = secrets.token_hex(3)
        self.prefix = f"dropscore-{token}"
        self.subnet = f"10.213.{int(token[:2], 16)}"
        self._names: list[str] = []

    def address(self, name: str) -> str:
        """The address of a host; the same whenever it is asked for, before it starts too."""
        if name not in self._names:
            self._names.append(name)
        return f"{self.subnet}.{10 + self._names.index(name)}"

    def log(self, name: str) -> str:
        """What the host's command has said so far."""
        return (self.folder / f"{name}.log").read_text(errors="replace")

    @abstractmethod
    def __enter__(self) -> Self: ...

    @abstractmethod
    def __exit__(self, *_: object) -> None: ...

    @abstractmethod
    def start(
        self, name: str, command: Sequence[str], environment: Mapping[str, str] = NO_ENVIRONMENT
    ) -> None:
        """Make a host of that name and run the one command it is there for."""

    @abstractmethod
    def lives(self, name: str) -> bool:
        """Whether the host's command still runs."""

    @abstractmethod
    def run(self, name: str, *command: str) -> str:
        """Run something else on a host to its end; answers its standard output."""

    @abstractmethod
    def cut_off(self, name: str) -> None:
        """Let nothing reach the host and nothing leave it; nobody is told, no connection ends."""

    @abstractmethod
    def heal(self, name: str) -> None:
        """Undo `cut_off`."""

    @abstractmethod
    def part(self, name: str, other: str) -> None:
        """Let nothing that the host sends reach that other one; all the rest it reaches."""

    @abstractmethod
    def rejoin(self, name: str, other: str) -> None:
        """Undo `part`."""
