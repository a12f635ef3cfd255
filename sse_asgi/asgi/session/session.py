"""One stream to one client, from the request to its end.

A session has two tasks: the server's own runs the content and writes its events, and one beside it
listens for the client to leave. For content that is ready before it is asked for, such as a hub's
subscription, the event loop's pump writes and the server's own task listens, so one task is enough.
"""

from __future__ import annotations

from collections.abc import Callable
from inspect import isawaitable
from types import AsyncGeneratorType
from typing import Any, Final

import anyio
from anyio import sleep_forever

from ...runtime.tasks import is_scope_cancelled, uncalled_for
from ..connection import Connection
from ..content.ready import claim_content, is_ready_content
from ..content.source import check_content, close_content, open_content, unclosed
from ..outcome import CloseReason
from .control import StreamControl
from .deadlines import FAREWELL_TIMEOUT
from .delivery import Delivery
from .events import is_for_content, write_content, write_rest
from .farewell import take_leave
from .hooks import tell_close, tell_open
from .inbox import DISCONNECTS, drop
from .state import ClientGone
from .window import Pause

__all__ = ["ContentMaker", "Session"]

ContentMaker = Callable[[Connection], Any]

STUCK_TIMEOUT: Final = 0.1
"""Seconds for the last blocks of a client that has not taken the message before them."""


