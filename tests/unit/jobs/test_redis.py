"""The addresses of a server, and its errors in our words."""

import pytest
import redis
from redis import exceptions as theirs

from jobs.errors import LedgerUnreachable
from jobs.redis import connect, encode_argument, make_impatient, map_redis_errors

AWAY = [
    theirs.ConnectionError("refused"),
    theirs.TimeoutError("slow"),
    theirs.BusyLoadingError("loading"),
    theirs.AuthenticationError("no"),
    theirs.MaxConnectionsError("all in use"),
    theirs.InvalidResponse("what?"),
    theirs.LockError("not owned"),
    theirs.LockNotOwnedError("not owned"),
    theirs.ReadOnlyError("You can't write against a read only replica."),
    theirs.OutOfMemoryError("command not allowed"),
    theirs.NoPermissionError("NOPERM no permission"),
    theirs.ResponseError("READONLY You can't write against a read only replica."),
    theirs.ResponseError("-READONLY You can't write against a read only replica. script: f_1"),
    theirs.ResponseError("MISCONF Errors writing to the AOF file: No space left on device"),
    theirs.ResponseError("NOREPLICAS Not enough good replicas to write."),
    theirs.ResponseError("OOM command not allowed when used memory > 'maxmemory'."),
    theirs.ResponseError("-OOM command not allowed when used memory > 'maxmemory'. script: f_1"),
    theirs.ResponseError("ERR MISCONF Redis is configured to save RDB snapshots"),
    theirs.ResponseError("LOADING Redis is loading the dataset in memory"),
    theirs.ResponseError("BUSY Redis is busy running a script."),
    theirs.ResponseError("MASTERDOWN Link with MASTER is down"),
    theirs.ResponseError("NOAUTH Authentication required."),
    ConnectionResetError("reset"),
    BrokenPipeError("gone"),
    OSError("no route"),
]


@pytest.mark.parametrize("error", AWAY, ids=lambda error: f"{type(error).__name__}: {error}"[:40])
def test_what_passes_by_itself_or_by_an_operators_hand_is_waited_for(error: Exception) -> None:
    with pytest.raises(LedgerUnreachable) as found, map_redis_errors():
        raise error
    assert found.value.__cause__ is error
    assert "\n" not in str(found.value)
    assert found.value.code == "ledger_unreachable"


@pytest.mark.parametrize(
    "error",
    [
        theirs.ResponseError("WRONGTYPE Operation against a key holding the wrong kind of value"),
        theirs.ResponseError("user_script:12: attempt to index a nil value script: f_1"),
        KeyError("ours"),
        ValueError("ours"),
        LedgerUnreachable("already ours"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_fault_of_ours_is_not_waited_for(error: Exception) -> None:
    with pytest.raises(type(error)) as found, map_redis_errors():
        raise error
    assert found.value is error


@pytest.mark.parametrize(
    ("url", "connection", "address"),
    [
        ("redis://h:7000/3", redis.Connection, {"host": "h", "port": 7000, "db": 3}),
        ("redis://:p%40ss@h", redis.Connection, {"host": "h", "password": "p@ss"}),
        ("rediss://u:p@h:7001", redis.SSLConnection, {"host": "h", "port": 7001, "username": "u"}),
        ("unix:///run/a.sock", redis.UnixDomainSocketConnection, {"path": "/run/a.sock"}),
    ],
)
def test_each_form_of_address_makes_its_client(
    url: str, connection: type, address: dict[str, object]
) -> None:
    client = connect(url)
    pool = client.connection_pool
    assert pool.connection_class is connection
    assert {name: pool.connection_kwargs[name] for name in address} == address
    assert (pool.connection_kwargs["socket_timeout"], pool.connection_kwargs["decode_responses"]) == (5, True)
    impatient = make_impatient(client).connection_pool
    assert impatient.connection_class is connection
    assert {name: impatient.connection_kwargs[name] for name in address} == address
    assert impatient.connection_kwargs["socket_timeout"] == 2


def test_a_sentinel_address_names_all_sentinels_and_the_database() -> None:
    client = connect("sentinel://:p%40ss@a:26380/2;sentinel://b;sentinel://c:1/2", master_name="films")
    pool = client.connection_pool
    found = [one.connection_pool.connection_kwargs for one in pool.sentinel_manager.sentinels]
    assert [(one["host"], one["port"]) for one in found] == [("a", 26380), ("b", 26379), ("c", 1)]
    assert pool.service_name == "films"
    assert (pool.connection_kwargs["db"], pool.connection_kwargs["password"]) == (2, "p@ss")
    assert make_impatient(client) is client


@pytest.mark.parametrize(
    "url", ["", "localhost", "http://h", "redis://h:port", "sentinel://h:x", "sentinel://h/x"]
)
def test_what_is_no_address_is_said_with_the_settings_name(url: str) -> None:
    with pytest.raises(LedgerUnreachable, match="DROPSCORE_REDIS_URL"):
        connect(url)


def test_fields_that_are_none_are_left_out_of_an_argument() -> None:
    assert encode_argument(a=1, b=None, c="ü") == ['{"a":1,"c":"\\u00fc"}']
