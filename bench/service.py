"""The service of the benches: api-contract 1 to 6 in one asyncio process; strict, and able to go wrong.

It renders nothing, so the worker is what is measured. What a file takes is drawn from its name: an edit 10 to
40 s, a render 30 to 90 s, times ``--scale`` (0.1: 1 to 4 s and 3 to 9 s). Names that are equal from the last
``__`` on draw the same. Charges are counted by the uploaded file's name and by session. ``/bench/stats``
tells what was seen, ``/bench/charged?after=N`` answers as soon as more than N messages were taken.

With ``--faults 0.1`` one request in ten goes wrong: refused, taken and not answered, answered and not taken,
cut off in the middle.
"""

import argparse
import asyncio
import hashlib
import json
import random
import re
import time
import uuid
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

EDIT_S, RENDER_S = (10.0, 40.0), (30.0, 90.0)
AGENT = "/api/{}/nemo_agent/me/"
RENDERS = "/api/render/proxy/lambda"
ATTRIBUTION = ("x-skill-source", "x-skill-version", "x-skill-platform")
FILENAME = re.compile(rb'name="files"; filename="([^"]*)"')
FAULTS = ("status", "reset", "lost_answer")
EDIT_FAULTS = (*FAULTS, "cut", "silent", "busy", "error_after")
RENDER_FAULTS = (*FAULTS, "failed_render")
DOWNLOAD_FAULTS = (*FAULTS, "short")


def draw_s(kind: str, name: str, scale: float) -> float:
    """Return how many seconds an ``edit`` or a ``render`` of a file of this name takes."""
    least, most = EDIT_S if kind == "edit" else RENDER_S
    digest = hashlib.blake2b(f"{kind} {name.rpartition('__')[2]}".encode(), digest_size=4).digest()
    return (least + (most - least) * int.from_bytes(digest, "big") / 2**32) * scale


class Refusal(Exception):
    """An answer that is no success."""

    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(message)
        self.status, self.body = status, {"code": code, "message": message}


class Hangup(Exception):
    """Close the connection without an answer."""


@dataclass(slots=True)
class Session:
    """One editing session and its timeline."""

    id: str
    file: str = ""
    draft: dict[str, Any] | None = None


@dataclass(slots=True)
class Render:
    """One render; it is finished from ``ends`` on (monotonic seconds)."""

    id: str
    file: str
    ends: float
    failed: bool = False
    fetched: bool = False


