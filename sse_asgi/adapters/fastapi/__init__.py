"""Event streams in FastAPI: a dependency that knows the request, a response, typed events.

A :class:`sse_asgi.Refusal` that a path operation raises becomes its status with
``app.add_exception_handler(Refusal, refuse)``.
"""

from ...extras import missing

try:
    from ..starlette.native import refuse
    from .events import EventTypes
    from .response import EventSource, EventSourceResponse
except ModuleNotFoundError as _exc:
    raise missing("fastapi", _exc) from _exc

__all__ = ["EventSource", "EventSourceResponse", "EventTypes", "refuse"]
