"""Both dialects, and what a reply makes of them."""

import json
from typing import Any

import pytest

from nemo import Draft, EditReply, Heartbeat, StateDelta, StreamError, Text, Thought, Tool, Unknown
from nemo.dialects import read
from nemo.edit import Reply
from nemo.sse import ServerEvent

DRAFT = {"t": [{"tt": 1, "sg": [{"d": 1000}]}]}


def events(document: Any) -> list[Any]:
    return list(read(ServerEvent(document if isinstance(document, str) else json.dumps(document))))


def part(text: str, **more: Any) -> dict[str, Any]:
    return {"content": {"parts": [{"text": text}], "role": "model"}, **more}


def reply(*documents: Any) -> EditReply:
    gathered = Reply()
    for document in documents:
        for event in events(document):
            gathered.add(event)
    return gathered.done()


@pytest.mark.parametrize(
    ("document", "meaning"),
    [
        ({"type": "text", "content": "Hi"}, [Text("Hi")]),
        ({"type": "text", "text": "Hi"}, [Text("Hi")]),
        ({"text": "Hi"}, [Text("Hi")]),
        ({"type": "text", "content": "H", "partial": True}, [Text("H", partial=True)]),
        ({"type": "tool_call", "name": "add_bgm", "args": {}}, [Tool("add_bgm")]),
        ({"type": "tool_result", "name": "add_bgm"}, [Tool("add_bgm", result=True)]),
        ({"type": "heartbeat"}, [Heartbeat()]),
        ("", [Heartbeat()]),
        ("  ", [Heartbeat()]),
        ({"type": "error", "message": "boom"}, [StreamError("boom")]),
        ({"type": "error", "error": "boom", "code": 2001}, [StreamError("boom", 2001)]),
        ({"type": "error", "content": "boom"}, [StreamError("boom")]),
        ({"type": "error"}, [StreamError("error")]),
        ({"code": 1001, "message": "expired"}, [StreamError("expired", 1001)]),
        ({"code": "1002", "msg": "gone"}, [StreamError("gone", 1002)]),
        (part("Hi"), [Text("Hi")]),
        (part("H", partial=True), [Text("H", partial=True)]),
        ({"content": {"parts": [{"text": "Hmm", "thought": True}]}}, [Thought()]),
        ({"content": {"parts": [{"functionCall": {"name": "cut", "args": {}}}]}}, [Tool("cut")]),
        ({"content": {"parts": [{"function_call": {"name": "cut"}}]}}, [Tool("cut")]),
        ({"content": {"parts": [{"functionResponse": {"name": "cut"}}]}}, [Tool("cut", result=True)]),
        ({"actions": {"stateDelta": {"draft": DRAFT}}}, [StateDelta(Draft(DRAFT))]),
        ({"actions": {"state_delta": {"draft": json.dumps(DRAFT)}}}, [StateDelta(Draft(DRAFT))]),
        ({"actions": {"stateDelta": {}}, "author": "nemo_agent"}, [Heartbeat()]),
        ({"content": {"parts": [{"text": "a"}, {"text": "b"}]}}, [Text("ab")]),
        ({"error": "E: boom", "error_details": {"error_type": "E"}}, [StreamError("E: boom")]),
        ({"error": {"code": 429, "message": "slow"}}, [StreamError("slow", 429)]),
        ({"errorCode": "MALFORMED_FUNCTION_CALL", "author": "x"}, [StreamError("MALFORMED_FUNCTION_CALL")]),
        ({"type": "fireworks"}, [Unknown()]),
        ({"weather": "fine"}, [Unknown()]),
        ([1, 2], [Unknown()]),
        ("[DONE]", [Unknown()]),
        ("plain words", [Unknown()]),
        ("[" * 100_000, [Unknown()]),
        ('{"type":"heartbeat"}\n{"text":"Hi"}', [Heartbeat(), Text("Hi")]),
        ({"content": {"parts": "no list"}}, [Heartbeat()]),
        ({"content": {"parts": [None, 3, {}]}}, [Heartbeat()]),
        ({"content": None, "actions": None}, [Heartbeat()]),
        ({"code": 0, "type": "heartbeat"}, [Heartbeat()]),
    ],
)  # fmt: skip
def test_what_an_event_means(document: Any, meaning: list[Any]) -> None:
    assert events(document) == meaning


def test_a_comment_is_a_sign_of_life() -> None:
    assert list(read(ServerEvent(comment=True))) == [Heartbeat()]


def test_a_token_in_an_error_is_masked() -> None:
    (error,) = events({"error": "bad nmv_usr_abc123 token"})
    assert error.message == "bad nmv_*** token"


def test_pieces_and_the_whole_count_once() -> None:
    pieces = (part("Added ", partial=True), part("music.", partial=True), part("Added music."))
    assert reply(*pieces).texts == ("Added music.",)


def test_two_rounds_of_pieces() -> None:
    first = (part("One", partial=True), part("One."))
    second = (part("Tw", partial=True), part("o.", partial=True), part("Two."))
    assert reply(*first, *second).texts == ("One.", "Two.")


def test_pieces_without_a_whole_are_kept() -> None:
    assert reply(part("Added ", partial=True), part("music.", partial=True)).texts == ("Added music.",)


def test_a_whole_that_is_another_text_hides_nothing() -> None:
    assert reply(part("Wait", partial=True), part("Done.")).texts == ("Wait", "Done.")


def test_a_tool_between_pieces_and_whole_changes_nothing() -> None:
    tool = {"content": {"parts": [{"functionCall": {"name": "cut"}}]}}
    assert reply(part("Do", partial=True), tool, part("Done.")).texts == ("Done.",)


def test_a_text_that_begins_like_the_one_before_is_kept() -> None:
    assert reply(part("Done."), part("Done. And more.")).texts == ("Done.", "Done. And more.")


def test_trailing_noise_goes_only_after_something_else() -> None:
    noise = part("I encountered a temporary issue. Please try again.")
    assert reply(part("Added music."), noise).texts == ("Added music.",)
    assert reply(noise).texts == ("I encountered a temporary issue. Please try again.",)


def test_the_last_draft_the_tools_and_the_unknown_are_kept() -> None:
    other = {"t": []}
    found = reply(
        {"actions": {"stateDelta": {"draft": DRAFT}}},
        {"actions": {"stateDelta": {"draft": other}}},
        {"type": "tool_call", "name": "a"},
        {"type": "tool_result", "name": "a"},
        {"odd": 1},
        {"error": "boom"},
    )
    assert found == EditReply((), ("a",), Draft(other), StreamError("boom"), 1)


def test_silence_is_an_empty_reply() -> None:
    assert reply({"type": "heartbeat"}) == EditReply()
