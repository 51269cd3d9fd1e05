"""The calls of api-contract 2, one method each."""

import os
import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import quote, urlencode

import httpx

from nemovideo import errors
from nemovideo.attribution import Attribution, detect_platform
from nemovideo.auth import AnonymousTokens, FileTokenStore, Mint, Tokens, TokenStore, UserToken
from nemovideo.download import Download, PartFile
from nemovideo.draft import Draft
from nemovideo.errors import NemoVideoError
from nemovideo.models import (
    API_URL,
    WEB_URL,
    Account,
    Credits,
    Downloaded,
    Endpoint,
    Render,
    RenderStatus,
    RetryPolicy,
    Session,
    SessionState,
    Uploaded,
    read_claim_token,
)
from nemovideo.stream import Edit, EditReply, StreamEvent
from nemovideo.transport import (
    Call,
    ShouldStop,
    Transport,
    data_of,
    error_for,
    http_client,
    pause,
)
from nemovideo.upload import MultipartFile, OpenFile, name_for_service, open_source

MAX_VIDEO_BYTES = 4 * 1024**3
MINT_S = 30.0
"""How long a request for a token may take, connecting and DNS apart; a store's lock is held meanwhile."""
POLL_S = 30.0
"""The time between two looks at a render (api-contract 2.8)."""
_RENDERS = "/api/render/proxy/lambda"


@dataclass(slots=True)
class _Known:
    """What copies of a client share: the account's id, as the last session or state named it."""

    bind_id: str | None = None


