"""Hub: one event to many clients, and nothing lost."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from contextvars import copy_context
from secrets import token_hex
from types import TracebackType
from typing import Any, Final

import anyio

from .. import checks
from ..errors import Refusal
from ..runtime.eventloop import EventLoop
from ..runtime.perloop import PerLoop
from ..runtime.service import LoopService
from ..wire import Encoder
from .arrival import wait_for_log
from .backends.memory import MemoryBackend
from .failure import BackendFailure
from .feed import LoopFeeds
from .log.backend import Backend, ReadyBackend
from .log.history import History
from .log.reader import LogReader
from .publication import Publication, check_topics, confirmation
from .replay import Beginning, OnGap, Start
from .selection import Filter, Key, Selection
from .snapshot import HubSnapshot, snapshot_of
from .subscription import Subscription

__all__ = ["Hub"]

_CALL_TIMEOUT: Final = 90.0
"""Seconds after which a publication is given up; more than a backend takes."""

_STOP_TIMEOUT: Final = 5.0
"""Seconds that a backend has to stop."""


class Hub:
    """Publishes events to any number of subscribers, and to those who come back what they missed.

    A hub has one ordered log. Topics are labels on its entries, and the place of an entry in the
    log is its event ID, so that one ``Last-Event-ID`` resumes a subscription to many topics.

    In memory, a hub needs no care. With a backend that has to run, ``async with hub:`` in the
    application's lifespan starts it and stops it again; otherwise its first use in an event loop
    starts it there. Any thread and any event loop may use a hub.

    :param backend: keeps the log: a :class:`MemoryBackend` unless said otherwise. Each hub has its
        own
    :param serializer: makes JSON, as str or bytes, of data that is not a str;
        :func:`sse_asgi.wire.to_json` by default
    :raises TypeError: ``backend`` is not one, or ``serializer`` is not callable
    """

    def __init__(
        self,
        backend: Backend | None = None,
        *,
        serializer: Callable[[Any], str | bytes] | None = None,
    ) -> None:
        if backend is None:
            backend = MemoryBackend()
        if not isinstance(backend, Backend):
            raise TypeError(f"backend must keep a log (see Backend), not {backend!r}")
        self.backend = backend
        self.history: History = backend.history
        # To ask whether an object has a protocol's methods takes as long as to encode an event.
        self._ready = backend if isinstance(backend, ReadyBackend) else None
        self._reader = LogReader(backend, Encoder(serializer=serializer).encode)
        self._feeds = PerLoop(lambda: LoopFeeds(self.history))
        self._service = LoopService(self._run, self._ended, self._after_fork)
        self._failures = PerLoop(BackendFailure)
        self._blocks: dict[int, list[AsyncExitStack]] = {}

    # -- publishing --------------------------------------------------------------------------------

    async def publish(
        self,
        topic: str,
        event: object,
        *,
        token: str | None = None,
        first: bool = False,
        last: bool = False,
    ) -> str:
        """Append an event to the log, and return its ID.

        Never waits for a subscriber: only for the log to have it.

        :param event: a str, a :class:`ServerSentEvent`, a dict of its fields, or any value to be
            sent as JSON; without an ID, since its place in the log is its ID
        :param token: names this attempt; what was published with the same token within the last two
            minutes is not published again
        :param first: begins the topic. Of all publications that begin it, in all processes, one
            succeeds
        :param last: ends the topic: its streams end after the event, and clients that come back
            with its ID get a 204
        :raises TypeError: a parameter is of the wrong type, or there is no such event
        :raises ValueError: the event has no data or has an ID, or ``topic`` is empty
        :raises TopicEnded: the topic has ended
        :raises TopicExists: ``first``, and the topic was begun with ``first`` or has ended
        :raises PublishError: the log did not confirm, so that the outcome is not known
        """
        if self._ready is not None:
            return self.publish_sync(topic, event, token=token, first=first, last=last)
        publication = self._publication(topic, event, token, first, last)
        with confirmation(publication):
            publish = publication.append_with(self.backend.publish)
            return self._reader.count_publication(await self._service.call(publish, _CALL_TIMEOUT))

    def publish_sync(
        self,
        topic: str,
        event: object,
        *,
        token: str | None = None,
        first: bool = False,
        last: bool = False,
        timeout: float = 30.0,
    ) -> str:
        """Publish from a program or a thread without an event loop, and return the event's ID.

        It is for Celery, cron, scripts and synchronous views, and needs no preparation. If the
        backend has to run and runs nowhere in this process, a thread runs it from then on. The
        other parameters and exceptions are those of :meth:`publish`.

        :param timeout: seconds to wait for the log, which a hub in memory never does
        :raises RuntimeError: the hub runs in the event loop of this very thread
        """
        publication = self._publication(topic, event, token, first, last)
        if self._ready is not None:
            position = publication.append_with(self._ready.publish_nowait)()
            return self._reader.count_publication(position)
        with confirmation(publication):
            publish = publication.append_with(self.backend.publish)
            return self._reader.count_publication(self._service.call_from_thread(publish, timeout))

    publish_threadsafe = publish_sync
    """The former name of :meth:`publish_sync`."""

    def _publication(
        self, topic: str, event: object, token: str | None, first: bool, last: bool
    ) -> Publication:
        if token is None and self.backend.needs_run:
            token = token_hex(16)  # a caller that gets no answer repeats the call with it
        return Publication.of(topic, event, token, self._reader.encode, first=first, last=last)

    # -- subscribing -------------------------------------------------------------------------------

    def subscribe(
        self,
        *topics: str,
        last_event_id: str | None = None,
        start: Start = "now",
        filter: Filter | None = None,  # noqa: A002
        on_gap: OnGap = "oldest",
        keep_latest: Key | None = None,
        absent: Refusal | None = None,
    ) -> Subscription:
        """Return the events of ``topics`` as content for a stream: those missed, then what comes.

        Who may subscribe to what is the caller's decision, again whenever a client comes back.

        :param last_event_id: the ID of the last event that the client has seen, as it sent it; an
            empty one is none, and so is ``"None"``, as a template writes an unknown position
        :param start: where a newcomer without such an ID begins: ``"now"``, with the next event, or
            ``"oldest"``, with the first one of the topics that the log still has
        :param filter: called with each :class:`Entry`; those it returns something false for are
            left out
        :param on_gap: what follows the ``gap`` event when something cannot be replayed:
            ``"oldest"``, everything that can; ``"now"``, only what is published from then on;
            ``"close"``, the end of the stream
        :param keep_latest: gives the key of an :class:`Entry`; of a backlog, only the newest entry
            of each key is sent
        :param absent: answers the request instead, if a topic was never begun with ``first=True``
        :raises TypeError: a parameter is of the wrong type
        :raises ValueError: there is no topic, or an empty one, or no such ``start`` or ``on_gap``
        """
        check_topics(topics)
        checks.optional_function("filter", filter)
        checks.optional_function("keep_latest", keep_latest)
        beginning = Beginning(last_event_id, start, on_gap, absent)
        beginning.check()
        self._service.check_process()
        self._follow()
        selection = Selection(frozenset(topics), filter, keep_latest, copy_context())
        return Subscription(self._reader, self._feeds_here, selection, beginning)

    def position(self) -> str | None:
        """Return the ID of the newest event, or None while the log was not reached yet.

        Rendered into a page, it is what the page's stream begins after
        (``?last_event_id=...``), so that nothing falls between the two. With None, the stream
        begins with the next event. In an ``async with`` block, the log was reached before.
        """
        if self.backend.needs_run:
            with suppress(RuntimeError):  # there is no event loop here
                self._service.start()
        self._follow()
        position = self.history.position
        return None if position is None else str(position)

    def _follow(self) -> None:
        """Tell the backend that this process reads, and does not only publish."""
        follow = getattr(self.backend, "follow", None)
        if follow is not None:
            follow()

    # -- running -----------------------------------------------------------------------------------

    async def __aenter__(self) -> Hub:
        """Run the backend, if it has to, until the last block that has entered is left.

        It waits for the log for at most two seconds. A backend that fails for good ends the block
        with its exception.
        """
        async with AsyncExitStack() as stack:
            if self.backend.needs_run:
                tasks = await stack.enter_async_context(anyio.create_task_group())
                stack.callback(tasks.cancel_scope.cancel)
                self._follow()
                self._service.start()
                tasks.start_soon(self._failures.get().raise_first)
                await wait_for_log(self.history)
            self._blocks.setdefault(anyio.get_current_task().id, []).append(stack.pop_all())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool | None:
        """Stop the backend."""
        task = anyio.get_current_task().id
        stack = self._blocks[task].pop()
        if not self._blocks[task]:
            del self._blocks[task]
        try:
            return await stack.__aexit__(kind, error, trace)
        finally:
            if not self._blocks and self.backend.needs_run:
                with anyio.move_on_after(_STOP_TIMEOUT, shield=True):
                    await self._service.stop()
                if self._blocks:  # another event loop has entered one meanwhile
                    self._ended(EventLoop())

    async def _run(self) -> None:
        failure: Exception | None = None
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._reader.backfill.run)
            try:
                await self.backend.run()
            except Exception as exc:
                failure = exc
            tasks.cancel_scope.cancel()
        if failure is not None:
            self.history.fail(failure)
            for loop in self._failures.values():
                loop.tell(failure)
            raise failure

    def _ended(self, loop: EventLoop) -> None:
        """Have the backend run in another event loop that has subscribers: its own has ended."""
        for feeds in self._feeds.values() if self.history.failure is None else ():
            other = feeds.event_loop
            if feeds.places and not other.is_same_as(loop):
                with suppress(RuntimeError):
                    other.call_soon(self._service.start, other)

    def _after_fork(self) -> None:
        """Begin a life of its own in a forked process: no subscriber of the parent's is here."""
        self._feeds = PerLoop(lambda: LoopFeeds(self.history))
        self._failures = PerLoop(BackendFailure)
        self._blocks.clear()
        getattr(self.backend, "after_fork", self.history.after_fork)()

    def _feeds_here(self) -> LoopFeeds:
        """Return the feeds of the running event loop."""
        if self.backend.needs_run:
            self._service.start()
        return self._feeds.get()

    # -- looking -----------------------------------------------------------------------------------

    def health(self) -> float:
        """Return the seconds since the log was last heard of; 0 for a log in memory.

        A backend hears of its log every few seconds even when nothing is published.
        """
        return self.history.silence if self.backend.needs_run else 0.0

    def snapshot(self) -> HubSnapshot:
        """Return what this process knows of the hub, as plain data for metrics."""
        places = [place for feeds in self._feeds.values() for place in feeds.subscribers]
        return snapshot_of(self._reader, places, self.health())
