"""The API in OpenAPI 3.1, as strict as the studio: bodies are described by the models that check them."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from studio.api.messages import (
    ClaimToken,
    GiveFile,
    OpenSession,
    RunAgent,
    SubmitRender,
    TakeFile,
    UploadUrls,
)
from studio.settings import StudioSettings

Schema = dict[str, Any]

_REFUSALS = {
    400: "A field, header or body is wrong; the message names it.",
    401: "The token is missing, bad or expired (code 1001).",
    402: "An attribution header is missing, or the plan does not allow export.",
    404: "Not found.",
    409: "The request contradicts what is there.",
    416: "The range lies outside the file.",
    429: "Too many requests, or a token that still lives.",
}
_OPEN = {"type": "object"}
_PROBLEM: Schema = {
    "type": "object",
    "required": ["code", "message"],
    "properties": {"code": {"type": "integer", "not": {"const": 0}}, "message": {"type": "string"}},
}
_SEGMENT: Schema = {
    "type": "object",
    "required": ["d"],
    "properties": {"d": {"type": "number", "minimum": 0}, "m": _OPEN},
}
_TRACK: Schema = {
    "type": "object",
    "required": ["tt", "sg"],
    "properties": {
        "tt": {"enum": [0, 1, 7]},
        "sg": {"type": "array", "items": _SEGMENT},
        "m": _OPEN,
    },
}
_DRAFT: Schema = {
    "type": "object",
    "required": ["t"],
    "properties": {
        "t": {"type": "array", "minItems": 1, "items": _TRACK},
        "d": {"type": "number", "minimum": 0},
        "m": _OPEN,
    },
}
_JOB: Schema = {
    "type": "object",
    "required": ["id", "status", "progress"],
    "properties": {
        "id": {"type": "string"},
        "status": {"enum": ["pending", "processing", "completed", "failed"]},
        "progress": {"type": "number", "minimum": 0, "maximum": 100},
        "error": {"type": "string"},
        "outputUrl": {"type": "string", "format": "uri"},
        "output": {"type": "object", "required": ["url"], "properties": {"url": {"type": "string"}}},
        "exports": {"type": "array", "items": {"type": "string"}},
    },
}
_RENDER: Schema = {
    "anyOf": [
        _JOB,
        {
            "type": "object",
            "required": ["success", "data"],
            "properties": {"success": {"const": True}, "data": _JOB},
        },
        _PROBLEM,
    ]
}


def describe(settings: StudioSettings) -> Schema:
    """Answer the OpenAPI document of a studio with these settings."""
    call = _call("token", _data("token", "user_id", "credits", "expires_at"), refuses=(400, 429))
    header = {**_parameter("X-Client-Id", "header"), "schema": {"type": "string", "format": "uuid"}}
    token = {**call, "parameters": [header], "security": []}
    fields = ("session_id", "task_id", "user_id")
    answer = _data(*fields) if settings.session_envelope else {"type": "object", "required": list(fields)}
    open_session = _json_call("session", OpenSession, answer)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Studio", "version": "1", "description": "The NemoVideo API, locally."},
        "components": {"securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}}},
        "security": [{"bearer": []}],
        "paths": {
            "/api/auth/anonymous-token": {"post": token},
            "/api/auth/claim-token": {"post": _json_call("claim", ClaimToken, _data("claim_token"))},
            "/api/credits/balance/simple": {"get": _call("balance", _data("available", "frozen", "total"))},
            "/api/tasks/me/with-session/nemo_agent": {"post": open_session},
            "/api/state/nemo_agent/me/{session}/latest": {"get": _call("state", _data("state"), "session")},
            "/api/upload-video/nemo_agent/me/{session}": {"post": _upload()},
            "/api/upload-video/nemo_agent/me/{session}/handover": {"post": _take_file()},
            "/run_sse": {"post": _run_sse()},
            "/api/render/proxy/lambda": {"post": _submit()},
            "/api/render/proxy/lambda/{render}": {"get": _call("status", _RENDER, "render", refuses=(404,))},
            "/api/render/proxy/lambda/{render}/cancel": {
                "post": _call("cancel", _RENDER, "render", refuses=(400, 404, 409))
            },
            "/api/render/proxy/{render}/download": {"get": _file("download", "render")},
            "/api/render/proxy/{render}/handover": {"post": _give_file()},
            "/api/render/proxy/{render}/exports/{name}": {
                "get": _file("export", "render", "name", kind="audio/*")
            },
            "/cdn/{secret}/{name}": {"get": {**_file("cdn", "secret", "name"), "security": []}},
        },
    }


def _call(name: str, answer: Schema, *path: str, refuses: tuple[int, ...] = ()) -> Schema:
    """Describe a call with path parameters, a JSON answer, and the statuses by which it refuses."""
    return {
        "operationId": name,
        "parameters": [_parameter(part, "path") for part in path],
        "responses": {"200": _answer("Done.", answer), **_refusals(*refuses)},
    }


def _json_call(name: str, body: type[BaseModel], answer: Schema, refuses: tuple[int, ...] = ()) -> Schema:
    """Describe a call with a JSON body."""
    return {**_call(name, answer, refuses=(400, *refuses)), "requestBody": _body(body)}


def _run_sse() -> Schema:
    call = _json_call("run_sse", RunAgent, _PROBLEM, refuses=(404,))
    detail = {"type": "object", "required": ["detail"], "properties": {"detail": {"type": "string"}}}
    call["responses"]["404"] = _answer("No such session.", detail)
    call["responses"]["200"]["content"]["text/event-stream"] = {"schema": {"type": "string"}}
    return call


def _upload() -> Schema:
    call = _call("upload", _data("files", "session_state_applied"), "session", refuses=(400,))
    files = {"type": "array", "minItems": 1, "items": {"type": "string", "format": "binary"}}
    form = {
        "type": "object",
        "required": ["files"],
        "properties": {"files": files},
        "additionalProperties": False,
    }
    body = _body(UploadUrls)
    body["content"]["multipart/form-data"] = {"schema": form}
    return {**call, "requestBody": body}


def _take_file() -> Schema:
    call = _call("take_handed_over", _data("files", "session_state_applied"), "session", refuses=(400,))
    return {**call, "requestBody": _body(TakeFile)}


def _give_file() -> Schema:
    call = _call("hand_over_render", _data("name"), "render", refuses=(400, 404))
    return {**call, "requestBody": _body(GiveFile)}


def _submit() -> Schema:
    call = _json_call("render", SubmitRender, _RENDER, refuses=(402, 409))
    call["requestBody"]["content"]["application/json"]["schema"]["properties"]["draft"] = _DRAFT
    names = ("X-Skill-Source", "X-Skill-Version", "X-Skill-Platform")
    # Not "required": a request without one is well formed, and has an answer of its own (402).
    text = {"type": "string"}
    return {**call, "parameters": [{"name": name, "in": "header", "schema": text} for name in names]}


def _file(name: str, *path: str, kind: str = "video/mp4") -> Schema:
    content = {kind: {"schema": {"type": "string", "format": "binary"}}}
    sent = {"description": "The file.", "content": content}
    call = _call(name, _OPEN, *path, refuses=(404,))
    outside = {"description": _REFUSALS[416]}
    call["responses"] = {**call["responses"], "200": sent, "206": sent, "416": outside}
    return call


def _parameter(name: str, where: str) -> Schema:
    return {"name": name, "in": where, "required": True, "schema": {"type": "string", "minLength": 1}}


def _body(model: type[BaseModel]) -> Schema:
    schema = model.model_json_schema()
    known = schema.pop("$defs", {})

    def resolve(part: Any) -> Any:
        if isinstance(part, dict):
            if "$ref" in part:
                return resolve(known[part["$ref"].rpartition("/")[2]])
            return {key: resolve(value) for key, value in part.items()}
        return [resolve(value) for value in part] if isinstance(part, list) else part

    inlined: Schema = resolve(schema)
    return {"required": True, "content": {"application/json": {"schema": inlined}}}


def _data(*fields: str) -> Schema:
    """Describe an envelope whose data has these fields, or the envelope of an error."""
    data = {"type": "object", "required": list(fields)}
    success = {
        "type": "object",
        "required": ["code", "data"],
        "properties": {"code": {"const": 0}, "data": data},
    }
    return {"anyOf": [success, _PROBLEM]}


def _answer(description: str, schema: Schema) -> Schema:
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def _refusals(*statuses: int) -> Schema:
    known = sorted({401, *statuses})
    return {str(status): _answer(_REFUSALS[status], _PROBLEM) for status in known}
