"""Why and when a session ends: the first reason holds."""

from __future__ import annotations

import logging

from ...errors import Refusal
from ..connection import Connection
from ..loop import LoopState
from ..options import StreamOptions
from ..outcome import CloseReason, StreamSummary
from ..server.transport import abort_connection
from ..types import Send
from .coding import CodedSend, negotiate
from .deadlines import NEVER, Keeper
from .writer import ResponseWriter

__all__ = ["Ending"]

logger = logging.getLogger("sse_asgi")


class Ending:
    """What can end one stream, and what is known of its end.

    Whatever ends a stream early goes through :meth:`end`, which notes the reason and interrupts the
    session's task.
    """

    __slots__ = (
        "_coded",
        "_keeper",
        "_send",
        "began",
        "connection",
        "error",
        "is_closing_content",
        "loop",
        "options",
        "owner",
        "reason",
        "response",
        "stopping",
        "tasks",
        "took_leave",
    )

    def __init__(
        self,
        options: StreamOptions,
        connection: Connection,
        send: Send,
        owner: object,
        loop: LoopState,
    ) -> None:
        self.owner = owner
        """The application that the stream belongs to."""
        self.loop = loop
        self.options = options
        self.connection = connection
        websocket = connection.scope["type"] == "websocket"
        headers, compressor = negotiate(options, connection)
        self._coded = None if compressor is None else CodedSend(send, compressor, headers)
        self.response = ResponseWriter(
            self._coded or send,
            loop.clock.now,
            status=options.status,
            headers=headers,
            prefix="websocket.http.response" if websocket else "http.response",
        )
        self.tasks = loop.new_tasks()
        self.began = self.response.since
        """When the request came."""
        self.stopping = CloseReason.COMPLETED
        """The reason that holds when the content comes to its end."""
        self.reason: CloseReason | None = None
        """Why the stream ends, if it does."""
        self.error: Exception | None = None
        """The exception behind it, to be raised at last."""
        self.is_closing_content = False
        """The content's ``finally`` blocks run."""
        self.took_leave = False
        """The last block was made: an interruption may come before the final body."""
        self._send = send
        self._keeper: Keeper | None = None

    def keep(self) -> None:
        """Have the ticker look at the session from now on."""
        if self._keeper is not None:
            return
        now = self.loop.clock.now()
        self._keeper = keeper = Keeper(self, self.began)
        when, due = keeper.look(now)
        self.loop.timers.add(keeper, now if due else when)
        if self.stopping is not CloseReason.COMPLETED:
            self._stop_in_time(keeper)
        elif self.loop.shutdown.is_stopping:
            self.stop(CloseReason.SERVER_STOPPING)

    def stop(self, reason: CloseReason) -> None:
        """End the stream; content that watches the notice has its grace."""
        if self.stopping is CloseReason.COMPLETED:
            self.stopping = reason
            self.connection.shutdown.give()
            if self._keeper is not None:
                self._stop_in_time(self._keeper)

    def _stop_in_time(self, keeper: Keeper) -> None:
        watched = self.connection.shutdown.is_watched
        grace = self.options.shutdown_grace if watched else 0
        if grace or self.response.busy:
            keeper.stop_at(self.loop.clock.now() + grace)
        else:
            self.end(self.stopping)  # at once: daphne waits for nobody

    def end(self, reason: CloseReason) -> None:
        """End the stream now, for ``reason`` if there is none yet."""
        self.note(reason)
        if reason in (CloseReason.CLIENT_GONE, CloseReason.SLOW_CLIENT):
            self.response.close()
        if self in self.loop.sessions:
            self.keep()
        keeper = self._keeper
        if keeper is None or self.is_interrupted:
            return
        keeper.interrupted(self.loop.clock.now())
        # Neither the content's clean-up nor a final body that the server is at work on is
        # interrupted; the keeper sees to them.
        if not (self.is_closing_content or self.response.ending):
            self.response.halt()
            self.tasks.interrupt()

    def finish(self, error: Exception | None = None) -> None:
        """End the stream since its content has ended, or failed, outside of the session's tasks."""
        if error is None:
            self.note(self.stopping)
        else:
            self.fail(error)
        self.tasks.interrupt()

    def fail(self, error: Exception) -> None:
        """Note that the stream ends with ``error``."""
        if self.reason is not None:
            logger.error("%s: failed while the stream was closing", self.name, exc_info=error)
            return
        self.error = error
        refused = isinstance(error, Refusal) and not self.response.started
        self.reason = CloseReason.REFUSED if refused else CloseReason.ERROR

    def interrupt(self) -> None:
        """Interrupt the content, or its clean-up."""
        self.tasks.interrupt()

    def abort(self) -> None:
        """Close the connection of a client that has stopped reading, where the server lets us."""
        self.response.close()
        receive = getattr(self, "_receive", None)
        abort_connection(self._send, receive, self.connection.scope)

    @property
    def is_interrupted(self) -> bool:
        """Whether the stream was ended early."""
        return self._keeper is not None and self._keeper.interrupted_at < NEVER

    @property
    def is_ending(self) -> bool:
        """Whether there is a reason for the end: no keep-alive any more, nor a late head."""
        return self.reason is not None

    def note(self, reason: CloseReason) -> None:
        """Note why the stream ends, unless that is known."""
        if self.reason is None:
            self.reason = reason

    def hear(self) -> None:
        """See that somebody listens to the client, who takes a message slowly."""

    def let_go(self) -> None:
        """Have the ticker look no more."""
        keeper, self._keeper = self._keeper, None  # it holds this session, which holds it
        if keeper is not None:
            self.loop.timers.discard(keeper)
            keeper.close()

    def summary(self) -> StreamSummary:
        """Return how the stream ended."""
        response, reason = self.response, self.reason or CloseReason.COMPLETED
        seconds = self.loop.clock.now() - self.began
        size = response.bytes if self._coded is None else self._coded.bytes
        return StreamSummary(reason, response.events, size, seconds, self.error)

    @property
    def name(self) -> str:
        """Method and path of the request, for the log."""
        return f"{self.connection.method} {self.connection.scope.get('path')}"
