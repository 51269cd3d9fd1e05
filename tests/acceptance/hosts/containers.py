"""Hosts as containers of the product's image on a private network of a Docker engine."""

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

from tests.acceptance.commands import say, works
from tests.acceptance.compose.image import BASE, SERVER, base, context, wheels
from tests.acceptance.hosts.hosts import NO_ENVIRONMENT, NOBODY, Hosts

LOGGED = 'log=$0; exec "$@" >>"$log" 2>&1'


def missing() -> str:
    """Why there can be no such hosts here; empty when there can be."""
    if os.geteuid() != 0 or not works("docker", "info") or not works("nsenter", "-V"):
        return "no root, no nsenter, or no Docker engine"
    return ""


class Containers(Hosts):
    """A container for each host; the network leads nowhere else."""

    python = "/opt/dropscore/bin/python"
    server = SERVER

    def __init__(self, folder: Path) -> None:
        """Nothing is made before ``with``."""
        super().__init__(folder)
        self._image = f"{self.prefix}:test"
        self._made: list[str] = []

    def __enter__(self) -> Self:
        """Build the image and make the network."""
        try:
            self._build()
            subnet = f"{self.subnet}.0/24"
            say("docker", "network", "create", "--internal", f"--subnet={subnet}", self.prefix)
        except BaseException:
            self.__exit__()
            raise
        return self

    def _build(self) -> None:
        base()
        place = self.folder / "image"
        context(place)
        wheels(place / "docker/wheels")
        build = ("build", "-q", "-f", "docker/Dockerfile", f"--build-arg=BASE={BASE}", "-t", self._image, ".")
        say("docker", *build, within_s=900, cwd=place)
        shutil.rmtree(place)

    def __exit__(self, *_: object) -> None:
        """Remove the containers, the network and the image."""
        orders = [("rm", "--force", "--volumes", self._named(name)) for name in self._made]
        for order in (*orders, ("network", "rm", self.prefix), ("rmi", "--force", self._image)):
            subprocess.run(["docker", *order], capture_output=True, timeout=60, check=False)
        say("docker", "image", "prune", "--force", "--filter", "label=dropscore.stage=build")

    def start(
        self, name: str, command: Sequence[str], environment: Mapping[str, str] = NO_ENVIRONMENT
    ) -> None:
        """Start a container of that name with the command."""
        place = ("--network", self.prefix, "--ip", self.address(name), "--hostname", name)
        told = [part for key, value in environment.items() for part in ("--env", f"{key}={value}")]
        user = ("--user", f"{os.geteuid()}:{os.getegid()}")
        seen = ("--volume", f"{self.folder}:{self.folder}", "--workdir", str(self.folder))
        self._made.append(name)
        (self.folder / f"{name}.log").touch()
        run = (
            "docker",
            "run",
            "--detach",
            "--init",
            "--name",
            self._named(name),
            *place,
            *told,
            *user,
            *seen,
        )
        say(*run, self._image, "sh", "-c", LOGGED, str(self.folder / f"{name}.log"), *command)

    def lives(self, name: str) -> bool:
        """Whether the host's command still runs."""
        return say("docker", "inspect", "-f", "{{.State.Running}}", self._named(name)).strip() == "true"

    def run(self, name: str, *command: str) -> str:
        """Run something else in that container."""
        return say("docker", "exec", self._named(name), *command)

    def cut_off(self, name: str) -> None:
        """Take the container off the network."""
        say("docker", "network", "disconnect", self.prefix, self._named(name))

    def heal(self, name: str) -> None:
        """Put it back, at its address."""
        say("docker", "network", "connect", "--ip", self.address(name), self.prefix, self._named(name))

    def part(self, name: str, other: str) -> None:
        """Let the host look for the other one where nobody is."""
        self._neighbour(name, "replace", self.address(other), "lladdr", NOBODY, "nud", "permanent")

    def rejoin(self, name: str, other: str) -> None:
        """Let it look anew."""
        self._neighbour(name, "del", self.address(other))

    def _neighbour(self, name: str, *order: str) -> None:
        pid = say("docker", "inspect", "-f", "{{.State.Pid}}", self._named(name)).strip()
        inside = ("nsenter", "-t", pid, "-n", "ip")
        device = say(*inside, "-o", "-4", "addr", "show", "to", self.address(name)).split()[
            1
        ]  # new after `heal`
        say(*inside, "neigh", *order, "dev", device)

    def _named(self, name: str) -> str:
        return f"{self.prefix}-{name}"
