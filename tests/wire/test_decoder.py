"""What a receiver reads: the algorithm of WHATWG HTML 9.2.6, fed in any chunks."""

from __future__ import annotations

from typing import Any

import pytest

from sse_asgi.wire import EventDecoder, MessageEvent

# A stream, and the events that it holds as (data, event type, last event ID).
STREAMS: list[tuple[bytes, list[tuple[str, str, str]]]] = [
    # The four examples of the standard.
    (b"data: YHOO\ndata: +2\ndata: 10\n\n", [("YHOO\n+2\n10", "message", "")]),
    (
        (
            b": test stream\n\ndata: first event\nid: 1\n\n"
            b"data:second event\nid\n\ndata:  third event\n"
        ),
        [("first event", "message", "1"), ("second event", "message", "")],
    ),
    (b"data\n\ndata\ndata\n\ndata:", [("", "message", ""), ("\n", "message", "")]),
    (b"data:test\n\ndata: test\n\n", [("test", "message", "")] * 2),
    # The byte order mark.
    (b"\xef\xbb\xbfdata: x\n\n", [("x", "message", "")]),
    (b"\xef\xbb\xbf\xef\xbb\xbfdata: x\n\ndata: y\n\n", [("y", "message", "")]),
    (b"\n\xef\xbb\xbfdata: x\n\ndata: y\n\n", [("y", "message", "")]),
    (b"\xef\xbbdata: x\n\ndata: y\n\n", [("y", "message", "")]),
    (b"\xef\xbb\xbf", []),
    (b"\xef", []),
    # Line endings.
    (b"data: a\r\ndata: b\r\n\r\n", [("a\nb", "message", "")]),
    (b"data: a\rdata: b\r\r", [("a\nb", "message", "")]),
    (b"data: a\ndata: b\rdata: c\r\n\n", [("a\nb\nc", "message", "")]),
    (b"data: a\n\rdata: b\r\n\r", [("a", "message", ""), ("b", "message", "")]),
    (b"\n\r\n\r\r\n\n", []),
    (
        "data: a\vb\fc\x1cd\x1ee\x85f\u2028g\u2029h\n\n".encode(),
        [("a\vb\fc\x1cd\x1ee\x85f\u2028g\u2029h", "message", "")],
    ),
    # Names, colons and spaces.
    (b"data:a\ndata: b\ndata:  c\ndata:\td\ndata: \n\n", [("a\nb\n c\n\td\n", "message", "")]),
    (b"data: a: b\n\n", [("a: b", "message", "")]),
    (b"data:: a\n\n", [(": a", "message", "")]),
    (b"Data: a\n data: b\ndata : c\ndatax: d\nd: e\nfoo\n\n", []),
    (b"DATA\n\ndata: x\n\n", [("x", "message", "")]),
    (b":data: a\n: data: b\n:\n\n", []),
    (b"data: a\n: comment\ndata: b\n\n", [("a\nb", "message", "")]),
    # The event type.
    (
        b"event: tick\ndata: x\n\ndata: y\n\n",
        [("x", "tick", ""), ("y", "message", "")],
    ),
    (b"data: x\nevent: a\nevent: b\n\n", [("x", "b", "")]),
    (b"event: a\nevent\ndata: x\n\n", [("x", "message", "")]),
    (b"event: a\nevent:\ndata: x\n\n", [("x", "message", "")]),
    (b"event:  a \ndata: x\n\n", [("x", " a ", "")]),
    (b"event: tick\n\ndata: x\n\n", [("x", "message", "")]),
    (b"event: error\ndata: x\n\n", [("x", "error", "")]),
    # The last event ID.
    (
        b"id: 1\ndata: a\n\ndata: b\n\nid:\ndata: c\n\ndata: d\n\n",
        [("a", "message", "1"), ("b", "message", "1"), ("c", "message", ""), ("d", "message", "")],
    ),
    (b"id: 1\n\ndata: x\n\n", [("x", "message", "1")]),
    (b"data: x\nid: 1\nid: 2\n\n", [("x", "message", "2")]),
    (
        b"id: 1\ndata: x\n\nid: a\0b\ndata: y\n\n",
        [("x", "message", "1"), ("y", "message", "1")],
    ),
    ("id: é€😀\ndata: x\n\n".encode(), [("x", "message", "é€😀")]),
    # What the end cuts off.
    (b"data: x", []),
    (b"data: x\n", []),
    (b"data: x\r\n", []),
    (b"data: x\n\ndata: y\nid: 1\n", [("x", "message", "")]),
    # No data, and empty data.
    (b"retry: 5\n\n", []),
    (b"data:\n\n", [("", "message", "")]),
    (b"data\n\n", [("", "message", "")]),
    (b"data\nevent: e\n\n", [("", "e", "")]),
    # Malformed UTF-8: one U+FFFD for each maximal part of a sequence.
    (b"data: a\xffb\n\n", [("a\ufffdb", "message", "")]),
    (b"data: \xe2\x82\ndata: \xe2\x82x\n\n", [("\ufffd\n\ufffdx", "message", "")]),
    (b"data: \xed\xa0\x80\n\n", [("\ufffd\ufffd\ufffd", "message", "")]),
    (b"data: \xf0\x9f\x98\n\n", [("\ufffd", "message", "")]),
    (b"data: \xc0\x80\xf5\n\n", [("\ufffd\ufffd\ufffd", "message", "")]),
    (b"event: \xff\nid: \xff\ndata: x\n\n", [("x", "\ufffd", "\ufffd")]),
    (b"\xffdata: x\n\n", []),
    (b"data: a\0b\n\n", [("a\0b", "message", "")]),
]


