"""The page's server: who may ask, what media it shows, what it takes in."""

import asyncio
import json
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import httpx
import pytest

from cli.page import LedgerCommands, refuse_name
from config.settings import load
from jobs.ledger import Ledger, StepResult
from jobs.model import JobSpec, State, Step
from producer.scan import Rules
from tests.served import serve
from web.previews import MOST_KEPT, Mood, NoPreview, Previews
from web.server import Page, PageOptions
from web.uploads import Uploads

Client = Callable[..., httpx.Client]
OURS = {"x-dropscore": "1"}
SAMPLES = Path(__file__).parents[3] / "samples"


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    inbox, outbox = tmp_path / "in", tmp_path / "out"
    inbox.mkdir()
    outbox.mkdir()
    return inbox, outbox


@pytest.fixture
def client(fake_ledger: Ledger, folders: tuple[Path, Path]) -> Iterator[Client]:
    with ExitStack() as stack:

        def open_page(**options: object) -> httpx.Client:
            refuse = partial(refuse_name, Rules())
            uploads = Uploads(folders[0], refuse=refuse, most_bytes=10**6)
            given = {"places": folders, "inboxes": (uploads,), "wrong_password_s": 0.0} | options
            page = Page(fake_ledger, LedgerCommands(fake_ledger, load({}, {})), PageOptions(**given))
            return stack.enter_context(httpx.Client(base_url=stack.enter_context(serve(page))))

        yield open_page


def deliver(ledger: Ledger, job_id: str, source: Path, output: Path) -> None:
    """A job that is done, with both files."""
    shutil.copy(SAMPLES / "talk.mp4", source)
    shutil.copy(SAMPLES / "talk.mp4", output)
    ledger.submit(job_id, JobSpec(source=str(source), skill="s", instructions=("x",)), [str(output)])
    ledger.fetch_due(1, 30)
    job = ledger.claim(job_id, Step.UPLOAD, "w", 30)
    assert job is not None
    assert ledger.commit(job, StepResult(State.DONE, Step.DOWNLOAD), {}, ())


def test_a_foreign_name_is_refused_and_every_answer_keeps_scripts_of_others_out(client: Client) -> None:
    page = client()
    assert page.get("/", headers={"host": "evil.example"}).status_code == 421
    assert page.get("/", headers={"host": "127.0.0.1.evil.example:8765"}).status_code == 421
    assert client(names=("",)).get("/", headers={"host": ""}).status_code == 421
    assert page.get("/", headers={"host": "[::1]:8765"}).status_code == 200
    answer = page.get("/", headers={"host": "localhost:8765"})
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "<script>" not in answer.text
    assert "style=" not in answer.text
    assert client(names=("music.home", "")).get("/", headers={"host": "Music.Home"}).status_code == 200


def test_only_the_page_itself_may_change_something(client: Client) -> None:
    page = client()
    pause = json.dumps({"command": "pause"})
    assert page.post("/api/command", content=pause).status_code == 403
    for foreign in ({"origin": "http://evil.example"}, {"sec-fetch-site": "cross-site"}, {"origin": "null"}):
        assert page.post("/api/command", content=pause, headers=OURS | foreign).status_code == 403
        assert page.post("/api/upload", content=b"x", headers=OURS | foreign).status_code == 403
    assert page.get("/api/command").status_code == 405
    own = OURS | {"origin": str(page.base_url).rstrip("/"), "sec-fetch-site": "same-origin"}
    assert page.post("/api/command", content=pause, headers=own).json()["lines"] == [
        "paused; to go on: dropscore resume"
    ]


def test_with_a_password_nothing_answers_without_it(client: Client, tmp_path: Path) -> None:
    page = client(password="open sesame")
    assert page.get("/").headers["location"] == "/sign-in"
    for path in ("/api/files", "/api/events", "/files/x", "/media/x/before"):
        assert page.get(path).status_code == 401, path
    assert page.post("/api/command", content="{}", headers=OURS).status_code == 401
    own = {"origin": str(page.base_url).rstrip("/")}
    assert page.post("/sign-in", data={"password": "open sesame"}).status_code == 403  # from nowhere
    wrong = page.post("/sign-in", data={"password": "wrong"}, headers=own)
    assert (wrong.status_code, "That is not the password" in wrong.text) == (401, True)
    right = page.post("/sign-in", data={"password": "open sesame"}, headers=own)
    cookie = right.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert page.get("/api/files").status_code == 200
    assert "open sesame" not in page.get("/").text


