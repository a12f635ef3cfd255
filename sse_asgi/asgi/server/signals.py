"""Hearing the signal that stops the server, without taking it from the server.

``signal.signal`` with forwarding is the one way that every server which gets a signal survives:
``loop.add_signal_handler`` and ``anyio.open_signal_receiver`` take the signal away, and the server
never ends. Handlers are set when the first stream opens, in the main thread, and put back when the
last one ends.

A handler may outlive its purpose: somebody may keep it and set it again later, a program may drop
its event loop without a word, and a forked process inherits it. Such a handler only forwards.
"""

from __future__ import annotations

import _signal as plain_signal  # type: ignore[import-not-found]  # see SignalChain
import os
import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from types import FrameType
from typing import Any, Final
from weakref import WeakMethod

__all__ = ["STOP_SIGNALS", "SignalChain", "default_action"]

STOP_SIGNALS: Final = tuple(
    getattr(signal, name) for name in ("SIGTERM", "SIGINT", "SIGBREAK") if hasattr(signal, name)
)

Notify = Callable[[int, bool], None]
Reference = Callable[[], Notify | None]


class SignalChain:
    """Puts itself before the handlers of the stop signals.

    It calls the functions under those of :mod:`signal`. The latter try each handler as a member of
    an enumeration, and write it out, with its task, when it is none: 40 µs for each short stream.

    :param notify: called inside the signal handler with the signal's number and whether nobody else
        handles the signal: then its default action is ours to take (see :func:`default_action`). A
        bound method is held weakly, since the process keeps its handlers
    """

    def __init__(self, notify: Notify) -> None:
        is_method = hasattr(notify, "__self__")
        self._notify: Reference = WeakMethod(notify) if is_method else lambda: notify
        self._links: list[_Link] = []

    def install(self) -> None:
        """Take the place of every handler that is not ours; only the main thread can."""
        if threading.current_thread() is not threading.main_thread():
            return
        for number in STOP_SIGNALS:
            handler = _living(plain_signal.getsignal(number))
            # None is a handler that was not set from Python; an ignored signal stops nobody.
            if handler in (None, signal.SIG_IGN) or self._is_ours(handler):
                continue
            if _is_runner_handler(handler):
                # It cancels the program, and so each stream. The runner takes it away at the end
                # of a run, but only where it still finds it.
                continue
            link = _Link(number, handler, self._notify)
            with suppress(ValueError):  # the main thread of a subinterpreter may not
                plain_signal.signal(number, link.handle)
                self._links.append(link)

    def remove(self) -> None:
        """Put the former handlers back, where nobody else has come before us."""
        for link in reversed(self._links):
            link.cut()
            if plain_signal.getsignal(link.number) == link.handle:
                with suppress(ValueError):  # not the main thread: the link forwards from now on
                    plain_signal.signal(link.number, _living(link.former))
        self._links.clear()

    def _is_ours(self, handler: Any) -> bool:
        return any(handler == link.handle for link in self._links)


class _Link:
    """One handler of ours before a former one."""

    def __init__(self, number: int, former: Any, notify: Reference) -> None:
        self.number = number
        self.former = former
        self._notify: Reference | None = notify
        self._process = os.getpid()

    def handle(self, number: int, frame: FrameType | None) -> None:
        notify = None if self.only_forwards or self._notify is None else self._notify()
        former = _living(self.former)
        unhandled = former == signal.SIG_DFL
        if notify is not None:
            notify(number, unhandled)
        elif unhandled:
            default_action(number)
        if callable(former) and not _is_event_loop_handler(former):
            former(number, frame)

    def cut(self) -> None:
        """Only forward from now on: somebody may have kept this handler to call it later."""
        self._notify = None

    @property
    def only_forwards(self) -> bool:
        """Whether the streams behind it are gone, or live in the process that forked this one."""
        notify = self._notify
        return notify is None or notify() is None or self._process != os.getpid()


def _living(handler: Any) -> Any:
    """Skip handlers whose time is over: our links that only forward, and a runner's after its run.

    Somebody who came before us may have put one back when we had gone.
    """
    while isinstance(link := getattr(handler, "__self__", None), _Link) and link.only_forwards:
        handler = link.former
    if _is_runner_handler(handler) and handler.keywords["main_task"].done():
        # The runner would have taken it away, had we not stood in its place.
        return signal.default_int_handler
    return handler


def default_action(number: int) -> None:
    """Do what the system does on a signal that nobody handles: end the process."""
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)


def _is_runner_handler(handler: Any) -> bool:
    """Recognise what :class:`asyncio.Runner` puts in the place of Python's own SIGINT handler."""
    owner = type(getattr(getattr(handler, "func", None), "__self__", None))
    return owner.__module__ == "asyncio.runners" and "main_task" in getattr(handler, "keywords", ())


def _is_event_loop_handler(handler: Any) -> bool:
    """Recognise the handler that an event loop sets beside its own dispatch from the wakeup pipe.

    asyncio's does nothing. uvloop's would dispatch the signal a second time, and granian's worker
    freezes at its third dispatch.
    """
    owner = type(getattr(handler, "__self__", None)).__module__
    module = getattr(handler, "__module__", None)
    return owner.partition(".")[0] == "uvloop" or module == "asyncio.unix_events"
