"""What only objects do: requests that are counted, refusals that are told in one line, secrets kept."""

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import storage
from storage import BadPath, Denied, NoBucket, NotSetUp, Occupied, StorageError, Unreachable
from storage.credentials import client_options
from storage.s3 import SINGLE_BYTES, Buckets, BucketStorage
from tests.s3 import Bucket, bucket_of, serving, use

pytestmark = pytest.mark.integration


def test_a_seek_fetches_a_sample_and_not_the_file(bucket: Bucket) -> None:
    path = bucket.put("big", bytes(40 * 1024 * 1024))
    with storage.storage_for(path).open(path) as file:
        before = len(bucket.requests())
        for at in range(0, 40 * 1024 * 1024, 4 * 1024 * 1024):
            file.seek(at)
            assert len(file.read(64 * 1024)) == 64 * 1024
        assert len(bucket.requests()) - before == 10
        file.seek(0)
        while file.read(256 * 1024):
            pass
        assert len(bucket.requests()) - before < 10 + 25  # windows that double up to 4 MiB


@pytest.mark.slow
def test_a_listing_pages_through_many_objects_and_holds_a_page(bucket: Bucket) -> None:
    store = storage.storage_for(bucket.path())
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda number: store.write(bucket.path(f"in/{number:05}"), b"", ""), range(1100)))
    before = len(bucket.requests())
    assert sum(1 for _seen in storage.storage_for(bucket.path("in")).scan()) == 1100
    assert len(bucket.requests()) - before == 2


def test_a_put_that_is_stopped_leaves_nothing(bucket: Bucket, tmp_path: Path) -> None:
    class Enough(Exception):
        pass

    calls = iter(range(100))

    def check() -> None:
        if next(calls) > 5:
            raise Enough

    part = tmp_path / ".a.part"
    part.write_bytes(bytes(3 * SINGLE_BYTES))
    with pytest.raises(Enough):
        storage.storage_for(bucket.path()).deliver(part, bucket.path("out.mp4"), "0" * 64, check)
    assert bucket.keys() == []
    assert bucket.client.list_multipart_uploads(Bucket=bucket.name).get("Uploads", []) == []
    assert part.exists()


@pytest.mark.parametrize("size", [10, SINGLE_BYTES + 1])
def test_who_writes_meanwhile_is_not_replaced(bucket: Bucket, tmp_path: Path, size: int) -> None:
    part = tmp_path / ".a.part"
    part.write_bytes(bytes(size))

    def meanwhile() -> None:
        bucket.put("out.mp4", b"a stranger's")

    with pytest.raises(Occupied):
        storage.storage_for(bucket.path()).deliver(part, bucket.path("out.mp4"), "0" * 64, meanwhile)
    assert bucket.get("out.mp4") == b"a stranger's"
    assert bucket.keys() == ["out.mp4"]


def test_a_bucket_that_is_not_there_is_named(bucket: Bucket) -> None:
    with pytest.raises(NoBucket, match=r"^s3://no-such-bucket/in: the bucket does not exist"):
        list(storage.storage_for("s3://no-such-bucket/in").scan())


def test_wrong_credentials_are_one_line_without_the_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(tmp_path, INITIAL_NO_AUTH_ACTION_COUNT="1") as (
        url,
        log,
    ):  # from the second call on it looks
        guarded = bucket_of(url, log, "guarded-bucket")
        use(guarded, monkeypatch)
        path = guarded.path("in")
        for ask in (
            lambda: list(storage.storage_for(path).scan()),
            lambda: storage.storage_for(path).stat(path),
            lambda: storage.storage_for(path).write(path, b"x", "mark"),
        ):
            with pytest.raises(Denied) as refused:
                ask()
            assert str(refused.value).startswith(f"{path}: ")
            assert "\n" not in str(refused.value)
            assert "never-to-be-shown" not in str(refused.value)
            assert "AKIATESTONLY" not in str(refused.value)


