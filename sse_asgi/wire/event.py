"""One event as its sender states it. The constructor checks every field.

The fields are those of the event stream format (WHATWG HTML 9.2.5). A value that the constructor
accepts reaches the receiver unchanged, except that line endings within ``data`` arrive as LF.
"""

from __future__ import annotations

import re
from dataclasses import KW_ONLY, dataclass
from typing import Final

from ..checks import MAX_RETRY, flag, shorten

__all__ = [
    "NO_EVENT_TYPES",
    "JSONServerSentEvent",
    "ServerSentEvent",
    "checked_text",
]

# EventSource fires events of these types itself (WHATWG HTML 9.2.3). A listener could not tell them
# from the server's.
_RESERVED: Final = ("error", "open")
NO_EVENT_TYPES: Final = frozenset({"", *_RESERVED})
"""Printable strings that cannot be an event type."""
_CONTROL: Final = re.compile("[\x00-\x1f\x7f]")


@dataclass(frozen=True, slots=True, init=False, repr=False)
class ServerSentEvent:
    """State one event, or a block that carries only a comment or a reconnection time.

    :param data: a str is sent unchanged, on as many lines as it has; ``None`` means that there is
        no data; any other value is sent as JSON
    :param event: the event type; for ``None`` the browser fires a ``message`` event
    :param id: the event ID, which a browser that reconnects returns in ``Last-Event-ID``; ``""``
        resets it
    :param retry: the reconnection time in milliseconds
    :param comment: text that receivers ignore
    :param isolate: in a compressed stream, compress this event independently of its neighbours, so
        that its length reveals nothing about them (BREACH). This is not a field of the format
    :raises TypeError: a field is of the wrong type. Bytes are not data: yield an encoded block
        itself, without an event around it
    :raises ValueError: a field would not arrive unchanged, no field is given, or ``event`` or
        ``id`` comes without data: browsers never dispatch such a block (WHATWG HTML 9.2.6)
    """

    data: object
    _: KW_ONLY
    event: str | None
    id: str | None
    retry: int | None
    comment: str | None
    isolate: bool

    def __init__(
        self,
        data: object = None,
        *,
        event: str | None = None,
        id: str | None = None,  # noqa: A002
        retry: int | None = None,
        comment: str | None = None,
        isolate: bool = False,
    ) -> None:
        if type(data) is str:
            if not data.isascii():
                checked_text("data", data)
        elif data is None:
            _check_without_data(event, id, retry, comment)
        else:
            data = _checked_data(data)
        # A printable str has neither control characters nor surrogates, so the usual value needs
        # no further call.
        if event is not None and not (
            type(event) is str and event.isprintable() and event not in NO_EVENT_TYPES
        ):
            event = _checked_event(event)
        if id is not None and not (type(id) is str and id.isprintable() and " " not in id):
            id = _checked_id(id)  # noqa: A001
        _set_data(self, data)
        _set_event(self, event)
        _set_id(self, id)
        _set_retry(self, None if retry is None else _checked_retry(retry))
        _set_comment(self, None if comment is None else checked_text("comment", comment))
        _set_isolate(self, flag("isolate", isolate))

    def __repr__(self) -> str:
        """Return the call that makes the event, without the fields that have their default."""
        always_data = isinstance(self, JSONServerSentEvent)
        fields = [_shown(self.data)] if always_data or self.data is not None else []
        named = ((name, getattr(self, name)) for name in ("event", "id", "retry", "comment"))
        fields += [f"{name}={value!r}" for name, value in named if value is not None]
        if self.isolate:
            fields.append("isolate=True")
        return f"{type(self).__name__}({', '.join(fields)})"


@dataclass(frozen=True, slots=True, init=False, repr=False)
class JSONServerSentEvent(ServerSentEvent):
    """State one event whose data is always JSON: a str is quoted, and ``None`` is ``null``.

    The other parameters and the errors are those of :class:`ServerSentEvent`. A lone surrogate
    within the data is left to the serializer, which may escape it.
    """

    def __init__(
        self,
        data: object,
        *,
        event: str | None = None,
        id: str | None = None,  # noqa: A002
        retry: int | None = None,
        comment: str | None = None,
        isolate: bool = False,
    ) -> None:
        _refuse_bytes(data)
        # Text stands in for the data while the other fields are checked.
        ServerSentEvent.__init__(
            self, "", event=event, id=id, retry=retry, comment=comment, isolate=isolate
        )
        _set_data(self, data)


