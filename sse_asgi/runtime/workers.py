"""Worker threads of an event loop: a bounded number, in which :mod:`anyio.from_thread` works.

anyio's own worker threads keep the interpreter from exiting while they run. A thread that iterates
over somebody's content may never return, so these are daemon threads of ours. In such a thread
``from_thread.run`` finds the event loop by a thread-local token; :class:`_Calls` stands in that
token for anyio's backend, so that a worker whose work is no longer wanted can be told so. The token
was checked with anyio 4.11 to 4.16. Where it is missing, ``from_thread`` does not work.
"""

from __future__ import annotations

import sys
import threading
from asyncio import CancelledError
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from contextvars import copy_context
from typing import TYPE_CHECKING, Any, Final

import anyio
from anyio.lowlevel import current_token

from .eventloop import EventLoop

if TYPE_CHECKING:
    from anyio import CancelScope

__all__ = ["MAX_WORKERS", "NoWorker", "Worker", "Workers"]

MAX_WORKERS: Final = 256
"""The most worker threads of one event loop. Each takes a stack, and the interpreter in turn."""

_THREAD_NAME: Final = "sse_asgi content"


class NoWorker(RuntimeError):
    """There is no thread: the limit is reached, or the system starts no more."""


class Workers:
    """Starts worker threads for one event loop, at most ``limit`` at a time.

    A thread counts until it returns, whether or not somebody still waits for it.
    """

    def __init__(self, event_loop: EventLoop, limit: int = MAX_WORKERS) -> None:
        self.event_loop = event_loop
        self.limit = limit
        self._lock = threading.Lock()
        self._running = 0

    @property
    def running(self) -> int:
        """How many threads run."""
        return self._running

    def start(self, function: Callable[[], None]) -> Worker:
        """Run ``function`` in a new thread, in a copy of the current context; call it in the loop.

        :raises NoWorker: with the reason
        """
        with self._lock:
            if self._running >= self.limit:
                raise NoWorker(f"all {self.limit} threads of this event loop are in use")
            self._running += 1
        worker = Worker(function, self._leave)
        try:
            worker.thread.start()
        except (RuntimeError, MemoryError) as exc:
            self._leave()
            raise NoWorker(str(exc)) from exc
        return worker

    def _leave(self) -> None:
        with self._lock:
            self._running -= 1


class Worker:
    """A thread that runs one function. A thread cannot be interrupted, but its calls can.

    :param left: called in the thread when the function has returned
    """

    __slots__ = ("_calls", "_function", "_left", "thread")

    def __init__(self, function: Callable[[], None], left: Callable[[], None]) -> None:
        self._function = function
        self._left = left
        self._calls = _Calls(current_token())
        context = copy_context()
        context.run(_leave_event_loop)
        self.thread: threading.Thread = threading.Thread(
            target=context.run, args=(self._run,), name=_THREAD_NAME, daemon=True
        )

    def cancel(self) -> None:
        """Cancel the calls into the event loop that the thread waits for now.

        Later calls run: they belong to its clean-up. ``from_thread.check_cancelled`` raises from
        now on. Call this in the event loop.
        """
        self._calls.cancel()

    def _run(self) -> None:
        function, self._function = self._function, _nothing  # which refers to this worker
        try:
            with _claim(self._calls):
                function()
        finally:
            self._left()


class _Calls:
    """The calls of one worker into the event loop: the part of anyio's backend that they use."""

    def __init__(self, token: Any) -> None:
        self._backend = token.backend_class
        self.native = token.native_token
        self._scopes: set[CancelScope] = set()
        self._is_cancelled = False

    def cancel(self) -> None:
        self._is_cancelled = True
        for scope in list(self._scopes):
            scope.cancel()

    # -- anyio calls these in the thread -----------------------------------------------------------

    def run_async_from_thread(self, func: Any, args: Any, token: object = None) -> Any:
        call = (func, args, self._is_cancelled)
        has_ended, result = self._backend.run_async_from_thread(self._run, call, self.native)
        if not has_ended:
            raise CancelledError
        return result

    def run_sync_from_thread(self, func: Any, args: Any, token: object = None) -> Any:
        return self._backend.run_sync_from_thread(func, args, self.native)

    def check_cancelled(self) -> None:
        if self._is_cancelled:
            raise CancelledError

    def __getattr__(self, name: str) -> Any:
        return getattr(self._backend, name)

    # -- in the event loop -------------------------------------------------------------------------

    async def _run(self, func: Any, args: Any, is_cleanup: bool) -> tuple[bool, Any]:
        """Return whether the function has ended, and its result."""
        with anyio.CancelScope() as scope:
            if self._is_cancelled and not is_cleanup:
                return False, None  # it was cancelled on its way to the event loop
            self._scopes.add(scope)
            try:
                return True, await func(*args)
            finally:
                self._scopes.discard(scope)
        return False, None


def _nothing() -> None:
    """Do nothing."""


def _claim(calls: Any) -> AbstractContextManager[Any]:
    """Return a block in which :mod:`anyio.from_thread` makes its calls by ``calls``."""
    try:
        from anyio._core._eventloop import claim_worker_thread
    except ImportError:
        return nullcontext()
    return claim_worker_thread(calls, calls.native)


def _leave_event_loop() -> None:
    """Let a context not say that it belongs to an event loop, as the context of a request does."""
    sniffio: Any = sys.modules.get("sniffio")
    if sniffio is not None:
        sniffio.current_async_library_cvar.set(None)
