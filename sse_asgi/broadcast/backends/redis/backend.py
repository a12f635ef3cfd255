"""A log in Redis or Valkey, which any number of processes share."""

from __future__ import annotations

import logging
import ssl
from collections.abc import Awaitable, Callable
from os import PathLike
from typing import Final, TypeVar
from uuid import uuid4

import anyio
from anyio.abc import TaskGroup

from .... import checks
from ....errors import PublishError
from ...log.backend import Page
from ...log.entry import Position
from ...log.history import History
from .connection import PASSING, Link, Refused
from .discovery import Primary
from .endpoint import Address
from .follower import Follower
from .lease import Backoff, SharedLink
from .log import Log
from .options import check_name, credentials, tls_context
from .page_cache import PAGE_SIZE, Pages

__all__ = ["RedisBackend"]

T = TypeVar("T")

logger = logging.getLogger("sse_asgi")

# A token is kept for 120 s: the last attempt has to be well within. The hub waits for 90 s.
_MAX_PUBLISH_TIMEOUT: Final = 60.0
_MAX_BLOCK: Final = 60.0


class RedisBackend:
    """Keeps the log in Redis 7.0 or above, or in Valkey, for any number of processes.

    A process has two connections to the engine, however many subscribers: one waits for new
    entries, the other publishes and reads older ones. Outages are ridden out: subscribers stay
    connected and catch up, publishers wait for ``publish_timeout``.

    ========================================  ==================================================
    ``redis://[user:password@]host:6379/0``   one server; ``rediss://`` with TLS; ``valkey://`` and
                                              ``valkeys://`` are the same
    ``unix:///run/redis.sock?db=0``           one server, by its socket
    ``redis+sentinel://a:26379,b:26379/main`` whichever server the sentinels call ``main``
    ``redis+cluster://a:6379,b:6379``         a cluster, of which these are some nodes
    ========================================  ==================================================

    :param url: where the engine is; ``rediss+sentinel://`` and ``rediss+cluster://`` with TLS
    :param name: the log's name in the engine: hubs with the same name share one log
    :param max_events: entries to keep at least; the engine drops older ones in chunks
    :param max_age: seconds to keep entries for, looked at with each publication; None: no limit
    :param memory_events: newest entries to keep in each process's memory
    :param memory_bytes: bytes of encoded events to keep in each process's memory; and a quarter as
        many of older ones that were read
    :param publish_timeout: seconds to try to publish for, at most 60
    :param block: seconds to wait for an entry before the log is checked, 0.05 to 60
    :param username: instead of the one in the URL
    :param password: instead of the one in the URL
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
        max_age: float | None = None,
        memory_events: int = 4096,
        memory_bytes: int = 64 * 1_048_576,
        publish_timeout: float = 30.0,
        block: float = 2.0,
        username: str | None = None,
        password: str | None = None,
        sentinel_username: str | None = None,
        sentinel_password: str | None = None,
        ca_file: str | PathLike[str] | None = None,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        address = Address.parse(url)
        check_name(name)
        checks.integer("max_events", max_events, least=1)
        checks.optional_seconds("max_age", max_age, none="no limit")
        checks.integer("memory_events", memory_events, least=1)
        checks.integer("memory_bytes", memory_bytes, least=1)
        checks.seconds("publish_timeout", publish_timeout, least=0.05, most=_MAX_PUBLISH_TIMEOUT)
        checks.seconds("block", block, least=0.05, most=_MAX_BLOCK)
        username, password = credentials(username, password)
        sentinels = credentials(sentinel_username, sentinel_password, "sentinel_")
        if address.kind != "sentinel" and any(sentinels):
            raise ValueError("sentinel_password is for redis+sentinel:// and rediss+sentinel://")
        self.history = History(max_events=memory_events, max_bytes=memory_bytes, complete=False)
        self._log = Log(name, max_events, max_age)
        self._primary = Primary(
            address,
            self._log.key,
            context=tls_context(address.tls, ca_file, ssl_context),
            credentials=(username or address.username, password or address.password),
            sentinel_credentials=sentinels,
        )
        self._publish_timeout = publish_timeout
        self._shared = SharedLink()
        self._pages = Pages(self._fetch, memory_bytes // 4)
        self._follower = Follower(
            self._log, self.history, block=block, memory=(memory_events, memory_bytes)
        )
        self._known_tip = Position("", 0)
        self._trouble = ""

    # -- what the hub calls ------------------------------------------------------------------------

    async def run(self) -> None:
        """Keep both connections, and the history up with the log, until cancelled."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._keep, tasks, self._serve)
            tasks.start_soon(self._keep, tasks, self._follow)

    async def publish(self, topic: str, block: bytes, token: str | None) -> Position:
        """Append an encoded event; repeated with its token until the log confirms.

        :raises PublishError: the engine refuses, or there is no answer within ``publish_timeout``
        """
        token = token or uuid4().hex
        backoff = Backoff()
        cause: Exception | None = None
        with anyio.move_on_after(self._publish_timeout):
            while True:
                try:
                    link = await self._shared.get()
                    return await self._log.publish(link, topic, block, token)
                except PASSING as error:
                    cause = error
                except Refused as error:
                    raise PublishError(f"the engine refuses: {error}", token) from error
                await anyio.sleep(backoff.next())
        cause = cause or self._shared.trouble
        because = f": {cause}" if cause is not None else ""
        raise PublishError(
            f"outcome unknown: no answer within {self._publish_timeout:g} s{because}", token
        ) from cause

    async def read(self, after: Position, limit: int) -> Page:
        """Return at most ``limit`` entries after a position; none in another life of the log.

        For a position beyond the history, wait until it has what the log has now.
        """
        epoch, sequence = after
        if epoch == self.history.epoch and sequence > self.history.tip:
            await self._follower.reach(epoch, min(sequence, await self._tip(sequence)))
            return Page((), 0)
        for _ in range(2):
            if epoch != self.history.epoch:
                break
            page = await self._pages.after(epoch, sequence, limit)
            if page.entries or page.floor > sequence or sequence >= self.history.floor:
                return page
            # A page that was on its way when we asked for it may be older than what we ask for.
        else:  # somebody has deleted entries
            return Page((), (sequence // PAGE_SIZE + 1) * PAGE_SIZE)
        return Page((), self.history.tip)

    async def _fetch(self, first: int, last: int) -> Page:
        """Fetch a page, as soon as the engine can be reached."""

        async def fetch(link: Link) -> Page:
            if records := await self._log.range(link, first, last):
                return Page([record.entry for record in records], first - 1)
            oldest = await self._log.first_after(link, last)
            return Page((), self.history.tip if oldest is None else oldest.sequence - 1)

        return await self._persist(fetch)

    async def _tip(self, sequence: int) -> int:
        """Return the sequence of the log's newest entry, or one beyond ``sequence``."""
        epoch, tip = self._known_tip
        if epoch != self.history.epoch or tip < sequence:
            epoch, tip = self._known_tip = await self._persist(self._log.tip)
        return tip

    async def _persist(self, ask: Callable[[Link], Awaitable[T]]) -> T:
        """Ask the engine until it answers."""
        backoff = Backoff()
        while True:
            try:
                return await ask(await self._shared.get())
            except (*PASSING, Refused):
                await anyio.sleep(backoff.next())

    # -- the connections ---------------------------------------------------------------------------

    async def _keep(
        self, tasks: TaskGroup, use: Callable[[Link, Backoff], Awaitable[None]]
    ) -> None:
        """Connect, and connect again whenever the connection is lost."""
        backoff = Backoff()
        while True:
            link = None
            try:
                link = await self._primary.connect(tasks)
                await use(link, backoff)
            except Exception as error:
                self._note(error)
            finally:
                if link is not None:
                    link.close()
            await anyio.sleep(backoff.next())

    def _note(self, error: Exception) -> None:
        """Log an outage once, and whatever needs somebody to act."""
        if not self._shared.is_open:
            self._shared.fail(error)
        known = isinstance(error, PASSING)
        trouble = "out of reach" if known else str(error)
        if trouble != self._trouble:
            self._trouble = trouble
            bug = None if known or isinstance(error, Refused) else error
            logger.warning("no log at %s: %s", self._primary, error, exc_info=bug)

    async def _serve(self, link: Link, backoff: Backoff) -> None:
        """Lend the connection to those who publish and read, until it is lost."""
        self._shared.lend(link)
        backoff.reset()
        try:
            await link.closed.wait()
        finally:
            self._shared.end()

    async def _follow(self, link: Link, backoff: Backoff) -> None:
        """Keep the history up with the log, until the connection is lost."""
        await self._follower.check(link)
        backoff.reset()
        if self._trouble:
            self._trouble = ""
            logger.info("the log at %s is back", self._primary)
        await self._follower.follow(link)