# How the constructors store the fields. A frozen dataclass refuses assignment, so its generated
# __init__ calls object.__setattr__(self, name, value), which looks the attribute up by its name
# each time. With slots=True every field is a descriptor in the class, and the descriptor's __set__
# writes the value straight into its slot. These functions are those __set__ methods, looked up
# once. Each takes the event and the value. They make an event in two thirds of the time.
_set_data = vars(ServerSentEvent)["data"].__set__
_set_event = vars(ServerSentEvent)["event"].__set__
_set_id = vars(ServerSentEvent)["id"].__set__
_set_retry = vars(ServerSentEvent)["retry"].__set__
_set_comment = vars(ServerSentEvent)["comment"].__set__
_set_isolate = vars(ServerSentEvent)["isolate"].__set__


def checked_text(field: str, value: object) -> str:
    """Return ``value`` as a plain str that UTF-8 can carry.

    :raises TypeError: it is not a str
    :raises ValueError: it contains a lone surrogate
    """
    if type(value) is not str:
        if not isinstance(value, str):
            raise TypeError(f"{field} must be a str, not {_typed(value)}")
        # A member of an enum formats as its name, and a subclass may override any method. The text
        # itself is the same in all of them.
        value = str.__str__(value)
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError as exc:
            raise ValueError(
                f"{field} must not contain a lone surrogate, which UTF-8 cannot carry "
                f"(at index {exc.start}): {shorten(value)}"
            ) from None
    return value


def _checked_data(data: object) -> object:
    _refuse_bytes(data)
    return checked_text("data", data) if isinstance(data, str) else data


def _refuse_bytes(data: object) -> None:
    if isinstance(data, bytes | bytearray | memoryview):
        raise TypeError(
            "data must not be bytes: decode text, and give an encoded block as an item of its own, "
            f"not {_typed(data)}"
        )


def _check_without_data(*fields: object) -> None:
    event, event_id, *others = fields
    for name, value in (("event", event), ("id", event_id)):
        if value is not None:
            # Browsers treat such a block differently: Firefox does not even keep its id.
            raise ValueError(
                f"{name} must come with data, without which nothing is dispatched "
                f"(WHATWG HTML 9.2.6): {shorten(value)}"
            )
    if others == [None, None]:
        raise ValueError("one of data, retry and comment must be given, not None for every field")


def _checked_event(value: object) -> str:
    event = checked_text("event", value)
    if not event:
        raise ValueError("event must not be empty, which means 'message': leave out event=''")
    if "\n" in event or "\r" in event:
        raise ValueError(f"event must not contain CR or LF, which end its line: {shorten(event)}")
    if event in _RESERVED:
        raise ValueError(
            "event must not be 'error' or 'open', which EventSource fires itself "
            f"(WHATWG HTML 9.2.3): {shorten(event)}"
        )
    return event


def _checked_id(value: object) -> str:
    text = checked_text("id", value)
    if found := _CONTROL.search(text):
        raise ValueError(
            "id must not contain control characters, which the Last-Event-ID header cannot carry "
            f"(RFC 9110, 5.5) (at index {found.start()}): {shorten(text)}"
        )
    if text.strip(" ") != text:
        raise ValueError(
            "id must not begin or end with a space, which the Last-Event-ID header loses "
            f"(RFC 9110, 5.5): {shorten(text)}"
        )
    return text


def _checked_retry(value: object) -> int:
    if type(value) is not int:
        if not isinstance(value, int) or isinstance(value, bool):
            raise TypeError(f"retry must be an int of milliseconds, not {_typed(value)}")
        value = int.__int__(value)
    if not 0 <= value <= MAX_RETRY:
        raise ValueError(f"retry must be from 0 to {MAX_RETRY} milliseconds, not {shorten(value)}")
    return value


def _shown(data: object) -> str:
    """Return the representation of data; of data whose ``__repr__`` fails, as much as there is."""
    try:
        return repr(data)
    except Exception:
        return shorten(data)


def _typed(value: object) -> str:
    return f"{type(value).__name__}: {shorten(value)}"
