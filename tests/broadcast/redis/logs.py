"""Backends that run, and what their logs turned out to hold."""

from __future__ import annotations

import functools
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
import anyio.to_thread

from sse_asgi.broadcast import Entry
from sse_asgi.broadcast.backends.redis import RedisBackend
from tests.servers.response import TIMEOUT

__all__ = ["block_of", "number_of", "publish_all", "running", "until", "within_thread"]


@asynccontextmanager
async def running(url: str, name: str, **options: Any) -> AsyncIterator[RedisBackend]:
    """Run a backend until the block ends."""
    backend = RedisBackend(url, name=name, **{"block": 0.1, "publish_timeout": 10.0, **options})
    backend.follow()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(backend.run)
        yield backend
        tasks.cancel_scope.cancel()


async def until(condition: Callable[[], object], timeout: float = TIMEOUT) -> None:
    """Wait until ``condition`` holds.

    :raises TimeoutError: it does not hold in time
    """
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError("the condition does not hold")
        await anyio.sleep(0.005)


async def within_thread(function: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
    """Call what blocks, in a thread."""
    return await anyio.to_thread.run_sync(functools.partial(function, *arguments, **options))


def block_of(number: int) -> bytes:
    """Return an encoded event that carries a number."""
    return b"data: %d\n\n" % number


def number_of(entry: Entry) -> int:
    """Return the number that an event carries."""
    return int(entry.event.data)


async def publish_all(backend: RedisBackend, numbers: range, topic: str = "t") -> None:
    """Publish events with these numbers, one after the other."""
    for number in numbers:
        await backend.publish(topic, block_of(number), None)
