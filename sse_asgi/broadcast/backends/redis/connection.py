"""One connection to the engine. Nothing on it is ever repeated, and every wait is bounded."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from typing import Any, Final

import anyio
from anyio.abc import ByteStream, TaskGroup, TaskStatus
from coredis.connection import BaseConnection, TCPLocation, UnixDomainSocketLocation
from coredis.exceptions import (
    AskError,
    AuthenticationError,
    BusyLoadingError,
    ClusterDownError,
    ConnectionError,  # noqa: A004
    NoScriptError,
    ReadOnlyError,
    RedisError,
    TryAgainError,
    UnblockedError,
)

from .scripts import Script

__all__ = ["PASSING", "TIMEOUT", "Link", "Refused", "Target", "is_passing"]

TIMEOUT: Final = 3.0
"""Seconds to connect within, and to answer a command within."""

PASSING: Final = (RedisError, OSError, anyio.ClosedResourceError, anyio.BrokenResourceError)
"""What a link raises of outages. A :exc:`TimeoutError` is an :exc:`OSError`."""

_PASSING_ANSWERS: Final = (
    AskError,
    BusyLoadingError,
    ClusterDownError,
    ConnectionError,
    ReadOnlyError,
    TryAgainError,
    UnblockedError,
)
# Answers that have no exception of their own in coredis.
_PASSING_CODES: Final = ("BUSY ", "MASTERDOWN ", "MISCONF ", "NOREPLICAS ")


class Refused(Exception):
    """The engine cannot be used as it is: waiting does not help."""


def is_passing(error: RedisError) -> bool:
    """Whether the engine may well answer otherwise later, or on another connection."""
    return isinstance(error, _PASSING_ANSWERS) or str(error).startswith(_PASSING_CODES)


@dataclass(frozen=True)
class Target:
    """A server to connect to, and how to get in."""

    location: TCPLocation | UnixDomainSocketLocation
    context: ssl.SSLContext | None = None
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    db: int = 0

    async def dial(self) -> ByteStream:
        """Return a stream to the server."""
        if isinstance(self.location, UnixDomainSocketLocation):
            return await anyio.connect_unix(self.location.path)
        host, port = self.location.host, self.location.port
        if self.context is None:
            return await anyio.connect_tcp(host, port)
        return await anyio.connect_tcp(
            host, port, ssl_context=self.context, tls_standard_compatible=False
        )


class _Connection(BaseConnection):
    """The client's protocol on a stream that exists."""

    def __init__(self, target: Target, stream: ByteStream) -> None:
        super().__init__(
            target.location,
            stream_timeout=TIMEOUT,
            username=target.username,
            password=target.password,
            db=target.db,
            client_name="sse_asgi",
        )
        self._dialled = stream

    async def _connect(self) -> ByteStream:
        return self._dialled

    def describe(self) -> str:
        return f"<Connection to {self.location}>"


class Link(TaskStatus[None]):
    """A connection that is made once. Commands of several tasks follow each other without waiting.

    The client's own pool is not used: in coredis 6.9 it loses a place whenever a connection dies in
    a blocking command or while it is made, and hangs for good when the last one is lost.
    """

    def __init__(self, target: Target) -> None:
        self._target = target
        self._scope = anyio.CancelScope()
        self._status: TaskStatus[None] | None = None
        self._connection: BaseConnection | None = None
        self.closed = anyio.Event()
        """Set once the connection is gone."""

    @classmethod
    async def open(cls, tasks: TaskGroup, target: Target) -> Link:
        """Connect; the connection's task runs in ``tasks``.

        :raises Refused: the server does not let us in, or is too old
        :raises Exception: whatever :data:`PASSING` names
        """
        link = cls(target)
        try:
            await tasks.start(link._run)
        except ssl.SSLCertVerificationError as error:  # trusted neither now nor in a second
            raise Refused(f"{target.location} shows a certificate not trusted: {error}") from error
        except RedisError as error:
            if is_passing(error):
                raise
            raise Refused(_reason(error)) from error
        link._check_version()
        return link

    async def _run(self, *, task_status: TaskStatus[None]) -> None:
        """Be the connection's task, whose end is told by :attr:`closed` once it is made."""
        self._status = task_status
        try:
            with self._scope:
                with anyio.fail_after(TIMEOUT):
                    stream = await self._target.dial()
                self._connection = _Connection(self._target, stream)
                await self._connection.run(task_status=self)
        except Exception:
            if self._status is not None:
                raise
        finally:
            self.closed.set()

    def started(self, value: None = None) -> None:
        """Note that the connection is made, for the client that makes it."""
        status, self._status = self._status, None
        if status is not None:
            status.started()

    def _check_version(self) -> None:
        assert self._connection is not None
        version = self._connection.server_version or "0"
        if int(version.partition(".")[0]) < 7:
            self.close()
            raise Refused(f"Redis 7.0 or above is needed, or Valkey, not Redis {version}")

    def close(self) -> None:
        """Close at once; who waits for an answer gets an exception."""
        self._scope.cancel()

    async def command(self, name: bytes, *arguments: str | bytes | int, wait: float = 0) -> Any:
        """Return the answer to a command that may block for ``wait`` seconds.

        A connection that does not answer in time, or is lost meanwhile, is closed.

        :raises Refused: the engine answers that it will not do so
        :raises Exception: whatever :data:`PASSING` names
        """
        assert self._connection is not None
        try:
            return await self._connection.create_request(name, *arguments, timeout=wait + TIMEOUT)
        except NoScriptError:
            raise
        except RedisError as error:
            if not is_passing(error):
                raise Refused(_reason(error)) from error
            self.close()
            raise
        except Exception:
            self.close()
            raise

    async def script(
        self, script: Script, keys: tuple[bytes, ...], *arguments: str | bytes | int
    ) -> Any:
        """Run a script, which is sent only where the engine does not know it yet.

        :raises Exception: as for :meth:`command`
        """
        try:
            return await self.command(b"EVALSHA", script.digest, len(keys), *keys, *arguments)
        except NoScriptError:
            return await self.command(b"EVAL", script.source, len(keys), *keys, *arguments)


def _reason(error: RedisError) -> str:
    """Say what the engine answered, and what to do about the likeliest mistake."""
    if isinstance(error, AuthenticationError):
        return f"{error} (username and password come from the URL or the options)"
    return f"{error}"
