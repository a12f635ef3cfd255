"""Events by sse-starlette's rules: data is ``str()``, line endings in ``id`` and ``event`` vanish.

What a browser would misread, and sse-starlette sends all the same, is an error here: NUL in ``id``,
and a ``retry`` that is no reconnection time.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final

from ... import checks, wire
from ..foreign import event_fields

__all__ = ["DEFAULT_SEPARATOR", "JSONServerSentEvent", "ServerSentEvent", "ensure_bytes"]

DEFAULT_SEPARATOR: Final = "\r\n"

_LINE_END: Final = re.compile(r"\r\n|\r|\n")


class ServerSentEvent:
    """State one event; the fields may be changed until it is encoded.

    :param data: sent as ``str(data)``, on as many lines as it has
    :param event: the event type; line endings in it are removed
    :param id: the event ID; line endings in it are removed
    :param retry: the reconnection time in milliseconds
    :param comment: text that receivers ignore
    :param sep: what ends each line: ``"\\r\\n"``, ``"\\n"`` or ``"\\r"``
    :raises TypeError: ``event`` or ``id`` is not a str, or ``retry`` is not an int
    :raises ValueError: ``id`` contains NUL, or ``retry`` is negative
    """

    def __init__(
        self,
        data: Any | None = None,
        *,
        event: str | None = None,
        id: str | None = None,  # noqa: A002
        retry: int | None = None,
        comment: str | None = None,
        sep: str | None = None,
    ) -> None:
        self.data = data
        self.event = event
        self.id = id
        self.retry = retry
        self.comment = comment
        self._sep = DEFAULT_SEPARATOR if sep is None else sep
        self._check()

    def _check(self) -> None:
        for name in ("event", "id"):
            checks.text(name, getattr(self, name), optional=True)
        if self.id is not None and "\0" in self.id:
            raise ValueError(
                "id must not contain NUL, with which it is ignored (WHATWG HTML 9.2.6)"
            )
        if self.retry is not None:
            checks.integer("retry", self.retry, least=0, unit="milliseconds")

    def encode(self) -> bytes:
        """Return the block.

        :raises ValueError: a field was changed to what the constructor would refuse
        """
        self._check()
        sep = self._sep
        block = ""
        if self.comment is not None:
            block = _lines(": ", self.comment, sep)
        if self.id is not None:
            block += f"id: {_one_line(self.id)}{sep}"
        if self.event is not None:
            block += f"event: {_one_line(self.event)}{sep}"
        if self.data is not None:
            block += _lines("data: ", self.data, sep)
        if self.retry is not None:
            block += f"retry: {self.retry:d}{sep}"
        return f"{block}{sep}".encode()


class JSONServerSentEvent(ServerSentEvent):
    """State one event whose data is sent as JSON, without whitespace; ``None`` is no data.

    :raises ValueError: ``data`` holds NaN or an infinity, which JSON has not
    """

    def __init__(self, data: Any | None = None, **fields: Any) -> None:
        if data is not None:
            data = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        super().__init__(data, **fields)


def ensure_bytes(data: Any, sep: str | None) -> bytes:
    """Return the block that an item of the content stands for.

    Bytes are a block; a dict holds the fields of a :class:`ServerSentEvent`; of anything else
    ``str()`` is the data. Events of this library are taken as well, and keep its rules. Events of
    other packages are understood by their fields.

    :param data: the item
    :param sep: what ends each line, but for an event that has its own; None: CRLF
    """
    sep = DEFAULT_SEPARATOR if sep is None else sep
    if type(data) is str and "\n" not in data and "\r" not in data:
        return f"data: {data}{sep}{sep}".encode()
    if isinstance(data, (bytes, memoryview)):
        return bytes(data)
    if isinstance(data, ServerSentEvent):
        return data.encode()
    if isinstance(data, dict):
        return ServerSentEvent(**{**data, "sep": sep}).encode()
    if isinstance(data, wire.ServerSentEvent):
        return wire.Encoder(separator=sep or DEFAULT_SEPARATOR).encode(data)
    fields = event_fields(data)
    if fields is not None:
        if "json" in fields:
            return JSONServerSentEvent(fields.pop("json"), **fields, sep=sep).encode()
        return ServerSentEvent(**fields, sep=sep).encode()
    return f"{_lines('data: ', data, sep)}{sep}".encode()


def _lines(prefix: str, value: object, sep: str) -> str:
    text = str(value)
    if "\n" in text or "\r" in text:
        text = f"{sep}{prefix}".join(_LINE_END.split(text))
    return f"{prefix}{text}{sep}"


def _one_line(text: str) -> str:
    # Of an enum member that is a str, the value and not its name.
    return _LINE_END.sub("", text) if "\n" in text or "\r" in text else str.__str__(text)
