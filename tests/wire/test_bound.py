"""How large one event may be, and what comes of the events before one that is larger."""

from __future__ import annotations

import pytest

from sse_asgi.errors import EventTooLarge
from sse_asgi.wire import EventDecoder, MessageEvent

BOUND = 10


@pytest.mark.parametrize("size", [1, 3, 1000])
@pytest.mark.parametrize(
    ("stream", "data"),
    [
        (b"data: 7890\n\n", ["7890"]),
        (b"\xef\xbb\xbfdata: 7890\n\n", ["7890"]),
        (b"data: 7890\r\n\r\n" * 3, ["7890"] * 3),
        (b"data\ndata:x\n\n", ["\nx"]),
        (b":345678901\n" * 9 + b"data: 7890\n\n", ["7890"]),
        (b"id: 7\n\nid: 8\n\ndata: 7890\n\n", ["7890"]),
    ],
)
def test_event_of_the_bound_itself_is_taken(stream: bytes, data: list[str], size: int) -> None:
    decoder = EventDecoder(max_event_size=BOUND)
    events = []
    for start in range(0, len(stream), size):
        events += decoder.feed(stream[start : start + size])
    assert [event.data for event in events] == data


@pytest.mark.parametrize("size", [1, 3, 1000])
@pytest.mark.parametrize(
    "stream",
    [
        b"data: 78901\n\n",
        b"data: 78901",
        b"\xef\xbb\xbfdata: 78901",
        b"data: 7890\nd\n\n",
        b"data\ndata:xy\n\n",
        b"data\r\ndata\r\nfoo",
        b"event: x\nid\nx",
        b"data: 7890\n:\n\n",
        b":3456789012",
        b"foo45678901",
    ],
)
def test_event_beyond_the_bound_is_an_error_for_good(stream: bytes, size: int) -> None:
    decoder = EventDecoder(max_event_size=BOUND)
    head = b"id: 1\n\n"
    decoder.feed(b"\xef\xbb\xbf" + head if stream.startswith(b"\xef") else head)
    stream = stream.removeprefix(b"\xef\xbb\xbf")
    with pytest.raises(EventTooLarge, match="larger than 10 bytes"):
        for start in range(0, len(stream), size):
            assert decoder.feed(stream[start : start + size]) == []
    for more in (b"", b"\n\ndata: x\n\n"):
        with pytest.raises(EventTooLarge, match="larger than 10 bytes"):
            decoder.feed(more)
    assert decoder.last_event_id == "1"


def test_events_before_the_one_that_is_too_large_are_not_lost() -> None:
    decoder = EventDecoder(max_event_size=BOUND)
    stream = b"id: 1\ndata\n\ndata: b\n\nid: 9\ndata: 78901\n\ndata: d\n\n"
    assert decoder.feed(stream) == [MessageEvent("", id="1"), MessageEvent("b", id="1")]
    assert decoder.last_event_id == "1"
    with pytest.raises(EventTooLarge):
        decoder.feed(b"")


def test_bound_is_one_mebibyte_unless_it_is_given() -> None:
    decoder = EventDecoder()
    [event] = decoder.feed(b"data:" + b"x" * (1_048_576 - 5) + b"\n\n")
    assert len(event.data) == 1_048_571
    with pytest.raises(EventTooLarge, match="1048576"):
        decoder.feed(b"data:" + b"x" * (1_048_576 - 4))
