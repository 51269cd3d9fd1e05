"""A file of 500 MB up and down, against curl on loopback, and what it costs the client's memory.

Both send to and fetch from the same service, by turns. The product does more than curl: it hashes what it
sends and gets, and has the disk write what it got before it says so.
"""

import json
import os
import statistics
import subprocess
import sys
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

import nemovideo
from bench.figures import Row, machine, numbers, show, summarize
from bench.memory import most_resident_mb, resident_mb
from bench.peers.script import SKILL
from bench.stage import Service, clip, place

COMMAND = "python -m bench.bytes"
_PATIENCE_S = 120
_RENDERS = "/api/render/proxy"


@dataclass(frozen=True, slots=True)
class Guest:
    """Somebody with a token at a service."""

    url: str
    token: str

    @property
    def headers(self) -> dict[str, str]:
        return {**SKILL, "Authorization": f"Bearer {self.token}"}

    def request(self, method: str, path: str, **how: Any) -> dict[str, Any]:
        answer = httpx.request(method, self.url + path, headers=self.headers, timeout=_PATIENCE_S, **how)
        answer.raise_for_status()
        body: dict[str, Any] = answer.json()
        return body.get("data", body)

    def open(self) -> str:
        """The path to upload to, in a session of its own."""
        session = self.request("POST", "/api/tasks/me/with-session/nemo_agent", json={"task_name": "bench"})
        return str(session["session_id"])

    def render(self, film: Path) -> str:
        """Have a film rendered: the service delivers the same film for all; answers the render's id."""
        session, name = self.open(), f"render_{uuid.uuid4().hex}"
        self.request("POST", _upload(session), files={"files": (film.name, b"any")})
        draft = self.request("GET", f"/api/state/nemo_agent/me/{session}/latest")["state"]["draft"]
        output = {"format": "mp4", "quality": "high"}
        body = {"id": name, "sessionId": session, "draft": draft, "output": output}
        self.request("POST", _RENDERS + "/lambda", json=body)
        while self.request("GET", f"{_RENDERS}/lambda/{name}")["status"] != "completed":
            time.sleep(0.05)
        return name


def make_large_clip(folder: Path, megabytes: int) -> Path:
    """Make a playable film of so many MB: a small one, and a box that players pass over."""
    film, wanted = folder / "whole.mp4", megabytes * 1_000_000
    small = clip(folder).read_bytes()
    with film.open("wb") as file:
        file.write(small + (wanted - len(small)).to_bytes(4, "big") + b"free")
        while file.tell() < wanted:
            file.write(os.urandom(min(1_000_000, wanted - file.tell())))
    return film


def _upload(session: str) -> str:
    return f"/api/upload-video/nemo_agent/me/{session}"


def by_curl(guest: Guest, what: str, target: str, film: Path) -> float:
    """One transfer; seconds by curl's own clock."""
    if what == "upload":
        words = ["-F", f"files=@{film}", "-o", "/dev/null", guest.url + _upload(target)]
    else:
        words = ["-o", str(film), f"{guest.url}{_RENDERS}/{target}/download"]
    headers = "".join(f"{name}: {value}\n" for name, value in guest.headers.items())
    command = ["curl", "-sS", "-f", "-H", "@-", "-w", "%{time_total}", *words]
    done = subprocess.run(
        command, check=True, input=headers, stdout=subprocess.PIPE, text=True, timeout=_PATIENCE_S
    )
    return float(done.stdout)


def by_product(guest: Guest, what: str, target: str, film: Path) -> tuple[float, float]:
    """The same by the product's client in a process of its own: seconds, and growth of its memory in MB."""
    command = [sys.executable, "-m", "bench.bytes", what, guest.url, target, str(film)]
    environment = {**os.environ, "NEMO_TOKEN": guest.token}
    done = subprocess.run(
        command, check=True, stdout=subprocess.PIPE, text=True, env=environment, timeout=_PATIENCE_S
    )
    said = json.loads(done.stdout)
    return float(said["took_s"]), float(said["grown_mb"])


def transfer(what: str, url: str, target: str, film: Path) -> int:
    """One transfer by the product's client, in this process; prints its seconds and growth."""
    endpoint, token = nemovideo.Endpoint(api_url=url), nemovideo.UserToken(os.environ["NEMO_TOKEN"])
    with nemovideo.http_client(4) as http:
        client = nemovideo.NemoVideo(
            endpoint, nemovideo.Attribution("add-music", "1.0", "unknown"), token, http
        )
        client.balance()  # everything is loaded and connected before the clock starts
        before_mb, began = resident_mb(os.getpid()), time.monotonic()
        if what == "upload":
            client.upload_file(target, film, filename=film.name)
        else:
            done = nemovideo.RenderStatus.COMPLETED
            ready = nemovideo.Render(id=target, status=done, progress=100.0, url=None, error=None)
            client.download(ready, film)
        took_s = time.monotonic() - began
    grown_mb = max(0.0, most_resident_mb(os.getpid()) - before_mb)
    print(json.dumps({"took_s": took_s, "grown_mb": grown_mb}))
    return 0


@dataclass
class Seen:
    """The seconds of curl and of the product, one way, and the growth of the product's memory in MB."""

    curl_s: list[float] = field(default_factory=list)
    own_s: list[float] = field(default_factory=list)
    grown_mb: list[float] = field(default_factory=list)

    def add(self, curl_s: float, own: tuple[float, float]) -> None:
        self.curl_s.append(curl_s)
        self.own_s.append(own[0])
        self.grown_mb.append(own[1])

    def row(self, what: str, megabytes: int) -> Row:
        own, curl = ([megabytes / took_s for took_s in times] for times in (self.own_s, self.curl_s))
        share = statistics.median(own) / statistics.median(curl)
        return Row(
            f"{what} of {megabytes} MB",
            "≥ 60 % of curl's throughput on loopback; RSS growth < 64 MB",
            f"{share:.0%}: {summarize(own, 'MB/s', 0)} against {summarize(curl, 'MB/s', 0)}; "
            f"grown by {summarize(self.grown_mb, 'MB', 0)}",
            COMMAND,
            share >= 0.60 and max(self.grown_mb) < 64,
        )


def one_round(guest: Guest, film: Path, up: Seen, down: Seen) -> None:
    """Both ways, curl and the product by turns."""
    up.add(by_curl(guest, "upload", guest.open(), film), by_product(guest, "upload", guest.open(), film))
    render, here = guest.render(film), film.parent
    got = [here / "curl.mp4", here / "own.mp4"]
    down.add(by_curl(guest, "download", render, got[0]), by_product(guest, "download", render, got[1]))
    assert all(path.stat().st_size == film.stat().st_size for path in got)
    for path in got:
        path.unlink()


def main() -> int:
    if sys.argv[1:2] in (["upload"], ["download"]):
        what, url, target, film = sys.argv[1:]
        return transfer(what, url, target, Path(film))
    chosen = numbers(__doc__, megabytes=500, runs=3)
    start, up, down = machine(), Seen(), Seen()
    with place() as folder:
        film = make_large_clip(folder, chosen.megabytes)
        service = Service(folder, scale=0.0, video=film)
        guest = Guest(service.url, "nmv_bench_guest")
        for _ in range(chosen.runs):
            one_round(guest, film, up, down)
        service.close()
    return show([up.row("upload", chosen.megabytes), down.row("download", chosen.megabytes)], start)


if __name__ == "__main__":
    sys.exit(main())
