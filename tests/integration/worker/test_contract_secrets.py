"""No token anywhere but in the account: everything a real worker process writes is searched."""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis

from jobs.model import State
from jobs.redis import connect
from tests.chaos.stage import Stage

pytestmark = pytest.mark.integration

TOKEN = re.compile(r"nmv_[A-Za-z0-9_]{4,}|(?i:bearer)\s+[A-Za-z0-9]")
FAST = {
    "DROPSCORE_LOG_LEVEL": "DEBUG",
    "DROPSCORE_POLL_INTERVAL": 0.1,
    "DROPSCORE_RATE_LIMIT_WAIT": 0.2,
    "DROPSCORE_DISCONNECT_WAITS": "0.2,0.2",
    "DROPSCORE_GATE_PROBE": 0.3,
    "NEMO_ALLOW_PRIVATE_URLS": "true",
}
FAULTS = [
    {"endpoint": "run_sse", "kind": "code", "code": 1001, "count": 1},
    {"endpoint": "upload", "kind": "status", "status": 500, "count": 1},
    {"endpoint": "render", "kind": "429", "count": 1},
    {"endpoint": "cdn", "kind": "dead_url", "count": 1},
]


@contextmanager
def record_commands(url: str) -> Iterator[list[str]]:
    """Every command that anyone sends to the Redis server meanwhile: messages, arguments, checkpoints."""
    heard: list[str] = []
    client = connect(url)
    client.connection_pool.connection_kwargs["socket_timeout"] = None  # a quiet server is no fault
    with client.monitor() as monitor:
        listening = threading.Thread(target=_listen, args=(monitor, heard), daemon=True)
        listening.start()
        yield heard
        client.echo("the last word")
        listening.join(30)
    client.close()
    assert not listening.is_alive()


def _listen(monitor: "redis.client.Monitor", heard: list[str]) -> None:
    while not heard or "the last word" not in heard[-1]:
        heard.append(monitor.next_command()["command"])


def read_files(folder: Path) -> Iterator[tuple[str, str]]:
    """All files of a run but the Redis server's own, which holds the account."""
    for path in folder.rglob("*"):
        if path.is_file() and "redis" not in path.relative_to(folder).parts:
            yield str(path.relative_to(folder)), path.read_bytes().decode("latin-1")


@pytest.mark.parametrize("registered", [False, True], ids=["anonymous", "registered"])
def test_a_token_is_in_nothing_that_a_run_writes(tmp_path: Path, clip: Path, registered: bool) -> None:
    with Stage(tmp_path, **FAST) as stage:
        secret = {}
        if registered:
            account = stage.http.post("/_studio/accounts", json={"credits": 10_000}).json()
            secret = {"NEMO_TOKEN": account["token"]}
        faults = FAULTS[1:] if registered else FAULTS
        stage.http.post("/_studio/faults", json={"seed": 0, "rules": faults}).raise_for_status()
        with record_commands(stage.redis_url) as commands:
            worker = stage.worker(**secret)
            ids = stage.submit(clip, 2, instructions=("add calm background music", "credits"))
            stage.wait(lambda: stage.done(ids) == 2, 60)
            worker.terminate()
            assert worker.wait(30) == 0
        assert stage.counts() == {State.DONE: 2}
        assert any("dropscore.upload" in command for command in commands)  # message bodies were heard
        texts = [("a command", command) for command in commands if ":account:" not in command]
        texts += [(job_id, str(stage.client.hgetall(f"dropscore:job:{job_id}"))) for job_id in ids]
        texts += read_files(tmp_path)
        assert len([name for name, _ in texts if name.endswith(".result.json")]) == 2
        assert [name for name, text in texts if TOKEN.search(text)] == []
        kept = [command for command in commands if ":account:" in command and TOKEN.search(command)]
    assert bool(kept) is not registered  # the search would find one, and a person's own is kept nowhere
