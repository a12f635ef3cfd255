"""AppStatus: how programs written for sse-starlette ask for, and hear of, the end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anyio

from ...asgi import CloseReason
from ...asgi.serving import KnownLoops, LoopState

__all__ = ["AppStatus", "ExitListener", "Status"]


class Status:
    """Whether the streams of the drop-in are to end.

    Unlike the streams of this library, which know their own server, these obey one flag for the
    whole process as well, because programs set it.
    """

    def __init__(self) -> None:
        self.enable_automatic_graceful_drain: bool = True
        """Whether streams end when their server stops, and not only by :attr:`should_exit`."""
        self.original_handler: Callable[..., Any] | None = None
        self._flag = False
        self._loops = KnownLoops()

    @property
    def should_exit(self) -> bool:
        """Whether streams are to end, by the program's word or because their server stops.

        Setting it to True ends every open stream of the drop-in, and each new one at once, until it
        is set to False again. It may be set in any thread, and in a signal handler.
        """
        return self._flag or (self.enable_automatic_graceful_drain and self._server_is_stopping())

    @should_exit.setter
    def should_exit(self, value: bool) -> None:
        self._flag = bool(value)
        if self._flag:
            self._loops.call_soon(lambda loop: loop.stop_streams())

    @should_exit.deleter
    def should_exit(self) -> None:
        self._flag = False  # as unittest.mock.patch.object leaves it

    def disable_automatic_graceful_drain(self) -> None:
        """Let streams go on when the server stops, until :attr:`should_exit` is set."""
        self.enable_automatic_graceful_drain = False

    def enable_automatic_graceful_drain_mode(self) -> None:
        """Let streams end when the server stops, as they do unless told otherwise."""
        self.enable_automatic_graceful_drain = True

    def handle_exit(self, *args: Any, **kwargs: Any) -> None:
        """End the streams, then call :attr:`original_handler`: for a signal handler."""
        if self.enable_automatic_graceful_drain:
            self.should_exit = True
        if self.original_handler is not None:
            self.original_handler(*args, **kwargs)

    def watch(self, loop: LoopState) -> bool:
        """Remember an event loop that has streams; return whether they are to end at once."""
        self._loops.add(loop)
        return self._flag

    def ends(self, reason: CloseReason) -> bool:
        """Return whether a stream is to end that is told to stop for ``reason``."""
        automatic = self.enable_automatic_graceful_drain or self._flag
        return automatic or reason is not CloseReason.SERVER_STOPPING

    def _server_is_stopping(self) -> bool:
        try:
            return LoopState.current().shutdown.is_stopping
        except RuntimeError:
            return False  # no event loop runs in this thread


class ExitListener:
    """Waits for what ends the streams of the running event loop."""

    def __init__(self) -> None:
        self.owner: object = None
        self._told = anyio.Event()

    async def wait(self) -> None:
        """Wait until the streams are to end."""
        loop = LoopState.current()
        if AppStatus.watch(loop):
            return
        loop.watch(self)
        try:
            await self._told.wait()
        finally:
            loop.unwatch(self)

    def stop(self, reason: CloseReason) -> None:
        """Stop waiting."""
        if AppStatus.ends(reason):
            self._told.set()


AppStatus: Status = Status()
"""The one that programs import. sse-starlette has a class of this name, used as an object."""
