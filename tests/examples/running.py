"""Run an example as a script, and read the answers of its server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sse_asgi import MessageEvent
from tests.servers.http1 import PROBE, Http1Connection
from tests.servers.process import ROOT, ServerProcess, free_port
from tests.servers.response import Headers, Response

__all__ = ["EXAMPLES", "PATIENCE", "all_events", "answer", "next_event", "running"]

EXAMPLES = ROOT / "examples"

PATIENCE = 40.0
"""How many seconds one step may take on a loaded machine."""


@contextmanager
def running(name: str, directory: Path, **environment: str) -> Iterator[ServerProcess]:
    """Run ``python examples/NAME.py`` until the block ends."""
    port = free_port()
    script = (str(EXAMPLES / f"{name}.py"),)
    log = directory / f"{name}.log"
    with ServerProcess(script, port, log, {"PORT": str(port), **environment}) as process:
        process.wait_ready(PROBE, PATIENCE)
        yield process


def answer(process: ServerProcess, target: str, body: bytes = b"") -> tuple[int, str]:
    """Make an ordinary request; return the status and the text."""
    with Http1Connection(process.port) as connection:
        response = connection.request("POST" if body else "GET", target, body=body)
        response.wait_head(PATIENCE)
        return response.status, response.read_body(PATIENCE).decode()


def next_event(response: Response) -> MessageEvent:
    """Return the next event of a stream that must not have ended."""
    event = response.read_event(PATIENCE)
    assert event is not None, "the stream has ended"
    return event


def all_events(process: ServerProcess, target: str, headers: Headers = ()) -> list[MessageEvent]:
    """Return the events of a stream that ends cleanly."""
    events = []
    with Http1Connection(process.port) as connection:
        response = connection.request("GET", target, headers=headers).wait_head(PATIENCE)
        assert response.status == 200
        while (event := response.read_event(PATIENCE)) is not None:
            events.append(event)
        assert response.is_complete
    return events