def test_a_server_that_is_away_is_said_within_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "b")
    begun = time.monotonic()
    with pytest.raises(Unreachable, match=r"^s3://away-bucket/x: the store does not answer$"):
        BucketStorage("s3://away-bucket").stat("s3://away-bucket/x")
    assert time.monotonic() - begun < 60


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("s3://", "no bucket has that name"),
        ("s3://UPPER/in", "no bucket has that name"),
        ("s3://ab/in", "no bucket has that name"),
        ("s3://a-bucket/in//x", "cannot be used"),
        ("s3://a-bucket/in/../x", "cannot be used"),
        ("s3://a-bucket/new\nline", "no control characters"),
    ],
)
def test_an_impossible_path_is_said(path: str, why: str) -> None:
    with pytest.raises(BadPath, match=why):
        storage.tidy(path)


def test_a_path_is_taken_as_it_is() -> None:
    assert storage.tidy("s3://a-bucket/in/") == "s3://a-bucket/in"
    assert storage.tidy("s3://a-bucket/a%20b #?.mp4") == "s3://a-bucket/a%20b #?.mp4"


KEYS = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}


@pytest.mark.parametrize(
    ("environ", "why"),
    [
        ({"AWS_ENDPOINT_URL": "https://s3.example"}, "no credentials"),
        ({"AWS_ACCESS_KEY_ID": "a"}, "AWS_SECRET_ACCESS_KEY is not"),
        ({"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY_FILE": "/dev/null"}, "_ACCESS_KEY is not"),
        ({"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY_FILE": "/no/such"}, "/no/such cannot be read"),
        ({**KEYS, "AWS_ENDPOINT_URL": "http://s3.example"}, "is not https; set AWS_ALLOW_HTTP=true"),
        ({**KEYS, "AWS_ENDPOINT_URL": "s3.example"}, "should look like"),
        ({**KEYS, "AWS_ENDPOINT_URL": "https://me:word@s3.example"}, "should look like"),
    ],
)
def test_what_is_not_set_up_is_said(environ: dict[str, str], why: str) -> None:
    with pytest.raises(NotSetUp, match=why) as refused:
        client_options("s3://a-bucket", environ)
    assert "word" not in str(refused.value)


@pytest.mark.parametrize(
    ("environ", "in_the_clear"),
    [
        (KEYS, False),
        ({**KEYS, "AWS_ENDPOINT_URL": "https://s3.example"}, False),
        ({**KEYS, "AWS_ENDPOINT_URL": "http://127.0.0.1:9000"}, True),
        ({**KEYS, "AWS_ENDPOINT_URL": "http://localhost:9000"}, True),
        ({**KEYS, "AWS_ENDPOINT_URL": "http://minio:9000", "AWS_ALLOW_HTTP": "true"}, True),
        ({"AWS_ENDPOINT_URL": "https://s3.example", "AWS_SKIP_SIGNATURE": "true"}, False),
    ],
)
def test_plain_http_is_for_loopback_or_said(environ: dict[str, str], in_the_clear: bool) -> None:
    assert client_options("s3://a-bucket", environ)[1] is in_the_clear


def test_the_secret_key_may_stand_in_a_file(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    key = tmp_path / "s3_key"
    key.write_text(bucket.environment["AWS_SECRET_ACCESS_KEY"] + "\n")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY_FILE", str(key))
    bucket.put("in/a.mp4", b"video")
    buckets = Buckets()
    found = BucketStorage(bucket.path("in"), buckets).scan()
    assert [stat.size_bytes for stat in found] == [5]
    assert "never-to-be-shown" not in repr(vars(buckets))


def test_a_name_that_s3_has_and_the_library_has_not_is_named_as_the_cause(bucket: Bucket) -> None:
    bucket.put("in//a.mp4", b"x")
    with pytest.raises(StorageError, match="rename that object"):
        list(storage.storage_for(bucket.path("in")).scan())


def test_without_the_extra_one_line_says_how_to_get_it(tmp_path: Path) -> None:
    (tmp_path / "obstore").mkdir()
    (tmp_path / "obstore" / "__init__.py").write_text("raise ModuleNotFoundError('obstore')")
    program = (
        "import storage\ntry: storage.storage_for('s3://a-bucket')\nexcept storage.NotSetUp as no: print(no)"
    )
    told = {**os.environ, "PYTHONPATH": f"{tmp_path}:{os.getcwd()}"}  # noqa: PTH109 (a search path is text)
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=told, timeout=30, check=True
    )
    assert ended.stdout == (
        "s3://a-bucket: S3 needs the package obstore; install it: pip install 'dropscore[s3]'\n"
    )
