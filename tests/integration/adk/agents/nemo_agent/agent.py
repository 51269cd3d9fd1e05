"""An agent that calls no model: the user's text names what it sends. It runs inside a real ADK server."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

from google.adk.agents import BaseAgent
from google.adk.agents.invocation_context import InvocationContext
from google.adk.events import Event, EventActions
from google.genai import types

DRAFT = {"t": [{"tt": 1, "sg": [{"d": 1000}]}]}


class _ResourceExhaustedError(Exception):
    """What ADK raises for a model's 429."""


QUOTA = _ResourceExhaustedError(
    "\nOn how to mitigate this issue, please refer to:\n\nhttps://google.github.io/adk-docs\n\n"
    "429 RESOURCE_EXHAUSTED. {'error': {'code': 429, 'message': 'Quota', 'status': 'RESOURCE_EXHAUSTED'}}"
)


class Scripted(BaseAgent):
    """Sends what the last message names."""

    async def _run_async_impl(self, ctx: InvocationContext) -> AsyncGenerator[Event, None]:
        assert ctx.user_content is not None
        assert ctx.user_content.parts is not None
        for step in SCRIPTS[str(ctx.user_content.parts[0].text)]:
            if isinstance(step, Exception):
                raise step
            if isinstance(step, float):
                await asyncio.sleep(step)
                continue
            yield Event(author=self.name, invocation_id=ctx.invocation_id, **step)


def parts(*made: types.Part, **more: Any) -> dict[str, Any]:
    return {"content": types.Content(role="model", parts=list(made)), **more}


def text(words: str, **more: Any) -> dict[str, Any]:
    return parts(types.Part(text=words), **more)


def call(name: str) -> types.Part:
    return types.Part(function_call=types.FunctionCall(id=f"c-{name}", name=name, args={"op": name}))


THOUGHT = types.Part(text="I'll think", thought=True, thought_signature=b"sig")
RESULT = types.Part(function_response=types.FunctionResponse(id="c", name="edit", response={"ok": True}))
LANDED = EventActions(state_delta={"draft": DRAFT})
EDITED: list[Any] = [parts(call("edit")), parts(RESULT, actions=LANDED)]
USAGE = types.GenerateContentResponseUsageMetadata(total_token_count=7)

SCRIPTS: dict[str, list[Any]] = {
    "whole text": [text("Added music.")],
    "unicode": [text("Voilà, 音乐 🎵")],
    "pieces and the whole": [
        parts(THOUGHT),
        *EDITED,
        text("Added ", partial=True),
        text("music.", partial=True),
        text("Added music.", turn_complete=True),
    ],
    "two rounds": [
        text("One", partial=True),
        text("One."),
        parts(call("edit")),
        text("Two", partial=True),
        text("Two."),
    ],
    "as the studio": [
        parts(types.Part(text="Let me look at the timeline.", thought=True)),
        parts(
            types.Part(
                function_call=types.FunctionCall(id="c1", name="edit_multitrack", args={"instruction": "x"})
            )
        ),
        parts(
            types.Part(
                function_response=types.FunctionResponse(
                    id="c1", name="edit_multitrack", response={"ok": True}
                )
            ),
            actions=LANDED,
        ),
        text("Added", partial=True),
        text(" musi", partial=True),
        text("c 音.", partial=True),
        text("Added music 音.", turn_complete=True),
    ],
    "silent": EDITED,
    "nothing at all": [],
    "state alone": [{"actions": LANDED}],
    "other state alone": [{"actions": EventActions(state_delta={"mood": "calm"})}],
    "all in one": [
        parts(
            THOUGHT,
            types.Part(text="Adding music."),
            call("add"),
            call("fade"),
            actions=LANDED,
            partial=False,
            finish_reason=types.FinishReason.STOP,
            usage_metadata=USAGE,
            model_version="m",
            long_running_tool_ids={"c-add"},
        )
    ],
    "text and error": [
        text("Added mus", error_code="MAX_TOKENS", finish_reason=types.FinishReason.MAX_TOKENS)
    ],
    "no content": [{"error_code": "MODEL_RETURNED_NO_CONTENT", "error_message": None}],
    "safety": [{"error_code": "SAFETY", "error_message": "Blocked for safety"}],
    "artifact": [text("Saved.", actions=EventActions(artifact_delta={"a.txt": 1}))],
    "code": [parts(types.Part(executable_code=types.ExecutableCode(code="1", language="PYTHON")))],
    "noise after it": [text("Added music."), text("I encountered a temporary issue.")],
    "boom": [RuntimeError("boom in agent")],
    "boom after the edit": [*EDITED, RuntimeError("boom in agent")],
    "429 at once": [QUOTA],
    "429 as a code": [{"error_code": "429", "error_message": "{'error': {'code': 429}}"}],
    "429 after the edit": [*EDITED, QUOTA],
    "long silence": [3.0, text("Added music.")],
    "for ever": [text("Working", partial=True), 600.0],
}

root_agent = Scripted(name="nemo_agent")
