"""Runs: start once, follow by many, resume anywhere, stop from anywhere, and always an end."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from types import TracebackType
from typing import Final, NamedTuple, Self

import anyio
from anyio.abc import TaskGroup

from ... import checks
from ...errors import Refusal, UnknownRun
from ...runtime.eventloop import EventLoop
from ..decoded import decoded
from ..hub import Hub
from ..selection import Filter, Key
from ..subscription import Subscription
from .followed import FollowedRuns
from .lease import BEATS
from .message import Message, MessageTopic
from .name import check_name, known_topic
from .owned import OwnedRuns
from .producer import Explain, Producer, check_producer
from .state import RUNNING, RunState

__all__ = ["Runs"]

_LOG_TIMEOUT: Final = 30.0
"""Seconds to wait for a log that cannot be reached."""


class _Options(NamedTuple):
    lease: float
    grace: float
    most: int
    explain: Explain


class _Process(NamedTuple):
    """The runs of this process, while the block is entered."""

    loop: EventLoop
    tasks: TaskGroup
    topic: MessageTopic
    owned: OwnedRuns
    followed: FollowedRuns

    @classmethod
    def of(cls, hub: Hub, tasks: TaskGroup, options: _Options) -> _Process:
        topic = MessageTopic(hub)
        owned = OwnedRuns(hub, topic, tasks, **options._asdict())
        followed = FollowedRuns(hub, topic, lease=options.lease)
        return cls(EventLoop(), tasks, topic, owned, followed)

    async def listen(self) -> None:
        """Do what the messages of all processes say, until cancelled."""
        await self.topic.receive(self.take)

    def take(self, message: Message) -> None:
        """Do what one message says."""
        self.owned.take(message)
        self.followed.take(message)

    def follow(self, run: str) -> None:
        """Watch the owner of a run, if it is another process."""
        if run not in self.owned:
            self.followed.add(run)


class Runs:
    """Work that goes on when its readers leave: an answer of a model, a job.

    A run has an ID that the program chooses, and a producer, which yields its events. It runs once,
    in the process in which :meth:`start` was called first, and has any number of followers, in any
    process of the hub. Its first event is named ``started``; its last one ``ended``, and says
    ``{"state": "completed", "reason": null}`` or another state of :class:`RunState`.

    ``async with runs:`` in the application's lifespan, inside of ``async with hub:``, owns the
    tasks of the producers. When it is left, they have ``grace`` seconds, and then end as failed:
    restarting. A process that dies says nothing: those who follow its runs end them, once, when
    they have not heard of it for ``lease`` seconds. If it wakes up later, its producers are
    cancelled, and none of their events comes after the end.

    :param hub: its log has the events of the runs, in all processes
    :param lease: seconds of silence after which a producer's process counts as dead, from 0.2 on;
        the same in all processes
    :param grace: seconds that producers have to end by themselves when the block is left, and to
        clean up when they are cancelled
    :param most: runs that this process produces at once
    :param explain: returns the text that clients are told when a producer raises an exception;
        by default "error", since the exception may hold secrets. The log always gets all of it
    :raises TypeError: a parameter is of the wrong type
    :raises ValueError: a parameter is out of its range
    """

    def __init__(
        self,
        hub: Hub,
        *,
        lease: float = 10.0,
        grace: float = 5.0,
        most: int = 1000,
        explain: Callable[[Exception], str] | None = None,
    ) -> None:
        if not isinstance(hub, Hub):
            raise TypeError(checks.refuse("hub", "a Hub", hub))
        self.hub: Hub = hub
        self._options = _Options(
            checks.seconds("lease", lease, least=0.2),
            checks.seconds("grace", grace),
            checks.integer("most", most, least=1),
            checks.optional_function("explain", explain) or _error,
        )
        self._process: _Process | None = None

    # -- what programs call ------------------------------------------------------------------------

    async def start(self, id: str, producer: Producer) -> str:  # noqa: A002
        """Start a run, unless there is one with that ID already; return the ID.

        It is safe to repeat, in any process: the same ID is the same run, also when it has ended.
        A producer that is not needed is closed, and has not begun.

        :param id: printable text of 1 to 200 characters
        :param producer: an asynchronous generator of events, as :meth:`Hub.publish` takes them
        :raises TypeError: ``id`` is not a str, or ``producer`` no asynchronous generator
        :raises ValueError: ``id`` is no such text
        :raises RunRefused: the process has ``most`` runs, or stops (a refusal with 503)
        :raises PublishError: the log did not confirm the run
        :raises RuntimeError: the block of ``async with`` was not entered in this event loop
        """
        generator = check_producer(producer)
        is_started = False
        try:
            process, run = self._here(), check_name(id)
            is_started = await process.owned.start(run, generator)
            if not is_started:
                process.follow(run)
        finally:
            if not is_started:
                with anyio.CancelScope(shield=True):
                    await generator.aclose()
        return run

    def follow(
        self,
        id: str,  # noqa: A002
        *,
        last_event_id: str | None = None,
        filter: Filter | None = None,  # noqa: A002
        keep_latest: Key | None = None,
    ) -> Subscription:
        """Return the events of a run as content for a stream: from the first one, to the end.

        The stream of a run that nobody knows is answered with :exc:`UnknownRun`, a 404.

        :param id: as the client sent it
        :param last_event_id: the ID of the last event that the client has seen, as it sent it
        :param filter: see :meth:`Hub.subscribe`
        :param keep_latest: see :meth:`Hub.subscribe`
        :raises TypeError: a parameter is of the wrong type
        :raises UnknownRun: no run can have that ID
        :raises RuntimeError: the block of ``async with`` was not entered
        """
        process, topic = self._entered(), known_topic(id)
        content = self.hub.subscribe(
            topic,
            last_event_id=last_event_id,
            start="oldest",
            filter=filter,
            keep_latest=keep_latest,
            absent=UnknownRun(id),
        )
        if process.loop.is_running_here:
            process.follow(id)
        else:  # as in a synchronous view
            process.loop.call_soon(process.follow, id)
        return content

    async def stop(self, id: str) -> RunState:  # noqa: A002
        """Stop a run, in whichever process it is, and return the state in which it has ended.

        Its producer is cancelled, so that its ``finally`` blocks run. If it has not ended after
        ``grace`` seconds, its events have.

        :param id: as the client sent it
        :raises UnknownRun: there is no such run (a refusal with 404)
        :raises PublishError: the log did not confirm the request
        """
        process = self._here()
        while not (state := await self.state(id)).has_ended:
            if not process.owned.stop(id):
                await process.topic.send("stop", id)
            with anyio.move_on_after(self._options.lease / BEATS):  # then it is asked again
                async with decoded(self.hub.subscribe(known_topic(id))) as events:
                    async for _ in events:  # until the run has ended
                        pass
        return state

    async def state(self, id: str) -> RunState:  # noqa: A002
        """Return the state of a run.

        :param id: as the client sent it
        :raises UnknownRun: there is no such run (a refusal with 404)
        :raises TimeoutError: the log was not reached within 30 s
        """
        process, topic = self._here(), known_topic(id)
        with anyio.fail_after(_LOG_TIMEOUT):
            content = self.hub.subscribe(topic, absent=UnknownRun(id))
            try:
                await anext(content)  # the log is reached
            finally:
                await content.aclose()
            last = self.hub.history.lifetimes.last_of((topic,))
            if last is not None:
                return await self._last_state(topic, last)
        process.follow(id)
        return RUNNING

    async def _last_state(self, topic: str, last: int) -> RunState:
        """Return the state that the last event of a topic tells."""
        before = self.hub.history.position_at(max(0, last - 1))
        with suppress(Refusal):  # it ended in an earlier life of the log
            content = self.hub.subscribe(topic, last_event_id=str(before))
            async with decoded(content) as events:
                return RunState.of([event async for event in events])
        return RunState.of(())

    def _entered(self) -> _Process:
        if self._process is None:
            raise RuntimeError("enter 'async with runs:' first, in the lifespan of the application")
        return self._process

    def _here(self) -> _Process:
        process = self._entered()
        if not process.loop.is_running_here:
            raise RuntimeError("'async with runs:' was entered in another event loop")
        return process

    # -- running -----------------------------------------------------------------------------------

    @asynccontextmanager
    async def lifespan(self, app: object = None) -> AsyncIterator[None]:
        """Run the hub and the runs: ``FastAPI(lifespan=runs.lifespan)``, ``Starlette(...)``.

        :param app: the application, which is not used
        """
        async with self.hub, self:
            yield

    async def __aenter__(self) -> Self:
        """Run the tasks of the producers until the block is left.

        :raises RuntimeError: the block was entered already
        """
        if self._process is not None:
            raise RuntimeError("'async with runs:' was entered already")
        tasks = anyio.create_task_group()
        await tasks.__aenter__()
        self._process = process = _Process.of(self.hub, tasks, self._options)
        for task in (process.listen, process.owned.beat, process.followed.look):
            tasks.start_soon(task)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool | None:
        """Let the producers end, or end them."""
        assert self._process is not None
        tasks = self._process.tasks
        with anyio.CancelScope(shield=True):
            await self._process.owned.drain()
        tasks.cancel_scope.cancel()
        try:
            return await tasks.__aexit__(kind, error, trace)
        finally:
            self._process = None


def _error(error: Exception) -> str:
    return "error"
