"""A real studio process, a guest who speaks plain HTTP to it, and a clip to work on."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import imageio_ffmpeg
import pytest

HEADERS = {"X-Skill-Source": "add-music", "X-Skill-Version": "1.0", "X-Skill-Platform": "unknown"}


@dataclass
class Running:
    """A studio process that answers at `url`."""

    process: subprocess.Popen[str]
    url: str
    http: httpx.Client

    def post(self, path: str, body: object) -> dict[str, Any]:
        answer = self.http.post(path, json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def faults(self, *rules: dict[str, Any], seed: int = 0) -> None:
        self.post("/_studio/faults", {"seed": seed, "rules": list(rules)})

    def ledger(self) -> dict[str, list[dict[str, Any]]]:
        return self.http.get("/_studio/ledger").json()

    def guest(self, credits: int = 1000) -> Guest:
        made = self.post("/_studio/accounts", {"credits": credits})
        return Guest(self, made["token"], made["user_id"])

    def stop(self) -> float:
        """Ask it to end; answer how long that took."""
        begun = time.monotonic()
        self.process.terminate()
        self.process.wait(30)
        self.close()
        return time.monotonic() - begun

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(30)
        self.close()

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(30)
        self.http.close()
        for pipe in (self.process.stdout, self.process.stderr):
            if pipe:
                pipe.close()


@dataclass
class Guest:
    """Somebody with a token, who types every request from the contract."""

    studio: Running
    token: str = field(repr=False)
    account: str
    session: str = ""

    @property
    def headers(self) -> dict[str, str]:
        return {**HEADERS, "Authorization": f"Bearer {self.token}"}

    def request(self, method: str, path: str, **how: Any) -> httpx.Response:
        headers = {**self.headers, **how.pop("headers", {})}
        return self.studio.http.request(method, path, headers=headers, **how)

    def get(self, path: str, **how: Any) -> httpx.Response:
        return self.request("GET", path, **how)

    def post(self, path: str, **how: Any) -> httpx.Response:
        return self.request("POST", path, **how)

    def open(self) -> str:
        body = self.post("/api/tasks/me/with-session/nemo_agent", json={"task_name": "project"}).json()
        self.session = body["data"]["session_id"]
        return self.session

    def upload(self, *paths: Path) -> dict[str, Any]:
        files = [("files", (path.name, path.read_bytes())) for path in paths]
        return self.post(f"/api/upload-video/nemo_agent/me/{self.session}", files=files).json()

    def run(self, text: str, session: str | None = None) -> httpx.Response:
        body = {
            "app_name": "nemo_agent",
            "user_id": "me",
            "session_id": session or self.session,
            "new_message": {"parts": [{"text": text}]},
        }
        return self.post("/run_sse", json=body, headers={"Accept": "text/event-stream"})

    def edit(self, text: str) -> list[dict[str, Any]]:
        """Send an instruction and answer the events of the stream."""
        answer = self.run(text)
        assert answer.headers["content-type"].startswith("text/event-stream"), answer.text
        lines = (line[5:].strip() for line in answer.text.splitlines() if line.startswith("data:"))
        return [json.loads(line) for line in lines if line]

    def state(self) -> dict[str, Any]:
        return self.get(f"/api/state/nemo_agent/me/{self.session}/latest").json()["data"]["state"]

    def balance(self) -> dict[str, int]:
        return self.get("/api/credits/balance/simple").json()["data"]

    def render(self, render: str | None = None, **changes: Any) -> httpx.Response:
        body = {
            "id": render or f"render_{uuid.uuid4().hex}",
            "sessionId": self.session,
            "draft": self.state()["draft"],
            "output": {"format": "mp4", "quality": "high"},
            **changes,
        }
        return self.post("/api/render/proxy/lambda", json=body)

    def status(self, render: str) -> dict[str, Any]:
        """Answer a render in one shape, whichever the studio chose."""
        body = self.get(f"/api/render/proxy/lambda/{render}").json()
        job = body.get("data", body)
        url = job.get("outputUrl") or job.get("output", {}).get("url")
        return {**job, "url": url}

    def wait(self, render: str, *, until: tuple[str, ...] = ("completed", "failed")) -> dict[str, Any]:
        for _ in range(600):
            job = self.status(render)
            if job["status"] in until:
                return job
            time.sleep(0.05)
        raise AssertionError(f"render {render} did not end: {job}")

    def charges(self) -> list[dict[str, Any]]:
        return [charge for charge in self.studio.ledger()["charges"] if charge["account"] == self.account]


def start(root: Path, *flags: str) -> Running:
    command = [sys.executable, "-m", "studio", "--root", str(root), "--think-s", "0.02", *flags]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line.startswith("studio ready "):
        problem = process.communicate(timeout=60)[1]
        raise AssertionError(f"the studio did not start: {problem}")
    url = line.split()[-1]
    return Running(process, url, httpx.Client(base_url=url, timeout=20))


@pytest.fixture
def start_studio(tmp_path: Path) -> Iterator[Callable[..., Running]]:
    """Start studios on one root folder; none survives the test."""
    started: list[Running] = []

    def begin(*flags: str) -> Running:
        started.append(start(tmp_path / "studio", *flags))
        return started[-1]

    yield begin
    for running in started:
        running.close()


@pytest.fixture(scope="session")
def shared_studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    running = start(tmp_path_factory.mktemp("studio"), "--silent-share", "0", "--tokens-per-ip", "1000")
    yield running
    running.stop()


@pytest.fixture
def studio(shared_studio: Running) -> Iterator[Running]:
    """The studio that most tests share, without faults."""
    yield shared_studio
    shared_studio.faults()
    shared_studio.post("/_studio/plan", {"plan": "pro"})


@pytest.fixture
def guest(studio: Running, clip: Path) -> Guest:
    """Somebody with a session and a clip in it."""
    guest = studio.guest()
    guest.open()
    guest.upload(clip)
    return guest


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One second of moving picture with a tone."""
    path = tmp_path_factory.mktemp("media") / "clip.mp4"
    sources = ("testsrc=size=160x120:rate=25:duration=1", "sine=frequency=440:duration=1")
    inputs = [word for source in sources for word in ("-f", "lavfi", "-i", source)]
    encode = ["-c:v", "libx264", "-pix_fmt", "yuv420p", "-c:a", "aac", "-shortest"]
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", *inputs, *encode, str(path)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    return path
