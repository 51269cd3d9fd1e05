"""The page: files dropped, watched, heard and changed; and the operator's half.

A small ASGI app. It reads the ledger through `jobs`, acts through the functions of the command line
(`Commands`), and pushes what changes as server-sent events. Media is named by a job's id, never by a path,
and served from the folders it was told alone.
"""

import asyncio
import json
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import unquote

import structlog
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from jobs.errors import LedgerError, LedgerUnreachable
from jobs.ledger import Ledger, path_key
from jobs.model import Job, State
from jobs.overview import Overview, count_gone, read_overview
from jobs.result import Result, load_result
from jobs.sources import Sources
from web import format as formats
from web.catalog import Catalog, Version, View, describe_state
from web.guard import Guard
from web.media import find_beats, measure_loudness, take_poster
from web.models import Waveform
from web.previews import DEFAULT_MOODS, Mood, NoPreview, Previews
from web.templating import make_environment
from web.uploads import UploadRefused, Uploads

log = structlog.get_logger()

LOOK_S, IDLE_LOOK_S = 0.1, 1.0
"""Between two looks at the ledger: while somebody has the page open, and while nobody has."""
OVERVIEW_S = 1.0
DUPLICATES_EVERY, GONE_EVERY = 3, 30
"""So many overviews apart the duplicates are read, and outputs that are gone counted."""
HEARTBEAT_S = 15.0
WAITING_EVENTS = 200
"""A reader that is so far behind begins anew."""
MOST_BODY_BYTES = 64 * 1024
MOST_WORDS = 2000
MOST_PICTURES, MOST_WAVES = 3000, 400
IN_WORK = 24
SUGGESTIONS = (
    ("Softer", "make the music softer"),
    ("Another song", "use another song"),
    ("Calmer", "make the music calmer"),
    ("No drums", "without drums"),
    ("More energy", "give the music more energy"),
    ("Fade out", "fade the music out at the end"),
    ("A title", 'add the title ""'),
)
"""What people say most often, as buttons: a word, and the sentence it puts into the box."""
_KINDS = {
    ".mp4": "video/mp4",
    ".m4v": "video/mp4",
    ".mov": "video/quicktime",
    ".webm": "video/webm",
    ".mkv": "video/x-matroska",
    ".avi": "video/x-msvideo",
    ".mp3": "audio/mpeg",
    ".wav": "audio/wav",
    ".m4a": "audio/mp4",
    ".aac": "audio/aac",
    ".flac": "audio/flac",
    ".ogg": "audio/ogg",
    ".opus": "audio/ogg",
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".gif": "image/gif",
    ".webp": "image/webp",
}


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command did, in the words of the command line, and what it refused."""

    lines: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()
    question: str = ""  # what a person is asked before it is done


class Commands(Protocol):
    """What a person may ask for; `cli.page` hands in what the command line calls."""

    def retry(self, jobs: Sequence[str], *, resend: bool) -> Answer:
        """Let jobs that ended without success go on."""

    def cancel(self, jobs: Sequence[str]) -> Answer:
        """End jobs for good."""

    def tweak(self, job: str, sentence: str) -> Answer:
        """Make the next version of a file that is done."""

    def keep(self, job: str, versions: Sequence[str]) -> Answer:
        """Let a version stay in the outbox, and the others step aside."""

    def preview(self, source: str, moods: Sequence[str], folder: Path) -> tuple[Mood, ...]:
        """Make some seconds of a source under each kind of music; raises NoPreview."""

    def choose(self, job: str, instruction: str, *, to_folder: bool, may_pay: bool) -> Answer:
        """Ask for the music that was chosen, for a file or for its folder."""

    def restore(self) -> Answer:
        """Make outputs that are gone again."""

    def pause(self) -> Answer:
        """Start no more steps."""

    def resume(self, gate: str | None) -> Answer:
        """Open a gate or all, end a pause or a drain."""

    def drain(self) -> Answer:
        """Finish what has begun, begin nothing new."""


@dataclass(frozen=True, slots=True)
class PageOptions:
    """What the page is for: folders (absolute, links resolved) it may show media of, and who may use it.

    Without a folder for previews there are none.
    """

    places: tuple[Path, ...]
    inboxes: tuple[Uploads, ...]
    previews: Path | None = None
    counts_gone: bool = True
    backend: str = "local"
    flower_url: str | None = None
    names: tuple[str, ...] = ()
    password: str | None = field(default=None, repr=False)
    wrong_password_s: float = 1.0


async def _explain(_request: Request, exc: Exception) -> Response:
    status = 503 if isinstance(exc, LedgerUnreachable) else 409
    return JSONResponse({"errors": [formats.escape_controls(str(exc))]}, status_code=status)


class Page:
    """The page: ``app`` is what a server runs."""

    def __init__(self, ledger: Ledger, commands: Commands, options: PageOptions) -> None:
        """Read this ledger; command through ``commands``."""
        self._ledger, self._commands, self._options = ledger, commands, options
        roots = [str(uploads.inbox) for uploads in options.inboxes] + [str(place) for place in options.places]
        self._catalog = Catalog(ledger, roots)
        self._listeners: set[asyncio.Queue[str | None]] = set()
        self._panels: dict[str, str] = {}
        self._overviews = self._gone = 0
        self._duplicates: set[str] | None = None
        self._pictures: OrderedDict[tuple[str, int], bytes] = OrderedDict()
        self._sounds: OrderedDict[tuple[str, int], tuple[Waveform | None, tuple[float, ...]]] = OrderedDict()
        self._previews = Previews(commands.preview, options.previews) if options.previews else None
        self._making: set[asyncio.Task[None]] = set()
        self._decoding = asyncio.Semaphore(1)  # pictures are taken beside the work, not in its place
        self.environment = make_environment()
        sign_in = self.environment.get_template("sign_in.html.j2")
        routes = [
            Route("/", self.show),
            Route("/api/files", self.list_files),
            Route("/api/events", self.push_events),
            Route("/api/upload", self.upload, methods=["POST"]),
            Route("/api/command", self.command, methods=["POST"]),
            Route("/files/{key}", self.show_file),
            Route("/files/{key}/sound", self.show_sound),
            Route("/media/{job}/{side}", self.send_media),
            Route("/previews/{key}/{number:int}", self.send_preview),
            Mount("/static", StaticFiles(directory=str(files("web").joinpath("static")))),
        ]
        self.app = Guard(
            Starlette(routes=routes, lifespan=self._live, exception_handlers={LedgerError: _explain}),
            names=options.names,
            password=options.password,
            sign_in=lambda problem: sign_in.render(problem=problem),
            wrong_password_s=options.wrong_password_s,
        )

    @asynccontextmanager
    async def _live(self, _app: Starlette) -> AsyncIterator[None]:
        following = asyncio.create_task(self.follow())
        yield
        following.cancel()
        with suppress(asyncio.CancelledError):
            await following

    # --- following --------------------------------------------------------------------------------

    @property
    def is_ready(self) -> bool:
        """Whether the list has been read once."""
        return self._catalog.is_loaded

    async def follow(self) -> None:
        """Look at the ledger for as long as the page is served, and push what changed."""
        told_at, is_away = 0.0, False
        while True:
            try:
                rows = await run_in_threadpool(self._catalog.refresh)
                if rows:
                    self._push("rows", {"rows": [row.model_dump(mode="json") for row in rows[-200:]],
                                        "counts": self._catalog.counts(), "revision": self._catalog.revision,
                                        "more": len(rows) > 200})  # fmt: skip
                if time.monotonic() - told_at >= OVERVIEW_S:
                    told_at = time.monotonic()
                    await self._push_panels()
                if is_away:
                    self._push("ledger", {"away": False})
                is_away = False
            except LedgerUnreachable as exc:
                if not is_away:
                    log.warning("the ledger does not answer", reason=str(exc))
                    self._push("ledger", {"away": True})
                is_away = True
            await asyncio.sleep(LOOK_S if self._listeners else IDLE_LOOK_S)

    async def _push_panels(self) -> None:
        """Render what stands around the list, and push the parts that changed."""
        if self._options.counts_gone and self._overviews % GONE_EVERY == 0:
            self._gone = await run_in_threadpool(count_gone, self._ledger, self._options.backend)
        overview = await run_in_threadpool(lambda: read_overview(self._ledger, gone=self._gone))
        self._catalog.forget_missing(overview.total)
        fresh = self._render_panels(overview)
        for name, html in fresh.items():
            if self._panels.get(name) != html:
                self._push("panel", {"name": name, "html": html})
        self._panels = fresh
        self._overviews += 1
        if self._overviews % DUPLICATES_EVERY == 1:
            await self._tell_duplicates()

    async def _tell_duplicates(self) -> None:
        """Say of files that are new and equal others that they were not run again."""
        found = dict(await run_in_threadpool(lambda: list(Sources(self._ledger).duplicates())))
        known = self._duplicates
        for path in found.keys() - known if known is not None else ():
            same = self._catalog.find_job(found[path])
            other = f" as {Path(same[0]).name}" if same else " as another file"
            where = f"; its output is {Path(same[1].output).name}" if same and same[1].output else ""
            words = formats.escape_controls(
                f"{Path(path).name} is the same{other}, and is not run again{where}"
            )
            self._push("note", {"words": words, "name": formats.escape_controls(Path(path).name)})
        self._duplicates = set(found)

    def _render_panels(self, overview: Overview) -> dict[str, str]:
        context = {
            "overview": overview,
            "causes": self._catalog.causes(),
            "in_work": self._catalog.in_work(IN_WORK),
            "flower_url": self._options.flower_url,
            "backend": self._options.backend,
        }
        names = ("status", "needs", "operations")
        return {name: self.environment.get_template(f"{name}.html.j2").render(context) for name in names}

    def _push(self, event: str, data: object) -> None:
        message = f"event: {event}\ndata: {json.dumps(data)}\n\n"
        for listener in list(self._listeners):
            try:
                listener.put_nowait(message)
            except asyncio.QueueFull:
                self._listeners.discard(listener)
                while not listener.empty():
                    listener.get_nowait()
                listener.put_nowait(None)

    def close(self) -> None:
        """End all streams, so that the server can stop."""
        for listener in self._listeners:
            while not listener.empty():
                listener.get_nowait()
            listener.put_nowait(None)

    async def push_events(self, _request: Request) -> Response:
        """Send what changes, from now on, with the panels as they are."""
        listener: asyncio.Queue[str | None] = asyncio.Queue(WAITING_EVENTS)
        self._listeners.add(listener)
        # What changed between the page and this stream is asked for again.
        listener.put_nowait(f"event: hello\ndata: {json.dumps({'revision': self._catalog.revision})}\n\n")
        for name, html in self._panels.items():
            listener.put_nowait(f"event: panel\ndata: {json.dumps({'name': name, 'html': html})}\n\n")

        async def send() -> AsyncIterator[str]:
            try:
                yield "retry: 1000\n\n"
                while True:
                    try:
                        message = await asyncio.wait_for(listener.get(), HEARTBEAT_S)
                    except TimeoutError:
                        message = ": still here\n\n"
                    if message is None:
                        return
                    yield message
            finally:
                self._listeners.discard(listener)

        return StreamingResponse(send(), media_type="text/event-stream")

    # --- showing ----------------------------------------------------------------------------------

    async def show(self, _request: Request) -> Response:
        """The page itself, with its first rows in it: nothing is waited for."""
        listing = self._catalog.list_files(View.ALL, "", 0, 60)
        html = self.environment.get_template("page.html.j2").render(
            listing=listing.model_dump_json(),
            panels=self._panels,
            inboxes=[uploads.inbox.name for uploads in self._options.inboxes],
            has_files=bool(listing.total),
            has_password=self._options.password is not None,
            suggestions=SUGGESTIONS,
        )
        return HTMLResponse(html)

    async def list_files(self, request: Request) -> Response:
        """A stretch of the list."""
        asked = request.query_params
        try:
            view = View(asked.get("view", View.ALL))
            offset, limit = int(asked.get("offset", 0)), int(asked.get("limit", 100))
        except ValueError:
            return JSONResponse({"errors": ["no such list"]}, status_code=400)
        query = asked.get("query", "")[:200]
        listing = await run_in_threadpool(
            self._catalog.list_files, view, query, max(0, offset), max(0, limit)
        )
        return Response(listing.model_dump_json(), media_type="application/json")

    async def show_file(self, request: Request) -> Response:
        """One file with its versions, as a part of the page."""
        found = self._catalog.find(request.path_params["key"])
        if found is None:
            return _not_there()
        row, known = found
        jobs = await run_in_threadpool(self._ledger.many, [version.job for version in known])
        results = await run_in_threadpool(lambda: [load_result(job) for job in jobs])
        shown = [self._describe(number, job, result) for number, (job, result) in
                 enumerate(zip(jobs, results, strict=True), 1)]  # fmt: skip
        if not shown:
            return _not_there()
        html = self.environment.get_template("file.html.j2").render(
            row=row,
            versions=shown,
            newest=shown[-1],
            latest_done=next((one for one in reversed(shown) if one["after"]), None),
            before=self._media_address(jobs[0].id, "before", jobs[0].spec.source),
            before_kind=_kind(jobs[0].spec.source).partition("/")[0],
            can_preview=self._previews is not None and self._find_media(jobs[0].spec.source) is not None,
            hearing=self._previews.of(row.key) if self._previews else None,
            default_moods=DEFAULT_MOODS,
            suggestions=SUGGESTIONS,
            backend=self._options.backend,
        )
        return HTMLResponse(html)

    def _describe(self, number: int, job: Job, result: Result) -> dict[str, Any]:
        is_done = job.state is State.DONE
        return {
            "number": number,
            "job": job,
            "result": result,
            "word": describe_state(job),
            "stays": is_done and Path(job.spec.output).parent.name != "other versions",
            "after": self._media_address(job.id, "after", job.spec.output) if is_done else None,
        }

    def _media_address(self, job_id: str, side: str, path: str) -> str | None:
        file = self._find_media(path)
        # Its time is part of the address: a browser may keep what it has of it.
        return f"/media/{job_id}/{side}?{file.stat().st_mtime_ns}" if file else None

    async def show_sound(self, request: Request) -> Response:
        """The waveforms before and after, with the cuts and the beats, as a part of the page."""
        job_id = request.query_params.get("job", "")
        found = self._catalog.find_job(job_id)
        if found is None:
            return _not_there()
        source, version = found
        jobs = await run_in_threadpool(self._ledger.many, [job_id])
        result = await run_in_threadpool(load_result, jobs[0]) if jobs else None
        before, _ = await self._listen(self._find_media(source), None)
        after, beats = await self._listen(self._find_media(version.output), result.bpm if result else None)
        length_s = max((wave.length_s for wave in (before, after) if wave), default=0.0)
        html = self.environment.get_template("sound.html.j2").render(
            before_wave=before,
            after_wave=after,
            wave_length_s=length_s,
            cuts_s=result.cuts_s if result else (),
            beats_s=beats,
        )
        return HTMLResponse(html)

    async def _listen(
        self, path: Path | None, bpm: float | None
    ) -> tuple[Waveform | None, tuple[float, ...]]:
        if path is None:
            return None, ()
        known = (str(path), path.stat().st_mtime_ns)
        if known not in self._sounds:
            async with self._decoding:
                wave = await run_in_threadpool(measure_loudness, path)
                beats = await run_in_threadpool(find_beats, path, bpm) if wave and bpm else ()
            _remember(self._sounds, known, (wave, beats), MOST_WAVES)
        return self._sounds[known]

    # --- media ------------------------------------------------------------------------------------

    async def send_media(self, request: Request) -> Response:
        """A source, an output or a picture of them; with ranges, so that a player can move in it."""
        found = self._catalog.find_job(request.path_params["job"])
        if found is None:
            return _not_there()
        source, version = found
        side = request.path_params["side"]
        if side == "poster":
            return await self._send_poster(request, source, version)
        path = self._find_media({"before": source, "after": version.output}.get(side, ""))
        if path is None:
            return _not_there()
        headers = {"cache-control": "private, max-age=3600", "content-disposition": "inline"}
        return FileResponse(path, media_type=_kind(str(path)), headers=headers)

    async def send_preview(self, request: Request) -> Response:
        """Send one of the previews of a file."""
        asked = request.path_params
        mood = self._previews.find(asked["key"], asked["number"]) if self._previews else None
        if mood is None or not mood.path.is_file():
            return _not_there()
        return FileResponse(mood.path, media_type=_kind(str(mood.path)))

    async def _send_poster(self, request: Request, source: str, version: Version) -> Response:
        path = self._find_media(source) or self._find_media(version.output)
        if path is None:
            return Response(status_code=204)  # there is none to show, and that is no fault
        known = (str(path), path.stat().st_mtime_ns)
        if known not in self._pictures:
            async with self._decoding:
                if await request.is_disconnected():  # it was scrolled past while it waited
                    return Response(status_code=204)
                if known not in self._pictures:
                    _remember(
                        self._pictures, known, await run_in_threadpool(take_poster, path), MOST_PICTURES
                    )
        picture = self._pictures[known]
        if not picture:
            return Response(status_code=204)
        return Response(picture, media_type="image/jpeg", headers={"cache-control": "private, max-age=3600"})

    def _find_media(self, path: str) -> Path | None:
        """A file of media in one of our folders, links resolved; None for anything else."""
        if not path or "://" in path or not _kind(path):
            return None
        with suppress(OSError, RuntimeError, ValueError):
            found = Path(path).resolve(strict=True)
            if found.is_file() and any(found.is_relative_to(place) for place in self._options.places):
                return found
        return None

    # --- acting -----------------------------------------------------------------------------------

    async def upload(self, request: Request) -> Response:
        """Take a file into an inbox, streamed."""
        name = unquote(request.headers.get("x-name", ""))
        try:
            uploads = self._options.inboxes[int(request.headers.get("x-inbox", 0))]
            size_bytes = int(request.headers["content-length"])
        except (ValueError, IndexError, KeyError):
            return JSONResponse({"errors": ["name the inbox, and send the length"]}, status_code=400)
        try:
            taken = await uploads.receive(name, size_bytes, request.stream())
        except UploadRefused as exc:
            error = formats.escape_controls(str(exc))
            return JSONResponse({"errors": [error], "code": exc.code}, status_code=exc.status)
        except ClientDisconnect:
            return Response(status_code=400)
        except OSError as exc:
            return JSONResponse({"errors": [f"the inbox takes no files ({exc.strerror})"]}, status_code=507)
        return JSONResponse({"name": taken})

    async def command(self, request: Request) -> Response:
        """Do what a person asks for."""
        body = b""
        async for piece in request.stream():
            body += piece
            if len(body) > MOST_BODY_BYTES:
                return JSONResponse({"errors": ["too much"]}, status_code=413)
        try:
            asked = json.loads(body)
            if asked["command"] == "preview":
                return self._begin_preview(str(asked["job"]), str(asked["moods"]))
            act = self._find_command(asked)
        except (ValueError, KeyError, TypeError, AttributeError):
            return JSONResponse({"errors": ["this is no command"]}, status_code=400)
        answer = await run_in_threadpool(act)
        return JSONResponse(
            {
                "question": formats.escape_controls(answer.question),
                "lines": [formats.escape_controls(line) for line in answer.lines],
                "errors": [formats.escape_controls(line) for line in answer.errors],
            },
            status_code=409 if (answer.errors or answer.question) and not answer.lines else 200,
        )

    def _find_command(self, asked: dict[str, Any]) -> Callable[[], Answer]:
        """Read a command; raises KeyError, ValueError or TypeError for anything else."""
        commands, name, gate = self._commands, asked["command"], asked.get("gate")
        plain = {
            "pause": commands.pause,
            "drain": commands.drain,
            "restore": self._restore,
            "resume": lambda: commands.resume(str(gate) if gate else None),
        }
        if name in plain:
            return plain[name]
        jobs = self._jobs_of(asked)
        if name == "tweak":
            sentence = str(asked["sentence"]).strip()
            if not 0 < len(sentence) <= MOST_WORDS:
                return lambda: Answer(errors=("say what to change, in one sentence",))
            return lambda: commands.tweak(jobs[0], sentence)
        if name == "choose":
            to_folder, may_pay = asked.get("to") == "folder", asked.get("sure") is True
            mood = self._previews.find(self._key_of(jobs[0]), int(asked["mood"])) if self._previews else None
            if mood is None:
                return lambda: Answer(errors=("listen again: that preview is not kept any more",))
            return lambda: commands.choose(jobs[0], mood.instruction, to_folder=to_folder, may_pay=may_pay)
        resend, versions = asked.get("resend") is True, self._versions_of(jobs[0])
        return {
            "retry": lambda: commands.retry(jobs, resend=resend),
            "cancel": lambda: commands.cancel(jobs),
            "keep": lambda: commands.keep(jobs[0], versions),
        }[name]

    def _restore(self) -> Answer:
        self._gone = 0
        return self._commands.restore()

    def _begin_preview(self, job: str, text: str) -> Response:
        """Begin to make previews of a file; that they are made is pushed."""
        source, _ = self._catalog.find_job(job) or ("", None)
        if self._previews is None or self._find_media(source) is None:
            return _not_there()
        key, previews = path_key(source), self._previews
        try:
            moods = previews.ask(key, text)
        except NoPreview as exc:
            return JSONResponse({"errors": [formats.escape_controls(str(exc))]}, status_code=409)

        async def make() -> None:
            await previews.make(key, source, moods)
            self._push("file", {"key": key})

        task = asyncio.create_task(make())
        self._making.add(task)
        task.add_done_callback(self._making.discard)
        return JSONResponse({"lines": []})

    def _key_of(self, job: str) -> str:
        source, _ = self._catalog.find_job(job) or ("", None)
        return path_key(source)

    def _jobs_of(self, asked: dict[str, Any]) -> list[str]:
        """The jobs a command is about: one, or all that share a cause."""
        if "code" in asked:
            if found := self._catalog.ids_of_cause(str(asked["code"]), State(asked["state"])):
                return found
            raise KeyError("code")
        job = str(asked["job"])
        if self._catalog.find_job(job) is None:
            raise KeyError(job)
        return [job]

    def _versions_of(self, job_id: str) -> list[str]:
        source, _ = self._catalog.find_job(job_id) or ("", None)
        found = self._catalog.find(path_key(source))
        return [version.job for version in found[1]] if found else []


def _kind(path: str) -> str:
    return _KINDS.get(Path(path).suffix.lower(), "")


def _not_there() -> Response:
    return JSONResponse({"errors": ["there is no such file any more"]}, status_code=404)


def _remember(kept: OrderedDict[Any, Any], key: object, value: object, most: int) -> None:
    kept[key] = value
    while len(kept) > most:
        kept.popitem(last=False)
