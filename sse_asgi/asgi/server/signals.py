"""Hearing the signal that stops the server, without taking it from the server.

``signal.signal`` with forwarding is the one way that every server which gets a signal survives:
``loop.add_signal_handler`` and ``anyio.open_signal_receiver`` take the signal away, and the server
never ends. Handlers are set when the first stream opens, in the main thread, and put back when the
last one ends.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

__all__ = ["SignalChain", "default_action"]

STOP_SIGNALS = tuple(
    getattr(signal, name) for name in ("SIGTERM", "SIGINT", "SIGBREAK") if hasattr(signal, name)
)

Handler = Callable[[int, FrameType | None], Any]


class SignalChain:
    """Puts itself before the handlers of the stop signals.

    :param notify: called, inside the signal handler, with the signal's number and whether nobody
        else handles it: then its default action is ours to take (see :func:`default_action`)
    """

    def __init__(self, notify: Callable[[int, bool], None]) -> None:
        self._notify = notify
        self._links: list[_Link] = []

    def install(self) -> None:
        """Take the place of every handler that is not ours; only the main thread can."""
        if threading.current_thread() is not threading.main_thread():
            return
        for number in STOP_SIGNALS:
            handler = _living(signal.getsignal(number))
            # None is a handler that was not set from Python; an ignored signal stops nobody.
            if handler in (None, signal.SIG_IGN) or self._is_ours(handler):
                continue
            link = _Link(number, handler, self._notify)
            signal.signal(number, link.handle)
            self._links.append(link)

    def remove(self, *, loop_is_ending: bool = False) -> None:
        """Put the former handlers back, where nobody else has come before us.

        :param loop_is_ending: the event loop's own handlers are to go, too
        """
        for link in reversed(self._links):
            link.cut()
            if signal.getsignal(link.number) == link.handle:
                former = _living(link.former)
                if loop_is_ending and _is_runner_handler(former):
                    # It would have been taken away before, had we not stood in its place.
                    former = signal.default_int_handler
                signal.signal(link.number, former)
        self._links.clear()

    def _is_ours(self, handler: Any) -> bool:
        return any(handler == link.handle for link in self._links)


class _Link:
    """One handler of ours before a former one."""

    def __init__(self, number: int, former: Any, notify: Callable[[int, bool], None]) -> None:
        self.number = number
        self.former = former
        self._notify: Callable[[int, bool], None] | None = notify

    def handle(self, number: int, frame: FrameType | None) -> None:
        notify = self._notify
        unhandled = self.former == signal.SIG_DFL
        if notify is not None:
            notify(number, unhandled)
        elif unhandled:
            default_action(number)
        if callable(self.former) and not _is_event_loop_handler(self.former):
            self.former(number, frame)

    def cut(self) -> None:
        """Only forward from now on: somebody may have kept this handler to call it later."""
        self._notify = None

    @property
    def is_cut(self) -> bool:
        """Whether it only forwards."""
        return self._notify is None


def _living(handler: Any) -> Any:
    """Skip links that only forward: whoever came before us put one back when we had gone."""
    while isinstance(link := getattr(handler, "__self__", None), _Link) and link.is_cut:
        handler = link.former
    return handler


def default_action(number: int) -> None:
    """Do what the system does on a signal that nobody handles: end the process."""
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)


def _is_runner_handler(handler: Any) -> bool:
    """Recognise what :class:`asyncio.Runner` puts in the place of Python's own SIGINT handler."""
    owner = type(getattr(getattr(handler, "func", None), "__self__", None))
    return owner.__module__ == "asyncio.runners"


def _is_event_loop_handler(handler: Any) -> bool:
    """Recognise the handler that an event loop sets beside its own dispatch from the wakeup pipe.

    asyncio's does nothing. uvloop's would dispatch the signal a second time, and granian's worker
    freezes at its third dispatch.
    """
    owner = type(getattr(handler, "__self__", None)).__module__
    module = getattr(handler, "__module__", None)
    return owner.partition(".")[0] == "uvloop" or module == "asyncio.unix_events"
