"""Content that reads the request's body while the session waits for the client to leave."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from sse_asgi import EventStream
from sse_asgi.asgi.session import inbox
from sse_asgi.asgi.session.inbox import Inbox
from sse_asgi.testing import settle
from tests.harness import Peer, nothing_left, serve, serving

pytestmark = pytest.mark.anyio

PIECES = (b"al", b"pha", b"bet")


class Body:
    """A server that has a request's body in pieces, as a queue: who asks first gets the next."""

    def __init__(self, *pieces: bytes) -> None:
        self._pieces = list(pieces or PIECES)
        self._gone = anyio.Event()
        self.asking = 0

    async def receive(self) -> dict[str, Any]:
        assert not self.asking, "two ask at once"
        self.asking += 1
        try:
            await anyio.lowlevel.checkpoint()
            if self._pieces:
                piece = self._pieces.pop(0)
                return {"type": "http.request", "body": piece, "more_body": bool(self._pieces)}
            await self._gone.wait()
            return {"type": "http.disconnect"}
        finally:
            self.asking -= 1

    def leave(self) -> None:
        self._gone.set()


class Request:
    """A framework's request object."""

    def __init__(self, scope: Any, receive: Any) -> None:
        self.scope = scope
        self._receive = receive

    async def stream(self) -> AsyncIterator[bytes]:
        more = True
        while more:
            message = await self._receive()
            assert message["type"] == "http.request"
            yield message["body"]
            more = message["more_body"]

    async def body(self) -> bytes:
        return b"".join([piece async for piece in self.stream()])


async def at_once(request: Request) -> AsyncIterator[str]:
    yield (await request.body()).decode()


async def after_an_event(request: Request) -> AsyncIterator[str]:
    yield ""
    await settle()
    yield (await request.body()).decode()


async def piece_by_piece(request: Request) -> AsyncIterator[str]:
    async for piece in request.stream():
        yield piece.decode()
        await anyio.sleep(0.001)


def text_of(peer: Peer) -> str:
    return peer.body.decode().replace("data: ", "").replace("\n", "")


Reading = Callable[[Request], AsyncIterator[str]]


@pytest.mark.parametrize("content", [at_once, after_an_event, piece_by_piece])
async def test_content_reads_the_whole_body(content: Reading, caplog: Any) -> None:
    body, peer = Body(), Peer()
    peer.receive = body.receive  # type: ignore[method-assign]

    async def app(scope: Any, receive: Any, send: Any) -> None:
        request = Request(scope, receive)
        await EventStream(content(request))(scope, receive, send)

    async with nothing_left():
        await serve(app, peer, method="POST")
    assert text_of(peer) == "alphabet"
    assert not caplog.records


async def test_client_that_leaves_is_heard_of_while_nobody_reads(caplog: Any) -> None:
    body, peer = Body(), Peer()
    peer.receive = body.receive  # type: ignore[method-assign]

    async def waiting() -> AsyncIterator[str]:
        yield "a"
        await anyio.sleep_forever()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        request = Request(scope, receive)
        await EventStream(waiting)(scope, receive, send)
        assert await request.body() == b"alphabet"

    async with nothing_left(), serving(app, peer, method="POST") as served:
        await settle()
        body.leave()
        await served.returned()
    assert not caplog.records


async def test_body_that_nobody_can_be_seen_to_read_is_dropped_with_a_warning(caplog: Any) -> None:
    body, peer = Body(), Peer()
    peer.receive = body.receive  # type: ignore[method-assign]

    async def waiting() -> AsyncIterator[str]:
        yield "a"
        await anyio.sleep_forever()

    async with serving(EventStream(waiting), peer, method="POST", path="/feed\nx") as served:
        await settle()
        body.leave()
        await served.returned()
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert record.getMessage() == (
        "POST /feed\\nx: dropped the request's body; read it before the stream begins"
    )


async def test_body_that_is_too_long_to_keep_is_refused_clearly(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(inbox, "MOST_BYTES", 4)
    body = Body()
    shared = Inbox(body.receive)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(shared.receive_disconnect)
        await settle()
        with pytest.raises(RuntimeError, match="read it before the stream begins"):
            await shared.receive()
        body.leave()


async def test_body_is_kept_in_bounds_while_it_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inbox, "MOST_BYTES", 4)
    body = Body(b"abc", b"def", b"ghi")
    shared = Inbox(body.receive)
    async with anyio.create_task_group() as tasks:
        assert (await shared.receive())["body"] == b"abc"
        tasks.start_soon(shared.receive_disconnect)
        await settle()
        assert (await shared.receive())["body"] == b"def"
        assert (await shared.receive())["body"] == b"ghi"
        body.leave()
        assert (await shared.receive())["type"] == "http.disconnect"


async def test_reader_that_is_cancelled_leaves_the_rest_to_others() -> None:
    body = Body(b"abc")
    shared = Inbox(body.receive)
    assert (await shared.receive())["body"] == b"abc"
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(shared.receive_disconnect)
        with anyio.move_on_after(0.01) as scope:
            await shared.receive()
        assert scope.cancelled_caught
        body.leave()
