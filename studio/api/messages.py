"""What comes in and goes out: the bodies of requests, checked; envelopes, refusals, dropped connections."""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from studio.errors import BadRequest, Refusal
from studio.faults import first_problem

MAX_JSON_BYTES = 8 * 1024 * 1024
Words = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=8_000)]
SessionId = Annotated[str, Field(min_length=1, max_length=128)]


class Body(BaseModel):
    """A JSON body; fields the contract does not name are refused."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class OpenSession(Body):
    """api-contract 2.2."""

    task_name: Annotated[str, Field(min_length=1, max_length=200)]
    language: Annotated[str, Field(pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$")] | None = None


class Part(Body):
    """A part of a message."""

    text: Words


class Message(Body):
    """A message to the agent."""

    parts: Annotated[list[Part], Field(min_length=1, max_length=20)]


class RunAgent(Body):
    """api-contract 2.3."""

    app_name: Literal["nemo_agent"]
    user_id: Literal["me"]
    session_id: SessionId
    new_message: Message

    @property
    def instruction(self) -> str:
        """What the user says, all parts."""
        return "\n".join(part.text for part in self.new_message.parts)


class UploadUrls(Body):
    """api-contract 2.4, by address."""

    urls: Annotated[
        list[Annotated[str, Field(min_length=1, max_length=4_096)]], Field(min_length=1, max_length=20)
    ]
    source_type: Literal["url"]


HandedOver = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]


class TakeFile(Body):
    """A file that lies in the studio's own folder under `name` (`studio.handover`); an extension of ours."""

    name: HandedOver
    filename: Annotated[str, Field(min_length=1, max_length=255)]


class GiveFile(Body):
    """The name under which a render, or a file that was exported beside it, is wanted in that folder."""

    name: HandedOver
    export: Annotated[str, Field(max_length=40)] | None = None


ExportKind = Literal["stems", "midi", "wav"]


class Output(Body):
    """What the render makes."""

    format: Literal["mp4"]
    quality: Literal["low", "medium", "high"]
    exports: Annotated[list[ExportKind], Field(max_length=10)] = []
    """What is made of the music beside the film; an extension of ours (`studio.model.EXPORTS`)."""


class SubmitRender(Body):
    """api-contract 2.7; `sessionId` is the one field in camel case."""

    id: Annotated[str, Field(pattern=r"^render_[A-Za-z0-9._-]{1,120}$")]
    sessionId: SessionId  # noqa: N815 - the contract's name
    draft: dict[str, Any]
    output: Output


class ClaimToken(Body):
    """api-contract 2.11."""

    task_id: Annotated[str, Field(min_length=1, max_length=128)]
    session_id: SessionId


Model = TypeVar("Model", bound=BaseModel)


async def read_body(request: Request, model: type[Model]) -> Model:
    """Read and check a JSON body, or raise `BadRequest` that names what is wrong."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise BadRequest("Content-Type must be application/json.")
    try:
        return model.model_validate_json(await read_bytes(request))
    except ValidationError as error:
        raise BadRequest(first_problem(error) + _hint(error, model)) from error


async def read_bytes(request: Request) -> bytes:
    """Read a small body; one that is too large is refused before it is held in memory."""
    if int(request.headers.get("content-length") or 0) > MAX_JSON_BYTES:
        raise BadRequest(f"The body is larger than {MAX_JSON_BYTES} bytes.")
    return await request.body()


def _hint(error: ValidationError, model: type[BaseModel]) -> str:
    """Name the field that was probably meant by an unknown one."""
    unknown = (str(p["loc"][-1]) for p in error.errors() if p["type"] == "extra_forbidden")
    known = {name.lower().replace("_", ""): name for name in model.model_fields}
    for name in unknown:
        close = difflib.get_close_matches(name.lower().replace("_", ""), known, 1)
        if close:
            return f" Did you mean {known[close[0]]}?"
    return ""


Json = Mapping[str, Any]
DROP = "studio.drop"
"""The key in the ASGI scope's state under which the connection can be dropped."""


def envelope(data: Json, **extra: Any) -> Response:
    """Answer `{"code":0,"message":"success","data":…}`."""
    return JSONResponse({"code": 0, "message": "success", "data": data, **extra})


def refusal(error: Refusal) -> Response:
    """Answer an error's envelope with its HTTP status."""
    return problem(error.code, str(error), error.status)


def problem(code: int, message: str, status: int, headers: Mapping[str, str] | None = None) -> Response:
    """Answer an envelope with a code other than 0."""
    return JSONResponse({"code": code, "message": message}, status_code=status, headers=headers)


def detail(message: str, status: int) -> Response:
    """Answer `{"detail":…}`, as the agent server does where no envelope is spoken."""
    return JSONResponse({"detail": message}, status_code=status)


def dropper(scope: Scope) -> Callable[[], None]:
    """Answer what closes this request's connection at once; does nothing without a real connection."""
    drop: Callable[[], None] = scope.get("state", {}).get(DROP, _nothing)
    return drop


class Dropped(Response):
    """No answer at all: the connection is closed, as a crash or a cut line would."""

    def __init__(self, background: BackgroundTask | None = None) -> None:
        """Make the non-answer."""
        super().__init__(status_code=503, background=background)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Close the connection; what is sent afterwards goes nowhere."""
        dropper(scope)()
        await super().__call__(scope, receive, send)


def compact(value: object) -> str:
    """Write JSON without spaces, as the event streams do."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _nothing() -> None:
    return None