@pytest.mark.parametrize("size", [1, 2, 3, 5, 1000])
@pytest.mark.parametrize(("stream", "expected"), STREAMS)
def test_stream_gives_its_events_in_chunks_of_any_size(
    stream: bytes, expected: list[tuple[str, str, str]], size: int
) -> None:
    decoder = EventDecoder()
    events = []
    for start in range(0, len(stream), size):
        events += decoder.feed(stream[start : start + size])
        events += decoder.feed(b"")
    assert events == [MessageEvent(*fields) for fields in expected]


@pytest.mark.parametrize("ending", [b"\n", b"\r", b"\r\n"])
def test_event_is_complete_as_soon_as_its_blank_line_may_have_ended(ending: bytes) -> None:
    decoder = EventDecoder()
    assert decoder.feed(b"data: x" + ending + ending[:1]) == [MessageEvent("x")]
    assert decoder.feed(ending[1:]) == []


def test_lf_after_a_cr_is_swallowed_once() -> None:
    decoder = EventDecoder()
    assert decoder.feed(b"data: x\r") == []
    assert decoder.feed(b"") == []
    assert decoder.feed(b"\n") == []
    assert decoder.feed(b"\n") == [MessageEvent("x")]


def test_last_event_id_moves_at_the_blank_line_even_without_data() -> None:
    decoder = EventDecoder()
    decoder.feed(b"id: 1")
    assert decoder.last_event_id == ""
    decoder.feed(b"\n")
    assert decoder.last_event_id == ""
    decoder.feed(b"\n")
    assert decoder.last_event_id == "1"
    decoder.feed(b"id: 2\ndata: cut off\n")
    assert decoder.last_event_id == "1"
    decoder.feed(b"\nid\n\n")
    assert decoder.last_event_id == ""


