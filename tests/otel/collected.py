"""What an exporter would get, in memory."""

from __future__ import annotations

from typing import Any, NamedTuple

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import HistogramDataPoint, InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter


class Point(NamedTuple):
    """One measurement, or the sum of a histogram."""

    value: float
    attributes: dict[str, Any]


class Collected:
    """Providers whose metrics and spans stay in memory.

    :param views: those of the meter provider
    """

    def __init__(self, views: Any = ()) -> None:
        self._reader = InMemoryMetricReader()
        self.meters = MeterProvider(
            [self._reader], shutdown_on_exit=False, views=views, exemplar_filter=None
        )
        self._exporter = InMemorySpanExporter()
        self.tracers = TracerProvider(shutdown_on_exit=False)
        self.tracers.add_span_processor(SimpleSpanProcessor(self._exporter))

    def metrics(self) -> dict[str, Any]:
        """Collect, and return the metrics by name."""
        data = self._reader.get_metrics_data()
        if data is None:
            return {}
        return {
            metric.name: metric
            for resource in data.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
        }

    def points(self, name: str) -> list[Point]:
        """Collect, and return the measurements of one instrument."""
        metric = self.metrics().get(name)
        found = [] if metric is None else metric.data.data_points
        return [
            Point(
                point.sum if isinstance(point, HistogramDataPoint) else point.value,
                dict(point.attributes or {}),
            )
            for point in found
        ]

    def spans(self) -> tuple[ReadableSpan, ...]:
        """Return the spans that have ended, in this order."""
        return self._exporter.get_finished_spans()
