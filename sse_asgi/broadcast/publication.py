"""What may be published: checked and encoded before it reaches the log."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple, TypeVar

from ..checks import flag, text
from ..errors import PublishError
from ..runtime.service import ServiceStopped
from ..wire import EncodedBatch, JSONServerSentEvent, ServerSentEvent, event_of

__all__ = ["Publication", "check_topic", "check_topics", "confirmation"]

T = TypeVar("T")


def check_topic(topic: object) -> None:
    """Refuse what is no topic.

    :raises TypeError: it is not a str
    :raises ValueError: it is empty
    """
    text("topic", topic, empty=False)


def check_topics(topics: Collection[object]) -> None:
    """Refuse what a subscription cannot follow.

    :raises TypeError: a topic is not a str
    :raises ValueError: there is none, or one is empty
    """
    if not topics:
        raise ValueError("topics must name at least one topic")
    for topic in topics:
        check_topic(topic)


class Publication(NamedTuple):
    """The arguments of a backend's ``publish``.

    :param block: the encoded event, which the log gives its ID
    :param first: whether it begins the topic
    :param last: whether it ends the topic
    """

    topic: str
    block: bytes
    token: str | None
    first: bool = False
    last: bool = False

    @classmethod
    def of(
        cls,
        topic: str,
        event: object,
        token: str | None,
        encode: Callable[[object], bytes],
        *,
        first: bool = False,
        last: bool = False,
    ) -> Publication:
        """Check and encode what is to be published.

        :raises TypeError: there is no such event, it is encoded already, or topic or token is no
            text
        :raises ValueError: the event has an ID, or no data; topic or token is empty
        """
        check_topic(topic)
        text("token", token, empty=False, optional=True)
        flag("first", first)
        flag("last", last)
        if isinstance(event, (bytes, bytearray, memoryview, EncodedBatch)):
            raise TypeError(f"event must not be encoded already, but is {type(event).__name__}")
        if isinstance(event, dict) and (event.get("id") is not None or event.get("data") is None):
            event = event_of(event)  # it is refused here or below; the encoder checks all others
        if isinstance(event, ServerSentEvent):
            if event.id is not None:
                raise ValueError(f"id must not be given: its place in the log is its ID: {event!r}")
            if event.data is None and not isinstance(event, JSONServerSentEvent):
                raise ValueError(f"data must be given, or nothing is dispatched: {event!r}")
        return cls(topic, encode(event), token, first, last)

    def append_with(self, publish: Callable[..., T]) -> Callable[[], T]:
        """Return a function that has a backend's ``publish`` append it.

        A backend that knows nothing of ``first`` and ``last`` serves where neither is asked for.
        """
        marks: dict[str, Any] = {}
        if self.first or self.last:
            marks = {"first": self.first, "last": self.last}
        return partial(publish, self.topic, self.block, self.token, **marks)


@contextmanager
def confirmation(publication: Publication) -> Iterator[None]:
    """Say that the outcome is not known when there is no answer in time."""
    try:
        yield
    except (TimeoutError, ServiceStopped) as exc:
        message = f"{exc}; the event may be published or not"
        raise PublishError(message, publication.token or "") from exc
