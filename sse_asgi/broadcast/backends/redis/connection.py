"""One connection to Redis. Nothing on it is ever repeated, and every wait is bounded."""

from __future__ import annotations

import ssl
from contextlib import suppress
from typing import Any, Final

import anyio
from anyio.abc import ByteStream, SocketAttribute, TaskGroup, TaskStatus
from coredis.connection import BaseConnection
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

from .endpoint import Endpoint
from .scripts import Script
from .stream import WatchedStream

__all__ = ["TIMEOUT", "TRANSIENT", "RedisConnection", "Refused", "is_transient"]

TIMEOUT: Final = 3.0
"""Seconds to connect within, and the longest silence while an answer is due."""

_CREDENTIALS_TIMEOUT: Final = 20.0
"""Seconds that the user's own functions have to return the credentials."""

TRANSIENT: Final = (RedisError, OSError, anyio.ClosedResourceError, anyio.BrokenResourceError)
"""The errors of an outage. A :exc:`TimeoutError` is an :exc:`OSError`."""

_TRANSIENT_ANSWERS: Final = (
    AskError,
    BusyLoadingError,
    ClusterDownError,
    ConnectionError,
    ReadOnlyError,
    TryAgainError,
    UnblockedError,
)
# Answers that have no exception of their own in coredis.
_TRANSIENT_CODES: Final = ("BUSY ", "MASTERDOWN ", "MISCONF ", "NOREPLICAS ")


class Refused(Exception):
    """Redis cannot be used as it is: waiting does not help."""

    @property
    def is_full(self) -> bool:
        """Whether the server has reached its ``maxmemory``."""
        return str(self).startswith("OOM ")


def is_transient(error: RedisError) -> bool:
    """Whether the server may well answer otherwise later, or on another connection."""
    return isinstance(error, _TRANSIENT_ANSWERS) or str(error).startswith(_TRANSIENT_CODES)


class _Protocol(BaseConnection):
    """The client's protocol on a stream that exists."""

    def __init__(
        self, endpoint: Endpoint, stream: ByteStream, login: tuple[str | None, str | None]
    ) -> None:
        username, password = login
        super().__init__(
            endpoint.location,
            username=username,
            password=password,
            db=endpoint.db,
            client_name="sse_asgi",
        )
        self._dialled = stream

    async def _connect(self) -> ByteStream:
        return self._dialled

    def describe(self) -> str:
        return f"<Connection to {self.location}>"


class _Started:
    """Tells the opener of a connection, once, that the connection is made."""

    def __init__(self, opener: TaskStatus[None], stream: WatchedStream) -> None:
        self._opener = opener
        self._stream = stream
        self.is_told = False

    def started(self, value: None = None) -> None:
        """Note that the greeting was answered."""
        if not self.is_told:
            self.is_told = True
            self._stream.settle()
            self._opener.started()


