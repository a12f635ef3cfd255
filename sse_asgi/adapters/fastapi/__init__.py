"""Event streams in FastAPI: a dependency that knows the request, a response, typed events."""

from .events import EventTypes
from .response import EventSource, EventSourceResponse

__all__ = ["EventSource", "EventSourceResponse", "EventTypes"]
