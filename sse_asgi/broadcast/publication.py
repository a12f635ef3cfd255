"""What may be published: checked and encoded before it reaches the log."""

from __future__ import annotations

from collections.abc import Callable

from ..wire import EncodedBatch, JSONServerSentEvent, ServerSentEvent, event_of

__all__ = ["check_token", "check_topic", "encode_publication"]


def check_topic(topic: object) -> None:
    """Refuse what is no topic.

    :raises TypeError: it is not a str
    :raises ValueError: it is empty
    """
    if not isinstance(topic, str):
        raise TypeError(f"topic must be a str, not {topic!r}")
    if not topic:
        raise ValueError("topic must not be empty")


def check_token(token: object) -> None:
    """Refuse what names no attempt to publish.

    :raises TypeError: it is neither a str nor None
    :raises ValueError: it is empty
    """
    if token is None:
        return
    if not isinstance(token, str):
        raise TypeError(f"token must be a str or None, not {token!r}")
    if not token:
        raise ValueError("token must not be empty")


def encode_publication(event: object, encode: Callable[[object], bytes]) -> bytes:
    """Return the block of an event that the log gives its ID.

    :raises TypeError: there is no such event, or it is encoded already
    :raises ValueError: it has an ID, or no data
    """
    if isinstance(event, (bytes, bytearray, memoryview, EncodedBatch)):
        raise TypeError(f"event must not be encoded already, but is {type(event).__name__}")
    if isinstance(event, dict):
        event = event_of(event)
    if isinstance(event, ServerSentEvent):
        if event.id is not None:
            raise ValueError(f"id must not be given: its place in the log is its ID: {event!r}")
        if event.data is None and not isinstance(event, JSONServerSentEvent):
            raise ValueError(f"data must be given, or nothing is dispatched: {event!r}")
    return encode(event)
