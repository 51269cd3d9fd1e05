"""The event stream in both dialects."""

from __future__ import annotations

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from studio.dialects import (
    Alive,
    DialectB,
    Failure,
    Say,
    Thought,
    ToolCall,
    ToolResult,
    dialect_named,
    pieces,
)

CALL = ToolCall("c1", "edit_multitrack", {"op": "add_bgm", "title": "Lo-fi"})
DRAFT = {"t": [{"tt": 1, "sg": [{"d": 1000}]}]}


def decoded(dialect, *events):
    raw = b"".join(piece for event in events for piece in dialect.encode(event)).decode()
    lines = (line[5:].strip() for line in raw.splitlines() if line.startswith("data:"))
    return [json.loads(line) for line in lines if line]


def test_dialect_b_is_what_a_real_server_sends():
    dialect = DialectB("e-1", clock=lambda: 1795165185.5)
    event = decoded(dialect, Thought("I'll think"))[0]
    event.pop("id")
    assert json.dumps(event) == json.dumps(
        {
            "content": {"parts": [{"text": "I'll think", "thought": True}], "role": "model"},
            "invocationId": "e-1",
            "author": "nemo_agent",
            "actions": {
                "stateDelta": {},
                "artifactDelta": {},
                "requestedAuthConfigs": {},
                "requestedToolConfirmations": {},
            },
            "nodeInfo": {"path": ""},
            "timestamp": 1795165185.5,
        }
    )


def test_dialect_b_calls_a_tool_and_carries_the_draft():
    call, result = decoded(DialectB(), CALL, ToolResult(CALL, DRAFT))
    assert call["content"]["parts"] == [{"functionCall": {"id": "c1", "args": CALL.args, "name": CALL.name}}]
    response = {"id": "c1", "name": "edit_multitrack", "response": {"ok": True}}
    assert result["content"]["parts"] == [{"functionResponse": response}]
    assert result["actions"]["stateDelta"] == {"draft": DRAFT}


def test_dialect_b_repeats_its_partial_pieces_in_full():
    events = decoded(DialectB(), Say("Added lo-fi music. Click Export"))
    assert [event.get("partial") for event in events] == [True, True, True, None]
    texts = [event["content"]["parts"][0]["text"] for event in events]
    assert "".join(texts[:3]) == texts[3] == "Added lo-fi music. Click Export"
    assert events[3]["turnComplete"] is True


def test_dialect_b_fails_inside_the_stream():
    event = decoded(DialectB(clock=lambda: 1.0), Failure("boom in agent"))[0]
    details = {"error_type": "RuntimeError", "error_message": "boom in agent", "timestamp": 1.0}
    assert event == {"error": "RuntimeError: boom in agent", "error_details": details}


def test_dialect_b_beats_in_two_ways():
    dialect = DialectB()
    beats = [b"".join(dialect.encode(Alive())) for _ in range(3)]
    assert beats == [b"data:\n\n", b": heartbeat\n\n", b"data:\n\n"]


def test_dialect_a():
    events = decoded(
        dialect_named("a"), Thought("x"), CALL, ToolResult(CALL, DRAFT), Say("Hi"), Failure("no", 2001)
    )
    assert events == [
        {"type": "heartbeat"},
        {"type": "tool_call", "name": CALL.name, "args": CALL.args},
        {"type": "tool_result", "name": CALL.name, "result": {"ok": True, "draft": DRAFT}},
        {"type": "text", "content": "H"},
        {"type": "text", "content": "i"},
        {"type": "error", "message": "no", "code": 2001},
    ]


@settings(deadline=None)
@given(st.text())
def test_pieces_are_the_text(text):
    assert "".join(pieces(text)) == text
    assert len(pieces(text)) <= 3
