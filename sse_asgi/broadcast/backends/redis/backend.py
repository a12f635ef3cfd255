"""A log in Redis or Valkey, which any number of processes share."""

from __future__ import annotations

import ssl
from collections.abc import Awaitable, Callable
from contextlib import suppress
from os import PathLike
from typing import Final, TypeVar
from uuid import uuid4

import anyio
from anyio.abc import TaskGroup

from .... import checks
from ....errors import PublishError
from ....runtime.eventloop import EventLoop
from ...log.backend import Page
from ...log.entry import Position
from ...log.history import History
from .connection import TRANSIENT, RedisConnection, Refused
from .discovery import PrimaryFinder
from .endpoint import Address, Credentials, Secret, tls_context
from .follower import Follower
from .lease import Backoff, Lease, Outages
from .log import Newest, RedisLog
from .options import Retention, Timing
from .page_cache import PageCache
from .record import marks_of

__all__ = ["RedisBackend"]

T = TypeVar("T")

_KEEP_ALIVE: Final = 2.0
"""Seconds after which an idle connection is used, so that no firewall forgets it."""


class RedisBackend:
    """Keeps the log in Redis 7.0 or above, or in Valkey, for any number of processes.

    A process has two connections to the server, however many subscribers: one waits for new
    entries, the other publishes and reads older ones. A process that only publishes has one. In an
    outage subscribers stay connected and catch up, and publishers wait for ``publish_timeout``.

    ========================================  ==================================================
    ``redis://[user:password@]host:6379/0``   one server; ``rediss://`` with TLS; ``valkey://`` and
                                              ``valkeys://`` are the same
    ``unix:///run/redis.sock?db=0``           one server, by its socket
    ``redis+sentinel://a:26379,b:26379/main`` the server that the sentinels call ``main``
    ``redis+cluster://a:6379,b:6379``         a cluster, of which these are some nodes
    ========================================  ==================================================

    :param url: where the server is; ``rediss+sentinel://`` and ``rediss+cluster://`` with TLS
    :param name: the log's name in Redis: hubs with the same name share one log
    :param max_events: entries that Redis keeps at least; it drops older ones in chunks
    :param max_bytes: bytes of encoded events that Redis keeps at most, but for the newest entry
    :param max_age: seconds to keep entries for, looked at with each publication; None: no limit
    :param memory_events: newest entries to keep in each process's memory
    :param memory_bytes: bytes of encoded events to keep in each process's memory; and a quarter as
        many of older ones that were read
    :param publish_timeout: seconds to try to publish for, at most 60
    :param block: the poll interval: seconds to wait for an entry before the log is checked, 0.05 to
        60
    :param username: instead of the one in the URL
    :param password: instead of the one in the URL. Each connection calls a function anew, so that
        passwords may change; the function may be asynchronous, and must not block
    :param sentinel_username: for the sentinels
    :param sentinel_password: for the sentinels
    :param ca_file: certificates (PEM) of the authorities to trust, with TLS; the system's if None
    :param ssl_context: instead of ``ca_file``, for client certificates and all else
    :raises TypeError: a parameter is of the wrong type
    :raises ValueError: a parameter is out of its range
    :raises OSError: ``ca_file`` cannot be read
    """

    needs_run = True

    def __init__(
        self,
        url: str,
        *,
        name: str = "sse_asgi",
        max_events: int = 100_000,
        max_bytes: int = 1024 * 1_048_576,
        max_age: float | None = None,
        memory_events: int = 4096,
        memory_bytes: int = 64 * 1_048_576,
        publish_timeout: float = 30.0,
        block: float = 2.0,
        username: Secret = None,
        password: Secret = None,
        sentinel_username: Secret = None,
        sentinel_password: Secret = None,
        ca_file: str | PathLike[str] | None = None,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        address = Address.parse(url)
        self._log = RedisLog(name, Retention.of(max_events, max_bytes, max_age))
        checks.integer("memory_events", memory_events, least=1)
        checks.integer("memory_bytes", memory_bytes, least=1)
        self._timing = Timing.of(publish_timeout, block)
        own = Credentials.of(username, password)
        sentinels = Credentials.of(sentinel_username, sentinel_password, "sentinel_")
        if address.kind != "sentinel" and (sentinels.username or sentinels.password):
            raise ValueError("sentinel_password is for redis+sentinel:// and rediss+sentinel://")
        self._finder = PrimaryFinder(
            address,
            self._log.key,
            context=tls_context(address.tls, ca_file, ssl_context),
            credentials=Credentials(
                own.username or address.username, own.password or address.password
            ),
            sentinel_credentials=sentinels,
        )
        self._memory = memory_events, memory_bytes
        self.history: History = History(
            max_events=memory_events, max_bytes=memory_bytes, complete=False
        )
        self._is_read = False
        self._begin()

    def _begin(self) -> None:
        """Begin without a connection, as in a process that has just started."""
        self._wake: Callable[[], object] | None = None
        self._lease = Lease()
        self._outages = Outages(self._finder)
        self._pages = PageCache(self._fetch, lambda: self._log.pace.page, self._memory[1] // 4)
        self._follower = Follower(self._log, self.history, memory=self._memory)

    # -- the methods that the hub calls ------------------------------------------------------------

    def after_fork(self) -> None:
        """Begin anew in a forked process: the connections belong to the parent."""
        self.history.after_fork()
        self._begin()

    async def run(self) -> None:
        """Keep both connections, and the history up with the log, until cancelled."""
        self._lease.end()
        self._pages.reset()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._keep, tasks, "commands", self._serve)
            await self._until_read()
            tasks.start_soon(self._keep, tasks, "entries", self._follow)

    def follow(self) -> None:
        """Keep the history from now on; in any thread. A process that only publishes need not."""
        self._is_read = True
        if (wake := self._wake) is not None:
            with suppress(RuntimeError):  # that event loop is gone
                wake()

    async def _until_read(self) -> None:
        loop, read = EventLoop(), anyio.Event()
        self._wake = lambda: loop.call_soon(read.set)
        if not self._is_read:
            await read.wait()

    async def publish(
        self,
        topic: str,
        block: bytes,
        token: str | None,
        *,
        first: bool = False,
        last: bool = False,
    ) -> Position:
        """Append an encoded event; repeated with its token until the log confirms.

        :raises TopicEnded: the topic has ended
        :raises TopicExists: ``first``, and the topic was begun so or has ended
        :raises PublishError: Redis refuses, or there is no answer within ``publish_timeout``
        """
        token, marks = token or uuid4().hex, marks_of(first=first, last=last)
        backoff = Backoff()
        cause: Exception | None = None
        with anyio.move_on_after(self._timing.publish):
            while True:
                try:
                    connection = await self._lease.get()
                    return await self._log.publish(connection, topic, block, token, marks)
                except TRANSIENT as exc:
                    cause = exc
                except Refused as exc:
                    raise PublishError(f"Redis refuses: {exc}", token) from exc
                await anyio.sleep(backoff.next())
        cause = cause or self._lease.trouble
        because = f": {cause}" if cause is not None else ""
        raise PublishError(
            f"outcome unknown: no answer within {self._timing.publish:g} s{because}", token
        ) from cause

    async def read(self, after: Position, limit: int) -> Page:
        """Return at most ``limit`` entries after a position; none in another life of the log.

        For a position beyond the history, wait until it has what the log has now.
        """
        history = self.history
        known = history.knows(after)
        if known is None or after.sequence > history.tip:
            return await self._read_ahead(after)
        life, sequence = history.epoch, after.sequence
        if not known or life is None:
            return Page((), history.tip)
        for _ in range(2):
            page = await self._pages.after(life, sequence, limit)
            if life != history.epoch:
                return Page((), history.tip)
            if page.entries or page.floor > sequence or sequence >= history.floor:
                return page
            # A page that was on its way when we asked for it may be older than what we ask for.
        return Page((), sequence + 1)  # somebody has deleted entries

    async def _read_ahead(self, position: Position) -> Page:
        """Wait for an entry that this process has not heard of.

        If the log has no such entry, wait for all that it has now. After a restart of the server
        these entries are of another stretch, or of another life.
        """
        state = await self._persist(lambda one: self._log.check(one, Newest("", "", 0, "")))
        ends = {**state.ends, state.stretch: state.tip}
        is_there = position.sequence <= ends.get(position.epoch, -1)
        await self._follower.reach(position if is_there else Position(state.stretch, state.tip))
        return Page((), 0 if position.epoch in ends else self.history.tip)

    async def _fetch(self, first: int, last: int) -> Page:
        """Fetch a page, as soon as Redis can be reached."""

        async def fetch(connection: RedisConnection) -> Page:
            if records := await self._log.range(connection, first, last):
                return Page([record.entry for record in records], first - 1)
            oldest = await self._log.first_after(connection, last)
            return Page((), self.history.tip if oldest is None else oldest.sequence - 1)

        return await self._persist(fetch)

    async def _persist(self, ask: Callable[[RedisConnection], Awaitable[T]]) -> T:
        """Ask Redis until it answers."""
        backoff = Backoff()
        while True:
            try:
                return await ask(await self._lease.get())
            except (*TRANSIENT, Refused):
                await anyio.sleep(backoff.next())

    # -- the connections ---------------------------------------------------------------------------

    async def _keep(
        self,
        tasks: TaskGroup,
        name: str,
        use: Callable[[RedisConnection, Backoff], Awaitable[None]],
    ) -> None:
        """Connect, and connect again whenever the connection is lost."""
        backoff = Backoff()
        while True:
            connection = None
            try:
                connection = await self._finder.connect(tasks)
                await use(connection, backoff)
            except Exception as exc:
                if not self._lease.is_open:
                    self._lease.fail(exc)
                self._outages.begin(name, exc)
            finally:
                if connection is not None:
                    connection.close()
            await anyio.sleep(backoff.next())

    async def _serve(self, connection: RedisConnection, backoff: Backoff) -> None:
        """Lend the connection to publishers and readers, until it is lost."""
        self._lease.lend(connection)
        self._outages.end("commands")
        backoff.reset()
        try:
            while not connection.closed.is_set():
                with anyio.move_on_after(_KEEP_ALIVE):
                    await connection.closed.wait()
                    return
                await connection.command(b"PING")
                if not self._is_read:
                    self.history.heard()
        finally:
            self._lease.end()

    async def _follow(self, connection: RedisConnection, backoff: Backoff) -> None:
        """Keep the history up with the log, until the connection is lost."""
        await self._follower.check(connection)
        await self._follower.read(connection, 0)
        # Only now it is sure that entries can be read.
        self._outages.end("entries")
        backoff.reset()
        while True:
            if not await self._follower.read(connection, self._timing.poll):
                await self._finder.confirm(connection)