class RedisConnection:
    """A connection that is made once. Commands of several tasks follow each other without waiting.

    The client's own pool is not used: in coredis 6.9 it loses a place whenever a connection dies in
    a blocking command or while it is made, and hangs for good when the last one is lost.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._scope = anyio.CancelScope()
        self._stream: WatchedStream | None = None
        self._protocol: BaseConnection | None = None
        self._sent: set[bytes] = set()
        self.run_id = ""
        """The server process: each start of a server has another one. Empty if it is not known."""
        self.trimming: anyio.Lock = anyio.Lock()
        """Held by the task that makes room for the others."""
        self.closed: anyio.Event = anyio.Event()
        """Set once the connection is gone."""

    @classmethod
    async def open(cls, tasks: TaskGroup, endpoint: Endpoint) -> RedisConnection:
        """Connect; the connection's task runs in ``tasks``.

        :raises Refused: the server does not let us in, or is too old
        :raises Exception: one of :data:`TRANSIENT`
        """
        connection = cls(endpoint)
        try:
            await tasks.start(connection._run)
        except ssl.SSLCertVerificationError as exc:  # trusted neither now nor in a second
            raise Refused(f"{endpoint.location} shows a certificate not trusted: {exc}") from exc
        except RedisError as exc:
            if is_transient(exc):
                raise
            raise Refused(_reason(exc)) from exc
        connection._check_version()
        return connection

    async def _run(self, *, task_status: TaskStatus[None]) -> None:
        """Be the connection's task. Once it is made, only :attr:`closed` tells of its end."""
        started: _Started | None = None
        try:
            with self._scope:
                with anyio.fail_after(_CREDENTIALS_TIMEOUT):
                    login = await self._endpoint.credentials.resolve()
                with anyio.fail_after(TIMEOUT):
                    stream = WatchedStream(await self._endpoint.dial(), TIMEOUT)
                stream.expect()
                started = _Started(task_status, stream)
                self._stream = stream
                self._protocol = _Protocol(self._endpoint, stream, login)
                await self._converse(self._protocol, stream, started)
        except Exception:
            if started is None or not started.is_told:
                raise
        finally:
            self.closed.set()

    async def _converse(
        self, protocol: BaseConnection, stream: WatchedStream, started: TaskStatus[None]
    ) -> None:
        failure: Exception | None = None
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(stream.watch)
            try:
                await protocol.run(task_status=started)
            except Exception as exc:
                failure = exc
            tasks.cancel_scope.cancel()
        if failure is not None:
            raise failure

    def _check_version(self) -> None:
        assert self._protocol is not None
        version = self._protocol.server_version or "0"
        if int(version.partition(".")[0]) < 7:
            self.close()
            raise Refused(f"Redis 7.0 or above is needed, or Valkey, not Redis {version}")

    @property
    def peer(self) -> str:
        """The server's address, without its port."""
        assert self._stream is not None
        address = self._stream.extra(SocketAttribute.remote_address, "")
        return address if isinstance(address, str) else address[0]

    def close(self) -> None:
        """Close at once; a task that waits for an answer gets an exception."""
        self._scope.cancel()

    async def command(
        self, name: bytes, *arguments: str | bytes | int, wait: float = 0, size: int = 0
    ) -> Any:
        """Return the answer to a command.

        A connection that stays silent, or is lost meanwhile, is closed.

        :param wait: seconds for which the server may block
        :param size: bytes of the arguments, if they may be large
        :raises TimeoutError: the server is silent
        :raises Refused: the server answers that it will not do so
        :raises Exception: one of :data:`TRANSIENT`
        """
        assert self._protocol is not None and self._stream is not None
        try:
            request = self._protocol.create_request(name, *arguments)
            self._stream.expect(wait, size)
            try:
                return await request
            finally:
                self._stream.settle()
        except NoScriptError:
            raise
        except RedisError as exc:
            if not is_transient(exc):
                raise Refused(_reason(exc)) from exc
            self._give_up(exc)
            raise
        except Exception as exc:
            self._give_up(exc)
            raise

    def _give_up(self, error: Exception) -> None:
        self.close()
        if self._stream is not None and self._stream.is_silent:
            raise TimeoutError("the server is silent although an answer is due") from error

    async def script(
        self,
        script: Script,
        keys: tuple[bytes, ...],
        *arguments: str | bytes | int,
        wait: float = 0,
        size: int = 0,
    ) -> Any:
        """Run a script. The first time on this connection its source goes along.

        A large event so goes over the network once, even if the server has forgotten the script.

        :raises Exception: as for :meth:`command`
        """
        rest = len(keys), *keys, *arguments
        if script.digest in self._sent:
            with suppress(NoScriptError):
                return await self.command(b"EVALSHA", script.digest, *rest, wait=wait, size=size)
        answer = await self.command(b"EVAL", script.source, *rest, wait=wait, size=size)
        self._sent.add(script.digest)
        return answer


def _reason(error: RedisError) -> str:
    """Repeat the server's answer, and say what to do about the likeliest mistake."""
    if isinstance(error, AuthenticationError):
        return f"{error} (username and password come from the URL or the options)"
    return f"{error}"