class NemoVideo:
    """The service, as one skill speaks to it. Shared by all threads of a process.

    Every method raises NemoVideoError and nothing else, besides what the caller's own functions raise. With
    `should_stop`, a call ends within about a second once that answers True: with Stopped, or StreamStopped
    if an edit was already sent.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        attribution: Attribution,
        tokens: Tokens,
        http: httpx.Client | None = None,
        *,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
        rng: random.Random | None = None,
        before_request: Callable[[str], None] | None = None,
    ) -> None:
        """Use `http` from `http_client`, or one of its own, which is closed with this client.

        With another kind of client, a stop is seen only when bytes arrive. `before_request` is called with
        the endpoint's name before each request; what it raises comes out.
        """
        self._own_http = http is None
        self._known = _Known()
        self._should_stop: ShouldStop | None = None
        self._transport = Transport(
            endpoint,
            attribution,
            tokens,
            http or http_client(),
            sleep=sleep,
            clock=clock,
            rng=rng or random.Random(),
            before_request=before_request,
        )

    @classmethod
    def from_env(
        cls,
        env: Mapping[str, str] | None = None,
        *,
        skill: str = "add-music",
        version: str = "1.0.0",
        store: TokenStore | None = None,
        http: httpx.Client | None = None,
    ) -> "NemoVideo":
        """Make a client from NEMO_TOKEN, NEMO_API_URL, NEMO_WEB_URL, NEMO_CLIENT_ID, NEMO_ALLOW_PRIVATE_URLS.

        Without NEMO_TOKEN an anonymous account is used. It is kept in `store`, by default a file in
        NEMO_STATE_DIR or `~/.local/state/nemovideo`, one for each service.
        """
        env = os.environ if env is None else env
        endpoint = Endpoint(
            env.get("NEMO_API_URL") or API_URL,
            env.get("NEMO_WEB_URL") or WEB_URL,
            env.get("NEMO_ALLOW_PRIVATE_URLS", "").lower() in {"1", "true", "yes", "on"},
        )
        attribution = Attribution(skill, version, detect_platform(env, Path(__file__).parent))
        http, own = http or http_client(), http is None
        tokens: Tokens
        if token := env.get("NEMO_TOKEN", "").strip():
            tokens = UserToken(token)
        else:
            state = env.get("XDG_STATE_HOME") or Path(env.get("HOME") or Path.home()) / ".local" / "state"
            folder = Path(env.get("NEMO_STATE_DIR") or Path(state) / "nemovideo")
            name = sha256(endpoint.api_url.rstrip("/").encode()).hexdigest()[:12]
            store = store or FileTokenStore(folder / f"account-{name}.json")
            mint = anonymous_mint(endpoint, attribution, http)
            tokens = AnonymousTokens(store, env.get("NEMO_CLIENT_ID", "").strip() or None, mint)
        client = cls(endpoint, attribution, tokens, http)
        client._own_http = own
        return client

    def __enter__(self) -> "NemoVideo":
        """Return the client itself; `close` is called at the end of the block."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close it."""
        self.close()

    def close(self) -> None:
        """Close the connections, if they are this client's own."""
        if self._own_http:
            self._transport.http.close()

    def with_skill(
        self, attribution: Attribution, *, should_stop: Callable[[], bool] | None = None
    ) -> "NemoVideo":
        """Return the same client under another skill's name; all else is shared.

        `should_stop` holds for every call of the copy that is not given one of its own.
        """
        other = object.__new__(type(self))
        other._own_http = False
        other._known = self._known
        other._should_stop = should_stop or self._should_stop
        other._transport = replace(self._transport, attribution=attribution)
        return other

    def open_session(self, task_name: str = "project", language: str | None = None) -> Session:
        """Open an editing session (2.2); `language` is an ISO code as `en` or `zh-CN`."""
        body = {"task_name": task_name} | ({"language": language} if language else {})
        path = "/api/tasks/me/with-session/nemo_agent"
        session = Session.read(self._fetch("session", "POST", path, json=body, safe=True))
        self._known.bind_id = session.bind_id or self._known.bind_id
        return session

    def upload_file(
        self,
        session_id: str,
        source: Path | OpenFile,
        *,
        filename: str,
        on_bytes: Callable[[int], None] | None = None,
        should_stop: Callable[[], bool] | None = None,
    ) -> Uploaded:
        """Send a file (2.4) in constant memory. `on_bytes` gets the number of bytes sent so far.

        Raises SourceUnreadable, FileTooLarge, UnsupportedFile, SessionNotFound, Stopped.
        """
        with open_source(source) as (file, size_bytes):
            body = MultipartFile(file, size_bytes, filename, on_bytes)
            data = self._upload(session_id, should_stop, body=body.iter_chunks, headers=body.headers)
            return Uploaded.read(data, sha256=body.sha256, size_bytes=size_bytes)

    def upload_handed_over(self, session_id: str, name: str, filename: str) -> Uploaded:
        """Let a studio on this machine take the file that lies in its own folder under `name`.

        An extension that only the studio has; raises BadRequest when nothing lies there.
        """
        path = f"/api/upload-video/nemo_agent/me/{quote(session_id, safe='')}/handover"
        endpoint = self._transport.endpoint
        answer_s = endpoint.upload_timeout_s + endpoint.answer_s
        body = {"name": name, "filename": name_for_service(filename)}
        data = self._fetch("upload", "POST", path, json=body, answer_s=answer_s)
        taken = Uploaded.read(data)
        return replace(taken, sha256=taken.files[0].hash)

    def upload_urls(self, session_id: str, urls: Sequence[str]) -> Uploaded:
        """Let the service fetch `urls` itself (2.4)."""
        return Uploaded.read(self._upload(session_id, None, json={"urls": list(urls), "source_type": "url"}))

    def _upload(self, session_id: str, should_stop: ShouldStop | None, **parts: Any) -> Mapping[str, Any]:
        path = f"/api/upload-video/nemo_agent/me/{quote(session_id, safe='')}"
        endpoint = self._transport.endpoint
        parts["read_timeout_s"] = endpoint.upload_timeout_s
        parts["answer_s"] = endpoint.upload_timeout_s + endpoint.answer_s
        return self._fetch("upload", "POST", path, should_stop=should_stop, **parts)

    def edit(
        self,
        session_id: str,
        text: str,
        *,
        idempotency_key: str | None = None,
        on_event: Callable[[StreamEvent], None] | None = None,
        on_started: Callable[[], None] | None = None,
        on_still_working: Callable[[float], None] | None = None,
        should_stop: Callable[[], bool] | None = None,
    ) -> EditReply:
        """Send one instruction (2.3), which costs credits, and follow its stream for up to 15 minutes.

        `idempotency_key` is for a session that says it heeds one (`Session.idempotent_edits`).
        `on_started` is called once, when the service has answered with an event stream. `on_still_working`
        gets the seconds since the start, every two minutes, whether an event arrives or not.

        Raises NotSent if nothing left, Refused if it was not taken: both may be sent again. With
        `outcome_unknown` (StreamLost, StreamTimeout, StreamStopped, ServerError, BadAnswer, BadRequest with a
        code that api-contract 6 does not list) it must not be (3.3, 3.5). A failure inside the stream is in
        the reply's `error`.
        """
        body = {
            "app_name": "nemo_agent",
            "user_id": "me",
            "session_id": session_id,
            "new_message": {"parts": [{"text": text}]},
        }
        # Not compressed: a proxy that compresses holds events back.
        accept = {"Accept": "text/event-stream", "Accept-Encoding": "identity", "Cache-Control": "no-store"}
        if idempotency_key is not None:
            accept["X-Idempotency-Key"] = idempotency_key
        # The stream's own limits end it (stream.StreamWatch); this one only has to be longer.
        call = Call(
            "run_sse", "POST", "/run_sse", json=body, headers=accept, read_timeout_s=1200.0, paid=True
        )
        stop = should_stop or self._should_stop
        with self._complete_advice(session_id):
            return Edit(self._transport, call, on_event, on_started, on_still_working, stop).run()

    def state(self, session_id: str) -> SessionState:
        """Read the session as it stands (2.6)."""
        path = f"/api/state/nemo_agent/me/{quote(session_id, safe='')}/latest"
        state = SessionState.read(self._fetch("state", "GET", path, safe=True))
        self._known.bind_id = state.bind_id or self._known.bind_id
        return state

    def balance(self) -> Credits:
        """Read the credits (2.5)."""
        return Credits.read(self._fetch("balance", "GET", "/api/credits/balance/simple", safe=True))

    def afford(self, credits: float, session_id: str | None = None) -> Credits:
        """Read the balance (2.5); raise BalanceTooLow, the way out in its advice, if `credits` are more."""
        found = self.balance()
        if found.available < credits:
            message = f"{found.available} credits are left; an edit takes {credits:.0f}"
            raise self._add_way_out(errors.BalanceTooLow(message, needed_credits=credits), session_id)
        return found

    def refusal(self, service_code: int, session_id: str) -> NemoVideoError:
        """Return the error that a code inside an edit's stream stands for (6), its advice complete."""
        return self._add_way_out(error_for("run_sse", service_code), session_id)

    def submit_render(
        self,
        session_id: str,
        render_id: str,
        draft: Draft,
        *,
        quality: str = "high",
        exports: Sequence[str] = (),
    ) -> Render:
        """Submit a render (2.7) under an id of ours; it costs nothing.

        `exports` are kinds that the session said it makes of the music (`Session.exports`).

        Raises DuplicateRender if the id is taken: an earlier submission arrived, so ask `render`.
        """
        body = {
            "id": render_id,
            "sessionId": session_id,
            "draft": dict(draft.raw),
            "output": {"format": "mp4", "quality": quality} | ({"exports": [*exports]} if exports else {}),
        }
        try:
            data = self._fetch("render", "POST", _RENDERS, json=body, safe=True)
        except errors.BadRequest as exc:
            # How a duplicate is refused is not laid down: whether the service knows the render tells.
            try:
                self.render(render_id)
            except NemoVideoError:
                raise exc from None
            raise errors.DuplicateRender(service_code=exc.service_code) from exc
        return Render.read(data, render_id)

    def render(self, render_id: str) -> Render:
        """Ask how a render is (2.8), in either shape. Raises RenderNotFound."""
        path = f"{_RENDERS}/{quote(render_id, safe='')}"
        return Render.read(self._fetch("status", "GET", path, safe=True), render_id)

    def wait_for_render(
        self,
        render_id: str,
        *,
        timeout_s: float = 1800.0,
        interval_s: float | None = None,
        on_progress: Callable[[Render], None] | None = None,
        should_stop: Callable[[], bool] | None = None,
    ) -> Render:
        """Ask every `interval_s` (2.8, 30 by default) until the render is completed, and return it.

        Raises RenderFailed if it failed, RenderTimeout after `timeout_s`, RenderNotFound, Stopped.
        """
        transport, stop = self._transport, should_stop or self._should_stop
        until_s = transport.clock() + timeout_s
        while True:
            render = self.render(render_id)
            if on_progress is not None:
                on_progress(render)
            if render.status is RenderStatus.COMPLETED:
                return render
            if render.status is RenderStatus.FAILED:
                raise errors.RenderFailed(f"The render failed: {render.error}.")
            left_s = until_s - transport.clock()
            if left_s <= 0:
                raise errors.RenderTimeout(f"The render has not ended after {timeout_s:.0f} s.")
            pause(min(POLL_S if interval_s is None else interval_s, left_s), stop, transport.sleep)

    def cancel_render(self, render_id: str) -> None:
        """Cancel a pending render (2.10)."""
        self._fetch("cancel", "POST", f"{_RENDERS}/{quote(render_id, safe='')}/cancel", safe=True)

    def claim_link(self, session: Session) -> str:
        """Return a link for a person to the session on the web (2.11); it holds no token of ours."""
        body = {"task_id": session.task_id, "session_id": session.session_id}
        data = self._fetch("claim", "POST", "/api/auth/claim-token", json=body, safe=True)
        return self._web_url(f"/workspace/claim?{urlencode({'ct': read_claim_token(data)})}")

    def registration_link(self, bind_id: str | None) -> str:
        """Return the link with which an anonymous person registers and keeps the work (6, 2001)."""
        return self._web_url(f"/register?{urlencode({'bind': bind_id})}" if bind_id else "/register")

    def download(
        self,
        render: Render,
        part: Path,
        *,
        max_bytes: int = MAX_VIDEO_BYTES,
        on_bytes: Callable[[int], None] | None = None,
        should_stop: Callable[[], bool] | None = None,
        refresh: Callable[[], Render] | None = None,
    ) -> Downloaded:
        """Write a completed render to `part`, flushed to disk, going on with what is there already.

        The URL of the render is tried first; if it has expired, `refresh` is called once for a new one; then
        the API's own download is tried (2.9). Raises DownloadBroken, UnsafeUrl, RenderNotFound, Stopped;
        OSError when `part` cannot be written.
        """
        stop = should_stop or self._should_stop
        return Download(self._transport, PartFile(part), max_bytes, on_bytes, stop, refresh).run(render)

    def download_export(
        self,
        render_id: str,
        name: str,
        part: Path,
        *,
        max_bytes: int = MAX_VIDEO_BYTES,
        should_stop: Callable[[], bool] | None = None,
    ) -> Downloaded:
        """Write a file that was made beside a render (`Render.exports`) to `part`, as `download` does.

        An extension that only the studio has.
        """
        stop = should_stop or self._should_stop
        path = f"/api/render/proxy/{quote(render_id, safe='')}/exports/{quote(name, safe='')}"
        return Download(self._transport, PartFile(part), max_bytes, should_stop=stop).fetch(path)

    def hand_over(self, render_id: str, name: str, export: str | None = None) -> None:
        """Let a studio on this machine link a completed render, or an export, into its own folder as `name`.

        An extension that only the studio has; raises BadRequest, RenderNotFound.
        """
        path = f"/api/render/proxy/{quote(render_id, safe='')}/handover"
        body = {"name": name} | ({"export": export} if export else {})
        self._fetch("download", "POST", path, json=body, safe=True)

    def _fetch(
        self, endpoint: str, method: str, path: str, *, should_stop: ShouldStop | None = None, **parts: Any
    ) -> Mapping[str, Any]:
        call = Call(endpoint, method, path, should_stop=should_stop or self._should_stop, **parts)
        with self._complete_advice():
            return self._transport.fetch_data(call)

    @contextmanager
    def _complete_advice(self, session_id: str | None = None) -> Iterator[None]:
        """Complete the advice of OutOfCredits on its way out."""
        try:
            yield
        except errors.OutOfCredits as exc:
            self._add_way_out(exc, session_id)
            raise

    def _add_way_out(self, error: NemoVideoError, session_id: str | None) -> NemoVideoError:
        """Name the registration link in the advice of OutOfCredits if the account is anonymous (6, 2001).

        The link's id comes from the account, from the session's opening, or from its state; it works without.
        """
        tokens = self._transport.tokens
        if isinstance(error, errors.OutOfCredits) and tokens is not None and tokens.anonymous:
            if not (tokens.user_id or self._known.bind_id) and session_id is not None:
                try:
                    self.state(session_id)
                except NemoVideoError:
                    self._known.bind_id = None
            bind_id = tokens.user_id or self._known.bind_id
            error.advice = f"Register to get more credits: {self.registration_link(bind_id)}"
        return error

    def _web_url(self, path: str) -> str:
        return self._transport.endpoint.web_url.rstrip("/") + path


def anonymous_mint(
    endpoint: Endpoint,
    attribution: Attribution,
    http: httpx.Client,
    *,
    before_request: Callable[[str], None] | None = None,
    now: Callable[[], float] = time.time,
) -> Mint:
    """Return the function that fetches an anonymous token (2.1) for a client id: one request, under 60 s."""
    quick = replace(endpoint, retry=RetryPolicy(attempts=1))
    transport = Transport(quick, attribution, None, http, before_request=before_request)

    def mint(client_id: str) -> Account:
        headers = {"X-Client-Id": client_id}
        call = Call("token", "POST", "/api/auth/anonymous-token", headers=headers, answer_s=MINT_S)
        return Account.read(data_of(transport.fetch(call)), client_id, now())

    return mint
