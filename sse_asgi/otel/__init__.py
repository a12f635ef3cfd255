"""Metrics and traces by OpenTelemetry: needs ``pip install "sse-asgi[otel]"``.

Nothing here runs for an event. A stream costs two calls, one when it begins and one when it ends. A
hub costs one look at each collection.
"""

from __future__ import annotations

from ..extras import missing

try:
    import opentelemetry.metrics  # noqa: F401
except ModuleNotFoundError as _exc:
    raise missing("otel", _exc) from _exc

from .hubs import observe_hubs
from .streams import StreamTelemetry

__all__ = ["StreamTelemetry", "observe_hubs"]
