"""The state that an event loop's streams share: clock, timers, pump, threads, shutdown watch."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, Protocol

from anyio import get_cancelled_exc_class
from anyio.lowlevel import RunVar

from .. import checks
from ..runtime.clock import Clock, MonotonicClock
from ..runtime.eventloop import EventLoop, Spawned, TaskFunction, is_cancellation, this_task
from ..runtime.pump import Pump
from ..runtime.tasks import AnyioTaskPair, TaskPair
from ..runtime.timers import TimerQueue
from ..runtime.workers import Workers
from .keyring import Keyring
from .outcome import CloseReason
from .server.shutdown import ShutdownWatch

__all__ = ["LoopState", "Stoppable", "drain", "revoke", "use_clock"]

logger: Final = logging.getLogger("sse_asgi")


class Stoppable(Protocol):
    """Something to end when the server stops: the control of a stream, for example."""

    owner: object

    def stop(self, reason: CloseReason) -> None:
        """End for ``reason``."""


class LoopState:
    """The state that the streams of one event loop share; nothing is shared between event loops."""

    def __init__(self, clock: Clock | None = None) -> None:
        self.event_loop: EventLoop = EventLoop()
        self.on_asyncio: bool = self.event_loop.on_asyncio
        self.cancelled: type[BaseException] = get_cancelled_exc_class()
        """The exception that cancels a task: anyio takes a microsecond to tell."""
        if clock is None:
            clock = MonotonicClock() if self.on_asyncio else Clock()
        self.clock = clock
        self.new_tasks: Callable[[], TaskPair] = _task_pair_type(self.on_asyncio)
        self.timers: TimerQueue = TimerQueue(self.clock, self._spawn_timers, self._spawn)
        self.pump: Pump = Pump(self._spawn)
        self.workers: Workers = Workers(self.event_loop)
        self.sessions: set[Stoppable] = set()
        self.keyring: Keyring = Keyring()
        self.shutdown: ShutdownWatch = ShutdownWatch(
            self.event_loop, self.clock, self.timers, self.sessions, self.stop_streams
        )
        self.is_in_use = True
        """False while :func:`use_clock` has another one in its place."""

    @classmethod
    def current(cls, known: LoopState | None = None) -> LoopState:
        """Return the state of the running event loop; quickly, if that is ``known``."""
        if known is not None and known.is_in_use and known.event_loop.is_running_here:
            return known
        state = _state.get(None)
        if state is None:
            state = cls()
            _state.set(state)
        return state

    def watch(self, stream: Stoppable) -> None:
        """Stop ``stream`` when the server stops from now on."""
        self.sessions.add(stream)
        self.shutdown.open()

    def unwatch(self, stream: Stoppable) -> None:
        """Forget a stream that has ended."""
        self.sessions.discard(stream)

    def stop_streams(self, owner: object = None) -> None:
        """Stop every open stream, or those of one application."""
        for session in list(self.sessions):
            if owner is None or session.owner is owner:
                session.stop(CloseReason.SERVER_STOPPING)

    def call_soon(self, function: Callable[..., object], *args: object) -> None:
        """Have the event loop call ``function``; from any thread and from signal handlers.

        :raises RuntimeError: the event loop is gone (trio's ``RunFinishedError`` is one)
        """
        self.event_loop.call_soon(function, *args)

    def _spawn(self, function: TaskFunction) -> Spawned:
        return self.event_loop.spawn(lambda: _supervise(function))

    def _spawn_timers(self, function: TaskFunction) -> Spawned:
        async def tick() -> None:
            try:
                await function()
            finally:
                if self.shutdown.is_open:
                    # The timers end before the watch only when the event loop itself ends.
                    self.shutdown.close()

        return self._spawn(tick)


async def _supervise(function: TaskFunction) -> None:
    task = this_task()
    try:
        await function()
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as exc:
        if is_cancellation(exc, task):
            raise
        # trio takes an exception that leaves a system task for its own and ends the run.
        logger.exception("a task that all event streams share failed")


def _task_pair_type(on_asyncio: bool) -> Callable[[], TaskPair]:
    if on_asyncio:
        from ..runtime.tasks import AsyncioTaskPair

        return AsyncioTaskPair
    return AnyioTaskPair


_state: RunVar[LoopState] = RunVar("sse_asgi")


def drain() -> None:
    """End every open stream of the running event loop as the server's shutdown does.

    Content that watches ``connection.shutdown`` has its grace; clients get a reconnection time and
    a clean end. Streams that are opened within the next seconds end at once. From another thread,
    have the event loop call it, or use :meth:`EventSourceApp.drain`.
    """
    _with_state(lambda state: state.shutdown.notice())


def revoke(key: str) -> None:
    """End every stream of the running event loop that has the key, at once.

    Its client gets a last event named ``revoked``. From another thread, have the event loop call
    it: by :func:`anyio.from_thread.run_sync` in a synchronous endpoint of FastAPI's, for example.
    Or use :meth:`EventSourceApp.revoke`. For the streams of other workers see
    :func:`follow_revocations`.

    :param key: one of those that the option ``key`` gave
    :raises TypeError: ``key`` is not a str
    """
    name = checks.text("key", key)
    _with_state(lambda state: state.keyring.revoke(name))


def _with_state(function: Callable[[LoopState], object]) -> None:
    """Call ``function`` with the state of the running event loop."""
    try:
        state = LoopState.current()
    except RuntimeError:
        # A callback of asyncio's belongs to no task, and there anyio sees no event loop.
        from asyncio import get_running_loop

        async def call() -> None:
            function(LoopState.current())

        _ = get_running_loop().create_task(call())
    else:
        function(state)


@contextmanager
def use_clock(clock: Clock) -> Iterator[None]:
    """Let the streams that start inside the block, in this event loop, go by ``clock``."""
    outer, inner = _state.get(None), LoopState(clock)
    token = _state.set(inner)
    if outer is not None:
        outer.is_in_use = False
    try:
        yield
    finally:
        inner.shutdown.close()
        inner.is_in_use = False
        if outer is not None:
            outer.is_in_use = True
        _state.reset(token)
