"""Server-Sent Events for any ASGI server and any ASGI framework."""

from typing import TYPE_CHECKING, Any, Final

from .asgi import (
    CORS,
    DONE_ID,
    CloseReason,
    Connection,
    EventSourceApp,
    EventStream,
    StreamOptions,
    StreamSummary,
    busy,
    done,
    drain,
    follow_revocations,
    revoke,
)
from .errors import (
    EventTooLarge,
    PublishError,
    Refusal,
    RunRefused,
    SendTimeout,
    SSEError,
    TopicEnded,
    TopicExists,
    UnknownRun,
)
from .wire import EventDecoder, JSONServerSentEvent, MessageEvent, ServerSentEvent

if TYPE_CHECKING:
    from .broadcast import Runs

__all__ = [
    "CORS",
    "DONE_ID",
    "CloseReason",
    "Connection",
    "EventDecoder",
    "EventSourceApp",
    "EventStream",
    "EventTooLarge",
    "JSONServerSentEvent",
    "MessageEvent",
    "PublishError",
    "Refusal",
    "RunRefused",
    "Runs",
    "SSEError",
    "SendTimeout",
    "ServerSentEvent",
    "StreamOptions",
    "StreamSummary",
    "TopicEnded",
    "TopicExists",
    "UnknownRun",
    "busy",
    "done",
    "drain",
    "follow_revocations",
    "revoke",
]

__version__: Final = "0.2.0"


def __getattr__(name: str) -> Any:
    """Import the runs when they are used: most streams need no hub."""
    if name == "Runs":
        from .broadcast import Runs

        return Runs
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
