"""Both dialects, and what a reply makes of them."""

import json
from typing import Any

import pytest

from nemovideo import (
    Draft,
    EditReply,
    Heartbeat,
    StateDelta,
    StreamError,
    Text,
    Thought,
    Tool,
    Unknown,
    errors,
)
from nemovideo.sse import ServerEvent
from nemovideo.stream import ReplyBuilder, StreamWatch, describe_error, read_event

BUSY = "The AI model behind the service is at its rate limit."
MALFORMED = "The AI model called a tool in a way that cannot be understood."
DRAFT = {"t": [{"tt": 1, "sg": [{"d": 1000}]}]}


def events(document: Any) -> list[Any]:
    return list(read_event(ServerEvent(document if isinstance(document, str) else json.dumps(document))))


def part(text: str, **more: Any) -> dict[str, Any]:
    return {"content": {"parts": [{"text": text}], "role": "model"}, **more}


def reply(*documents: Any) -> EditReply:
    gathered = ReplyBuilder()
    for document in documents:
        for event in events(document):
            gathered.add(event)
    return gathered.build()


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
        ({"type": "error"}, [StreamError("The agent reported an error.")]),
        ({"code": 1001, "message": "expired"}, [StreamError("expired", 1001)]),
        ({"code": "1002", "msg": "gone"}, [StreamError("gone", 1002)]),
        ({"code": "999999999", "message": "m"}, [StreamError("m", 999999999)]),
        ({"code": "9999999999", "message": "m"}, [StreamError("m")]),
        ({"code": True, "message": "m"}, [StreamError("m")]),
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
        ({"error": {"code": 429, "message": "slow"}}, [StreamError(BUSY, 429)]),
        ({"errorCode": "MALFORMED_FUNCTION_CALL", "author": "x"}, [StreamError(MALFORMED)]),
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
    assert list(read_event(ServerEvent(comment=True))) == [Heartbeat()]


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


# --- what a real ADK server sends --------------------


def test_a_text_and_an_error_code_in_one_event_are_both_kept() -> None:
    cut = part("Added lo-fi mus", errorCode="MAX_TOKENS", finishReason="MAX_TOKENS", id="e1", actions={})
    sentence = "The AI model reached its length limit before it was done."
    assert events(cut) == [Text("Added lo-fi mus", event_id="e1"), StreamError(sentence)]
    assert reply(cut) == EditReply(("Added lo-fi mus",), error=StreamError(sentence))


def test_all_that_one_event_holds_is_read() -> None:
    parts = [
        {"text": "Let me see", "thought": True, "thoughtSignature": "c2ln"},
        {"text": "Adding music."},
        {"functionCall": {"id": "c1", "name": "add_bgm", "args": {}}},
        {"functionCall": {"id": "c2", "name": "fade", "args": {}}},
    ]
    event = {
        "content": {"parts": parts, "role": "model"},
        "usageMetadata": {"totalTokenCount": 7},
        "modelVersion": "m",
        "longRunningToolIds": ["c1"],
        "finishReason": "STOP",
        "partial": False,
        "actions": {"stateDelta": {"draft": DRAFT}},
        "id": "e1",
    }
    assert events(event) == [
        Thought(),
        Tool("add_bgm"),
        Tool("fade"),
        Text("Adding music.", event_id="e1"),
        StateDelta(Draft(DRAFT)),
    ]


@pytest.mark.parametrize(
    ("event", "meaning"),
    [
        ({"invocationId": "i", "author": "nemo_agent", "id": "e1", "timestamp": 1.0}, [Heartbeat()]),
        ({"actions": {"stateDelta": {"draft": DRAFT}}, "id": "e1"}, [StateDelta(Draft(DRAFT))]),
        ({"actions": {"stateDelta": {"mood": "calm"}}, "id": "e1"}, [Thought()]),
        ({"content": {"parts": [{"executableCode": {"code": "1"}}]}}, [Thought()]),
        ({"content": {"parts": [{"text": "add music"}]}, "author": "user"}, [Heartbeat()]),
        (part("All.", partial=False, finishReason="STOP", id="e2"), [Text("All.", event_id="e2")]),
        (
            {"errorCode": "MODEL_RETURNED_NO_CONTENT", "errorMessage": None, "author": "nemo_agent"},
            [StreamError("The AI model returned nothing.")],
        ),
        ({"code": 0, "message": "fine"}, [Unknown()]),
    ],
)
def test_shapes_of_adk(event: Any, meaning: list[Any]) -> None:
    assert events(event) == meaning


