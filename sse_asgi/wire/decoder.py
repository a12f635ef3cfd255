"""Bytes of an event stream to events, as they arrive (WHATWG HTML 9.2.6)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from json import loads
from typing import Any, Final

from ..checks import integer, optional_function, shorten, text
from ..errors import EventTooLarge

__all__ = ["EventDecoder", "MessageEvent"]

_BOM: Final = b"\xef\xbb\xbf"
_COLON: Final = 0x3A
_RETRY_DIGITS: Final = 18  # they fit in 64 bits


@dataclass(frozen=True, slots=True)
class MessageEvent:
    """Hold one event as it was dispatched.

    ``event`` is the event type. ``id`` is the stream's last event ID at that moment. This event or
    an earlier one set it (``lastEventId``, WHATWG HTML 9.2.6).
    """

    data: str
    event: str = "message"
    id: str = ""

    def json(self) -> Any:
        """Parse the data as JSON.

        :raises ValueError: it is not JSON
        """
        return loads(self.data)


class EventDecoder:
    """Parse one event stream, fed in chunks that may be cut anywhere.

    An event is complete at the blank line after it. A block that the stream's end cuts off is not
    an event, so there is nothing to call at the end. Each connection takes a new decoder: seed it
    with the ``last_event_id`` of the one before, as browsers do.

    :param last_event_id: the ``id`` of events until the stream sets one
    :param max_event_size: the largest event to accept, in bytes: the sum of its field lines
        (without line endings) plus the line that is being read. Complete comments do not count
    :param on_comment: called with the text of each comment. If it raises, that call of
        :meth:`feed` loses its events and the rest of its bytes
    :raises TypeError: a parameter is of the wrong type
    :raises ValueError: ``max_event_size`` is not positive
    """

    __slots__ = (
        "_after_cr",
        "_data",
        "_event",
        "_failure",
        "_id",
        "_last_event_id",
        "_max_event_size",
        "_on_comment",
        "_retry",
        "_size",
        "_start",
        "_unfinished",
    )

    def __init__(
        self,
        *,
        last_event_id: str = "",
        max_event_size: int = 1_048_576,
        on_comment: Callable[[str], object] | None = None,
    ) -> None:
        self._last_event_id = text("last_event_id", last_event_id)
        self._max_event_size = integer("max_event_size", max_event_size, least=1)
        self._on_comment = optional_function("on_comment", on_comment)
        self._retry: int | None = None
        self._start: bytes | None = b""
        self._after_cr = False
        self._unfinished = bytearray()
        self._failure: str | None = None
        # The buffers of the standard, and the number of bytes in the lines that filled them.
        self._data: list[str] = []
        self._event = ""
        self._id = last_event_id
        self._size = 0

    @property
    def last_event_id(self) -> str:
        """The last event ID. Unless it is empty, a reconnect sends it in ``Last-Event-ID``."""
        return self._last_event_id

    @property
    def retry(self) -> int | None:
        """The reconnection time in milliseconds, ``None`` until the stream sets one.

        A time of more than 18 digits is ignored, like a value that is not a number.
        """
        return self._retry

    def feed(self, data: bytes) -> list[MessageEvent]:
        """Take the next bytes and return the events that they complete.

        :raises TypeError: ``data`` is not bytes
        :raises EventTooLarge: an event is larger than ``max_event_size``. If the same bytes
            completed other events before it, this call returns those and the next call raises
            (``feed(b"")`` is enough). From then on every call raises.
        """
        if not isinstance(data, bytes):
            raise TypeError(f"data must be bytes, not {type(data).__name__}: {shorten(data)}")
        self._raise_failure()
        events: list[MessageEvent] = []
        for line in self._lines(data):
            if self._is_too_large(len(line)):
                break
            if not line:
                event = self._dispatch()
                if event is not None:
                    events.append(event)
            elif line[0] == _COLON:
                if self._on_comment is not None:
                    self._on_comment(_text(_value(line[1:])))
            else:
                self._size += len(line)
                self._set_field(line)
        self._is_too_large(len(self._unfinished))
        if not events:
            self._raise_failure()
        return events

    def _lines(self, data: bytes) -> list[bytes]:
        """Return the lines that ``data`` completes, without their endings.

        A line that CR ends is complete at once. An LF that follows, perhaps in the next chunk,
        belongs to the same line ending.
        """
        if self._start is not None:
            data = self._skip_bom(self._start + data)
        if self._after_cr and data:
            self._after_cr = False
            data = data.removeprefix(b"\n")
        if not data:
            return []
        # For bytes, unlike str, only CRLF, LF and CR end a line.
        lines = data.splitlines()
        self._after_cr = data.endswith(b"\r")
        rest = b"" if data.endswith((b"\n", b"\r")) else lines.pop()
        if lines and self._unfinished:
            lines[0] = bytes(self._unfinished + lines[0])
            self._unfinished.clear()
        self._unfinished += rest
        return lines

    def _skip_bom(self, start: bytes) -> bytes:
        """Return the stream's start without a BOM; return nothing while it may be half a BOM."""
        if len(start) < len(_BOM) and _BOM.startswith(start):
            self._start = start
            return b""
        self._start = None
        return start.removeprefix(_BOM)

    def _set_field(self, line: bytes) -> None:
        name, _, value = line.partition(b":")
        value = _value(value)
        if name == b"data":
            self._data.append(_text(value))
        elif name == b"event":
            self._event = _text(value)
        elif name == b"id":
            if b"\0" not in value:
                self._id = _text(value)
        elif name == b"retry" and value.isdigit():
            # Without a bound, the digits of a whole line would take quadratic time to convert.
            digits = value.lstrip(b"0")
            if len(digits) <= _RETRY_DIGITS:
                self._retry = int(digits or b"0")

    def _dispatch(self) -> MessageEvent | None:
        # The ID counts from here even if there is no data, and therefore no event.
        self._last_event_id = self._id
        data, event = self._data, self._event
        self._data, self._event, self._size = [], "", 0
        if not data:
            return None
        return MessageEvent("\n".join(data), event or "message", self._last_event_id)

    def _is_too_large(self, more: int) -> bool:
        if self._size + more <= self._max_event_size:
            return False
        self._failure = f"an event must not be larger than {self._max_event_size} bytes"
        self._data, self._unfinished = [], bytearray()
        return True

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise EventTooLarge(self._failure)


def _value(value: bytes) -> bytes:
    return value[1:] if value.startswith(b" ") else value


def _text(line: bytes) -> str:
    # The standard decodes the stream as a whole. Decoding each line gives the same text: the bytes
    # CR and LF are never part of a longer sequence, so a sequence that a line ending cuts is
    # malformed in both cases.
    return line.decode("utf-8", "replace")
