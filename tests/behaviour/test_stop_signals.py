"""Open streams end at a stop signal, and the handler that was there hears it all the same."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from typing import Any

import anyio
import pytest
from anyio import to_thread

from sse_asgi import CloseReason, EventStream, StreamSummary
from sse_asgi.asgi.loop import LoopState
from sse_asgi.asgi.server import shutdown
from sse_asgi.testing import VirtualClock, lifespan, settle
from tests.harness import Peer, SignalHandler, is_idle, only, serving, until

TERM = signal.SIGTERM


async def waiting() -> AsyncIterator[str]:
    yield "a"
    await anyio.sleep_forever()


@pytest.mark.anyio
@pytest.mark.usefixtures("no_polling")
async def test_signal_is_heard_after_a_keepalive(former: SignalHandler) -> None:
    with VirtualClock() as clock:
        async with serving(EventStream(waiting, ping=5)) as served:
            await clock.advance(12)
            assert LoopState.current().shutdown.is_open
            signal.raise_signal(TERM)
            assert former.heard == [TERM]
            await served.returned()
    assert served.peer.ended


@pytest.mark.anyio
async def test_signal_stops_the_streams_and_reaches_the_handler_before_us(
    former: SignalHandler,
) -> None:
    closed: list[StreamSummary] = []
    async with serving(EventStream(waiting, on_close=closed.append)) as served:
        await settle()
        signal.raise_signal(TERM)
        assert former.heard == [TERM]
        await served.returned()
    assert served.peer.bodies[-1].startswith(b"retry: ")
    assert served.peer.ended
    assert only(closed).reason is CloseReason.SERVER_STOPPING


@pytest.mark.anyio
async def test_signal_that_comes_while_the_event_loop_sleeps_wakes_it(
    former: SignalHandler,
) -> None:
    async with serving(EventStream(waiting)) as served:
        await settle()
        with anyio.fail_after(5):
            await to_thread.run_sync(os.kill, os.getpid(), TERM)
            await served.returned()
    assert served.peer.ended


@pytest.mark.anyio
async def test_handlers_are_set_while_streams_are_open_and_put_back(
    former: SignalHandler, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutdown, "POLL_INTERVAL", 0.001)
    assert signal.getsignal(TERM) is former
    for _ in range(2):
        async with serving(EventStream(waiting)), serving(EventStream(waiting)):
            await settle()
            assert signal.getsignal(TERM) is not former
        await until(lambda: is_idle(LoopState.current()))
        assert signal.getsignal(TERM) is former


@pytest.mark.anyio
async def test_handlers_are_put_back_with_the_event_loop_s_own_clock(former: SignalHandler) -> None:
    with VirtualClock():
        async with serving(EventStream(waiting)):
            await settle()
            assert signal.getsignal(TERM) is not former
    assert signal.getsignal(TERM) is former


@pytest.mark.anyio
async def test_handlers_are_set_again_when_a_server_sets_its_own_meanwhile(
    former: SignalHandler,
) -> None:
    with VirtualClock() as clock:
        async with serving(EventStream(waiting)) as served:
            await settle()
            server = SignalHandler()
            signal.signal(TERM, server)
            await clock.advance(0.2)
            signal.raise_signal(TERM)
            await clock.advance(0.01)
            await served.returned()
    assert server.heard == [TERM]
    assert served.peer.ended
    signal.signal(TERM, former)


@pytest.mark.anyio
async def test_handlers_are_put_back_when_the_event_loop_ends() -> None:
    before = signal.getsignal(signal.SIGINT)

    def run() -> None:
        async def main() -> None:
            async with serving(EventStream(waiting)):
                await settle()

        anyio.run(main)

    await to_thread.run_sync(run)
    assert signal.getsignal(signal.SIGINT) is before


def test_event_loop_that_ends_leaves_no_handler() -> None:
    before = signal.getsignal(signal.SIGINT), signal.getsignal(TERM)

    async def main() -> None:
        async with serving(EventStream(waiting)):
            await settle()

    for backend in ("asyncio", "trio"):
        anyio.run(main, backend=backend)
        assert (signal.getsignal(signal.SIGINT), signal.getsignal(TERM)) == before
    asyncio.run(main())
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(TERM)) == before


@pytest.mark.anyio
async def test_lifespan_hears_signals_before_the_first_stream(former: SignalHandler) -> None:
    from sse_asgi import EventSourceApp

    app = EventSourceApp(lambda connection: waiting())
    async with lifespan(app):
        assert signal.getsignal(TERM) is not former
        signal.raise_signal(TERM)
        await settle()
        async with serving(app) as served:
            await served.returned()
        assert served.peer.ended
    assert former.heard == [TERM]


@pytest.mark.anyio
async def test_signal_that_nobody_handles_takes_effect_when_the_streams_have_ended(
    killed: list[int],
) -> None:
    closed: list[StreamSummary] = []
    with VirtualClock() as clock:
        async with serving(EventStream(waiting, on_close=closed.append)) as served:
            await settle()
            signal.raise_signal(TERM)
            signal.raise_signal(TERM)  # hypercorn's own
            assert not killed
            await clock.advance(0.05)
            await served.returned()
        await clock.advance(0.05)
        assert killed == [TERM]
    assert served.peer.ended
    assert only(closed).reason is CloseReason.SERVER_STOPPING


@pytest.mark.anyio
async def test_signal_that_nobody_handles_waits_for_no_more_than_a_bounded_time(
    killed: list[int],
) -> None:
    async def watching(connection: Any) -> AsyncIterator[str]:
        yield "a"
        await connection.shutdown.wait()
        await anyio.sleep_forever()

    with VirtualClock() as clock:
        async with serving(EventStream(watching, shutdown_grace=60), Peer()):
            await settle()
            signal.raise_signal(TERM)
            await clock.advance(2.9)
            assert not killed
            signal.raise_signal(TERM)  # somebody grows impatient
            assert killed == [TERM]
            await clock.advance(0.2)
            assert killed == [TERM, TERM]