def test_two_events_of_one_id_are_one_text() -> None:
    tool = {"content": {"parts": [{"functionCall": {"name": "cut"}}]}, "id": "t"}
    assert reply(part("Done.", id="e1"), tool, part("Done.", id="e1")).texts == ("Done.",)
    assert reply(part("Do", id="e1"), tool, part("Done.", id="e1")).texts == ("Done.",)
    assert reply(part("One.", id="e1"), part("Two.", id="e1")).texts == ("One.", "Two.")
    artifact = {"content": None, "actions": {"artifactDelta": {"a": 1}}, "id": "e1"}
    assert reply(part("Done.", id="e1"), artifact).texts == ("Done.",)


@pytest.mark.parametrize("name", ["heartbeat", "HEARTBEAT", "ping"])
@pytest.mark.parametrize("data", ["", '{"ts": 1}', "tick"])
def test_an_event_named_heartbeat_is_one(name: str, data: str) -> None:
    assert list(read_event(ServerEvent(data, event=name))) == [Heartbeat()]


def test_an_event_named_error_is_one() -> None:
    assert list(read_event(ServerEvent("boom", event="error"))) == [StreamError("boom")]
    (error,) = read_event(ServerEvent('{"message": "boom"}', event="error"))
    assert error == StreamError("boom")


GOOGLE_429 = (
    "_ResourceExhaustedError: \nOn how to mitigate this issue, please refer to:\n\nhttps://google.github.io/x\n\n"
    "429 RESOURCE_EXHAUSTED. {'error': {'code': 429, 'message': 'Quota', 'status': 'RESOURCE_EXHAUSTED'}}"
)


@pytest.mark.parametrize(
    "event",
    [
        {"error": GOOGLE_429, "error_details": {"error_type": "_ResourceExhaustedError"}},
        {"errorCode": "429", "errorMessage": "Too many requests", "author": "nemo_agent"},
        {"errorCode": "RESOURCE_EXHAUSTED", "errorMessage": "{'error': {'code': 429}}"},
        {"error": "litellm.RateLimitError: RateLimitError: {'a': 1}"},
        {"type": "error", "message": "HTTP 429: too many requests"},
        {"error": {"code": 429, "message": "{'x': 1}", "status": "RESOURCE_EXHAUSTED"}},
    ],
)
def test_a_models_429_is_a_rate_refusal_in_a_sentence(event: Any) -> None:
    assert events(event) == [StreamError(BUSY, 429)]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("RuntimeError: boom in agent", "RuntimeError: boom in agent"),
        ("ValueError: bad {'raw': ['dict']}", "ValueError: bad"),
        ("{'only': 'a dict'}", "The agent reported an error."),
        ("line one\nline two", "line one line two"),
        ("boom\n\nTraceback (most recent call last):\n  File x", "boom"),
        ("<html>502</html>", "The agent reported an error."),
        ("frame 429 of 900 is black", "frame 429 of 900 is black"),
        ("x" * 1000, "x" * 300),
        ("Bearer abc.def was bad", "Bearer *** was bad"),
    ],
)
def test_an_error_is_a_sentence_for_people(text: str, sentence: str) -> None:
    (error,) = events({"error": text})
    assert error == StreamError(sentence)


@pytest.mark.parametrize(
    ("code", "shown"),
    [
        ("STRANGE", " (STRANGE)"),
        ({"raw": "dict"}, ""),
        ("nmv_usr_secret", ""),
        (["a"], ""),
        ("no code at all", ""),
    ],
)
def test_an_error_code_that_nobody_knows_is_named_if_it_is_one(code: Any, shown: str) -> None:
    assert events({"errorCode": code}) == [StreamError(f"The agent reported an error{shown}.")]


@pytest.mark.parametrize("number", [503, 9999])
def test_an_error_number_is_kept(number: int) -> None:
    (error,) = events({"code": number})
    assert error.service_code == number


