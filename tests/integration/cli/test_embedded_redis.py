"""The embedded server: a real one, wherever the state folder lies."""

import stat
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from cli import embedded_redis as server
from cli.errors import ChildFailed
from cli.ledger import open_ledger
from cli.processes import Supervisor
from config.settings import load
from jobs.redis import connect, ping

pytestmark = pytest.mark.integration


@contextmanager
def started(state, tidied=True):
    state.mkdir(parents=True, exist_ok=True)
    with closing(Supervisor(state / "logs")) as supervisor:
        supervisor.start(server.make_child(state))
        assert server.wait_ready(supervisor, state)
        yield supervisor
    if tidied:
        server.remove_socket_folder(state)


@pytest.mark.parametrize(
    "name", ["s", "with space", "ünïcode 100% ?", "n" * 120], ids=["plain", "space", "odd", "long"]
)
def test_it_answers_on_a_private_socket_wherever_its_folder_is(tmp_path, name):
    state = tmp_path / name
    with started(state), closing(connect(server.socket_url(state))) as client:
        assert client.config_get("appendonly", "maxmemory-policy", "port", "appendfsync") == {
            "appendonly": "yes",
            "maxmemory-policy": "noeviction",
            "port": "0",
            "appendfsync": "always",
        }
        path = Path(client.config_get("unixsocket")["unixsocket"])
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert len(str(path).encode()) <= server.LONGEST_PATH_BYTES
        client.set("kept", "1")
    assert (state / "appendonlydir").is_dir()
    with started(state), closing(connect(server.socket_url(state))) as client:
        assert client.get("kept") == "1"
    assert not server.answers(state)


def test_a_private_folder_that_a_killed_run_left_is_cleaned_up_by_the_next(tmp_path):
    state = tmp_path / ("n" * 120)
    with started(state, tidied=False):
        first = (state / "redis.sock").readlink().parent
        assert stat.S_IMODE(first.stat().st_mode) == 0o700
    assert first.exists()
    with started(state):
        second = (state / "redis.sock").readlink().parent
        assert not first.exists()
    assert not second.exists()
    assert not (state / "redis.sock").is_symlink()


def test_one_that_is_still_there_is_ended_before_the_next(tmp_path):
    with started(tmp_path / "s"):
        assert server.answers(tmp_path / "s")
        server.shut_down(tmp_path / "s")
        assert not server.answers(tmp_path / "s")


def test_one_that_does_not_start_says_why(tmp_path):
    state = tmp_path / "s"
    state.mkdir()
    (state / "appendonlydir").write_text("in the way")
    with closing(Supervisor(state / "logs")) as supervisor:
        supervisor.start(server.make_child(state))
        with pytest.raises(ChildFailed, match=r"the Redis server does not start: .*appendonlydir"):
            server.wait_ready(supervisor, state)


def test_waiting_ends_when_a_person_says_so(tmp_path):
    with closing(Supervisor(tmp_path / "logs")) as supervisor:
        assert server.wait_ready(supervisor, tmp_path, stopped=lambda: True) is False


def test_a_server_on_path_is_used_where_none_is_carried(tmp_path, monkeypatch):
    def missing(_name):
        raise ImportError

    monkeypatch.setattr(server, "import_module", missing)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ChildFailed, match="no Redis server is here; install valkey or redis"):
        server.find_program()
    (tmp_path / "redis-server").touch(mode=0o755)
    assert server.find_program() == tmp_path / "redis-server"


def test_looking_starts_a_server_for_the_moment_and_ends_it(tmp_path):
    with started(tmp_path / "s"):
        pass
    settings = load({"state_dir": tmp_path / "s"}, {})
    with open_ledger(settings) as ledger:
        assert ping(ledger.client)
        with open_ledger(settings) as beside:
            assert beside.counts() == ledger.counts()
    assert not server.answers(tmp_path / "s")