def test_media_has_ranges_and_comes_from_our_folders_alone(
    client: Client, fake_ledger: Ledger, folders: tuple[Path, Path], tmp_path: Path
) -> None:
    inbox, outbox = folders
    deliver(fake_ledger, "mine", inbox / "a.mp4", outbox / "a.mp4")
    deliver(fake_ledger, "foreign", tmp_path / "b.mp4", outbox / "b.mp4")
    (inbox / "link.mp4").symlink_to(tmp_path / "b.mp4")
    fake_ledger.submit("link", JobSpec(source=str(inbox / "link.mp4")), [str(outbox / "c.mp4")])
    fake_ledger.submit("odd", JobSpec(source="/etc/passwd"), [str(outbox / "d.mp4")])
    page = client()
    some = page.get("/media/mine/before", headers={"range": "bytes=10-19"})
    assert (some.status_code, len(some.content)) == (206, 10)
    assert some.headers["content-type"] == "video/mp4"
    assert page.get("/media/mine/after").content == (outbox / "a.mp4").read_bytes()
    assert page.get("/media/mine/poster").headers["content-type"] == "image/jpeg"
    assert page.get("/media/foreign/after").status_code == 200
    for path in ("foreign/before", "link/before", "odd/before", "mine/else", "..%2f..%2fetc/before"):
        assert page.get(f"/media/{path}").status_code == 404, path
    assert page.get("/static/..%2fserver.py").status_code == 404


def test_a_file_is_shown_with_its_words_and_its_sound(
    client: Client, fake_ledger: Ledger, folders: tuple[Path, Path]
) -> None:
    inbox, outbox = folders
    deliver(fake_ledger, "mine", inbox / "<b>.mp4", outbox / "b.mp4")
    page = client()
    (row,) = page.get("/api/files").json()["rows"]
    html = page.get(f"/files/{row['key']}").text
    assert "<b>" not in html.replace("<b>Version", "")
    assert "Say one more sentence" in html
    assert 'class="wave after"' in page.get(f"/files/{row['key']}/sound?job=mine").text
    assert page.get("/files/none").status_code == 404


def test_commands_are_those_of_the_command_line(client: Client, fake_ledger: Ledger) -> None:
    fake_ledger.submit("j", JobSpec(source="/in/a.mp4", instructions=("x",), fingerprint="f"), [])
    page = client()

    def command(**asked: object) -> tuple[int, dict[str, list[str]]]:
        answer = page.post("/api/command", content=json.dumps(asked), headers=OURS)
        return answer.status_code, answer.json()

    assert command(command="cancel", job="j") == (
        200,
        {"question": "", "lines": ["/in/a.mp4: cancelled"], "errors": []},
    )
    assert command(command="retry", job="j")[1]["lines"] == ["/in/a.mp4: goes on at upload"]
    assert command(command="tweak", job="j", sentence="softer")[0] == 409
    assert command(command="keep", job="j")[0] == 409
    assert command(command="drain")[1]["lines"][-1] == "to go on: dropscore resume"
    assert command(command="resume")[1]["lines"] == ["new files begin again"]
    for nonsense in ({"command": "forget"}, {"command": "retry", "job": "other"}, {}, {"command": None}):
        assert page.post("/api/command", content=json.dumps(nonsense), headers=OURS).status_code == 400


