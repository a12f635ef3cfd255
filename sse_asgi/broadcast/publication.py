"""What may be published: checked and encoded before it reaches the log."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from ..checks import text
from ..wire import EncodedBatch, JSONServerSentEvent, ServerSentEvent, event_of

__all__ = ["Publication", "check_topic"]


def check_topic(topic: object) -> None:
    """Refuse what is no topic.

    :raises TypeError: it is not a str
    :raises ValueError: it is empty
    """
    text("topic", topic, empty=False)


class Publication(NamedTuple):
    """What goes to the backend.

    :param block: the encoded event, which the log gives its ID
    """

    topic: str
    block: bytes
    token: str | None

    @classmethod
    def of(
        cls, topic: str, event: object, token: str | None, encode: Callable[[object], bytes]
    ) -> Publication:
        """Check and encode what is to be published.

        :raises TypeError: there is no such event, it is encoded already, or topic or token is no
            text
        :raises ValueError: the event has an ID, or no data; topic or token is empty
        """
        check_topic(topic)
        text("token", token, empty=False, optional=True)
        if isinstance(event, (bytes, bytearray, memoryview, EncodedBatch)):
            raise TypeError(f"event must not be encoded already, but is {type(event).__name__}")
        if isinstance(event, dict) and (event.get("id") is not None or event.get("data") is None):
            event = event_of(event)  # it is refused here or below; the encoder checks all others
        if isinstance(event, ServerSentEvent):
            if event.id is not None:
                raise ValueError(f"id must not be given: its place in the log is its ID: {event!r}")
            if event.data is None and not isinstance(event, JSONServerSentEvent):
                raise ValueError(f"data must be given, or nothing is dispatched: {event!r}")
        return cls(topic, encode(event), token)
