"""The decoder: the same stream, cut anywhere and ended in any way, gives the same events."""

import json
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nemovideo import Heartbeat, errors, sse
from nemovideo.sse import ServerEvent, decode
from nemovideo.stream import ReplyBuilder, read_event

# The shape of what Google ADK sends: a thought, a tool, its result and the new draft, pieces, the whole.
ADK = [
    {
        "content": {"parts": [{"text": "Let me see", "thought": True}], "role": "model"},
        "author": "nemo_agent",
    },
    {
        "content": {
            "parts": [{"functionCall": {"id": "c1", "name": "edit_multitrack", "args": {"op": "add"}}}]
        }
    },
    {
        "content": {"parts": [{"functionResponse": {"id": "c1", "name": "edit_multitrack", "response": {}}}]},
        "actions": {"stateDelta": {"draft": {"t": [{"tt": 1, "sg": [{"d": 1000}]}]}}, "artifactDelta": {}},
    },
    {"content": {"parts": [{"text": "Voilà, "}]}, "partial": True, "actions": {"stateDelta": {}}},
    {"content": {"parts": [{"text": "音乐 🎵 "}]}, "partial": True, "actions": {"stateDelta": {}}},
    {"content": {"parts": [{"text": "is in."}]}, "partial": True, "actions": {"stateDelta": {}}},
    {
        "content": {"parts": [{"text": "Voilà, 音乐 🎵 is in."}]},
        "turnComplete": True,
        "actions": {"stateDelta": {}},
    },
]
BODY = "".join(f"data: {json.dumps(event, ensure_ascii=False)}\n\n" for event in ADK).encode()


def texts_of(chunks: list[bytes]) -> tuple[str, ...]:
    reply = ReplyBuilder()
    for event in decode(chunks):
        for meaning in read_event(event):
            reply.add(meaning)
    return reply.build().texts


def test_a_stream_cut_at_every_byte_gives_the_same_text() -> None:
    whole = list(decode([BODY]))
    for cut in range(len(BODY) + 1):
        assert list(decode([BODY[:cut], BODY[cut:]])) == whole


def test_a_stream_byte_by_byte_gives_the_same_text() -> None:
    assert texts_of([BODY[i : i + 1] for i in range(len(BODY))]) == ("Voilà, 音乐 🎵 is in.",)


LINES = st.sampled_from(
    [
        "", "", "data", "data:", "data: a", "data:b", "data:  two spaces", "data: ü🎵", ":", ": comment",
        "event: x", "event", "id: 7", "id: a\0b", "retry: 10", "retry: x", "unknown: field", "nonsense",
        "data: a:b", " data: no",
    ]
)  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(
    st.lists(LINES, max_size=12),
    st.sampled_from(["\n", "\r", "\r\n"]),
    st.booleans(),
    st.booleans(),
    st.lists(st.integers(0, 200), max_size=6),
)
def test_ends_of_line_marks_and_cuts_change_nothing(
    lines: list[str], end: str, mark: bool, ended: bool, cuts: list[int]
) -> None:
    body = end.join(lines) + (end if ended else "")
    wire = (b"\xef\xbb\xbf" if mark else b"") + body.encode()
    places = sorted({0, len(wire), *(min(cut, len(wire)) for cut in cuts)})
    chunks = [wire[a:b] for a, b in pairwise(places)]
    plain = "\n".join(lines) + ("\n" if ended else "")
    assert list(decode(chunks)) == list(decode([plain.encode()]))


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=400))
def test_no_bytes_at_all_can_break_it(noise: bytes) -> None:
    for event in decode([noise]):
        list(read_event(event))


def test_mixed_ends_of_line() -> None:
    assert [event.data for event in decode([b"data: a\r\ndata: b\rdata: c\n\rdata: d\r\r"])] == [
        "a\nb\nc",
        "d",
    ]


def test_a_cr_at_the_end_of_a_chunk_completes_the_line_at_once() -> None:
    splitter = sse.LineSplitter()
    assert list(splitter.feed(b"data: a\r")) == ["data: a"]
    assert list(splitter.feed(b"\ndata: b\n")) == ["data: b"]


def test_one_leading_space_goes_and_no_more() -> None:
    assert [event.data for event in decode([b"data:  x\n\ndata:y\n\n"])] == [" x", "y"]


def test_several_data_lines_are_one_event() -> None:
    assert [event.data for event in decode([b"data: {\ndata: }\n\n"])] == ["{\n}"]


def test_other_fields_and_comments() -> None:
    events = list(decode([b": alive\nevent: note\nid: 9\nretry: 2500\ndata: x\n\ndata: y\n\n"]))
    assert events == [
        ServerEvent(comment=True),
        ServerEvent("x", "note", "9", 2500),
        ServerEvent("y", "message", "9", 2500),
    ]


def test_an_event_without_data_is_none() -> None:
    assert list(decode([b"event: x\n\nid: 3\n\n"])) == []


def test_empty_data_is_an_event() -> None:
    assert list(decode([b"data:\n\n"])) == [ServerEvent("")]


@pytest.mark.parametrize("tail", [b"", b"\n", b"\n\n", b"\r\n\r\n", b"\r"])
def test_the_pending_event_counts_at_the_end(tail: bytes) -> None:
    assert [event.data for event in decode([b"data: a\n\ndata: last" + tail])] == ["a", "last"]


def test_bytes_that_are_no_utf8_are_replaced() -> None:
    assert [event.data for event in decode([b"data: a\xff\xfeb\n\n"])] == ["a\ufffd\ufffdb"]


def test_only_the_first_mark_is_dropped() -> None:
    assert [event.data for event in decode(["\ufeffdata: \ufeffx\n\n".encode()])] == ["\ufeffx"]


def test_an_event_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "MAX_EVENT_CHARS", 1000)
    with pytest.raises(errors.BadAnswer):
        list(decode([b"data: " + b"x" * 600, b"x" * 600]))
    with pytest.raises(errors.BadAnswer):
        list(decode([b"data: xxxxxxxxxx\n"] * 100))


@pytest.mark.parametrize("body", ["event: heartbeat\n\n", "event: heartbeat\ndata:\n\n", "event: ping\n\n"])
def test_an_event_that_has_but_a_name_is_a_sign_of_life(body: str) -> None:
    (event,) = decode([body.encode()])
    assert list(read_event(event)) == [Heartbeat()]


def test_an_event_without_data_or_such_a_name_is_none() -> None:
    assert list(decode([b"event: update\n\nid: 3\n\n"])) == []


def test_what_belongs_to_no_event_stream_is_handed_out_as_such() -> None:
    events = list(decode([b'<html>\n{"code": 2001}\ndata: 1\n\nretry: 5\n']))
    assert [event.data for event in events if event.foreign] == ["<html>", '{"code": 2001}']
    assert [event.data for event in events if not event.foreign] == ["1"]
    assert [list(read_event(event)) for event in events if event.foreign] == [[], []]