def test_an_upload_is_whole_or_not_there(client: Client, folders: tuple[Path, Path]) -> None:
    page, inbox = client(), folders[0]

    def upload(name: str, body: bytes = b"film", **headers: str) -> tuple[int, dict[str, object]]:
        answer = page.post("/api/upload", content=body, headers=OURS | {"x-name": name} | headers)
        return answer.status_code, answer.json()

    assert upload("Urlaub%20%C3%BC/clip.mp4") == (200, {"name": "Urlaub ü/clip.mp4"})
    assert upload("Urlaub%20%C3%BC/clip.mp4", b"other") == (200, {"name": "Urlaub ü/clip (2).mp4"})
    assert (inbox / "Urlaub ü" / "clip.mp4").read_bytes() == b"film"
    for name in (
        "../x.mp4",
        "/x.mp4",
        "a/../../x.mp4",
        ".x.mp4",
        "x%00.mp4",
        "x%0a.mp4",
        "",
        "x.txt",
        "a//b.mp4",
    ):
        assert upload(name)[0] == 400, name
    for name in ("x.mp4.part", "@eaDir/x.mp4", "x" * 300 + ".mp4", "a%5cb.mp4"):
        assert upload(name)[0] == 400, name
    assert upload("big.mp4", b"x" * 1_000_001)[0] == 413
    (inbox / "out").symlink_to(inbox.parent)
    assert upload("out/x.mp4")[0] == 400
    assert sorted(path.name for path in inbox.rglob("*") if path.is_file()) == ["clip (2).mp4", "clip.mp4"]


def test_a_stream_begins_with_what_the_page_may_have_missed(client: Client) -> None:
    with client().stream("GET", "/api/events") as events:
        lines = events.iter_lines()
        first = [next(lines) for _ in range(4)]
    assert "event: hello" in first
    assert first[-1] == 'data: {"revision": 0}'


class Heard(LedgerCommands):
    """The page's commands, with previews that need no studio."""

    def preview(self, source: str, moods: Sequence[str], folder: Path) -> tuple[Mood, ...]:
        if "nonsense" in moods:
            raise NoPreview("nonsense: no such <music>")
        folder.mkdir(parents=True, exist_ok=True)
        made = []
        for word in moods:
            path = folder / f"{word}.mp4"
            shutil.copy(source, path)
            made.append(Mood(word, f"add {word} background music", path))
        return tuple(made)


def test_music_is_chosen_by_ear(fake_ledger: Ledger, folders: tuple[Path, Path], tmp_path: Path) -> None:
    inbox, outbox = folders
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "old.mp4").touch()
    deliver(fake_ledger, "j1", inbox / "clip.mp4", outbox / "clip.mp4")
    settings = load({"settle_s": 0, "state_dir": tmp_path / "state"}, {})
    options = PageOptions(places=folders, inboxes=(), previews=kept)
    page = Page(fake_ledger, Heard(fake_ledger, settings), options)
    with serve(page) as address, httpx.Client(base_url=address, headers=OURS) as client:
        assert not (kept / "old.mp4").exists()
        key = client.get("/api/files").json()["rows"][0]["key"]

        def command(**asked: object) -> httpx.Response:
            return client.post("/api/command", json={"job": "j1", **asked})

        def wait_for(words: str) -> str:
            for _ in range(200):
                if words in (html := client.get(f"/files/{key}").text):
                    return html
                time.sleep(0.02)
            raise AssertionError(html)

        assert "Choose by ear" in client.get(f"/files/{key}").text
        assert command(command="choose", mood=0, to="file").json()["errors"] == [
            "listen again: that preview is not kept any more"
        ]
        assert command(command="preview", moods=" , ").status_code == 409
        assert command(command="preview", moods="calm, epic,calm").status_code == 200
        html = wait_for(f"/previews/{key}/1")
        assert f"/previews/{key}/2" not in html
        assert client.get(f"/previews/{key}/0").headers["content-type"] == "video/mp4"
        assert client.get(f"/previews/{key}/7").status_code == 404
        said = command(command="choose", mood=1, to="file").json()
        assert said["lines"] == ["1 file edited anew: add epic background music"]
        (new,) = fake_ledger.all_in(State.QUEUED)
        assert new.spec.instructions == ("add epic background music",)
        command(command="preview", moods="nonsense")
        wait_for("no such &lt;music&gt;")


def test_previews_of_few_files_are_kept(tmp_path: Path) -> None:
    def make(_source: str, moods: Sequence[str], folder: Path) -> tuple[Mood, ...]:
        folder.mkdir(parents=True)
        return tuple(Mood(word, word, folder / word) for word in moods)

    previews = Previews(make, tmp_path / "kept")
    for number in range(MOST_KEPT + 2):
        asyncio.run(previews.make(str(number), "x", previews.ask(str(number), "calm")))
    assert previews.of("1") is None
    assert previews.find("2", 0) is not None
    assert len([*(tmp_path / "kept").iterdir()]) == MOST_KEPT
