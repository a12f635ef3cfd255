"""The stop signals are heard on their way to whoever handles them, and nothing stays behind."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import AsyncIterator, Iterator
from types import FrameType
from typing import Any

import anyio
import pytest
from anyio import to_thread

from sse_asgi import CloseReason, EventStream, StreamSummary
from sse_asgi.asgi import shutdown, signals
from sse_asgi.asgi.loop import LoopState
from sse_asgi.asgi.signals import SignalChain
from sse_asgi.testing import VirtualClock, lifespan, settle

from .harness import Peer, is_idle, only, serving, until

TERM = signal.SIGTERM


async def waiting() -> AsyncIterator[str]:
    yield "a"
    await anyio.sleep_forever()


class Handler:
    """A handler that somebody else has set."""

    def __init__(self, then: Any = None) -> None:
        self.heard: list[int] = []
        self._then = then

    def __call__(self, number: int, frame: FrameType | None) -> None:
        self.heard.append(number)
        if callable(self._then):
            self._then(number, frame)


@pytest.fixture
def former() -> Iterator[Handler]:
    """Return a handler that is set for SIGTERM."""
    handler = Handler()
    before = signal.signal(TERM, handler)
    yield handler
    signal.signal(TERM, before)


@pytest.fixture
def killed(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Return the signals that would have ended the process, and give SIGTERM its default action."""
    numbers: list[int] = []
    monkeypatch.setattr(shutdown, "default_action", numbers.append)
    monkeypatch.setattr(signals, "default_action", numbers.append)
    interrupt = signal.getsignal(signal.SIGINT)
    terminate = signal.signal(TERM, signal.SIG_DFL)
    yield numbers
    signal.signal(TERM, terminate)
    signal.signal(signal.SIGINT, interrupt)


# -- the chain alone -----------------------------------------------------------------------------


def test_chain_hears_a_signal_and_forwards_it(former: Handler) -> None:
    heard: list[tuple[int, bool]] = []
    chain = SignalChain(lambda number, unhandled: heard.append((number, unhandled)))
    chain.install()
    signal.raise_signal(TERM)
    assert heard == [(TERM, False)]
    assert former.heard == [TERM]
    chain.remove()
    assert signal.getsignal(TERM) is former
    signal.raise_signal(TERM)
    assert len(heard) == 1


def test_chain_is_installed_once_however_often_it_is_asked(former: Handler) -> None:
    heard: list[int] = []
    chain = SignalChain(lambda number, unhandled: heard.append(number))
    for _ in range(3):
        chain.install()
    signal.raise_signal(TERM)
    assert heard == former.heard == [TERM]
    chain.remove()


def test_chain_leaves_an_ignored_signal_alone() -> None:
    before = signal.signal(TERM, signal.SIG_IGN)
    chain = SignalChain(lambda number, unhandled: None)
    chain.install()
    assert signal.getsignal(TERM) is signal.SIG_IGN
    chain.remove()
    assert signal.getsignal(TERM) is signal.SIG_IGN
    signal.signal(TERM, before)


def test_chain_tells_when_nobody_else_handles_the_signal(killed: list[int]) -> None:
    heard: list[tuple[int, bool]] = []
    chain = SignalChain(lambda number, unhandled: heard.append((number, unhandled)))
    chain.install()
    signal.raise_signal(TERM)
    assert heard == [(TERM, True)]
    assert not killed  # that is for whoever was told
    chain.remove()
    assert signal.getsignal(TERM) is signal.SIG_DFL


def test_chain_takes_its_place_again_when_somebody_takes_it(former: Handler) -> None:
    heard: list[int] = []
    chain = SignalChain(lambda number, unhandled: heard.append(number))
    chain.install()
    server = Handler()
    signal.signal(TERM, server)
    chain.install()
    signal.raise_signal(TERM)
    assert heard == server.heard == [TERM]
    assert not former.heard  # the server has taken the signal from it
    chain.remove()
    assert signal.getsignal(TERM) is server


def test_chain_stays_in_the_middle_when_somebody_chains_before_it(former: Handler) -> None:
    heard: list[int] = []
    chain = SignalChain(lambda number, unhandled: heard.append(number))
    chain.install()
    other = Handler(signal.getsignal(TERM))
    signal.signal(TERM, other)
    chain.install()
    signal.raise_signal(TERM)
    assert other.heard == former.heard == [TERM]
    assert heard
    chain.remove()
    assert signal.getsignal(TERM) is other
    signal.raise_signal(TERM)
    assert former.heard == [TERM, TERM]
    assert len(heard) <= 2  # and nothing more


def test_nothing_piles_up_when_somebody_puts_an_old_handler_of_ours_back(former: Handler) -> None:
    for _ in range(5):
        chain = SignalChain(lambda number, unhandled: None)
        chain.install()
        ours = signal.getsignal(TERM)
        signal.signal(TERM, Handler(ours))
        chain.remove()
        signal.signal(TERM, ours)
    chain.install()
    chain.remove()
    assert signal.getsignal(TERM) is former


def test_two_chains_may_go_in_any_order(former: Handler) -> None:
    first, second = (SignalChain(lambda number, unhandled: None) for _ in range(2))
    first.install()
    second.install()
    first.remove()
    second.remove()
    assert signal.getsignal(TERM) is former


def test_old_handler_of_ours_that_somebody_kept_only_forwards(killed: list[int]) -> None:
    heard: list[int] = []
    chain = SignalChain(lambda number, unhandled: heard.append(number))
    chain.install()
    kept: Any = signal.getsignal(TERM)
    chain.remove()
    kept(TERM, None)
    assert not heard
    assert killed == [TERM]


def test_chain_does_nothing_outside_the_main_thread(former: Handler) -> None:
    chain = SignalChain(lambda number, unhandled: None)
    thread = threading.Thread(target=chain.install)
    thread.start()
    thread.join()
    assert signal.getsignal(TERM) is former


def test_handler_that_an_event_loop_sets_beside_its_dispatch_is_not_called() -> None:
    heard: list[str] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(TERM, heard.append, "loop")
        chain = SignalChain(lambda number, unhandled: heard.append("chain"))
        chain.install()
        os.kill(os.getpid(), TERM)
        while len(heard) < 2:  # noqa: ASYNC110
            await asyncio.sleep(0.001)
        chain.remove()
        loop.remove_signal_handler(TERM)

    asyncio.run(asyncio.wait_for(main(), 5))
    assert sorted(heard) == ["chain", "loop"]


# -- with streams --------------------------------------------------------------------------------


@pytest.mark.anyio
async def test_signal_stops_the_streams_and_reaches_the_handler_before_us(former: Handler) -> None:
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
async def test_signal_that_comes_while_the_event_loop_sleeps_wakes_it(former: Handler) -> None:
    async with serving(EventStream(waiting)) as served:
        await settle()
        with anyio.fail_after(5):
            await to_thread.run_sync(os.kill, os.getpid(), TERM)
            await served.returned()
    assert served.peer.ended


@pytest.mark.anyio
async def test_handlers_are_set_while_streams_are_open_and_put_back(
    former: Handler, monkeypatch: pytest.MonkeyPatch
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
async def test_handlers_are_set_again_when_a_server_sets_its_own_meanwhile(former: Handler) -> None:
    with VirtualClock() as clock:
        async with serving(EventStream(waiting)) as served:
            await settle()
            server = Handler()
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
async def test_lifespan_hears_signals_before_the_first_stream(former: Handler) -> None:
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