CAPTURES = [
    # As google-adk 2.13 sent them for a small agent; ids and times shortened.
    (
        [
            {"content": {"parts": [{"text": "I'll think", "thought": True}], "role": "model"}, "id": "1"},
            {"content": {"parts": [{"functionCall": {"id": "c1", "args": {}, "name": "edit"}}]}, "id": "2"},
            {
                "content": {"parts": [{"functionResponse": {"id": "c1", "name": "edit", "response": {}}}]},
                "actions": {"stateDelta": {"draft": DRAFT}, "artifactDelta": {}},
                "id": "3",
            },
            part("Added ", partial=True, id="4"),
            part("lo-fi ", partial=True, id="5"),
            part("music. Click Export", partial=True, id="6"),
            part("Added lo-fi music. Click Export", turnComplete=True, id="7"),
        ],
        EditReply(("Added lo-fi music. Click Export",), ("edit",), Draft(DRAFT)),
    ),
    (
        [
            {
                "error": "RuntimeError: boom in agent",
                "error_details": {"error_type": "RuntimeError", "error_message": "boom in agent"},
            }
        ],
        EditReply(error=StreamError("RuntimeError: boom in agent")),
    ),
]


@pytest.mark.parametrize(("stream", "expected"), CAPTURES)
def test_what_a_real_server_sent(stream: list[Any], expected: EditReply) -> None:
    assert reply(*stream) == expected


class Stopwatch:
    """A clock that a test sets, and a stream's watch that began at 1000 s."""

    def __init__(self) -> None:
        self.now, self.heard = 1000.0, list[float]()
        self.watch = StreamWatch(clock=lambda: self.now, on_still_working=self.heard.append)

    def check_at(self, seconds: float) -> None:
        self.now = 1000.0 + seconds
        self.watch.check()


def test_a_stream_may_last_fifteen_minutes() -> None:
    one = Stopwatch()
    for minute in range(1, 15):
        one.check_at(60.0 * minute)
        one.watch.note(Text("x"))
    one.check_at(899.9)
    with pytest.raises(errors.StreamTimeout):
        one.check_at(900.0)


@pytest.mark.parametrize("sign", [Heartbeat(), Unknown()])
def test_ten_minutes_without_progress_end_it(sign: Heartbeat | Unknown) -> None:
    one = Stopwatch()
    one.check_at(599.9)
    one.watch.note(sign)
    with pytest.raises(errors.StreamTimeout):
        one.check_at(600.0)


def test_still_working_is_reported_every_two_minutes() -> None:
    one = Stopwatch()
    for seconds in (119.9, 120.0, 121.0, 239.9, 240.0, 500.0):
        one.check_at(seconds)
    assert one.heard == [120.0, 240.0, 500.0]


def test_a_whole_answer_has_a_deadline_of_its_own() -> None:
    one = Stopwatch()
    one.watch.answer_until_s = 1030.0
    one.check_at(29.9)
    with pytest.raises(errors.StreamTimeout):
        one.check_at(30.0)


@pytest.mark.parametrize(
    ("step", "kind"),
    [
        ("http11.send_request_headers.started", errors.StreamStopped),
        ("connection.connect_tcp.complete", errors.Stopped),
    ],
)
def test_a_stop_leaves_the_outcome_open_once_something_left(step: str, kind: type) -> None:
    watch = StreamWatch(should_stop=lambda: True)
    watch.trace(step, None)
    with pytest.raises(errors.NemoVideoError) as caught:
        watch.check()
    assert type(caught.value) is kind


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("MAX_TOKENS", "The AI model reached its length limit before it was done."),
        ("max_tokens: ", "The AI model reached its length limit before it was done."),
        (None, "The AI model reached its length limit before it was done."),
        ("Your edit is too long for one go.", "Your edit is too long for one go."),
    ],
)
def test_a_code_that_is_known_is_a_sentence_unless_the_service_has_one_of_its_own(
    text: str | None, said: str
) -> None:
    assert describe_error(text, "MAX_TOKENS") == said


@pytest.mark.parametrize(
    ("error", "said"),
    [
        ({"message": "The clip is too dark.", "status": "FAILED"}, "The clip is too dark."),
        ({"message": "The clip is too dark."}, "The clip is too dark."),
        ({"status": "FAILED_PRECONDITION"}, "FAILED_PRECONDITION"),
    ],
)
def test_an_error_object_says_its_message_else_its_status(error: dict[str, str], said: str) -> None:
    assert events({"error": error}) == [StreamError(said)]
