"""``EventSourceResponse`` for Starlette: sse-starlette's, on the streams of this library."""

from .event import JSONServerSentEvent, ServerSentEvent, ensure_bytes
from .response import (
    AsyncContentStream,
    Content,
    ContentStream,
    EventSourceResponse,
    SendTimeoutError,
    SyncContentStream,
)
from .status import AppStatus

__all__ = [
    "AppStatus",
    "AsyncContentStream",
    "Content",
    "ContentStream",
    "EventSourceResponse",
    "JSONServerSentEvent",
    "SendTimeoutError",
    "ServerSentEvent",
    "SyncContentStream",
    "ensure_bytes",
]
