"""A stop, soft or hard, loses nothing and charges nothing that did not land."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import subprocess
import sys
import threading
import time
import uuid

import httpx
import pytest

from studio.service import Studio
from studio.settings import StudioSettings
from tests.patience import allow

pytestmark = pytest.mark.integration


def open_stream(guest, begun):
    """Hold an event stream open until the studio goes away."""
    parts = [{"text": "add calm music"}]
    body = {
        "app_name": "nemo_agent",
        "user_id": "me",
        "session_id": guest.session,
        "new_message": {"parts": parts},
    }
    headers = {"Authorization": f"Bearer {guest.token}", "Accept": "text/event-stream"}
    studio = guest.studio
    try:
        with studio.http.stream("POST", "/run_sse", json=body, headers=headers) as stream:
            for _ in stream.iter_bytes():
                begun.release()
    except httpx.TransportError:
        return


def with_clip(running, clip):
    guest = running.guest()
    guest.open()
    guest.upload(clip)
    return guest


def again(start_studio, guest, *flags):
    """Start a studio on the same folder; the guest goes on there."""
    guest.studio = start_studio(*flags)
    return guest


def streaming(guest, count):
    begun = threading.Semaphore(0)
    threads = [threading.Thread(target=open_stream, args=(guest, begun)) for _ in range(count)]
    for thread in threads:
        thread.start()
    for _ in threads:
        assert begun.acquire(timeout=10)
    return threads


def test_sigterm_with_open_streams_is_quick_and_free(start_studio, clip):
    running = start_studio("--think-s", "60")
    guest = with_clip(running, clip)
    threads = streaming(guest, 5)
    assert running.stop() <= allow(2.0)
    for thread in threads:
        thread.join(30)
    again(start_studio, guest)
    assert guest.charges() == []
    assert guest.balance() == {"available": 1000, "frozen": 0, "total": 1000}
    assert len(guest.state()["draft"]["t"]) == 1


def test_a_kill_in_the_middle_of_an_edit_neither_charges_nor_changes(start_studio, clip):
    running = start_studio("--think-s", "60")
    guest = with_clip(running, clip)
    threads = streaming(guest, 1)
    assert guest.balance()["frozen"] == 50
    running.kill()
    threads[0].join(5)
    again(start_studio, guest)
    assert guest.balance() == {"available": 1000, "frozen": 0, "total": 1000}
    guest.edit("add calm music")
    assert len(guest.charges()) == 1


def test_what_landed_survives_a_kill(start_studio, clip):
    running = start_studio()
    guest = with_clip(running, clip)
    guest.edit("add calm music")
    draft = guest.state()["draft"]
    running.kill()
    again(start_studio, guest)
    assert guest.state()["draft"] == draft
    assert len(guest.charges()) == 1


@pytest.mark.parametrize("how", ["kill", "stop"])
def test_a_render_that_was_interrupted_begins_again(start_studio, clip, how):
    running = start_studio("--renders-at-once", "1")
    guest = with_clip(running, clip)
    guest.edit("add calm music with title 'Hello'")
    renders = [f"render_{uuid.uuid4().hex}" for _ in range(2)]
    for render in renders:
        guest.render(render)
    guest.wait(renders[0], until=("processing", "completed"))
    took_s = running.stop() if how == "stop" else running.kill()
    assert how == "kill" or took_s <= allow(2.0)
    again(start_studio, guest)
    for render in renders:
        job = guest.wait(render)
        assert job["status"] == "completed"
        assert guest.get(f"/api/render/proxy/{render}/download").content[4:8] == b"ftyp"


def test_the_parent_may_pass_a_listening_socket(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        command = [sys.executable, "-m", "studio", "--root", str(tmp_path), "--fd", str(listener.fileno())]
        process = subprocess.Popen(command, pass_fds=[listener.fileno()], stdout=subprocess.PIPE, text=True)
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        try:
            assert httpx.get(f"{url}/_studio/health", timeout=10).json()["status"] == "ok"
            assert process.stdout.readline() == f"studio ready {url}\n"
        finally:
            process.terminate()
            process.communicate(timeout=60)


def test_a_port_in_use_is_one_clear_line(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        command = [sys.executable, "-m", "studio", "--root", str(tmp_path), "--port", port]
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert port in done.stderr


def test_it_starts_fast(start_studio):
    begun = time.monotonic()
    start_studio()
    assert time.monotonic() - begun < allow(3.0), "0.7 s on an idle machine"


def test_what_a_kill_left_half_done_is_cleared_away(start_studio, clip, tmp_path):
    running = start_studio()
    guest = with_clip(running, clip)
    guest.render("render_1")
    guest.wait("render_1")
    running.kill()
    folders = [tmp_path / "studio" / name for name in ("media", "renders")]
    for folder in folders:
        (folder / "half.mp4").write_bytes(b"half")
    again(start_studio, guest)
    assert [len(list(folder.iterdir())) for folder in folders] == [1, 1]
    assert guest.get("/api/render/proxy/render_1/download").status_code == 200


def test_a_client_that_goes_away_in_the_middle_of_an_upload_leaves_nothing(start_studio, clip, tmp_path):
    running = start_studio()
    guest = running.guest()
    guest.open()
    head = (
        f"POST /api/upload-video/nemo_agent/me/{guest.session} HTTP/1.1\r\nHost: studio\r\n"
        f"Authorization: Bearer {guest.token}\r\nContent-Length: 9000000\r\n"
        "Content-Type: multipart/form-data; boundary=B\r\n\r\n"
        '--B\r\nContent-Disposition: form-data; name="files"; filename="a.mp4"\r\n\r\n'
    )
    media = tmp_path / "studio" / "media"
    port = int(running.url.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port)) as line:
        line.sendall(head.encode() + bytes(4_000_000))
        while not list(media.iterdir()):
            time.sleep(0.01)
    for _ in range(2000):
        if not list(media.iterdir()):
            break
        time.sleep(0.01)
    assert list(media.iterdir()) == []
    running.process.terminate()
    assert "Traceback" not in running.process.communicate(timeout=60)[1]


def test_sigterm_does_not_wait_for_a_host_that_says_nothing(start_studio):
    running = start_studio("--allow-private-urls")
    guest = running.guest()
    guest.open()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/a.mp4"
        fetching = threading.Thread(target=fetch_and_lose, args=(guest, url))
        fetching.start()
        line = silent.accept()[0]
        assert running.stop() <= allow(2.0)
        line.close()
        fetching.join(5)


def fetch_and_lose(guest, url):
    """Ask for a fetch whose answer never comes."""
    path = f"/api/upload-video/nemo_agent/me/{guest.session}"
    with contextlib.suppress(httpx.TransportError):
        guest.post(path, json={"urls": [url], "source_type": "url"})


def test_what_a_killed_render_left_is_cleared_away(tmp_path):
    left = tmp_path / "renders" / ".render-left"
    left.mkdir(parents=True)
    (left / "mix.raw").write_bytes(b"half")
    studio = Studio(StudioSettings(root=tmp_path))
    asyncio.run(opened_and_closed(studio))
    assert not left.exists()


async def opened_and_closed(studio):
    await studio.open()
    await studio.close()
