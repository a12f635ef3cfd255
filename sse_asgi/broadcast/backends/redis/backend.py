"""A log in Redis or Valkey, which any number of processes share."""

from __future__ import annotations

import logging
import ssl
from collections.abc import Awaitable, Callable
from math import isfinite
from os import PathLike, fspath
from typing import Final
from uuid import uuid4

import anyio
from anyio.abc import TaskGroup

from ....errors import PublishError
from ...backend import Page
from ...bounds import check_age, check_count
from ...history import History
from ...position import Position
from .address import Address
from .link import PASSING, Link, Refused
from .log import Log, Record
from .pages import PAGE_SIZE, Pages
from .primary import Primary
from .shared import Backoff, SharedLink

__all__ = ["RedisBackend"]

logger = logging.getLogger("sse_asgi")

# A token is kept for 120 s: the last attempt has to be well within.
_MAX_PUBLISH_TIMEOUT: Final = 100.0
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
    :param memory_bytes: bytes of encoded events to keep in each process's memory
    :param publish_timeout: seconds to try to publish for, at most 100
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
        _check_name(name)
        check_count("max_events", max_events)
        check_age(max_age)
        check_count("memory_events", memory_events)
        check_count("memory_bytes", memory_bytes)
        _check_seconds("publish_timeout", publish_timeout, 0.05, _MAX_PUBLISH_TIMEOUT)
        _check_seconds("block", block, 0.05, _MAX_BLOCK)
        for field, value in (
            ("username", username),
            ("password", password),
            ("sentinel_username", sentinel_username),
            ("sentinel_password", sentinel_password),
        ):
            if value is not None and not isinstance(value, str):
                raise TypeError(f"{field} must be a string or None, not {type(value).__name__}")
        if address.kind != "sentinel" and (sentinel_username or sentinel_password):
            raise ValueError("sentinel_password is for redis+sentinel:// and rediss+sentinel://")
        self.history = History(max_events=memory_events, max_bytes=memory_bytes, complete=False)
        self._log = Log(name, max_events, max_age)
        self._primary = Primary(
            address,
            self._log.key,
            context=_context(address.tls, ca_file, ssl_context),
            credentials=(username or address.username, password or address.password),
            sentinel_credentials=(sentinel_username, sentinel_password),
        )
        self._memory = memory_events, memory_bytes
        self._publish_timeout = publish_timeout
        self._block = block
        self._shared = SharedLink()
        self._pages = Pages(self._fetch, memory_bytes // 4)
        self._newest = ("", 0, "")  # epoch, sequence and token of the history's newest entry
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
        """Return at most ``limit`` entries after a position; none in another life of the log."""
        epoch, sequence = after
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
        backoff = Backoff()
        while True:
            try:
                link = await self._shared.get()
                if records := await self._log.range(link, first, last):
                    return Page([record.entry for record in records], first - 1)
                oldest = await self._log.first_after(link, last)
                tip = self.history.tip
                return Page((), tip if oldest is None else oldest.sequence - 1)
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
        """Log each trouble once, until it is over."""
        if not self._shared.is_open:
            self._shared.fail(error)
        if str(error) != self._trouble:
            self._trouble = str(error)
            known = isinstance(error, (*PASSING, Refused))
            text = "the log at %s is out of reach: %s"
            logger.warning(text, self._primary, error, exc_info=None if known else error)

    async def _serve(self, link: Link, backoff: Backoff) -> None:
        """Lend the connection to those who publish and read, until it is lost."""
        self._shared.lend(link)
        backoff.reset()
        try:
            await link.closed.wait()
        finally:
            self._shared.end()

    async def _follow(self, link: Link, backoff: Backoff) -> None:
        """Append what comes to the history, until the connection is lost."""
        await self._check(link)
        backoff.reset()
        if self._trouble:
            self._trouble = ""
            logger.info("the log at %s is back", self._primary)
        while True:
            records = await self._log.tail(link, self.history.tip, self._block)
            if not records or not self._append(records):
                await self._check(link)

    def _append(self, records: list[Record]) -> bool:
        """Append what continues the history; tell whether all of it did."""
        epoch, tip = self.history.epoch, self.history.tip
        going = [
            record
            for at, record in enumerate(records, 1)
            if record.sequence == tip + at and record.epoch == epoch
        ]
        if going:
            self.history.append(*(record.entry for record in going))
            self._newest = going[-1].epoch, going[-1].sequence, going[-1].token
        return len(going) == len(records)

    async def _check(self, link: Link) -> None:
        """Begin the history anew if the log is another one, or lost what lies between."""
        history = self.history
        state = await self._log.check(link, self._newest)
        if state.epoch == history.epoch and state.floor <= history.tip:
            history.heard()
            return
        records = await self._log.newest(link, state, *self._memory)
        floor = records[0].sequence - 1 if records else state.tip
        token = records[-1].token if records else ""
        self._newest = state.epoch, state.tip, token
        history.begin(state.epoch, floor, state.tip, [record.entry for record in records])


def _context(
    tls: bool, ca_file: str | PathLike[str] | None, context: ssl.SSLContext | None
) -> ssl.SSLContext | None:
    if context is not None and not isinstance(context, ssl.SSLContext):
        raise TypeError(f"ssl_context must be an ssl.SSLContext, not {context!r}")
    if ca_file is not None and context is not None:
        raise ValueError("ca_file has no effect beside ssl_context: load it into the context")
    if not tls:
        if ca_file is not None or context is not None:
            raise ValueError("ca_file and ssl_context need a URL with TLS: rediss://")
        return None
    return context or ssl.create_default_context(
        cafile=None if ca_file is None else fspath(ca_file)
    )


def _check_name(name: object) -> None:
    if not isinstance(name, str):
        raise TypeError(f"name must be a string, not {name!r}")
    if not name or not name.isprintable() or "{" in name or "}" in name:
        raise ValueError(f"name must be printable text without braces, not {name!r}")


def _check_seconds(name: str, value: object, least: float, most: float) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{name} must be a number of seconds, not {value!r}")
    if not isfinite(value) or not least <= value <= most:
        raise ValueError(f"{name} must be from {least:g} to {most:g} seconds, not {value!r}")
