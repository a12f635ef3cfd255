"""Event streams in Starlette: sse-starlette's ``EventSourceResponse``, and a native one.

:class:`EventSourceResponse` is a drop-in for sse-starlette's. :class:`EventResponse` has the native
API: JSON data, validation, and every option. A :class:`sse_asgi.Refusal` that a route raises
becomes its status with ``app.add_exception_handler(Refusal, refuse)``.
"""

from ...extras import missing

try:
    from .event import JSONServerSentEvent, ServerSentEvent, ensure_bytes
    from .native import EventResponse, refuse
    from .response import (
        AsyncContentStream,
        Content,
        ContentStream,
        EventSourceResponse,
        SendTimeoutError,
        SyncContentStream,
    )
    from .status import AppStatus
except ModuleNotFoundError as _exc:
    raise missing("starlette", _exc) from _exc

__all__ = [
    "AppStatus",
    "AsyncContentStream",
    "Content",
    "ContentStream",
    "EventResponse",
    "EventSourceResponse",
    "JSONServerSentEvent",
    "SendTimeoutError",
    "ServerSentEvent",
    "SyncContentStream",
    "ensure_bytes",
    "refuse",
]
