"""What holds after every test of this folder."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from sse_asgi.asgi.server import shutdown, signals

from .harness import SignalHandler, content_threads

SIGNALS = (signal.SIGTERM, signal.SIGINT)


@pytest.fixture(autouse=True)
def process_is_left_as_it_was() -> Iterator[None]:
    """Check that the test left neither a signal handler nor a thread behind."""
    before = [signal.getsignal(number) for number in SIGNALS]
    yield
    after = [signal.getsignal(number) for number in SIGNALS]
    for number, handler in zip(SIGNALS, before, strict=True):
        signal.signal(number, handler)
    assert after == before
    assert not content_threads()


@pytest.fixture
def no_polling(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the look at the server's stop flag, every 0.2 s, out of a test of long times."""
    monkeypatch.setattr("sse_asgi.asgi.server.shutdown.POLL_INTERVAL", 1e9)


@pytest.fixture
def former() -> Iterator[SignalHandler]:
    """Return a handler that is set for SIGsignal.SIGTERM."""
    handler = SignalHandler()
    before = signal.signal(signal.SIGTERM, handler)
    yield handler
    signal.signal(signal.SIGTERM, before)


@pytest.fixture
def killed(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Return the signals that would have ended the process; SIGTERM has its default action."""
    numbers: list[int] = []
    monkeypatch.setattr(shutdown, "default_action", numbers.append)
    monkeypatch.setattr(signals, "default_action", numbers.append)
    interrupt = signal.getsignal(signal.SIGINT)
    terminate = signal.signal(signal.SIGTERM, signal.SIG_DFL)
    yield numbers
    signal.signal(signal.SIGTERM, terminate)
    signal.signal(signal.SIGINT, interrupt)
