"""Every store, by the same tests: folders of this host, and a bucket of a real S3 server."""

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import av
import pytest

import storage
from storage import Changed, NotThere, Occupied, Storage
from tests.s3 import Bucket

ODD = "a b/Ümlaut # 100% ?&=+.mp4"


def nothing() -> None:
    """A check that lets everything go on."""


@dataclass(frozen=True, slots=True)
class Home:
    """A store, its root, a folder for local parts, and how a stranger writes there."""

    store: Storage
    root: str
    parts: Path
    by_hand: Callable[[str, bytes], None]

    def path(self, name: str) -> str:
        return f"{self.root}/{name}"

    def part(self, content: bytes) -> Path:
        made = self.parts / ".made.part"
        made.write_bytes(content)
        return made


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.fixture(params=["local", pytest.param("s3", marks=pytest.mark.integration)])
def home(request: pytest.FixtureRequest, tmp_path: Path) -> Home:
    parts = tmp_path / "parts"
    parts.mkdir()
    if request.param == "local":
        root = tmp_path / "root"

        def by_hand(name: str, content: bytes) -> None:
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_bytes(content)

        return Home(storage.storage_for(str(root)), str(root), parts, by_hand)
    bucket: Bucket = request.getfixturevalue("bucket")
    root_ = bucket.path("root")
    return Home(
        storage.storage_for(root_),
        root_,
        parts,
        lambda name, content: bucket.put(f"root/{name}", content) and None,
    )


def test_what_is_written_is_seen_listed_read_and_deleted(home: Home) -> None:
    for name in ("b.txt", ODD, "deep/er/c.mp4"):
        home.store.write(home.path(name), name.encode(), "mark")
    assert [seen.path for seen in home.store.scan()] == [
        home.path(name)
        for name in (
            ("b.txt", ODD, "deep/er/c.mp4") if "://" not in home.root else (ODD, "b.txt", "deep/er/c.mp4")
        )
    ]
    seen = home.store.stat(home.path(ODD))
    assert seen is not None
    assert (seen.path, seen.size_bytes) == (home.path(ODD), len(ODD.encode()))
    assert home.store.read(home.path(ODD), 1000) == ODD.encode()
    assert home.store.read(home.path(ODD), 3) == ODD.encode()[:3]
    assert home.store.digest(home.path(ODD)) == sha256(ODD.encode())
    home.store.delete(home.path(ODD))
    home.store.delete(home.path(ODD))
    assert home.store.stat(home.path(ODD)) is None


def test_what_is_not_there_is_none_or_said(home: Home) -> None:
    home.by_hand("folder/file", b"x")
    assert home.store.stat(home.path("none")) is None
    assert home.store.stat(home.path("folder")) is None
    for ask in (lambda: home.store.open(home.path("none")), lambda: home.store.digest(home.path("none"))):
        with pytest.raises(NotThere, match=r"none: (not there any more|there is no such object)$"):
            ask()


def test_a_small_file_replaces_what_is_there(home: Home) -> None:
    home.store.write(home.path("a.json"), b"one", "mark")
    home.store.write(home.path("a.json"), b"two", "mark")
    assert home.store.read(home.path("a.json"), 10) == b"two"
    assert [seen.path for seen in home.store.scan()] == [home.path("a.json")]


@pytest.mark.parametrize("size", [0, 1, 70_000, 9 * 1024 * 1024])
def test_a_file_is_read_and_sought_in_like_any_other(home: Home, size: int) -> None:
    content = os.urandom(size)
    home.by_hand("file", content)
    with home.store.open(home.path("file"), home.store.stat(home.path("file"))) as file:
        assert file.read() == content
        for at in (0, size // 2, max(size - 10, 0)):
            assert file.seek(at) == at
            assert file.read(300_000) == content[at : at + 300_000]
        assert file.seek(0, os.SEEK_END) == size
        assert file.read(1) == b""


def test_a_file_that_is_replaced_while_it_is_open_is_never_mixed(home: Home) -> None:
    home.by_hand("file", b"1" * 200_000)
    seen = home.store.stat(home.path("file"))
    home.by_hand("file", b"2" * 200_001)
    with pytest.raises(Changed), home.store.open(home.path("file"), seen) as file:
        file.read()


@pytest.mark.parametrize("size", [10, 9 * 1024 * 1024])
def test_a_new_file_is_put_whole_and_its_part_is_gone(home: Home, size: int) -> None:
    content = os.urandom(size)
    home.by_hand("there", b"")
    part = home.part(content)
    if "://" not in home.root:
        part = part.rename(Path(home.root, ".made.part"))
    home.store.deliver(part, home.path("out.mp4"), sha256(content), nothing)
    assert home.store.digest(home.path("out.mp4")) == sha256(content)
    assert not part.exists()
    assert [seen.path for seen in home.store.scan()] == [home.path("out.mp4"), home.path("there")]


@pytest.mark.parametrize("size", [10, 9 * 1024 * 1024])
def test_a_stranger_s_file_is_never_replaced_and_our_own_is_put_once(home: Home, size: int) -> None:
    ours, other = os.urandom(size), os.urandom(size)
    home.by_hand("out.mp4", other)
    part = home.part(ours)
    with pytest.raises(Occupied, match="is there already, and it is not this job's"):
        home.store.deliver(part, home.path("out.mp4"), sha256(ours), nothing)
    assert home.store.digest(home.path("out.mp4")) == sha256(other)
    assert part.exists()
    home.by_hand("mine.mp4", ours)  # as a run leaves it that is killed right after its delivery
    home.store.deliver(part, home.path("mine.mp4"), sha256(ours), nothing)
    assert not part.exists()
    assert [seen.path for seen in home.store.scan()] == [home.path("mine.mp4"), home.path("out.mp4")]


def test_a_video_is_opened_by_the_ranges_that_are_needed(home: Home, clip: Path) -> None:
    home.by_hand("clip.mp4", clip.read_bytes())
    with home.store.open(home.path("clip.mp4")) as file, av.open(file, mode="r", format="mov") as container:
        assert {stream.type for stream in container.streams} == {"video", "audio"}
