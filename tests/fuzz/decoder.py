"""Event streams of strangers, cut anywhere, against the standard's algorithm in plain words."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from hypothesis import strategies as st

from sse_asgi.errors import EventTooLarge
from sse_asgi.wire import EventDecoder, MessageEvent

from .target import Target

__all__ = ["DECODER"]

LINE_END: Final = re.compile(rb"\r\n|\n|\r")
BOM: Final = b"\xef\xbb\xbf"
LONGEST: Final = 262_144


class Feed(NamedTuple):
    """What a decoder is given."""

    chunks: tuple[bytes, ...]
    max_event_size: int
    last_event_id: str


# Pieces that mean something to a decoder, or nearly do.
PIECES: Final = (
    *(b"data", b"event", b"id", b"retry", b":", b": ", b" ", b"\n", b"\r", b"\r\n", b"\n\n"),
    *(b"data: x\n\n", b"id: 1\n", b"id: \0\n", b"retry: 10\n", b"retry: 1_0\n", b"data\n"),
    *(b"retry: \xd9\xa1\n", b"retry: +5\n", b"9" * 30, b"0" * 30),
    *(BOM, BOM[:1], BOM[:2], b"\0", b"\xff", b"\xc3", b"\xe2\x82", b"\xf0\x9f\x98\x80"),
    *(b"\xed\xa0\x80", b"\xe2\x80\xa8", b"\xc2\x85", b"\x1c", b"\x0b", b"\x0c"),
)


def repeated(piece: bytes, times: int) -> bytes:
    """Return a piece many times, for what costs more the longer it is."""
    return (piece * times)[:LONGEST]


pieces = st.sampled_from(PIECES) | st.binary(max_size=8)
chunks = (
    st.lists(pieces, max_size=12).map(b"".join)
    | st.builds(repeated, pieces, st.integers(0, 512) | st.sampled_from([2**10, 2**16]))
    | st.binary(max_size=64)
)
feeds = st.builds(
    Feed,
    st.lists(chunks, max_size=12).map(tuple),
    st.integers(1, 64) | st.integers(1, 2**20),
    st.text(max_size=4),
)


class PlainReader:
    """WHATWG HTML 9.2.6, line by line, and the decoder's bound, without a thought for speed."""

    def __init__(self, feed: Feed) -> None:
        self.events: list[MessageEvent] = []
        self.retry: int | None = None
        self.is_too_large = False
        self._id = self._last_id = feed.last_event_id
        self._data: list[str] = []
        self._event, self._size = "", 0
        lines = LINE_END.split(b"".join(feed.chunks).removeprefix(BOM))
        for number, line in enumerate(lines, 1):
            if self._size + len(line) > feed.max_event_size:
                self.is_too_large = True
                break
            if number < len(lines):  # the last one may go on
                self._take(line)

    def _take(self, line: bytes) -> None:
        name, _, value = line.partition(b":")
        if not line:
            self._dispatch()
        elif name:
            self._size += len(line)
            self._set(name, value.removeprefix(b" ").decode("utf-8", "replace"))

    def _dispatch(self) -> None:
        self._last_id = self._id
        if self._data:
            name = self._event or "message"
            self.events.append(MessageEvent("\n".join(self._data), name, self._last_id))
        self._data, self._event, self._size = [], "", 0

    def _set(self, name: bytes, text: str) -> None:
        if name == b"data":
            self._data.append(text)
        elif name == b"event":
            self._event = text
        elif name == b"id" and "\0" not in text:
            self._id = text
        elif name == b"retry" and re.fullmatch("[0-9]+", text) and len(text.lstrip("0")) <= 18:
            self.retry = int(text)


def check(feed: Feed) -> None:
    """Compare the decoder with the standard, however the stream is cut."""
    expected = PlainReader(feed)
    decoder = EventDecoder(max_event_size=feed.max_event_size, last_event_id=feed.last_event_id)
    found: list[MessageEvent] = []
    failed = False
    try:
        for chunk in (*feed.chunks, b""):
            found += decoder.feed(chunk)
    except EventTooLarge:
        failed = True
    # A chunk that is half a byte order mark waits for the other half.
    whole = b"".join(feed.chunks)
    is_held = len(whole) < len(BOM) and BOM.startswith(whole)
    assert found == expected.events
    assert failed is expected.is_too_large or is_held
    if not failed:
        assert decoder.retry == expected.retry


DECODER: Final = Target(
    "decoder",
    feeds,
    check,
    corpus=(
        Feed((b"retry: " + b"9" * 200_000 + b"\n\n",), 2**20, ""),
        Feed((BOM[:1], BOM[1:2], BOM[2:] + BOM + b"data: x\n\n"), 64, ""),
        Feed((b"data: x\r", b"\n\r", b"\ndata: y\n\n"), 64, "a"),
        Feed((b"data: \xe2", b"\x82\n\ndata: \xac\n\n"), 64, ""),
        Feed((b"data: x\n\n" + b"data: " + b"y" * 64,), 16, ""),
    ),
)
