"""The one thing that timers, pump, shutdown, limits and adapters hold of a live stream."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, TypeAlias

import anyio

from ...runtime.context import in_context, own_context
from ...runtime.eventloop import is_cancellation, this_task
from ...runtime.tasks import Main, TaskPair
from ..connection import request_name
from ..outcome import CloseReason, Outcome, StreamSummary
from ..server.backlog import bounded
from ..server.transport import abort_connection
from .coding import negotiate
from .deadlines import NEVER, Deadlines, Due
from .due import write_due
from .state import ClientGone
from .writer import ResponseWriter

if TYPE_CHECKING:
    from contextvars import Context

    from ..connection import Connection
    from ..loop import LoopState
    from ..options import StreamOptions
    from ..types import Receive, Send

__all__ = ["MayStop", "StreamControl"]

logger: Final = logging.getLogger("sse_asgi")

MayStop: TypeAlias = Callable[[CloseReason], bool]


class StreamControl:
    """Ends one stream, by the four verbs of :mod:`sse_asgi.asgi.session`.

    :param owner: the application that the stream belongs to
    :param may_stop: asked before the stream is stopped for a reason; False: it goes on
    """

    __slots__ = (
        "_context",
        "_may_stop",
        "began",
        "connection",
        "deadlines",
        "is_closing_content",
        "listen",
        "loop",
        "options",
        "outcome",
        "owner",
        "receive",
        "tasks",
        "writer",
    )

    def __init__(
        self,
        options: StreamOptions,
        connection: Connection,
        receive: Receive,
        send: Send,
        loop: LoopState,
        owner: object = None,
        may_stop: MayStop | None = None,
    ) -> None:
        self.owner: object = owner
        self.loop: LoopState = loop
        self.options: StreamOptions = options
        self.connection: Connection = connection
        self.receive: Receive = receive
        headers, compressor = negotiate(options, connection)
        self.writer: ResponseWriter = ResponseWriter(
            bounded(send, connection.scope),
            loop.clock.now,
            status=options.status,
            headers=headers,
            compressor=compressor,
        )
        self.outcome: Outcome = Outcome()
        self.tasks: TaskPair = loop.new_tasks()
        self.deadlines: Deadlines | None = None
        """None until the timers look after the stream, and when it is closed."""
        self.began: float = self.writer.since
        """When the request came."""
        self.is_closing_content: bool = False
        """The content's clean-up runs, so that nothing but its own timeout interrupts it."""
        self.listen: Main | None = None
        """Waits for the client to leave: started when the session's own task cannot do it."""
        self._may_stop = may_stop
        self._context: Context | None = None

    # -- the four verbs ----------------------------------------------------------------------------

    def stop(self, reason: CloseReason) -> None:
        """Ask the stream to end: content that watches the notice has its grace."""
        if self.outcome.stopping is not CloseReason.COMPLETED:
            return
        if self._may_stop is not None and not self._may_stop(reason):
            return
        self.outcome.stopping = reason
        self.connection.shutdown.give()
        if self.deadlines is not None:
            self._grant_grace(self.deadlines)

    def _grant_grace(self, deadlines: Deadlines) -> None:
        watched = self.connection.shutdown.is_watched
        grace = self.options.shutdown_grace if watched else 0
        if grace or self.writer.busy:
            when = self.loop.clock.now() + grace
            deadlines.stop(when)
            self.loop.timers.look_at(self, when)
        else:
            self.end(self.outcome.stopping)  # at once: daphne does not wait

    def end(self, reason: CloseReason, error: BaseException | None = None) -> None:
        """End the stream now, for ``reason`` if there is none yet, and interrupt its content."""
        if error is not None:
            self.fail(error)
        else:
            self.outcome.first(reason)
        if reason in (CloseReason.CLIENT_GONE, CloseReason.SLOW_CLIENT):
            self.writer.close()
        self.keep()
        deadlines = self.deadlines
        if deadlines is None or self.is_interrupted:
            return
        self.loop.timers.look_at(self, deadlines.interrupt(self.loop.clock.now()))
        # Neither the content's clean-up nor a final body that the server is at work on is
        # interrupted: they have a time of their own.
        if not (self.is_closing_content or self.writer.is_final):
            self.writer.halt()
            self.tasks.interrupt()

    def abort(self) -> None:
        """Cut the connection of a client that has stopped reading, where the server lets us."""
        self.writer.close()
        abort_connection(self.writer.send, self.receive, self.connection.scope)

    def close(self) -> None:
        """Let go of the timers and the loop. May be called again."""
        self.loop.unwatch(self)
        self.writer.window = None  # it holds the writer, which holds it
        if self.deadlines is not None:
            self.deadlines = None
            self.loop.timers.discard(self)
            self.loop.timers.break_off(self)

    # -- what is known of the end ------------------------------------------------------------------

    def fail(self, error: BaseException) -> None:
        """Note that the stream ends with ``error``, and interrupt nothing."""
        if not self.outcome.fail(error, started=self.writer.started):
            logger.error("%s: failed while the stream was closing", self.name, exc_info=error)

    def content_ended(self, error: BaseException | None) -> None:
        """End the stream since its content has ended, or failed, outside of the stream's tasks."""
        if error is None:
            self.outcome.first(self.outcome.stopping)
            self.tasks.interrupt()
        elif isinstance(error, Exception) and not isinstance(error, ClientGone):
            self.fail(error)
            self.tasks.interrupt()
        else:
            self.broken(error)

    def broken(self, error: BaseException) -> None:
        """End the stream early, by what was raised outside of the stream's tasks."""
        if isinstance(error, ClientGone):
            self.end(CloseReason.CLIENT_GONE)
        elif isinstance(error, anyio.get_cancelled_exc_class()):
            self.end(CloseReason.SERVER_STOPPING)  # the event loop ends, or a part of the server
        else:
            self.end(CloseReason.ERROR, error)

    def summary(self) -> StreamSummary:
        """Return how the stream ended."""
        writer, first_at = self.writer, self.writer.first_at
        return self.outcome.summary(
            events=writer.events,
            size=writer.bytes,
            seconds=self.loop.clock.now() - self.began,
            first_event=None if first_at is None else first_at - self.began,
            connection=self.connection,
        )

    @property
    def is_interrupted(self) -> bool:
        """Whether the stream was ended early."""
        return self.deadlines is not None and self.deadlines.interrupted_at < NEVER

    @property
    def name(self) -> str:
        """Method and path of the request, for the log."""
        return request_name(self.connection)

    # -- the timers' side (a :class:`~sse_asgi.runtime.timers.Timed`) ------------------------------

    def keep(self) -> None:
        """Have the timers look after the stream from now on, for as long as it is open."""
        if self.deadlines is not None or self not in self.loop.sessions:
            return
        now = self.loop.clock.now()
        self.deadlines = deadlines = Deadlines(self.options, self.began)
        self._context = own_context()
        when, to_act = self.look(now)
        self.loop.timers.add(self, now if to_act else when)
        if self.outcome.stopping is not CloseReason.COMPLETED:
            self._grant_grace(deadlines)
        elif self.loop.shutdown.is_stopping:
            self.stop(CloseReason.SERVER_STOPPING)

    def look_at(self, when: float) -> None:
        """Have the timers look at the stream at ``when``, unless they do so sooner."""
        self.loop.timers.look_at(self, when)

    def look(self, now: float) -> tuple[float, bool]:
        """Do what is due and need not wait; return the time of the next look and whether to act."""
        while (deadlines := self.deadlines) is not None:
            if self.writer.busy and self.listen is not None:
                listen, self.listen = self.listen, None
                self.tasks.start(listen)
            if self.loop.on_asyncio and self.tasks.is_cancelled:
                deadlines.clean_up(now)  # the server cancelled the request: its time runs, too
            when, due = deadlines.next(self.writer, now)
            if due is Due.NOTHING or due is Due.WRITE:
                if self.writer.started:
                    when = self.loop.timers.together(when, deadlines.early)
                    deadlines.look_at = when
                return when, due is Due.WRITE
            self._do(due, deadlines, now)
        return NEVER, False

    def _do(self, due: Due, deadlines: Deadlines, now: float) -> None:
        if due is Due.LIFETIME:
            deadlines.stop(NEVER)
            self.stop(CloseReason.LIFETIME)
        elif due is Due.END:
            self.end(self.outcome.stopping)
        elif due is Due.SLOW:
            self.abort()
            self.end(CloseReason.SLOW_CLIENT)
        elif due is Due.ABORT:
            deadlines.aborted()
            was_final = self.writer.is_final
            self.abort()
            if was_final:
                self.tasks.interrupt()
        elif self.is_interrupted or self.is_closing_content or self.tasks.is_cancelled:
            seconds = self.options.cleanup_timeout
            logger.warning("%s: cut the content's cleanup after %g s", self.name, seconds)
            deadlines.cut(now)
            self.tasks.interrupt(pierce=True)
        else:
            deadlines.cleaned_up()  # the content goes on

    # -- the clean-up of the content ---------------------------------------------------------------

    def clean_up(self) -> None:
        """Note that the content's clean-up begins: it has its time from now on."""
        self.keep()
        if self.deadlines is not None:
            self.loop.timers.look_at(self, self.deadlines.clean_up(self.loop.clock.now()))

    def cleaned_up(self) -> None:
        """Note that no clean-up of the content runs."""
        if self.deadlines is not None:
            self.deadlines.cleaned_up()

    async def act(self) -> None:
        """Send what is due, in the context of the request. Raises nothing."""
        deadlines = self.deadlines
        if deadlines is None or self.outcome.reason is not None:
            return
        due = write_due(self.writer, self.options, deadlines)
        if due is None:
            return
        task = this_task()
        try:
            await (due if self._context is None else in_context(self._context, due))
        except BaseException as exc:
            self.broken(exc)
            if is_cancellation(exc, task) or isinstance(exc, KeyboardInterrupt | SystemExit):
                raise
        if self.writer.window is not None and not self.writer.is_halted:
            # More may be due by now: events that came meanwhile, or a keep-alive.
            self.look_at(self.loop.clock.now())
