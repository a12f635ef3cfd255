"""The exceptions of this library.

    SSEError
    ├── Refusal           raised by your handler or content: answer with this status instead
    │   ├── RunRefused    a process takes no further run (503)
    │   └── UnknownRun    there is no such run (404)
    ├── EventTooLarge     the peer sent an event beyond the decoder's bound
    ├── SendTimeout       the client did not take a message within ``send_timeout``
    ├── PublishError      a hub's log did not confirm a publication
    ├── TopicEnded        a hub's topic takes no more events
    └── TopicExists       a hub's topic has begun already

Wrong arguments are plain :exc:`TypeError` and :exc:`ValueError`, raised where they are given.
"""

from __future__ import annotations

from typing import Any

from . import checks
from .headers import BODILESS, HeaderFields, checked_headers

__all__ = [
    "EventTooLarge",
    "PublishError",
    "Refusal",
    "RunRefused",
    "SSEError",
    "SendTimeout",
    "TopicEnded",
    "TopicExists",
    "UnknownRun",
]


class _NotData:
    """Keeps FastAPI from sending a refusal that an endpoint returns as JSON: it cannot encode this.

    FastAPI makes JSON of the attributes of any object, so the answer would be a 200.
    """

    __slots__ = ()

    def __iter__(self) -> Any:
        raise TypeError("raise a Refusal instead of returning it")


class SSEError(Exception):
    """The base of every exception that this library defines."""


class Refusal(SSEError):
    """Answer the request with ``status`` instead of an event stream.

    Raise it in a handler, or in content before its first event. A handler may return it as well.
    For an ``EventSource`` any status other than 200 is final: it never reconnects. 204 is the
    status that the standard names for this purpose (WHATWG HTML 9.2.3).

    It is an ASGI application that raises it, so a route of Starlette's may return it, too.

    :param status: an HTTP status, 200 to 599
    :param body: the response's text, sent as UTF-8 ``text/plain``, or its bytes
    :param headers: further response headers
    :raises TypeError: a parameter is of the wrong type
    :raises ValueError: ``status`` is out of range, a body is given where HTTP allows none (204,
        205, 304), or a header cannot be sent
    """

    def __init__(
        self,
        status: int,
        body: str | bytes = b"",
        headers: HeaderFields = (),
    ) -> None:
        status = checks.status(status)
        if not isinstance(body, (str, bytes)):
            raise TypeError(checks.refuse("body", "str or bytes", body))
        if body and status in BODILESS:
            raise ValueError(f"a response with status {status} has no body (RFC 9110, 6.4.1)")
        fields = checked_headers(headers)
        super().__init__(status, body)
        self.status = status
        self.body: bytes = body.encode() if isinstance(body, str) else body
        self.headers: tuple[tuple[str, str], ...] = tuple(
            (name.decode(), value.decode("latin-1")) for name, value in fields
        )
        self._not_data = _NotData()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Raise this refusal, for a framework that takes what a route returns for an application.

        :raises Refusal: this one
        """
        raise self


class RunRefused(Refusal):
    """The process takes no further run: it has its most, or it stops. Adapters answer with 503.

    :param reason: the text of the answer
    """

    def __init__(self, reason: str) -> None:
        super().__init__(503, reason, {"retry-after": "5"})


class UnknownRun(Refusal):
    """There is no such run, or none that the log still knows. Adapters answer with 404.

    :param run: the ID that was asked for
    """

    def __init__(self, run: str) -> None:
        super().__init__(404, "there is no such run")
        self.run: str = run


class EventTooLarge(SSEError, ValueError):
    """The bytes of one event passed the bound that the decoder was given."""


class SendTimeout(SSEError, TimeoutError):
    """The client did not take a message within ``send_timeout`` seconds."""


class PublishError(SSEError):
    """The log did not confirm an event within the time that the backend allows.

    The log may hold the event or not. Publishing the event again with the same ``token``, within
    two minutes of the first attempt, is safe: the log then holds it once.

    :param message: the reason
    :param token: the token to repeat the call with
    """

    def __init__(self, message: str, token: str) -> None:
        super().__init__(message)
        self.token = token


class TopicEnded(SSEError):
    """The topic has had its last event, so that the log takes no more events of it.

    :param topic: the topic that has ended
    """

    def __init__(self, topic: str) -> None:
        name = checks.shorten(topic)
        super().__init__(f"the topic {name} has ended: publish to a topic of another name")
        self.topic: str = topic


class TopicExists(SSEError):
    """The topic was begun already, perhaps by another process: exactly one begins it.

    :param topic: the topic that was begun or has ended
    """

    def __init__(self, topic: str) -> None:
        name = checks.shorten(topic)
        super().__init__(f"the topic {name} was begun already: follow it, or choose another name")
        self.topic: str = topic
