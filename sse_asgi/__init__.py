"""Server-Sent Events for any ASGI server and any ASGI framework."""

from typing import Final

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
)
from .errors import (
    EventTooLarge,
    PublishError,
    Refusal,
    SendTimeout,
    SSEError,
    TopicEnded,
    TopicExists,
)
from .wire import EventDecoder, JSONServerSentEvent, MessageEvent, ServerSentEvent

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
    "SSEError",
    "SendTimeout",
    "ServerSentEvent",
    "StreamOptions",
    "StreamSummary",
    "TopicEnded",
    "TopicExists",
    "busy",
    "done",
    "drain",
]

__version__: Final = "0.2.0"
