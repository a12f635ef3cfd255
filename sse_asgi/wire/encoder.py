"""Items that content yields, encoded as blocks of an event stream (WHATWG HTML 9.2.5)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NoReturn

from ..checks import optional_function, shorten
from .batch import EncodedBatch, IsolatedBlock
from .event import NO_EVENT_TYPES, JSONServerSentEvent, ServerSentEvent, checked_text
from .json import to_json

__all__ = ["Encoder", "encode_comment", "event_of"]

_SEPARATORS: Final = ("\n", "\r\n", "\r")
_FIELDS: Final = ("data", "event", "id", "retry", "comment", "isolate")
# One line ending and then another. CRLF is a single line ending.
_BLANK_LINES: Final = (b"\n\n", b"\r\r", b"\n\r", b"\n\r\n", b"\r\r\n")


class Encoder:
    """Encode items of content, each to one complete block.

    :param separator: the line ending to write: ``"\\n"``, ``"\\r\\n"`` or ``"\\r"``
    :param serializer: turns a value into JSON, as str or as UTF-8 bytes. The default is
        :func:`~sse_asgi.wire.to_json`: the standard library's encoder, which refuses NaN and
        infinities, and one rule for further types
    :raises TypeError: ``serializer`` is not callable
    :raises ValueError: ``separator`` is none of the three
    """

    __slots__ = ("_blank_line", "_next_data", "_separator", "_serializer")

    def __init__(
        self,
        *,
        separator: str = "\n",
        serializer: Callable[[Any], str | bytes] | None = None,
    ) -> None:
        _check_separator(separator)
        optional_function("serializer", serializer)
        self._separator = separator
        self._blank_line = separator * 2
        self._next_data = f"{separator}data: "
        self._serializer: Callable[[Any], str | bytes] = serializer or to_json

    def encode(self, item: object) -> bytes:
        """Return the block, or the blocks, that ``item`` stands for.

        A str is the data of an event. A :class:`ServerSentEvent` is an event, and a dict holds the
        fields of one. Bytes and :class:`EncodedBatch` are encoded blocks that end in a blank line.
        Any other item is sent as data in JSON. The result is an :class:`IsolatedBlock` if the
        event has ``isolate`` set.

        :raises TypeError: the item cannot be sent (``None``, a bytearray or memoryview), a dict has
            an unknown field, a field is of the wrong type, or a value has no JSON
        :raises ValueError: a field has no valid value, bytes do not end in a blank line, text has a
            lone surrogate, or a value (such as NaN) has no JSON
        """
        # The common case makes no further call, and callers use this bound method rather than
        # ``__call__``, which costs more.
        if type(item) is str:
            try:
                if "\n" not in item and "\r" not in item:
                    return f"data: {item}{self._blank_line}".encode()
                lines = _lf_only(item).replace("\n", self._next_data)
                return f"data: {lines}{self._blank_line}".encode()
            except UnicodeEncodeError:
                checked_text("data", item)
        if isinstance(item, ServerSentEvent):
            return self._event(item, item)
        if isinstance(item, str):
            return self.encode(checked_text("data", item))
        if isinstance(item, dict):
            return self._plain_event(item) or self._event(event_of(item), item)
        return self._other(item)

    __call__ = encode

    def _plain_event(self, fields: dict[Any, Any]) -> bytes | None:
        """Encode the fields that most dicts hold, at half the cost.

        Return None for a dict that needs a closer look. The fields that this method accepts are
        those that :class:`ServerSentEvent` accepts unchanged.
        """
        data, event, event_id = fields.get("data"), fields.get("event"), fields.get("id")
        if data is None or len(fields) != 1 + ("event" in fields) + ("id" in fields):
            return None
        block = ""
        if event_id is not None:
            if type(event_id) is not str or not event_id.isprintable() or " " in event_id:
                return None
            block = f"id: {event_id}{self._separator}"
        if event is not None:
            if type(event) is not str or not event.isprintable() or event in NO_EVENT_TYPES:
                return None
            block += f"event: {event}{self._separator}"
        if type(data) is not str:
            if isinstance(data, str | bytes | bytearray | memoryview):
                return None
            data = self._json(data, fields)
        if "\n" in data or "\r" in data:
            data = _lf_only(data).replace("\n", self._next_data)
        try:
            return f"{block}data: {data}{self._blank_line}".encode()
        except UnicodeEncodeError:
            return None

    def _event(self, event: ServerSentEvent, item: object) -> bytes:
        block = ""
        if event.comment is not None:
            block = _comment_lines(event.comment)
        if event.id is not None:
            block += f"id: {event.id}\n"
        if event.event is not None:
            block += f"event: {event.event}\n"
        if event.retry is not None:
            block += f"retry: {event.retry}\n"
        data = event.data
        if isinstance(event, JSONServerSentEvent) or not (data is None or type(data) is str):
            data = self._json(data, item)
        if type(data) is str:
            if "\n" in data or "\r" in data:
                data = _lf_only(data).replace("\n", "\ndata: ")
            block = f"{block}data: {data}\n"
        block += "\n"
        if self._separator != "\n":
            block = block.replace("\n", self._separator)
        return IsolatedBlock(block.encode()) if event.isolate else block.encode()

    def _other(self, item: object) -> bytes:
        if isinstance(item, bytes):
            if not item.endswith(_BLANK_LINES):
                raise ValueError(
                    f"bytes are sent as they are and must end in a blank line: {shorten(item)}"
                )
            return item
        if isinstance(item, EncodedBatch):
            return item.body
        if item is None or isinstance(item, bytearray | memoryview):
            raise TypeError(
                "an item is a str, a ServerSentEvent, a dict of its fields, bytes that end in a "
                f"blank line, or a value to send as JSON, not {shorten(item)}"
            )
        return self.encode(self._json(item, item))

    def _json(self, value: object, item: object) -> str:
        """Return the JSON of ``value``.

        :param item: the item that holds the value, for the message
        """
        try:
            text = self._serializer(value)
            if isinstance(text, bytes):
                text = text.decode()
            if isinstance(text, str):
                return checked_text("its JSON", text)
        except Exception as exc:
            kind = TypeError if isinstance(exc, TypeError) else ValueError
            raise kind(
                f"data of {shorten(item)} cannot be sent as JSON: {exc}; "
                "convert it, or give an encoder that knows it as serializer="
            ) from exc
        raise TypeError(
            f"serializer must return str or bytes, not {shorten(text)}, for {shorten(item)}"
        )


def encode_comment(text: str, separator: str = "\n") -> bytes:
    """Return a block that is only a comment, on as many lines as ``text`` has.

    :raises TypeError: ``text`` is not a str
    :raises ValueError: ``text`` contains a lone surrogate, or ``separator`` is not a line ending
    """
    _check_separator(separator)
    lines = _comment_lines(checked_text("comment", text))
    return f"{lines}\n".replace("\n", separator).encode()


def _comment_lines(text: str) -> str:
    lines = _lf_only(text).replace("\n", "\n: ")
    return f": {lines}\n" if lines else ":\n"


def _lf_only(text: str) -> str:
    """Replace each line ending by LF. Only CRLF, LF and CR are line endings."""
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


def event_of(fields: dict[Any, Any]) -> ServerSentEvent:
    """Return the event whose fields a dict holds.

    :raises TypeError: a field is unknown or of the wrong type
    :raises ValueError: a field has no valid value
    """
    try:
        return ServerSentEvent(**fields)
    except (TypeError, ValueError) as exc:
        _refuse(fields, exc)


def _refuse(fields: dict[Any, Any], exc: TypeError | ValueError) -> NoReturn:
    for field in fields:
        if field not in _FIELDS:
            raise TypeError(
                f"unknown field {shorten(field)} in {shorten(fields)}: the fields of an event are "
                f"{', '.join(_FIELDS)}; JSON data goes in data, as {{'data': ...}}"
            ) from None
    kind = TypeError if isinstance(exc, TypeError) else ValueError
    raise kind(f"{exc}, in {shorten(fields)}") from None


def _check_separator(separator: str) -> None:
    if separator not in _SEPARATORS:
        raise ValueError(rf"separator must be '\n', '\r\n' or '\r', not {shorten(separator)}")
