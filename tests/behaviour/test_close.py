"""``on_close`` is called once on every path, with the reason and what was sent."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from sse_asgi import CloseReason, Connection, EventSourceApp, EventStream, Refusal, StreamSummary
from sse_asgi.testing import VirtualClock
from tests.harness import PING, Peer, Served, only, serve, serving

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("no_polling")]

BLOCK = b"data: a\n\n"
FAREWELL = b"retry: 7\n\n"


class Oops(Exception):
    """What the content of these tests raises."""


async def waiting(connection: Connection) -> AsyncIterator[str]:
    yield "a"
    await anyio.sleep_forever()


async def ending(connection: Connection) -> AsyncIterator[str]:
    yield "a"


async def failing(connection: Connection) -> AsyncIterator[str]:
    yield "a"
    raise Oops


async def failing_at_once(connection: Connection) -> AsyncIterator[str]:
    raise Oops
    yield ""


async def refusing(connection: Connection) -> AsyncIterator[str]:
    raise Refusal(403, "no")
    yield ""


Step = Callable[[EventSourceApp, Served, VirtualClock], Awaitable[object]]


async def nothing(app: EventSourceApp, served: Served, clock: VirtualClock) -> None:
    await clock.advance(0)


async def leave(app: EventSourceApp, served: Served, clock: VirtualClock) -> None:
    await clock.advance(3)
    served.peer.leave()


async def drain(app: EventSourceApp, served: Served, clock: VirtualClock) -> None:
    await clock.advance(3)
    app.drain()
    await clock.advance(0)


async def cancel(app: EventSourceApp, served: Served, clock: VirtualClock) -> None:
    await clock.advance(3)
    served.task.cancel()


async def stop_taking(app: EventSourceApp, served: Served, clock: VirtualClock) -> None:
    async def hang(number: int) -> None:
        await anyio.sleep_forever()

    await clock.advance(1)
    served.peer.on_send = hang
    await clock.advance(12)


async def grow_old(app: EventSourceApp, served: Served, clock: VirtualClock) -> None:
    await clock.advance(1000)


# What happens, and what on_close is told of it: reason, blocks, seconds.
PATHS: dict[str, tuple[Any, Step, CloseReason, list[bytes], float | None]] = {
    "ends": (ending, nothing, CloseReason.COMPLETED, [BLOCK], 0),
    "client leaves": (waiting, leave, CloseReason.CLIENT_GONE, [BLOCK], 3),
    "server stops": (waiting, drain, CloseReason.SERVER_STOPPING, [BLOCK, FAREWELL], 3),
    "server cancels": (waiting, cancel, CloseReason.SERVER_STOPPING, [BLOCK, FAREWELL], 3),
    "slow client": (waiting, stop_taking, CloseReason.SLOW_CLIENT, [BLOCK], 12),
    "lifetime": (waiting, grow_old, CloseReason.LIFETIME, [BLOCK, *[PING] * 12, FAREWELL], None),
    "fails": (failing, nothing, CloseReason.ERROR, [BLOCK], 0),
    "fails at once": (failing_at_once, nothing, CloseReason.ERROR, [], 0),
    "refuses": (refusing, nothing, CloseReason.REFUSED, [b"no"], 0),
}


def raises(summary: StreamSummary) -> None:
    raise LookupError("on_close")


async def raises_after_a_wait(summary: StreamSummary) -> None:
    await anyio.lowlevel.checkpoint()
    raise LookupError("on_close")


async def waits(summary: StreamSummary) -> None:
    await anyio.sleep(0.001)


def returns(summary: StreamSummary) -> Any:
    return "something"


THEN: dict[str, Any] = {
    "returns": returns,
    "waits": waits,
    "raises": raises,
    "raises after a wait": raises_after_a_wait,
}


@pytest.mark.parametrize("then", THEN)
@pytest.mark.parametrize("path", PATHS)
async def test_on_close_is_called_once_with_what_happened(
    path: str, then: str, caplog: Any
) -> None:
    handler, step, reason, blocks, seconds = PATHS[path]
    closed: list[StreamSummary] = []
    returned: list[bool] = []

    def on_close(summary: StreamSummary) -> Any:
        closed.append(summary)
        returned.append(served.task.done)
        return THEN[then](summary)

    app = EventSourceApp(
        handler,
        ping=5,
        send_timeout=7,
        max_lifetime=64 if path == "lifetime" else None,
        farewell_retry=(7, 7),
        on_close=on_close,
    )
    error: BaseException | None = None
    with VirtualClock() as clock:
        async with serving(app) as served:
            await step(app, served, clock)
            try:
                await served.returned()
            except Oops as exc:
                error = exc
    summary = only(closed)
    assert returned == [False]
    assert summary.reason is reason
    assert summary.error is error
    assert summary.events == served.peer.bodies.count(BLOCK)
    assert summary.bytes == len(served.peer.body)
    if seconds is not None:
        assert summary.seconds == seconds
        assert served.peer.bodies == blocks
    else:
        assert 51.2 <= summary.seconds <= 64
        assert served.peer.bodies[-1] == FAREWELL
    failures = [record for record in caplog.records if "on_close failed" in record.getMessage()]
    assert len(failures) == ("raises" in then)


async def test_on_close_that_hangs_is_bounded_by_the_time_for_cleaning_up() -> None:
    log: list[str] = []

    async def hang(summary: StreamSummary) -> None:
        try:
            await anyio.sleep_forever()
        finally:
            log.append("cancelled")

    await serve(EventStream(["a"], on_close=hang, cleanup_timeout=0.01))
    assert log == ["cancelled"]


async def test_on_close_is_told_of_a_client_that_is_refused_for_want_of_room() -> None:
    closed: list[StreamSummary] = []
    app = EventSourceApp(waiting, max_connections=1, farewell_retry=(7, 7), on_close=closed.append)
    async with serving(app):
        await anyio.sleep(0.001)
        await serve(app)
        assert only(closed).reason is CloseReason.REFUSED
        assert only(closed).bytes == len(FAREWELL)
    assert len(closed) == 2


async def test_on_close_is_not_called_for_what_was_no_stream() -> None:
    closed: list[StreamSummary] = []
    app = EventSourceApp(ending, on_close=closed.append)
    await serve(app, method="HEAD")
    await serve(app, method="POST")
    assert not closed


async def test_events_of_joined_items_are_all_counted() -> None:
    closed: list[StreamSummary] = []
    peer = await serve(EventStream([str(n) for n in range(500)], on_close=closed.append))
    assert only(closed).events == 500
    assert only(closed).bytes == len(peer.body)


async def test_sync_on_close_runs_in_the_task_of_the_content() -> None:
    tasks: set[int] = set()

    async def content() -> AsyncIterator[str]:
        tasks.add(anyio.get_current_task().id)
        yield "a"

    def on_close(summary: StreamSummary) -> None:
        tasks.add(anyio.get_current_task().id)

    await serve(EventStream(content, on_close=on_close), Peer())
    assert len(tasks) == 1


async def test_summary_cannot_be_changed() -> None:
    summary = StreamSummary(CloseReason.COMPLETED, 1, 2, 3.0)
    assert summary.error is None
    with pytest.raises(AttributeError):
        summary.events = 2  # type: ignore[misc]
    assert [reason.value for reason in CloseReason] == [
        "completed",
        "client gone",
        "server stopping",
        "slow client",
        "lifetime",
        "expired",
        "revoked",
        "error",
        "refused",
    ]
