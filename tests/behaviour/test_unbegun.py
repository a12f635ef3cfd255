"""Content that is made for a request, and then is not streamed, is closed all the same."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from sse_asgi import DONE_ID, EventSourceApp, EventStream, StreamSummary, drain
from sse_asgi.asgi.loop import LoopState
from sse_asgi.testing import settle
from tests.harness import Peer, http_scope, nothing_left, serve, serving

pytestmark = pytest.mark.anyio

ANSWERS: dict[str, dict[str, Any]] = {
    "HEAD": {"method": "HEAD"},
    "head": {"method": "head"},
    "after done()": {"headers": [(b"last-event-id", DONE_ID.encode())]},
    "websocket": {"type": "websocket"},
    "websocket that takes a response": {
        "type": "websocket",
        "method": "HEAD",
        "extensions": {"websocket.http.response": {}},
    },
}


class Slots:
    """Slots that an endpoint takes, and that its content gives back when it is closed."""

    def __init__(self) -> None:
        self.taken = 1

    async def generator(self) -> AsyncIterator[str]:
        try:
            yield "a"
            await anyio.sleep_forever()
        finally:
            self.taken -= 1

    async def waiting(self) -> AsyncIterator[str]:
        try:
            await anyio.sleep_forever()
            yield "a"
        finally:
            self.taken -= 1

    async def cleaning_up(self) -> AsyncIterator[str]:
        try:
            yield "a"
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.sleep(0.001)
            self.taken -= 1

    def sync_generator(self) -> Iterator[str]:
        try:
            while True:
                yield "a"
        finally:
            self.taken -= 1

    def iterator(self) -> Any:
        return Iterating(self)

    def iterable(self) -> Any:
        return Owning(self)

    def sync_iterable(self) -> Any:
        return SyncOwning(self)


class Iterating:
    def __init__(self, slots: Slots) -> None:
        self._slots = slots

    def __aiter__(self) -> Iterating:
        return self

    async def __anext__(self) -> str:
        raise AssertionError("nobody asks for an item")

    async def aclose(self) -> None:
        await anyio.lowlevel.checkpoint()
        self._slots.taken -= 1


class Owning:
    def __init__(self, slots: Slots) -> None:
        self._slots = slots

    async def __aiter__(self) -> AsyncIterator[str]:
        raise AssertionError("nobody asks for an item")
        yield ""

    async def close(self) -> None:
        await anyio.lowlevel.checkpoint()
        self._slots.taken -= 1


class SyncOwning:
    def __init__(self, slots: Slots) -> None:
        self._slots = slots

    def __iter__(self) -> Iterator[str]:
        raise AssertionError("nobody asks for an item")

    def close(self) -> None:
        self._slots.taken -= 1


KINDS: list[Callable[[Slots], Any]] = [
    Slots.generator,
    Slots.waiting,
    Slots.cleaning_up,
    Slots.sync_generator,
    Slots.iterator,
    Slots.iterable,
    Slots.sync_iterable,
]


@pytest.mark.parametrize("answer", ANSWERS)
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
async def test_content_is_closed_although_nothing_is_streamed(
    kind: Callable[[Slots], Any], answer: str, caplog: Any
) -> None:
    slots, closed = Slots(), list[StreamSummary]()
    peer = Peer()
    async with nothing_left():
        stream = EventStream(kind(slots), on_close=closed.append)
        with anyio.fail_after(5):
            await stream(http_scope(**ANSWERS[answer]), peer.receive, peer.send)
    assert slots.taken == 0
    assert all(b"not as a WebSocket" in body for body in peer.bodies)
    assert not closed
    assert not caplog.records


@pytest.mark.parametrize("answer", ANSWERS)
async def test_sender_behind_a_receive_stream_is_told(answer: str) -> None:
    send, receive = anyio.create_memory_object_stream[str](0)
    peer = Peer()
    async with anyio.create_task_group() as tasks:

        async def produce() -> None:
            with pytest.raises(anyio.BrokenResourceError):
                async with send:
                    while True:
                        await send.send("a")

        tasks.start_soon(produce)
        await settle()
        await EventStream(receive)(http_scope(**ANSWERS[answer]), peer.receive, peer.send)


@pytest.mark.parametrize("how", ["client has left", "send raises", "server stops"])
@pytest.mark.parametrize("kind", KINDS[:4], ids=lambda kind: kind.__name__)
async def test_stream_that_ends_before_it_begins_closes_its_content(
    kind: Callable[[Slots], Any], how: str
) -> None:
    slots = Slots()

    async def fail(number: int) -> None:
        raise OSError("gone")

    peer = Peer(on_send=fail if how == "send raises" else None)
    if how != "server stops":
        peer.leave()
    else:
        drain()
    try:
        async with nothing_left(), serving(EventStream(kind(slots)), peer) as served:
            await served.returned()
    finally:
        LoopState.current().shutdown.withdraw()
    assert slots.taken == 0


async def test_generator_function_is_not_called_for_a_head_request() -> None:
    def content() -> Iterator[str]:
        raise AssertionError("called")
        yield ""

    assert (await serve(EventStream(content), method="HEAD")).status == 200
    assert (await serve(EventSourceApp(lambda connection: content()), method="HEAD")).ended


async def test_content_that_fails_to_close_is_logged_and_not_raised(caplog: Any) -> None:
    async def content() -> AsyncIterator[str]:
        try:
            yield "a"
        finally:
            raise LookupError("in its finally")

    peer = await serve(EventStream(content()), method="HEAD", path="/feed")
    assert peer.ended
    (record,) = caplog.records
    assert record.getMessage().startswith("GET /feed") or "HEAD /feed" in record.getMessage()


async def test_head_obeys_the_send_timeout() -> None:
    async def hang(number: int) -> None:
        await anyio.sleep_forever()

    stream = EventStream(["a"], send_timeout=0.01)
    async with nothing_left(), serving(stream, Peer(on_send=hang), method="HEAD") as served:
        with anyio.fail_after(1):
            await served.returned()
