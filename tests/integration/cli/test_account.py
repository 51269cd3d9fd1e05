"""``open`` and ``cancel`` against a real service and a real ledger."""

import json
import os
import re
import socket
import subprocess
import sys
import uuid

import pytest

import nemovideo
from config.settings import load
from jobs.ledger import Ledger
from jobs.model import Checkpoint, JobSpec, RenderRef, SessionRef, State, Step
from jobs.redis import connect
from jobs.token_store import SharedTokenStore
from tests.documented import documented, keys
from worker.runtime import open_client

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    with socket.create_server(("127.0.0.1", 0)) as listening:
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        command = [sys.executable, "-P", "-m", "studio", "--fd", str(listening.fileno())]
        command += ["--root", str(tmp_path_factory.mktemp("studio")), "--simulate", "--renders-at-once", "1"]
        kept = {name: value for name, value in os.environ.items() if not name.startswith("DROPSCORE_")}
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        process = subprocess.Popen(command, pass_fds=(listening.fileno(),), env=kept, **quiet)
        yield url
        process.terminate()
        process.wait(30)


@pytest.fixture
def cloud(service, redis_url):
    return {"NEMO_API_URL": service, "DROPSCORE_BACKEND": "cloud", "DROPSCORE_REDIS_URL": redis_url}


@pytest.fixture
def kept(redis_url):
    """A ledger on the wall clock, as the command sees it."""
    client = connect(redis_url)
    client.flushall()
    ledger = Ledger(client)
    ledger.sync_clock()
    yield ledger
    client.close()


@pytest.fixture
def client(service, kept):
    """A client with the account that the command uses."""
    with nemovideo.http_client(2) as http:
        yield open_client(load({"nemo_api_url": service, "chosen_backend": "cloud"}), kept, http)


def put(ledger, place, name, checkpoint, step):
    """Put a job into the ledger that stands before a step."""
    source = str(place.inbox / name)
    spec = JobSpec(
        source=source,
        root=str(place.inbox),
        output=str(place.folder / "outbox" / name),
        result=str(place.folder / "outbox" / f"{name}.result.json"),
        skill="add-music",
        instructions=("calm piano",),
        fingerprint=name,
        created=ledger.now(),
    )
    ledger.submit(name, spec, [spec.output], "1:1", checkpoint=checkpoint)
    ledger.transition(name, State.QUEUED, among=[State.QUEUED], step=step, checkpoint=checkpoint)
    (place.folder / "outbox").mkdir(exist_ok=True)


def session_of(client):
    opened = client.open_session()
    return opened, SessionRef(session_id=opened.session_id, task_id=opened.task_id, user_id=opened.user_id)


def test_open_prints_a_link_to_the_session_and_no_token(place, cloud, kept, client):
    _, session = session_of(client)
    put(kept, place, "a.mp4", Checkpoint(session=session), Step.EDIT)
    opened = place.run("open", "a.mp4", **cloud)
    assert (opened.returncode, opened.stderr) == (0, "")
    assert re.fullmatch(r"https://\S+/workspace/claim\?ct=clm_\S+\n", opened.stdout)
    answer = json.loads(place.run("open", "a.mp4", "--json", **cloud).stdout)
    assert keys(answer) <= documented("open JOB")
    assert (answer["job"], answer["source"]) == ("a.mp4", str(place.inbox / "a.mp4"))
    token = SharedTokenStore(kept, cloud["NEMO_API_URL"]).load()["token"]
    assert token not in opened.stdout + str(answer)


def test_open_says_why_where_there_is_nothing_to_open(place, cloud, kept, client):
    put(kept, place, "new.mp4", Checkpoint(), Step.UPLOAD)
    client.balance()
    gone = SessionRef(session_id=str(uuid.uuid4()), task_id=str(uuid.uuid4()))
    put(kept, place, "gone.mp4", Checkpoint(session=gone), Step.EDIT)
    local = {**cloud, "DROPSCORE_BACKEND": "local"}
    for name, words, environment in (
        ("new.mp4", "no session at the service yet", cloud),
        ("gone.mp4", "the service no longer has its session", cloud),
        ("new.mp4", "the local studio edits has no page on the web", local),
    ):
        refused = place.run("open", name, **environment)
        assert (refused.returncode, refused.stderr.count("\n"), refused.stdout) == (2, 1, "")
        assert words in refused.stderr


@pytest.fixture
def renders(client, clip):
    """Two renders of one session: the first takes half a minute, so the second stays pending."""
    opened, session = session_of(client)
    client.upload_file(opened.session_id, clip, filename="clip.mp4")
    draft = client.state(opened.session_id).draft
    names = [f"render_{uuid.uuid4().hex}" for _ in range(2)]
    for name in names:
        client.submit_render(opened.session_id, name, draft)
    return session, names


def test_cancel_ends_the_pending_render_at_the_service_too(place, cloud, kept, client, renders):
    session, (begun, pending) = renders
    for name, render_id in (("begun.mp4", begun), ("pending.mp4", pending)):
        put(kept, place, name, Checkpoint(session=session, render=RenderRef(render_id=render_id)), Step.POLL)
    assert client.render(pending).status is not nemovideo.RenderStatus.FAILED
    cancelled = place.run("cancel", "begun.mp4", "pending.mp4", "--json", **cloud)
    assert (cancelled.returncode, cancelled.stderr) == (0, "")
    answer = json.loads(cancelled.stdout)
    assert [row["render"] for row in answer["jobs"]] == ["goes_on", "cancelled"]
    assert keys(answer) <= documented("retry")
    assert [kept.get(name).state for name in ("begun.mp4", "pending.mp4")] == [State.CANCELLED] * 2
    assert client.render(pending).status is nemovideo.RenderStatus.FAILED


def test_a_service_that_is_away_keeps_no_job_from_being_cancelled(place, cloud, kept, client):
    client.balance()
    point = Checkpoint(session=SessionRef(session_id="s"), render=RenderRef(render_id="render_x"))
    for name, words in (("unknown.mp4", ""), ("away.mp4", "1 render may go on at the service")):
        put(kept, place, name, point, Step.POLL)
        away = {"NEMO_TOKEN": "nmv_usr_" + "x" * 20, "NEMO_API_URL": "http://127.0.0.1:9"} if words else {}
        cancelled = place.run("cancel", name, **{**cloud, **away})
        assert cancelled.returncode == 0
        assert ("its render may go on" in cancelled.stdout) is bool(words)
        assert kept.get(name).state is State.CANCELLED
        assert words in cancelled.stderr
        assert cancelled.stderr.count("\n") == bool(words)
