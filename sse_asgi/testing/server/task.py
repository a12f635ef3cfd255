"""The task that the app runs in."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from contextvars import copy_context
from typing import TYPE_CHECKING, Any

import anyio
from anyio.lowlevel import current_token

if TYPE_CHECKING:
    from asyncio import Task

__all__ = ["AppTask"]

KINDS = ("cr", "ag", "gi")  # coroutines, asynchronous generators, generators
LEFT_OUT = ("anyio.", "asyncio.", "trio.", "sse_asgi.testing.")

Main = Callable[[], Coroutine[Any, Any, object]]


class AppTask:
    """Runs one call of an app in a task of its own, as servers do.

    The task is no child of a task group: a task group that stays open between the set-up and the
    tear-down of a fixture must be closed by the task that opened it, wraps what the test raises in
    an exception group, and httpx offers none. A caller that starts an ``AppTask`` must wait for it.

    Cancellation is the servers' too: on asyncio one :meth:`asyncio.Task.cancel`, on trio a cancel
    scope.
    """

    def __init__(self, main: Main, on_done: Callable[[], object]) -> None:
        self.error: BaseException | None = None
        """The exception that the app raised."""
        self.cancelled: bool = False
        """The app ended with its cancellation."""
        self._on_done = on_done
        self._done = anyio.Event()
        self._coroutine = main()
        self._scope: anyio.CancelScope | None = None
        self._task: Task[None] | None = None
        if hasattr(current_token().native_token, "call_soon_threadsafe"):
            self._start_on_asyncio()
        else:
            self._start_on_trio()

    def _start_on_asyncio(self) -> None:
        from asyncio import CancelledError, create_task

        async def run() -> None:
            try:
                await self._coroutine
            except CancelledError:
                self.cancelled = True
            except BaseException as exc:
                self.error = exc

        self._task = create_task(run())
        # A task that is cancelled before its first step runs no line of the coroutine.
        self._task.add_done_callback(self._finish)

    def _start_on_trio(self) -> None:
        from trio.lowlevel import spawn_system_task

        self._scope = scope = anyio.CancelScope()

        async def run() -> None:
            # What leaves a system task ends the whole run, so nothing may.
            try:
                with scope:
                    await self._coroutine
                self.cancelled = scope.cancelled_caught
            except anyio.get_cancelled_exc_class():
                self.cancelled = True
                raise
            except BaseException as exc:
                self.error = exc
            finally:
                self._finish()

        spawn_system_task(run, context=copy_context())

    def _finish(self, task: Task[None] | None = None) -> None:
        if task is not None and task.cancelled():
            self.cancelled = True
            self._coroutine.close()
        self._done.set()
        self._on_done()

    @property
    def done(self) -> bool:
        """The app has returned or raised."""
        return self._done.is_set()

    def cancel(self) -> None:
        """Cancel the app, as a server does that will not wait for it any longer."""
        if self._task is not None:
            self._task.cancel()
        else:
            assert self._scope is not None
            self._scope.cancel()

    async def wait(self, timeout: float) -> bool:
        """Wait at most ``timeout`` seconds for the app to end; return whether it has."""
        with anyio.move_on_after(timeout):
            await self._done.wait()
        return self.done

    def where(self) -> str:
        """Say where the app waits, innermost call last; the event loop's own calls are left out."""
        lines = []
        awaited: object = self._coroutine
        while awaited is not None:
            kind = next((kind for kind in KINDS if hasattr(awaited, f"{kind}_frame")), None)
            if kind is None:
                break
            frame = getattr(awaited, f"{kind}_frame")
            if frame is not None and not frame.f_globals["__name__"].startswith(LEFT_OUT):
                lines.append(
                    f"    {frame.f_code.co_filename}:{frame.f_lineno} in {frame.f_code.co_qualname}"
                )
            awaited = getattr(awaited, "gi_yieldfrom" if kind == "gi" else f"{kind}_await")
        return "\n".join(lines[-5:])