class Session:
    """Streams the content that ``make`` gives for the connection of ``control``."""

    __slots__ = ("_content", "_items", "_make", "control")

    def __init__(self, make: ContentMaker, control: StreamControl) -> None:
        self.control: StreamControl = control
        self._make = make
        self._content: Any = None
        self._items: Any = None

    async def run(self) -> None:
        """Stream until the content ends or something ends the stream.

        :raises BaseException: the one that the content raised, or the server's cancellation
        """
        control = self.control
        outcome, tasks = control.outcome, control.tasks
        control.loop.watch(control)  # before anything is sent: the signal may come any time
        try:
            if control.options.on_open is not None:
                await tell_open(control.options, control.connection)
            await tasks.run(self._run_content)
            if self._items is not None and not control.is_interrupted:
                await tasks.run(self._conclude)
            if self._items is not None or not control.writer.is_closed:
                await self._wind_down()
        except GeneratorExit:
            raise  # this coroutine is thrown away: nothing can be awaited any more
        except BaseException as exc:
            # The server cancels the request, as daphne and hypercorn do when they stop.
            outcome.first(CloseReason.SERVER_STOPPING)
            await self._wind_down()
            if not self._is_known(exc):
                raise
        finally:
            control.close()
            if control.options.on_close is not None:
                await tell_close(control.options, control.summary(), control.connection)
        error = outcome.unhandled
        if error is not None:
            raise error

    async def discard(self) -> None:
        """Close the content without asking it for anything."""
        control = self.control
        control.loop.watch(control)
        try:
            self._content = self._make(control.connection)
            await control.tasks.run(self._close_content)
        finally:
            control.close()
        error = control.outcome.unhandled
        if error is not None:
            raise error

    def _is_known(self, exc: BaseException) -> bool:
        """Tell whether a cancellation only repeats the notice that the stream has ended for.

        daphne waits for no other stream any more once one has raised its cancellation.
        """
        control = self.control
        noticed = control.outcome.stopping is CloseReason.SERVER_STOPPING
        return noticed and control.loop.on_asyncio and isinstance(exc, control.loop.cancelled)

    # -- the content -------------------------------------------------------------------------------

    async def _run_content(self) -> None:
        """Make the content, write its items, and close it where it stands."""
        control = self.control
        try:
            self._content = content = self._make(control.connection)
            if isinstance(content, AsyncGeneratorType):
                self._items = content
                control.tasks.start(self._listen)
                try:
                    ended = await write_content(control, content)
                except BaseException as exc:
                    if not is_for_content(exc, content):
                        raise
                    ended = await write_rest(control, content, exc)
            else:
                ended = await self._run_other(content)
        except ClientGone:
            control.outcome.first(CloseReason.CLIENT_GONE)
        except Exception as exc:
            control.fail(exc)
        except BaseException as exc:
            if self._goes_on(exc):
                if not isinstance(self._items, Delivery):
                    await self._close_content()
                raise
            control.fail(uncalled_for(exc))
        else:
            # If nothing of ours has cancelled it, the server has.
            reason = control.outcome.stopping if ended else CloseReason.SERVER_STOPPING
            control.outcome.first(reason)
        await self._conclude()

    async def _run_other(self, content: Any) -> bool:
        """Run content that is no asynchronous generator; see :func:`write_content`."""
        control = self.control
        alone = is_ready_content(content)
        if not alone:
            control.tasks.start(self._listen)
            if isawaitable(content):
                self._content = None
                self._content = content = await content
            check_content(content, "what the handler returned")
        if is_ready_content(content):
            await self._deliver(content, alone=alone)
            return True
        self._items = items = open_content(
            content, control.options, control.loop, control.connection
        )
        try:
            return await write_content(control, items)
        except BaseException as exc:
            if not is_for_content(exc, items):
                raise
            return await write_rest(control, items, exc)

    async def _deliver(self, content: Any, *, alone: bool) -> None:
        """Let the event loop's pump write the content.

        :param alone: no task listens to the client yet, so this one does, unless the first message
            has to wait
        """
        control = self.control
        self._content = None  # if another stream has claimed it, it is not ours to close
        claim_content(content)
        pause = None
        if control.options.window:
            pause = Pause(control.options.window, control.loop.clock.now, control.look_at)
            control.writer.window = pause
        self._items = delivery = Delivery(
            content,
            control.writer,
            control.loop.pump,
            control.options.first,
            control.content_ended,
            pause,
        )
        if alone:
            control.listen = self._listen
        control.keep()
        if await delivery.deliver():
            if control.listen is None:
                await sleep_forever()
            control.listen = None
            await self._listen(alone=True)

    def _goes_on(self, exc: BaseException) -> bool:
        """Tell whether ``exc`` is for those who call us, and not the content's own failure."""
        if isinstance(exc, self.control.loop.cancelled):
            return self.control.tasks.is_cancelled
        return isinstance(exc, KeyboardInterrupt | SystemExit | GeneratorExit)

    async def _close_content(self) -> None:
        """Close the content, in the task in which it ran and under its own scopes."""
        items, self._items = self._items, None
        content, self._content = self._content, None
        # The usual content is a generator that has ended: it has no frame any more.
        if content is items and getattr(items, "ag_frame", self) is None:
            return
        left = unclosed(items, content)
        if not left:
            return
        control = self.control
        control.is_closing_content = True
        control.clean_up()
        try:
            for thing in left:
                await self._close(thing)
        finally:
            control.is_closing_content = False
            control.cleaned_up()

    async def _close(self, thing: object) -> None:
        try:
            if isinstance(thing, AsyncGeneratorType) or not is_scope_cancelled():
                await close_content(thing)
            else:
                # No generator, so no scope is open in it; but it may have to wait. The timers are
                # the first to cut it where they can, since they log it.
                seconds = self.control.options.cleanup_timeout + STUCK_TIMEOUT
                with anyio.move_on_after(seconds, shield=True):
                    await close_content(thing)
        except Exception as exc:
            self.control.fail(exc)
        except BaseException as exc:
            if self._goes_on(exc):
                raise
            self.control.fail(uncalled_for(exc))

    # -- the client --------------------------------------------------------------------------------

    async def _listen(self, *, alone: bool = False) -> None:
        """Wait for the client to leave, and stop at the first notice of it.

        A further ``receive`` would block forever on hypercorn and daphne, and return at once, each
        time, on uvicorn and granian.

        :param alone: in the session's own task
        """
        control = self.control
        control.keep()
        reason = CloseReason.CLIENT_GONE
        error: Exception | None = None
        dropped = False
        try:
            while (message := await control.receive())["type"] not in DISCONNECTS:
                dropped = await drop(message, control.connection, dropped)
        except OSError:
            pass
        except Exception as exc:
            reason, error = CloseReason.ERROR, exc
        if not alone:
            control.end(reason, error)
        elif error is not None:
            control.fail(error)
        else:
            control.outcome.first(reason)
            control.writer.close()

    # -- the end -----------------------------------------------------------------------------------

    async def _conclude(self) -> None:
        """Close the content, and end the response that it has left open."""
        control = self.control
        if not control.writer.is_closed:
            control.tasks.start(self._listen)
        await self._close_content()
        # Cancelled content may go on, or fail; the last words may be cancelled, too.
        if not control.tasks.is_cancelled:
            await take_leave(control.options, control.outcome, control.writer, control.connection)

    async def _wind_down(self) -> None:
        """Do what an interruption left to do, now that nobody listens to the client."""
        control = self.control
        await self._close_content()
        writer, control.listen = control.writer, None
        if not writer.is_closed:
            seconds = STUCK_TIMEOUT if writer.is_torn else FAREWELL_TIMEOUT
            with anyio.move_on_after(seconds, shield=True) as limit:
                await take_leave(control.options, control.outcome, writer, control.connection)
            if limit.cancelled_caught:
                control.abort()
