"""Metrics of all streams of an application, and one span for each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, TypeAlias

from opentelemetry import metrics, propagate, trace
from opentelemetry.context import Context

from .. import __version__
from ..asgi import CloseReason, Connection, StreamSummary
from ..checks import refuse

__all__ = ["AttributeValue", "StreamTelemetry"]

AttributeValue: TypeAlias = str | bool | int | float

_LIFETIMES: Final = (0.1, 1, 5, 15, 60, 300, 900, 3600, 4 * 3600, 12 * 3600, 24 * 3600)
_FIRST_EVENTS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class StreamTelemetry:
    """Counts and times the streams of one application, and makes one span for each.

    Give its two methods to the streams: ``EventSourceApp(handler, on_open=telemetry.on_open,
    on_close=telemetry.on_close)``. Any stream, response and adapter of this library takes them.

    ===============================  ===============  ==============================================
    instrument                       unit             kind
    ===============================  ===============  ==============================================
    ``sse.server.opened_streams``    ``{stream}``     counter
    ``sse.server.active_streams``    ``{stream}``     up-down counter
    ``sse.server.closed_streams``    ``{stream}``     counter, by ``sse.close_reason``
    ``sse.server.stream.duration``   ``s``            histogram, by ``sse.close_reason``
    ``sse.server.first_event.time``  ``s``            histogram: from the request to the first event
    ===============================  ===============  ==============================================

    ``sse.close_reason`` is the name of a :class:`CloseReason` in lower case. ``error.type`` comes
    with ``error``.

    The span ``sse.stream`` begins a trace, and so does not make that of the request grow for hours.
    A link leads to the request's span; where there is none, to the one that the client names in
    ``traceparent``. The span is never the current one: what the content does belongs to the
    request, as without it.

    :param attributes: go with each measurement and each span, as ``{"http.route": "/prices"}``
        does. Metrics count each set of values apart, so do not put a client's data here
    :param meter_provider: makes the instruments; the global one by default
    :param tracer_provider: makes the spans; the global one by default, and
        ``NoOpTracerProvider()`` for none
    :raises TypeError: ``attributes`` is no mapping
    """

    def __init__(
        self,
        attributes: Mapping[str, AttributeValue] | None = None,
        *,
        meter_provider: metrics.MeterProvider | None = None,
        tracer_provider: trace.TracerProvider | None = None,
    ) -> None:
        if not isinstance(attributes, Mapping | None):
            raise TypeError(refuse("attributes", "a mapping or None", attributes))
        self._attributes = dict(attributes or {})
        self._tracer = trace.get_tracer("sse_asgi", __version__, tracer_provider)
        self._spans: dict[Connection, trace.Span] = {}
        meter = metrics.get_meter("sse_asgi", __version__, meter_provider)
        self._opened = meter.create_counter(
            "sse.server.opened_streams", "{stream}", "Event streams that were opened."
        )
        self._active = meter.create_up_down_counter(
            "sse.server.active_streams", "{stream}", "Event streams that are open."
        )
        self._closed = meter.create_counter(
            "sse.server.closed_streams", "{stream}", "Event streams that have ended, by reason."
        )
        self._duration = meter.create_histogram(
            "sse.server.stream.duration",
            "s",
            "How long an event stream was open.",
            explicit_bucket_boundaries_advisory=_LIFETIMES,
        )
        self._first_event = meter.create_histogram(
            "sse.server.first_event.time",
            "s",
            "How long after the request the first event was sent.",
            explicit_bucket_boundaries_advisory=_FIRST_EVENTS,
        )

    def on_open(self, connection: Connection) -> None:
        """Count a stream that begins, and begin its span."""
        self._spans[connection] = self._tracer.start_span(
            "sse.stream",
            Context(),
            attributes={
                **self._attributes,
                "url.path": connection.path,
                "http.request.method": connection.method,
                "sse.resumed": connection.last_event_id is not None,
            },
            links=_links(connection),
        )
        self._opened.add(1, self._attributes)
        self._active.add(1, self._attributes)

    def on_close(self, summary: StreamSummary) -> None:
        """Count and time a stream that has ended, and end its span."""
        connection = summary.connection
        span = None if connection is None else self._spans.pop(connection, None)
        if span is None:
            return  # not ours: it was never opened here
        attributes = {**self._attributes, **_reason(summary)}
        context = trace.set_span_in_context(span, Context())  # for exemplars
        self._active.add(-1, self._attributes)
        self._closed.add(1, attributes)
        self._duration.record(summary.seconds, attributes, context)
        if summary.first_event is not None:
            self._first_event.record(summary.first_event, self._attributes, context)
        if span.is_recording():
            _complete(span, summary)
        span.end()


def _links(connection: Connection) -> list[trace.Link]:
    """Return a link to the request's span, or to the caller's if the request has none."""
    request = trace.get_current_span().get_span_context()
    if not request.is_valid:
        caller = propagate.extract(connection.headers, Context())
        request = trace.get_current_span(caller).get_span_context()
    return [trace.Link(request)] if request.is_valid else []


def _reason(summary: StreamSummary) -> dict[str, AttributeValue]:
    attributes: dict[str, AttributeValue] = {"sse.close_reason": summary.reason.name.lower()}
    if summary.reason is CloseReason.ERROR:
        attributes["error.type"] = _type_name(summary.error)
    return attributes


def _type_name(error: BaseException | None) -> str:
    kind = type(error)
    return (
        kind.__qualname__
        if kind.__module__ == "builtins"
        else f"{kind.__module__}.{kind.__qualname__}"
    )


def _complete(span: trace.Span, summary: StreamSummary) -> None:
    """Set what is known of a stream only at its end."""
    span.set_attributes(_reason(summary))
    span.set_attribute("sse.events", summary.events)
    span.set_attribute("sse.bytes", summary.bytes)
    if summary.first_event is not None:
        span.set_attribute("sse.first_event.time", summary.first_event)
    if summary.error is not None:
        span.record_exception(summary.error)
        span.set_status(trace.StatusCode.ERROR)
