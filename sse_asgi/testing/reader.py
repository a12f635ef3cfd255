"""The body of a response, read as an event stream."""

from __future__ import annotations

import re
import zlib
from collections import deque
from collections.abc import Callable

from ..headers import ResponseHeaders, is_event_stream
from ..wire import EventDecoder, MessageEvent
from ..wire.compression.compressors import import_brotli, import_zstd

__all__ = ["EventReader", "decompressor"]

KEPT_BYTES = 1_048_576
KEPT_COMMENTS = 10_000
KEPT_REST = 1024
BLANK_LINE = re.compile(rb"(?:\r\n|\n|\r(?!\n)){2}")


class EventReader:
    """Decodes the bytes that arrive, and keeps the events until they are taken, and all bytes.

    :param on_read: called with a number of bytes once the events in them were taken
    :param max_event_size: bytes of the largest event to accept
    """

    def __init__(
        self, last_event_id: str, on_read: Callable[[int], object], max_event_size: int
    ) -> None:
        self.error: Exception | None = None
        """Why nothing can be decoded any more."""
        self.count: int = 0
        """Events that were taken."""
        self.chunks: deque[bytes] = deque()
        self.size: int = 0
        """Bytes in all, kept or not."""
        self.comments: deque[str] = deque(maxlen=KEPT_COMMENTS)
        self.new_comments: deque[str] = deque(maxlen=KEPT_COMMENTS)
        """Comments that nobody has waited for yet."""
        self.last: MessageEvent | None = None
        """The event that was taken last."""
        self.rest: bytes = b""
        """The last bytes that are not part of a complete block."""
        self._kept = 0
        self._decode = EventDecoder(
            last_event_id=last_event_id, on_comment=self._comment, max_event_size=max_event_size
        )
        self._last_event_id = last_event_id
        self._on_read = on_read
        self._pending: deque[tuple[MessageEvent, int]] = deque()
        self._decompress: Callable[[bytes], bytes] | None = None

    def feed(self, body: bytes, headers: ResponseHeaders) -> None:
        """Take a piece of the body; never raises, see :attr:`error`."""
        self._keep(body)
        events: list[MessageEvent] = []
        if self.error is None and is_event_stream(headers.get("content-type", "")):
            try:
                events = self._events(body, headers)
            except Exception as exc:
                # The app called this send, but the test gets the error.
                self.error = exc
        if not events:
            self._on_read(len(body))
        for event in events:
            self._pending.append((event, 0 if event is not events[-1] else len(body)))

    def _events(self, body: bytes, headers: ResponseHeaders) -> list[MessageEvent]:
        if self._decompress is None:
            self._decompress = decompressor(headers)
        decoded = self._decompress(body)
        self.rest = BLANK_LINE.split((self.rest + decoded)[-KEPT_REST:])[-1]
        return self._decode.feed(decoded)

    def _comment(self, text: str) -> None:
        self.comments.append(text)
        self.new_comments.append(text)

    def _keep(self, body: bytes) -> None:
        self.size += len(body)
        self._kept += len(body)
        if body:
            self.chunks.append(body)
        while self._kept > KEPT_BYTES and len(self.chunks) > 1:
            self._kept -= len(self.chunks.popleft())

    @property
    def has_pending(self) -> bool:
        """An event can be taken."""
        return bool(self._pending)

    @property
    def pending(self) -> tuple[MessageEvent, ...]:
        """Events that have arrived and were not taken."""
        return tuple(event for event, _ in self._pending)

    def take(self) -> MessageEvent | None:
        """Return the next event, or None when it has not arrived."""
        if not self._pending:
            return None
        event, size = self._pending.popleft()
        self.count += 1
        self.last = event
        self._last_event_id = event.id
        if size:
            self._on_read(size)
        return event

    @property
    def last_event_id(self) -> str:
        """The ID that a client which has seen the events taken so far sends when it reconnects."""
        return self._last_event_id if self._pending else self._decode.last_event_id

    @property
    def retry(self) -> int | None:
        """The reconnection time in milliseconds, if the stream has set one."""
        return self._decode.retry

    def whole(self, headers: ResponseHeaders) -> bytes:
        """Return the body, its content coding removed.

        :raises ValueError: it was longer than what is kept, or has a coding that is unknown here
        """
        if self.size > self._kept:
            raise ValueError(f"the body has {self.size} bytes; only the last {self._kept} are kept")
        return decompressor(headers)(b"".join(self.chunks))


def decompressor(headers: ResponseHeaders) -> Callable[[bytes], bytes]:
    """Return the function that undoes the content coding of successive pieces of a body.

    :raises ValueError: the coding is unknown, or the package for it is not installed
    """
    coding = headers.get("content-encoding", "identity").strip().lower()
    if coding in ("", "identity"):
        return bytes
    if coding in ("gzip", "x-gzip", "deflate"):
        # zlib finds out by itself which of the two it is.
        return zlib.decompressobj(wbits=zlib.MAX_WBITS | 32).decompress
    try:
        if coding == "br":
            return _BrotliDecompressor().decompress
        if coding == "zstd":
            return _ZstdDecompressor().decompress
    except ImportError as exc:
        raise ValueError(f"content-encoding {coding!r} cannot be decoded here: {exc}") from None
    raise ValueError(
        f"content-encoding {coding!r} cannot be decoded here: only gzip, deflate, br and zstd can"
    )


class _BrotliDecompressor:
    """Keeps nothing back, as the package's own does of what is much longer than its code."""

    def __init__(self) -> None:
        self._stream = import_brotli().Decompressor()

    def decompress(self, data: bytes) -> bytes:
        decoded = piece = bytes(self._stream.process(data))
        while piece and not self._stream.is_finished():
            piece = bytes(self._stream.process(b""))
            decoded += piece
        return decoded


class _ZstdDecompressor:
    """Takes one frame after the other (RFC 8878, 3)."""

    def __init__(self) -> None:
        self._new = import_zstd().ZstdDecompressor
        self._frame = self._new()

    def decompress(self, data: bytes) -> bytes:
        decoded = b""
        while data:
            if self._frame.eof:
                self._frame = self._new()
            decoded += self._frame.decompress(data)
            data = self._frame.unused_data
        return decoded
