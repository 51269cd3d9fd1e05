"""The calls of api-contract 2, one method each."""

import copy
import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import httpx

from nemo import answers, errors, parse
from nemo.attribution import Attribution
from nemo.dialects import StreamEvent
from nemo.download import Download
from nemo.draft import Draft
from nemo.edit import Edit
from nemo.errors import NemoError
from nemo.model import (
    Account,
    Credits,
    Downloaded,
    EditReply,
    Endpoint,
    Render,
    Session,
    SessionState,
    Uploaded,
)
from nemo.network import watching
from nemo.tokens import Mint, Tokens
from nemo.transfer import MultipartFile, OpenFile, Watch, open_source
from nemo.transport import Call, Transport

MAX_VIDEO_BYTES = 4 * 1024**3
_RENDERS = "/api/render/proxy/lambda"


class NemoClient:
    """The service, as one skill speaks to it. Shared by all threads of a process.

    Every method raises NemoError and nothing else, besides what the caller's own functions raise.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        attribution: Attribution,
        tokens: Tokens,
        http: httpx.Client,
        *,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
        rng: random.Random | None = None,
        before_request: Callable[[str], None] | None = None,
    ) -> None:
        """Use `http` from `http_client`: with another client, a stop is seen only when bytes arrive.

        `before_request` is called with the endpoint's name before each request; what it raises comes out.
        """
        self._transport = Transport(
            endpoint,
            attribution,
            tokens,
            http,
            sleep=sleep,
            clock=clock,
            rng=rng or random.Random(),
            before_request=before_request,
        )

    def with_skill(self, attribution: Attribution) -> "NemoClient":
        """Return the same client under another skill's name; all else is shared."""
        other = copy.copy(self)
        other._transport = replace(self._transport, attribution=attribution)
        return other

    def open_session(self, task_name: str = "project", language: str | None = None) -> Session:
        """Open an editing session (2.2); `language` is an ISO code as `en` or `zh-CN`."""
        body = {"task_name": task_name} | ({"language": language} if language else {})
        call = Call("session", "POST", "/api/tasks/me/with-session/nemo_agent", json=body, safe=True)
        return parse.session(self._data(call))

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
        watch = Watch(on_bytes, should_stop)
        with open_source(source) as (file, size_bytes), watching(watch.check):
            body = MultipartFile(file, size_bytes, filename, watch)
            call = self._upload_call(session_id, body=body.chunks, headers=body.headers)
            data = self._data(call)
            return parse.uploaded(data, sha256=body.sha256, size_bytes=size_bytes)

    def upload_urls(self, session_id: str, urls: Sequence[str]) -> Uploaded:
        """Let the service fetch `urls` itself (2.4)."""
        call = self._upload_call(session_id, json={"urls": list(urls), "source_type": "url"})
        return parse.uploaded(self._data(call))

    def _upload_call(self, session_id: str, **parts: Any) -> Call:
        path = f"/api/upload-video/nemo_agent/me/{quote(session_id, safe='')}"
        return Call("upload", "POST", path, read_timeout_s=self._transport.endpoint.upload_timeout_s, **parts)

    def edit(
        self,
        session_id: str,
        text: str,
        *,
        on_event: Callable[[StreamEvent], None] | None = None,
        should_stop: Callable[[], bool] | None = None,
    ) -> EditReply:
        """Send one instruction (2.3), which costs credits, and follow its stream for up to 15 minutes.

        Raises NotSent if nothing left, Refused if it was not taken: both may be sent again. With
        `outcome_unknown` (StreamLost, StreamTimeout, StreamStopped, some ServerError and BadAnswer) it must
        not be (3.3, 3.5).
        A failure inside the stream is in the reply's `error`.
        """
        body = {
            "app_name": "nemo_agent",
            "user_id": "me",
            "session_id": session_id,
            "new_message": {"parts": [{"text": text}]},
        }
        # Not compressed: a proxy that compresses holds events back.
        accept = {"Accept": "text/event-stream", "Accept-Encoding": "identity", "Cache-Control": "no-store"}
        # The stream's own limits end it (edit.StreamWatch); this one only has to be longer.
        call = Call(
            "run_sse", "POST", "/run_sse", json=body, headers=accept, read_timeout_s=1200.0, paid=True
        )
        with self._advised(session_id):
            return Edit(self._transport, call, on_event, should_stop).run()

    def state(self, session_id: str) -> SessionState:
        """Read the session as it stands (2.6)."""
        path = f"/api/state/nemo_agent/me/{quote(session_id, safe='')}/latest"
        return parse.state(self._data(Call("state", "GET", path, safe=True)))

    def balance(self) -> Credits:
        """Read the credits (2.5)."""
        return parse.balance(self._data(Call("balance", "GET", "/api/credits/balance/simple", safe=True)))

    def afford(self, credits: float, session_id: str | None = None) -> Credits:
        """Read the balance (2.5); raise OutOfCredits, as a refused edit would, if it is under `credits`."""
        found = self.balance()
        if found.available < credits:
            message = f"{found.available} credits are left; an edit takes {credits:.0f}"
            raise self._with_way_out(errors.OutOfCredits(message, code=2001), session_id)
        return found

    def refusal(self, code: int, session_id: str) -> NemoError:
        """Return the error that a code inside an edit's stream stands for (6), its advice complete."""
        return self._with_way_out(answers.error_for("run_sse", code), session_id)

    def submit_render(
        self, session_id: str, render_id: str, draft: Draft, *, quality: str = "high"
    ) -> Render:
        """Submit a render (2.7) under an id of ours; it costs nothing.

        Raises DuplicateRender if the id is taken: an earlier submission arrived, so ask `render`.
        """
        body = {
            "id": render_id,
            "sessionId": session_id,
            "draft": dict(draft.raw),
            "output": {"format": "mp4", "quality": quality},
        }
        try:
            data = self._data(Call("render", "POST", _RENDERS, json=body, safe=True))
        except errors.BadRequest as error:
            self._raise_if_known(render_id, error)
            raise
        return parse.render(data, render_id)

    def _raise_if_known(self, render_id: str, refusal: NemoError) -> None:
        """Raise DuplicateRender if the service knows the render; how it words that is not laid down."""
        try:
            self.render(render_id)
        except NemoError:
            return
        raise errors.DuplicateRender(code=refusal.code) from refusal

    def render(self, render_id: str) -> Render:
        """Ask how a render is (2.8), in either shape. Raises RenderNotFound."""
        path = f"{_RENDERS}/{quote(render_id, safe='')}"
        return parse.render(self._data(Call("status", "GET", path, safe=True)), render_id)

    def cancel_render(self, render_id: str) -> None:
        """Cancel a pending render (2.10)."""
        path = f"{_RENDERS}/{quote(render_id, safe='')}/cancel"
        self._data(Call("cancel", "POST", path, safe=True))

    def claim_link(self, session: Session) -> str:
        """Return a link for a person to the session on the web (2.11); it holds no token of ours."""
        body = {"task_id": session.task_id, "session_id": session.session_id}
        data = self._data(Call("claim", "POST", "/api/auth/claim-token", json=body, safe=True))
        return self._web(f"/workspace/claim?{urlencode({'ct': parse.claim_token(data)})}")

    def registration_link(self, bind_id: str | None) -> str:
        """Return the link with which an anonymous person registers and keeps the work (6, 2001)."""
        return self._web(f"/register?{urlencode({'bind': bind_id})}" if bind_id else "/register")

    def download(
        self,
        render: Render,
        part: Path,
        *,
        max_bytes: int = MAX_VIDEO_BYTES,
        on_bytes: Callable[[int], None] | None = None,
        should_stop: Callable[[], bool] | None = None,
    ) -> Downloaded:
        """Write a completed render to `part`, flushed to disk, going on with what is there already.

        The URL of the render is tried first, then the API's own download (2.9). Raises DownloadBroken,
        UnsafeUrl, RenderNotFound, Stopped; OSError when `part` cannot be written.
        """
        return Download(self._transport, part, max_bytes, Watch(on_bytes, should_stop)).run(render)

    def _data(self, call: Call) -> Mapping[str, Any]:
        with self._advised():
            return self._transport.data(call)

    @contextmanager
    def _advised(self, session_id: str | None = None) -> Iterator[None]:
        """Complete the advice of OutOfCredits on its way out."""
        try:
            yield
        except errors.OutOfCredits as error:
            self._with_way_out(error, session_id)
            raise

    def _with_way_out(self, error: NemoError, session_id: str | None) -> NemoError:
        """Name the registration link in the advice of OutOfCredits if the account is anonymous (6, 2001)."""
        tokens = self._transport.tokens
        if isinstance(error, errors.OutOfCredits) and tokens is not None and tokens.anonymous:
            bind_id = tokens.user_id or self._bind_id(session_id)
            error.advice = f"Register to get more credits: {self.registration_link(bind_id)}"
        return error

    def _bind_id(self, session_id: str | None) -> str | None:
        """Ask the session whose it is; the link works without, so a failure is no matter."""
        if session_id is None:
            return None
        try:
            return self.state(session_id).bind_id
        except NemoError:
            return None

    def _web(self, path: str) -> str:
        return self._transport.endpoint.web_url.rstrip("/") + path


def anonymous_mint(
    endpoint: Endpoint,
    attribution: Attribution,
    http: httpx.Client,
    *,
    before_request: Callable[[str], None] | None = None,
    now: Callable[[], float] = time.time,
) -> Mint:
    """Return the function that fetches an anonymous token (2.1) for a client id, in one request."""
    transport = Transport(endpoint, attribution, None, http, before_request=before_request)

    def mint(client_id: str) -> Account:
        headers = {"X-Client-Id": client_id}
        call = Call("token", "POST", "/api/auth/anonymous-token", headers=headers)
        return parse.account(answers.data_of(transport.answer(call)), client_id, now())

    return mint
