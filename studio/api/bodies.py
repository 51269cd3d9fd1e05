"""The request bodies of api-contract 2: an unknown or wrong field is refused by name."""

from __future__ import annotations

import difflib
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError
from starlette.requests import Request

from studio.errors import BadRequest
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


class Output(Body):
    """What the render makes."""

    format: Literal["mp4"]
    quality: Literal["low", "medium", "high"]


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
