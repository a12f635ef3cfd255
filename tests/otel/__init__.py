"""Tests of the metrics and traces by OpenTelemetry."""