def test_last_event_id_of_the_connection_before_holds_until_the_stream_sets_one() -> None:
    decoder = EventDecoder(last_event_id="41")
    assert decoder.last_event_id == "41"
    assert decoder.feed(b"data: a\n\n") == [MessageEvent("a", id="41")]
    assert decoder.feed(b"id: 42\ndata: b\n\n") == [MessageEvent("b", id="42")]
    assert decoder.last_event_id == "42"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"0", 0),
        (b"300", 300),
        (b"007", 7),
        (b"9" * 18, 10**18 - 1),
        (b"0" * 10_000 + b"5", 5),
        # Each of these is ignored.
        (b"", 1),
        (b"1.5", 1),
        (b"-5", 1),
        (b"+5", 1),
        (b"1_000", 1),
        (b"5 ", 1),
        (b" 5", 1),
        (b"abc", 1),
        (b"0x10", 1),
        ("٣".encode(), 1),
        ("²".encode(), 1),
        (b"1" + b"0" * 18, 1),
        (b"9" * 100_000, 1),
    ],
)
def test_retry_is_set_by_ascii_digits_alone(value: bytes, expected: int) -> None:
    decoder = EventDecoder()
    decoder.feed(b"retry:1\nretry: " + value + b"\n")
    assert decoder.retry == expected


def test_retry_without_a_space_or_a_colon() -> None:
    decoder = EventDecoder()
    decoder.feed(b"retry\n")
    assert decoder.retry is None
    decoder.feed(b"retry:7\n")
    assert decoder.retry == 7


def test_retry_holds_at_once_and_outlasts_the_event() -> None:
    decoder = EventDecoder()
    assert decoder.retry is None
    assert decoder.feed(b"retry: 5\r") == []
    assert decoder.retry == 5
    decoder.feed(b"data: x\n\n")
    assert decoder.retry == 5


def test_comments_are_reported_in_order_without_one_leading_space() -> None:
    comments: list[str] = []
    decoder = EventDecoder(on_comment=comments.append)
    stream = ":\n:a\n: b\n:  c\n:: d\ndata: x\n: é\xff\n\n:cut off".encode("latin-1")
    events = []
    for byte in stream:
        events += decoder.feed(bytes([byte]))
    assert comments == ["", "a", "b", " c", ": d", "\ufffd\ufffd"]
    assert events == [MessageEvent("x")]


@pytest.mark.parametrize(
    ("options", "error", "fragment"),
    [
        ({"last_event_id": None}, TypeError, "last_event_id must be a str, not None"),
        ({"last_event_id": 7}, TypeError, "last_event_id must be a str, not 7"),
        ({"max_event_size": "1"}, TypeError, "max_event_size must be an int, not '1'"),
        ({"max_event_size": 1.0}, TypeError, "max_event_size must be an int, not 1.0"),
        ({"max_event_size": True}, TypeError, "max_event_size must be an int, not True"),
        ({"max_event_size": None}, TypeError, "max_event_size must be an int, not None"),
        ({"max_event_size": 0}, ValueError, "max_event_size must be 1 or above, not 0"),
        ({"max_event_size": -1}, ValueError, "max_event_size must be 1 or above, not -1"),
        ({"on_comment": "print"}, TypeError, "on_comment must be callable, not 'print'"),
    ],
)
def test_malformed_option_is_refused(
    options: dict[str, Any], error: type[Exception], fragment: str
) -> None:
    with pytest.raises(error, match=fragment):
        EventDecoder(**options)


@pytest.mark.parametrize("data", ["data: x\n\n", bytearray(b"x"), memoryview(b"x"), None])
def test_only_bytes_are_fed(data: Any) -> None:
    with pytest.raises(TypeError, match=f"data must be bytes, not {type(data).__name__}"):
        EventDecoder().feed(data)


def test_message_event_parses_its_json() -> None:
    assert MessageEvent('{"a": [1, null]}').json() == {"a": [1, None]}
    with pytest.raises(ValueError, match="Expecting value"):
        MessageEvent("not JSON").json()


def test_message_event_is_a_value() -> None:
    event = MessageEvent("x", "tick", "1")
    assert event == MessageEvent(data="x", event="tick", id="1")
    assert hash(event) == hash(MessageEvent("x", "tick", "1"))
    assert repr(event) == "MessageEvent(data='x', event='tick', id='1')"
    with pytest.raises(AttributeError):
        event.data = "y"  # type: ignore[misc]
