"""The client leaves: the content is cancelled and has cleaned up before the app returns."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from sse_asgi import CloseReason, Connection, EventSourceApp, EventStream, StreamSummary
from sse_asgi.testing import ASGI_2_4, HYPERCORN_H2, VirtualClock, connect, settle
from tests.harness import Peer, nothing_left, only, serve, serving

pytestmark = pytest.mark.anyio


class Log(list[Any]):
    """What happened, and in which task."""

    def note(self, what: str) -> None:
        self.append((what, anyio.get_current_task().id))

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self]

    @property
    def tasks(self) -> set[int]:
        return {task for _, task in self}


def content_of(log: Log, *, before: bool = False) -> Callable[[], AsyncIterator[str]]:
    """Return content that waits for ever, before its first event or after it."""

    async def content() -> AsyncIterator[str]:
        log.note("began")
        try:
            if not before:
                yield "a"
            await anyio.sleep_forever()
        finally:
            log.note("closed")

    return content


@pytest.mark.parametrize("before", [True, False])
async def test_content_is_closed_in_its_own_task_before_the_app_returns(before: bool) -> None:
    log = Log()
    closed: list[StreamSummary] = []

    def on_close(summary: StreamSummary) -> None:
        log.note("reported")
        closed.append(summary)

    async def app(*call: Any) -> None:
        log.note("called")
        await EventStream(content_of(log, before=before), on_close=on_close)(*call)
        log.note("returned")

    async with nothing_left(), serving(app) as served:
        await settle()
        served.peer.leave()
        await served.returned()
    assert log.names == ["called", "began", "closed", "reported", "returned"]
    assert len(log.tasks) == 1
    assert only(closed).reason is CloseReason.CLIENT_GONE
    assert served.peer.body == (b"" if before else b"data: a\n\n")
    assert not served.peer.ended


async def test_content_is_closed_within_a_few_turns_of_the_event_loop() -> None:
    log = Log()
    async with serving(EventStream(content_of(log))) as served:
        await settle()
        served.peer.leave()
        for _ in range(8):
            await anyio.lowlevel.checkpoint()
        assert log.names == ["began", "closed"]
        assert served.task.done


async def test_client_that_has_left_already_ends_the_stream_before_its_first_event() -> None:
    log = Log()
    closed: list[StreamSummary] = []
    peer = Peer()
    peer.leave()
    await serve(EventStream(content_of(log, before=True), on_close=closed.append), peer)
    assert not peer.messages
    assert log.names == ["began", "closed"]
    assert only(closed).reason is CloseReason.CLIENT_GONE


async def test_handler_that_still_waits_is_cancelled() -> None:
    log = Log()

    async def handler(connection: Connection) -> list[str]:
        try:
            await anyio.sleep_forever()
        finally:
            log.note("closed")
        return []

    async with serving(EventSourceApp(handler)) as served:
        await settle()
    assert log.names == ["closed"]
    assert not served.peer.messages


@pytest.mark.parametrize("number", [1, 2, 3])
async def test_send_that_blocks_is_cancelled(number: int) -> None:
    log = Log()
    closed: list[StreamSummary] = []

    async def content() -> AsyncIterator[str]:
        log.note("began")
        try:
            yield "a"
            yield "b"
        finally:
            log.note("closed")

    async def hang(call: int) -> None:
        if call == number:
            await anyio.sleep_forever()

    peer = Peer(on_send=hang)
    async with nothing_left(), serving(EventStream(content, on_close=closed.append), peer):
        await settle()
    assert log.names == ["began", "closed"]
    assert only(closed).reason is CloseReason.CLIENT_GONE
    assert only(closed).events == max(0, number - 2)
    assert only(closed).bytes == len(peer.body)


async def test_final_body_that_is_never_taken_ends_with_the_client() -> None:
    closed: list[StreamSummary] = []

    async def hang(call: int) -> None:
        if call == 3:
            await anyio.sleep_forever()

    with VirtualClock() as clock:
        peer = Peer(on_send=hang)
        async with serving(EventStream(["a"], on_close=closed.append), peer) as served:
            await settle()
            peer.leave()
            await clock.advance(0.999)
            assert not served.task.done  # the server is at work on it
            await clock.advance(0.001)
            await served.returned()
    assert only(closed).reason is CloseReason.COMPLETED


async def test_disconnect_while_the_final_body_is_sent_does_not_cut_it_off() -> None:
    peer = Peer()

    async def leave_then_wait(call: int) -> None:
        if call == 3:
            peer.leave()
            await anyio.sleep(0.01)

    peer.on_send = leave_then_wait
    await serve(EventStream(["a"]), peer)
    assert peer.ended


@pytest.mark.parametrize("kind", ["http.disconnect", "websocket.disconnect"])
async def test_disconnect_is_heard_after_the_body_of_the_request(kind: str) -> None:
    log = Log()

    async def receive(call: int) -> Any:
        if call < 5:
            return {"type": "http.request", "body": b"", "more_body": call < 4}
        return {"type": kind}

    peer = Peer(on_receive=receive)
    await serve(EventStream(content_of(log)), peer)
    assert log.names == ["began", "closed"]
    assert peer.receives == 5  # and not once more


async def test_broken_receive_is_a_client_that_has_left() -> None:
    closed: list[StreamSummary] = []

    async def receive(call: int) -> Any:
        raise OSError("broken")

    await serve(EventStream(content_of(Log()), on_close=closed.append), Peer(on_receive=receive))
    assert only(closed).reason is CloseReason.CLIENT_GONE


async def test_failing_receive_ends_the_stream_with_its_error() -> None:
    closed: list[StreamSummary] = []
    log = Log()

    async def receive(call: int) -> Any:
        await settle()
        raise LookupError("what?")

    peer = Peer(on_receive=receive)
    with pytest.raises(LookupError, match=r"what\?"):
        await serve(EventStream(content_of(log), on_close=closed.append), peer)
    assert log.names == ["began", "closed"]
    assert only(closed).reason is CloseReason.ERROR
    assert peer.ended


async def test_send_that_raises_oserror_is_a_client_that_has_left() -> None:
    closed: list[StreamSummary] = []
    log = Log()

    async def content() -> AsyncIterator[str]:
        log.note("began")
        try:
            while True:
                yield "a"
        finally:
            await anyio.sleep(0.001)
            log.note("closed")

    async def fail(call: int) -> None:
        if call == 4:
            raise ConnectionResetError("gone")

    await serve(EventStream(content, on_close=closed.append), Peer(on_send=fail))
    assert log.names == ["began", "closed"]
    assert len(log.tasks) == 1
    assert only(closed)[:4] == (CloseReason.CLIENT_GONE, 2, 18, only(closed).seconds)
    assert only(closed).error is None


async def test_oserror_of_the_content_is_an_error_and_no_disconnect() -> None:
    closed: list[StreamSummary] = []

    async def content() -> AsyncIterator[str]:
        yield "a"
        raise FileNotFoundError("feed")

    peer = Peer()
    with pytest.raises(FileNotFoundError):
        await serve(EventStream(content, on_close=closed.append), peer)
    assert peer.ended
    assert only(closed).reason is CloseReason.ERROR


async def test_send_of_a_server_that_a_disconnect_does_not_free_is_cancelled() -> None:
    closed: list[StreamSummary] = []

    async def content() -> AsyncIterator[str]:
        while True:
            yield "x" * 1000

    stream = EventStream(content, on_close=closed.append)
    for server in (HYPERCORN_H2, ASGI_2_4):
        async with connect(stream, server=server, window=5000) as events:
            await events.blocked()
        assert closed.pop().reason is CloseReason.CLIENT_GONE