@dataclass(slots=True)
class Request:
    """A request with its body."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    def json(self) -> dict[str, Any]:
        """Return the body as an object."""
        try:
            found = json.loads(self.body)
        except ValueError as exc:
            raise Refusal(422, 422, "the body is not JSON") from exc
        if not isinstance(found, dict):
            raise Refusal(422, 422, "the body is no object")
        return found


@dataclass
class Service:
    """All that the service knows."""

    video: bytes
    scale: float
    fault_share: float = 0.0
    refuse_each: int = 0
    rng: random.Random = field(default_factory=lambda: random.Random(1))
    tokens: set[str] = field(default_factory=set)
    clients: dict[str, str] = field(default_factory=dict)
    sessions: dict[str, Session] = field(default_factory=dict)
    renders: dict[str, Render] = field(default_factory=dict)
    charges: Counter[str] = field(default_factory=Counter)
    session_charges: Counter[str] = field(default_factory=Counter)
    requests: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)
    charged: asyncio.Condition = field(default_factory=asyncio.Condition)
    open_edits: int = 0
    most_open_edits: int = 0
    address: str = ""
    tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def stats(self) -> dict[str, Any]:
        """Return what was seen so far."""
        now = time.monotonic()
        ready = sum(1 for one in self.renders.values() if not one.fetched and one.ends <= now)
        return {
            "charges": self.charges,
            "most_in_a_session": max(self.session_charges.values(), default=0),
            "requests": self.requests,
            "faults": self.faults,
            "violations": self.violations,
            "renders": len(self.renders),
            "finished_and_not_fetched": ready,
            "open_edits": self.open_edits,
            "most_open_edits": self.most_open_edits,
        }

    def choose_fault(self, kinds: tuple[str, ...]) -> str:
        """Choose what goes wrong with this request; mostly nothing."""
        if not self.fault_share or self.rng.random() >= self.fault_share:
            return ""
        kind = self.rng.choice(kinds)
        self.faults[kind] += 1
        return kind

    def check_headers(self, request: Request) -> None:
        """Check the token and the attribution (api-contract 1)."""
        missing = [name for name in ATTRIBUTION if not request.headers.get(name)]
        if missing:
            self.violations.append(f"{request.path}: no {missing[0]}")
            raise Refusal(402, 402, "attribution is missing")
        if request.path == "/api/auth/anonymous-token":
            return
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        if token not in self.tokens and not token.startswith("nmv_bench"):
            raise Refusal(401, 1001, "token bad or expired")

    def find_session(self, session_id: str) -> Session:
        """Return a session; refuses 1002."""
        if session_id not in self.sessions:
            raise Refusal(404, 1002, "session not found")
        return self.sessions[session_id]

    def mint(self, request: Request) -> dict[str, Any]:
        """2.1: one token for each client id."""
        client = request.headers.get("x-client-id", "")
        if not client:
            raise Refusal(400, 400, "X-Client-Id is missing")
        token = self.clients.setdefault(client, f"nmv_usr_{uuid.uuid4().hex}")
        self.tokens.add(token)
        return {
            "token": token,
            "user_id": f"anon_{client[:8]}",
            "credits": 10**9,
            "expires_at": "2099-01-01T00:00:00Z",
        }

    def upload(self, session: Session, request: Request) -> dict[str, Any]:
        """2.4: put a file on the timeline."""
        found = FILENAME.search(request.body[:2000])
        if not found or not request.headers.get("content-type", "").startswith("multipart/form-data"):
            raise Refusal(400, 4001, "no file")
        name = found[1].decode()
        if session.file:
            self.violations.append(f"{name}: uploaded into a session that has {session.file}")
        session.file = name
        segment = {"n": name, "s": 0, "d": 1000}
        session.draft = {
            "d": 1000,
            "m": {"title": name, "width": 160, "height": 120},
            "t": [{"tt": 0, "sg": [segment]}],
        }
        one = {
            "filename": name,
            "file_type": "video",
            "cdn_url": f"{self.address}/cdn/source",
            "duration": 1.0,
        }
        return {"files": [one], "session_state_applied": True}

    def submit_render(self, request: Request) -> dict[str, Any]:
        """2.7: refuses an id that is taken, and a draft that is not the session's."""
        order = request.json()
        session = self.find_session(str(order.get("sessionId")))
        if order.get("id") in self.renders:
            raise Refusal(409, 409, "duplicate id")
        if not session.draft or order.get("draft") != session.draft:
            self.violations.append(f"{session.file}: a render of another draft")
            raise Refusal(400, 400, "not the draft of this session")
        ends = time.monotonic() + draw_s("render", session.file, self.scale)
        fault = self.choose_fault(RENDER_FAULTS)
        if fault == "status":
            raise Refusal(503, 503, "try later")
        render = Render(order["id"], session.file, ends, failed=fault == "failed_render")
        self.renders[render.id] = render
        if fault in {"reset", "lost_answer"}:
            raise Hangup
        return {"id": render.id, "status": "pending", "progress": 0}

    def find_render(self, render_id: str) -> Render:
        """Return a render; refuses 404."""
        if render_id not in self.renders:
            raise Refusal(404, 404, "no such render")
        return self.renders[render_id]

    def describe_render(self, render: Render) -> dict[str, Any]:
        """2.8: how far it is."""
        left_s = render.ends - time.monotonic()
        if left_s > 0:
            return {"id": render.id, "status": "processing", "progress": round(max(1.0, 99 - left_s), 2)}
        if render.failed:
            return {"id": render.id, "status": "failed", "progress": 99, "error": "it failed"}
        url = f"{self.address}/cdn/{render.id}.mp4"
        return {"id": render.id, "status": "completed", "progress": 100, "outputUrl": url}

    def answer(self, request: Request) -> dict[str, Any]:  # noqa: PLR0911 - an endpoint a line
        """Answer every call but the stream and the downloads."""
        path, method = request.path, request.method
        parts = path.rsplit("/", 2)
        if path == "/api/auth/anonymous-token":
            return self.mint(request)
        if path == "/api/tasks/me/with-session/nemo_agent":
            session = Session(uuid.uuid4().hex)
            self.sessions[session.id] = session
            return {"session_id": session.id, "task_id": session.id[:8], "user_id": "anon_bench"}
        if path == "/api/credits/balance/simple":
            available = 10**9 - 50 * self.charges.total()
            return {"available": available, "frozen": 0, "total": available}
        if path.startswith(AGENT.format("upload-video")):
            return self.upload(self.find_session(parts[-1]), request)
        if path.startswith(AGENT.format("state")):
            return {
                "state": {
                    "draft": self.find_session(parts[-2]).draft,
                    "video_infos": [],
                    "generated_media": [],
                }
            }
        if path == RENDERS and method == "POST":
            return self.submit_render(request)
        if path.startswith(f"{RENDERS}/") and method == "GET":
            return self.describe_render(self.find_render(parts[-1]))
        if path.endswith("/cancel"):
            return {}
        raise Refusal(404, 404, f"no endpoint {method} {path}")

    def name_endpoint(self, path: str) -> str:
        """Return a short name of an endpoint, to count by."""
        for mark in ("anonymous-token", "with-session", "run_sse", "upload-video", "balance", "state", "cdn"):
            if mark in path:
                return mark
        return "render" if path == RENDERS else "status" if path.startswith(RENDERS) else path

    async def edit(self, request: Request, writer: asyncio.StreamWriter) -> None:  # noqa: C901 - each fault is one
        """2.3: charge, stream, and land at the end, whether anybody still listens or not."""
        order = request.json()
        session = self.find_session(str(order.get("session_id")))
        if session.draft is None:
            raise Refusal(400, 400, "nothing was uploaded")
        fault = self.choose_fault(EDIT_FAULTS)
        if fault == "busy":
            raise Refusal(429, 429, "slow down")
        if fault in {"status", "reset"}:  # not taken, and whoever sent it cannot know
            if fault == "reset":
                raise Hangup
            raise Refusal(503, 503, "try later")
        self.charges[session.file] += 1
        self.session_charges[session.id] += 1
        async with self.charged:
            self.charged.notify_all()
        self.open_edits += 1
        self.most_open_edits = max(self.most_open_edits, self.open_edits)
        text = order["new_message"]["parts"][0]["text"]
        takes_s = draw_s("edit", session.file, self.scale)
        landing = asyncio.create_task(self.land(session, takes_s, text))
        self.tasks.add(landing)
        landing.add_done_callback(self.tasks.discard)
        if fault == "lost_answer":
            raise Hangup
        if fault == "error_after":  # a gateway that gives up after it has forwarded
            raise Refusal(502, 502, "bad gateway")
        writer.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
            + chunk(b'data: {"type":"tool_call","name":"add_bgm","args":{}}\n\n')
        )
        if fault == "cut":
            await asyncio.sleep(takes_s / 2)
            raise Hangup
        while not landing.done():
            await asyncio.wait({landing}, timeout=10)
            if not landing.done():
                writer.write(chunk(b'data: {"type":"heartbeat"}\n\n'))
        if fault != "silent":
            writer.write(chunk(b'data: {"type":"text","content":"I added calm music."}\n\n'))
        writer.write(b"0\r\n\r\n")

    async def land(self, session: Session, takes_s: float, text: str) -> None:
        """Change the timeline when the edit's time is over."""
        if takes_s:
            await asyncio.sleep(takes_s)
        self.open_edits -= 1
        assert session.draft is not None
        sound = {
            "tt": 1,
            "sg": [{"n": f"Calm {len(session.draft['t'])}", "s": 0, "d": 1000, "of": text[:40]}],
        }
        session.draft = session.draft | {"t": [*session.draft["t"], sound]}

    def fetch(self, request: Request, writer: asyncio.StreamWriter) -> None:
        """Send a rendered film, or what is missing of it."""
        render = self.find_render(
            request.path.removesuffix("/download").rsplit("/", 1)[-1].removesuffix(".mp4")
        )
        if render.ends > time.monotonic() or render.failed:
            raise Refusal(404, 404, "not finished")
        fault = self.choose_fault(DOWNLOAD_FAULTS)
        if fault == "status":
            raise Refusal(503, 503, "try later")
        if fault == "reset":
            raise Hangup
        start = int(request.headers.get("range", "bytes=0-").removeprefix("bytes=").partition("-")[0])
        body, etag = self.video[start:], f'ETag: "{render.id}"\r\n'
        status = "200 OK"
        if start:
            status = "206 Partial Content"
            etag += f"Content-Range: bytes {start}-{len(self.video) - 1}/{len(self.video)}\r\n"
        head = f"HTTP/1.1 {status}\r\nContent-Type: video/mp4\r\n{etag}Content-Length: {len(body)}\r\n\r\n"
        writer.write(head.encode() + (body[: len(body) // 2] if fault else body))
        render.fetched = True
        if fault:
            raise Hangup

    async def observe(self, request: Request, writer: asyncio.StreamWriter) -> None:
        """Answer the bench itself."""
        path, _, query = request.path.partition("?")
        if path == "/bench/charged":
            after = int(query.removeprefix("after="))
            async with self.charged:
                await self.charged.wait_for(lambda: self.charges.total() > after)
        elif path == "/bench/faults":
            self.fault_share = float(query)
        write_json(writer, 200, self.stats())

    async def respond(self, request: Request, writer: asyncio.StreamWriter) -> None:
        """Answer one request. Raises Hangup."""
        if request.path.startswith("/bench/"):
            await self.observe(request, writer)
            return
        endpoint = self.name_endpoint(request.path)
        self.requests[endpoint] += 1
        try:
            if endpoint == "cdn" or request.path.endswith("/download"):
                self.fetch(request, writer)
                return
            self.check_headers(request)
            if self.refuse_each and self.requests.total() % self.refuse_each == 0:
                self.faults["busy"] += 1
                raise Refusal(429, 429, "slow down")
            if endpoint == "run_sse":
                await self.edit(request, writer)
                return
            fault = self.choose_fault(FAULTS) if endpoint not in {"render", "anonymous-token"} else ""
            if fault == "status":
                raise Refusal(503, 503, "try later")
            if fault == "reset":
                raise Hangup
            data = self.answer(request)
            if fault:
                raise Hangup
            write_json(writer, 200, {"code": 0, "data": data})
        except Refusal as refusal:
            write_json(writer, refusal.status, refusal.body)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection."""
        try:
            while True:
                request = await read_request(reader, writer)
                await self.respond(request, writer)
                await writer.drain()
        except (Hangup, OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass
        finally:
            writer.close()


async def read_request(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Request:
    """Read one request and its body."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    method, path, _ = head[0].split(" ", 2)
    headers = {}
    for line in head[1:]:
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    if headers.get("expect") == "100-continue":
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return Request(method, path, headers, body)


def chunk(data: bytes) -> bytes:
    """Return data as one chunk of a body."""
    return b"%x\r\n%s\r\n" % (len(data), data)


def write_json(writer: asyncio.StreamWriter, status: int, body: object) -> None:
    """Write a whole answer."""
    text = json.dumps(body).encode()
    head = f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {len(text)}\r\n\r\n"
    writer.write(head.encode() + text)


async def run(video: Path, scale: float, fault_share: float, refuse_each: int) -> None:
    """Listen on a free port of loopback, print the address, and serve until the process is ended."""
    service = Service(video.read_bytes(), scale, fault_share, refuse_each)
    server = await asyncio.start_server(service.serve, "127.0.0.1", 0, limit=2**20, backlog=2048)
    service.address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    print(service.address, flush=True)
    async with server:
        await server.serve_forever()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--video", type=Path, required=True, help="what every download delivers")
    parser.add_argument("--scale", type=float, default=0.1)
    parser.add_argument("--faults", type=float, default=0.0)
    parser.add_argument("--refuse-each", type=int, default=0, help="of so many, 429 for one")
    chosen = parser.parse_args()
    asyncio.run(run(chosen.video, chosen.scale, chosen.faults, chosen.refuse_each))


if __name__ == "__main__":
    main()
