"""Without OpenTelemetry, the module says how to install it."""

from __future__ import annotations

import subprocess
import sys

HIDDEN = """
import sys
sys.modules["opentelemetry"] = sys.modules["opentelemetry.metrics"] = None
import sse_asgi.otel
"""


def test_missing_api_is_told_with_the_command_that_installs_it() -> None:
    process = subprocess.run(
        [sys.executable, "-c", HIDDEN], capture_output=True, text=True, timeout=30
    )
    told = 'opentelemetry is not installed: pip install "sse-asgi[otel]"'
    assert told in process.stderr.splitlines()[-1]
