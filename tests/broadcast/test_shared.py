"""Subscribers who get the same events get the same compressed bytes, made once."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from sse_asgi import EventSourceApp
from sse_asgi.broadcast import Hub
from sse_asgi.testing import connect
from sse_asgi.wire.compression.shared import RUN_BLOCKS

pytestmark = [pytest.mark.anyio, pytest.mark.needs("zstd-module")]

GZIP = {"accept-encoding": "gzip"}


def event(number: int) -> dict[str, Any]:
    return {"data": {"what": "repeats itself, again and again", "n": number}}


async def read(clients: Any, numbers: range) -> None:
    """Have each client read events with these numbers, and no others."""
    for client in clients:
        for number in numbers:
            received = await client.receive()
            assert received.json()["n"] == number


async def test_bytes_are_the_same_for_all_who_are_compressed_for_and_readable_for_the_rest() -> (
    None
):
    hub = Hub()
    app = EventSourceApp(lambda connection: hub.subscribe("t"), compression="auto")
    async with (
        connect(app, headers=GZIP) as one,
        connect(app, headers=GZIP) as two,
        connect(app, headers={"accept-encoding": "zstd"}) as three,
        connect(app) as four,
    ):
        clients = (one, two, three, four)
        for client in clients:
            assert (await client.receive()).event == "position"
        for number in range(RUN_BLOCKS + 9):
            await hub.publish("t", event(number))
            await read(clients, range(number, number + 1))
        assert one.chunks[1:] == two.chunks[1:]
        assert three.headers["content-encoding"] == "zstd"
        sizes = [sum(map(len, client.chunks)) for client in clients]
        assert sizes[0] < sizes[3] / 3


async def test_backlog_that_is_joined_is_readable_across_the_end_of_a_run() -> None:
    hub = Hub()
    app = EventSourceApp(lambda connection: hub.subscribe("t"), compression="auto")
    async with connect(app, headers=GZIP) as one, connect(app, headers=GZIP) as two:
        for client in (one, two):
            await client.receive()
        begin = 0
        for count in (3, RUN_BLOCKS - 5, 7, RUN_BLOCKS * 2 + 3, 1):
            for number in range(begin, begin + count):
                await hub.publish("t", event(number))
            await read((one, two), range(begin, begin + count))
            begin += count
        assert one.chunks[1:] == two.chunks[1:]


async def test_who_comes_back_in_the_midst_of_a_run_reads_what_it_missed_and_what_comes() -> None:
    hub = Hub()

    def handler(connection: Any) -> Any:
        return hub.subscribe("t", last_event_id=connection.last_event_id)

    app = EventSourceApp(handler, compression="auto")
    async with connect(app, headers=GZIP) as stays:
        await stays.receive()
        for number in range(50):
            await hub.publish("t", event(number))
        await read([stays], range(50))
        async with connect(app, headers=GZIP, last_event_id=f"{hub_epoch(hub)}-20") as back:
            assert (await back.receive()).json()["missed"] == 30
            await read([back], range(20, 50))
            for number in range(50, 50 + RUN_BLOCKS):
                await hub.publish("t", event(number))
                await read([stays, back], range(number, number + 1))
            assert back.chunks[-20:] == stays.chunks[-20:]


def hub_epoch(hub: Hub) -> str:
    """Return what the IDs of the hub's events begin with."""
    return (hub.position() or "").rpartition("-")[0]


async def test_log_that_begins_anew_begins_another_shared_stream() -> None:
    hub = Hub()
    app = EventSourceApp(lambda connection: hub.subscribe("t"), compression="auto")
    async with connect(app, headers=GZIP) as client, connect(app, headers=GZIP) as other:
        await client.receive()
        await other.receive()
        await hub.publish("t", event(0))
        await read([client, other], range(1))
        (feed,) = hub._feeds_here().feeds(frozenset({"t"}))
        stream: Any = feed._stream
        with hub.history.lock:
            feed.restart()
        assert feed._stream is not stream
        await anyio.lowlevel.checkpoint()
        await hub.publish("t", event(1))
        await read([client], range(1, 2))
