"""Streams and a database's pool, in the example."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AsyncExitStack
from importlib import import_module
from types import ModuleType

import pytest

from sse_asgi.testing import connect

pytestmark = [pytest.mark.anyio, pytest.mark.needs("fastapi", "sqlalchemy", "aiosqlite")]

STREAMS = 50


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    """Run on asyncio, the one event loop of SQLAlchemy."""
    return "asyncio"


@pytest.fixture
def example() -> Iterator[ModuleType]:
    """The example's module, whose pool has two connections."""
    yield import_module("examples.fastapi_sqlalchemy")


@pytest.mark.parametrize(("path", "data"), [("/before", "1"), ("/during", "2")])
async def test_idle_streams_hold_no_connection_of_the_pool(
    example: ModuleType, path: str, data: str
) -> None:
    pool = example.engine.pool
    async with AsyncExitStack() as clients:
        for _ in range(STREAMS):
            client = await clients.enter_async_context(connect(example.app, path))
            assert (await client.receive()).data == data
        assert pool.checkedout() == 0
    assert pool.checkedout() == 0
    await example.engine.dispose()
