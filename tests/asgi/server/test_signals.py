"""The stop signals are heard on their way to their handlers, and nothing stays behind."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from contextlib import closing
from importlib import import_module
from typing import Any

import pytest

from sse_asgi.asgi.server.signals import SignalChain
from sse_asgi.testing import settle
from tests.harness import SignalHandler, until

TERM = signal.SIGTERM


def test_chain_hears_a_signal_and_forwards_it(former: SignalHandler) -> None:
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


def test_chain_is_installed_once_however_often_it_is_asked(former: SignalHandler) -> None:
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
    assert not killed  # that is for the handlers that were told
    chain.remove()
    assert signal.getsignal(TERM) is signal.SIG_DFL


def test_chain_takes_its_place_again_when_somebody_takes_it(former: SignalHandler) -> None:
    heard: list[int] = []
    chain = SignalChain(lambda number, unhandled: heard.append(number))
    chain.install()
    server = SignalHandler()
    signal.signal(TERM, server)
    chain.install()
    signal.raise_signal(TERM)
    assert heard == server.heard == [TERM]
    assert not former.heard  # the server has taken the signal from it
    chain.remove()
    assert signal.getsignal(TERM) is server


def test_chain_stays_in_the_middle_when_somebody_chains_before_it(former: SignalHandler) -> None:
    heard: list[int] = []
    chain = SignalChain(lambda number, unhandled: heard.append(number))
    chain.install()
    other = SignalHandler(signal.getsignal(TERM))
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


def test_nothing_piles_up_when_somebody_puts_an_old_handler_of_ours_back(
    former: SignalHandler,
) -> None:
    for _ in range(5):
        chain = SignalChain(lambda number, unhandled: None)
        chain.install()
        ours = signal.getsignal(TERM)
        signal.signal(TERM, SignalHandler(ours))
        chain.remove()
        signal.signal(TERM, ours)
    chain.install()
    last: Any = signal.getsignal(TERM)
    assert last.__self__.former is former
    chain.remove()
    assert signal.getsignal(TERM) is former


def test_two_chains_may_go_in_any_order(former: SignalHandler) -> None:
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


def test_chain_does_nothing_outside_the_main_thread(former: SignalHandler) -> None:
    chain = SignalChain(lambda number, unhandled: None)
    thread = threading.Thread(target=chain.install)
    thread.start()
    thread.join()
    assert signal.getsignal(TERM) is former


@pytest.mark.parametrize(
    "new_event_loop",
    ["asyncio", pytest.param("uvloop", marks=pytest.mark.needs("uvloop"))],
)
def test_handler_that_an_event_loop_sets_beside_its_dispatch_is_not_called(
    new_event_loop: str,
) -> None:
    heard: list[str] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(TERM, heard.append, "loop")
        chain = SignalChain(lambda number, unhandled: heard.append("chain"))
        chain.install()
        for _ in range(3):
            os.kill(os.getpid(), TERM)
            await until(lambda: {"chain", "loop"} <= set(heard))
            await settle()
            assert sorted(heard) == ["chain", "loop"]
            heard.clear()
        chain.remove()
        loop.remove_signal_handler(TERM)

    loop = import_module(new_event_loop).new_event_loop()
    with closing(loop):
        loop.run_until_complete(asyncio.wait_for(main(), 5))
