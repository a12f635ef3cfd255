"""Presence over all processes: here, each process is a hub on one engine."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Any

import anyio
import pytest
from anyio.lowlevel import checkpoint

from sse_asgi import Connection, EventSourceApp
from sse_asgi.broadcast import Hub, Presence
from sse_asgi.testing import connect
from tests.broadcast.engine import Engine, EngineBackend
from tests.broadcast.reading import Reader
from tests.harness import until

pytestmark = pytest.mark.anyio

LEASE = 0.4
Start = Callable[[], Awaitable[Presence]]


@pytest.fixture(params=["memory", "engine"])
async def start(request: pytest.FixtureRequest) -> AsyncIterator[Start]:
    """Return what starts another process, which announces who comes and leaves."""
    memory, engine = Hub(), Engine()
    async with AsyncExitStack() as stack:

        async def start() -> Presence:
            hub = memory if request.param == "memory" else Hub(EngineBackend(engine, memory=64))
            await stack.enter_async_context(hub)
            return await stack.enter_async_context(Presence(hub, lease=LEASE, announce=True))

        yield start


def room(presence: Presence) -> EventSourceApp:
    """Return an app in which each client is present under its ``name``."""

    def handler(connection: Connection) -> Any:
        subscription = presence.hub.subscribe("room", last_event_id=connection.last_event_id)
        return presence.attend("room", connection.query["name"], subscription)

    return EventSourceApp(handler)


async def test_clients_are_present_in_every_process_while_their_streams_are_open(
    start: Start,
) -> None:
    one, other = await start(), await start()
    async with connect(room(one), "/?name=ann"), connect(room(other), "/?name=ann"):
        async with connect(room(other), "/?name=bob"):
            for presence in (one, other):
                await until(lambda: presence.who("room") == {"ann": 2, "bob": 1})  # noqa: B023
                assert presence.count("room") == 3
        for presence in (one, other):
            await until(lambda: presence.who("room") == {"ann": 2})  # noqa: B023
    for presence in (one, other):
        await until(lambda: presence.count("room") == 0)  # noqa: B023


async def test_process_that_starts_later_learns_who_is_there(start: Start) -> None:
    one = await start()
    async with connect(room(one), "/?name=ann"):
        await until(lambda: one.count("room") == 1)
        later = await start()
        await until(lambda: later.who("room") == {"ann": 1})


async def test_first_connection_and_last_one_are_announced_once(start: Start) -> None:
    one, other = await start(), await start()
    watcher = Reader(one.hub.subscribe("room"))
    await watcher.next()
    async with connect(room(one), "/?name=ann"):
        await until(lambda: other.count("room") == 1)
        async with connect(room(other), "/?name=ann"):
            await until(lambda: one.count("room") == 2)
    await until(lambda: one.count("room") == other.count("room") == 0)
    with one.enter("room", "last"):
        events = await watcher.until(lambda event: event.data == '{"key":"last"}')
    assert [(event.event, event.json()["key"]) for event in events] == [
        ("joined", "ann"),
        ("left", "ann"),
        ("joined", "last"),
    ]


async def test_generator_is_present_within_its_block(start: Start) -> None:
    presence = await start()

    async def content(connection: Connection) -> AsyncIterator[str]:
        with presence.enter("room", "ann"):
            yield "hello"
            await anyio.sleep_forever()

    async with connect(EventSourceApp(content)):
        await until(lambda: presence.who("room") == {"ann": 1})
    await until(lambda: presence.who("room") == {})


async def test_content_that_never_begins_makes_nobody_present(start: Start) -> None:
    presence = await start()
    async with connect(room(presence), "/?name=ann", method="HEAD"):
        pass
    content = presence.attend("room", "bob", presence.hub.subscribe("room"))
    await content.aclose()
    with presence.enter("room", "cid"):
        await until(lambda: "cid" in presence.who("room"))
        assert presence.who("room") == {"cid": 1}


async def test_clients_of_a_process_that_stops_are_gone_at_once(start: Start) -> None:
    one = await start()
    watcher = Reader(one.hub.subscribe("room"))
    await watcher.next()
    async with stopping(one.hub) as other:
        with other.enter("room", "ann"):
            await until(lambda: one.count("room") == 1)
            await other.__aexit__(None, None, None)
            with anyio.fail_after(LEASE / 2):
                await until(lambda: one.count("room") == 0)
    await watcher.until(lambda event: event.event == "left")


def stopping(hub: Hub) -> AbstractAsyncContextManager[Presence]:
    """Enter the presence of another process, which the test stops itself."""

    @asynccontextmanager
    async def manager() -> AsyncIterator[Presence]:
        presence = Presence(hub, lease=LEASE, announce=True)
        await presence.__aenter__()
        yield presence

    return manager()


async def test_silent_process_is_lost_and_back_when_it_speaks_again(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = await start(), await start()
    watcher = Reader(one.hub.subscribe("room"))
    await watcher.next()
    with other.enter("room", "ann"):
        await watcher.until(lambda event: event.event == "joined")
        await until(lambda: one.count("room") == 1)
        process = other._process
        assert process is not None
        with monkeypatch.context() as patch:

            async def silent(*arguments: object) -> bool:
                await checkpoint()
                return False

            patch.setattr(process.desk, "_attempt", silent)
            await until(lambda: one.count("room") == 0)
        await until(lambda: one.count("room") == 1)
        assert one.who("room") == {"ann": 1}
        events = await watcher.until(lambda event: event.event == "joined")
        assert [event.event for event in events] == ["left", "joined"]


async def test_nobody_is_lost_while_the_log_stands_still() -> None:
    engine = Engine()
    async with AsyncExitStack() as stack:
        presences = []
        for _ in range(2):
            hub = await stack.enter_async_context(Hub(EngineBackend(engine)))
            presences.append(await stack.enter_async_context(Presence(hub, lease=LEASE)))
        one, other = presences
        with other.enter("room", "ann"):
            await until(lambda: one.count("room") == 1)
            engine.stop()
            with anyio.move_on_after(2 * LEASE):
                while True:
                    assert one.count("room") == 1
                    await anyio.sleep(0.01)
            engine.start()
            with anyio.move_on_after(LEASE):
                while True:
                    assert one.count("room") == 1
                    await anyio.sleep(0.01)


async def test_log_that_was_lost_is_made_up_for() -> None:
    engine = Engine()
    async with AsyncExitStack() as stack:
        presences = []
        for _ in range(2):
            hub = await stack.enter_async_context(Hub(EngineBackend(engine)))
            presences.append(await stack.enter_async_context(Presence(hub, lease=LEASE)))
        one, other = presences
        with other.enter("room", "ann"), one.enter("room", "bob"):
            everybody = {"ann": 1, "bob": 1}
            await until(lambda: one.who("room") == other.who("room") == everybody)
            engine.flush()
            await until(lambda: one.who("room") == other.who("room") == everybody)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (("room", "ann", [1]), TypeError, r"subscription must be a subscription of the hub"),
        (("", "ann", None), ValueError, "topic must not be empty"),
        (("room", "", None), ValueError, "key must not be empty"),
        (("room", "x" * 201, None), ValueError, "key must be at most 200 characters"),
        (("room", 7, None), TypeError, "key must be a str"),
    ],
)
async def test_bad_argument_is_named(
    arguments: tuple[Any, Any, Any], error: type[Exception], message: str
) -> None:
    hub = Hub()
    topic, key, content = arguments
    async with Presence(hub) as presence:
        with pytest.raises(error, match=message):
            presence.attend(topic, key, content or hub.subscribe("room"))


async def test_presence_that_was_not_entered_says_so() -> None:
    hub = Hub()
    with pytest.raises(RuntimeError, match="enter 'async with presence:' first"):
        Presence(hub).attend("room", "ann", hub.subscribe("room"))
    with pytest.raises(ValueError, match="lease"):
        Presence(hub, lease=0)
    with pytest.raises(TypeError, match="hub must be a Hub"):
        Presence("hub")  # type: ignore[arg-type]
