"""One request over HTTP/1.1, and its response as it arrives, piece by piece."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from typing import Final, Self

from .address import split_url

__all__ = ["Exchange", "RequestFields", "negotiate"]

RequestFields = Iterable[tuple[str, str]]

_MAX_PIECE: Final = 65_536

_MARGIN: Final = 0.25
"""Seconds by which a server may overstay that sends byte after byte."""


def negotiate(url: str, context: ssl.SSLContext, timeout: float) -> str:
    """Return the protocol that the server chooses from a browser's offer, or ``""``.

    :raises OSError: there is no connection, or no trust in its certificate
    """
    parts = split_url(url)
    context.set_alpn_protocols(["h2", "http/1.1"])
    address = (parts.hostname or "", parts.port or 443)
    with (
        socket.create_connection(address, timeout) as raw,
        context.wrap_socket(raw, server_hostname=parts.hostname) as secure,
    ):
        return secure.selected_alpn_protocol() or ""


class Exchange:
    """A request that is sent, and its response.

    :param url: the address, which need not be encoded
    :param headers: the request's fields. Values are sent as UTF-8, as browsers send an ID
    :param context: how to check the server's certificate, for https
    :param timeout: seconds within which the server must accept the connection
    :raises OSError: there is no connection, or no trust in its certificate
    :raises ValueError: the address or a field cannot be sent
    """

    def __init__(
        self, url: str, headers: RequestFields, context: ssl.SSLContext, timeout: float = 10.0
    ) -> None:
        parts = split_url(url)
        host = parts.hostname or ""
        if parts.scheme == "https":
            context.set_alpn_protocols(["http/1.1"])
            self._connection: HTTPConnection = HTTPSConnection(
                host, parts.port, timeout=timeout, context=context
            )
        else:
            self._connection = HTTPConnection(host, parts.port, timeout=timeout)
        self.began: float = time.monotonic()
        self._connection.connect()
        # The connection forgets its socket when the response is to end with it.
        self._socket = self._connection.sock
        self._response: HTTPResponse | None = None
        self.is_cut: bool = False
        """The connection ended before the response did."""
        try:
            self._send(parts._replace(scheme="", netloc="").geturl(), list(headers))
        except BaseException:
            self.close()
            raise

    def _send(self, target: str, headers: list[tuple[str, str]]) -> None:
        has_host = any(name.lower() == "host" for name, _ in headers)
        try:
            self._connection.putrequest(
                "GET", target, skip_host=has_host, skip_accept_encoding=True
            )
            for name, value in headers:
                self._connection.putheader(name, value.encode(errors="surrogateescape"))
            self._connection.endheaders()
        except HTTPException as exc:
            raise ValueError(f"the request cannot be sent: {exc}") from exc

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def head(self, seconds: float) -> HTTPResponse | None:
        """Wait for the response's head; return None if it did not come within ``seconds``.

        :raises OSError: the connection ended before the head was there
        :raises ValueError: the answer is not HTTP
        """
        self._socket.settimeout(seconds)
        with self._bounded(seconds) as is_over:
            try:
                self._response = self._connection.getresponse()
            except TimeoutError:
                return None
            except (HTTPException, OSError) as exc:
                if is_over():
                    return None
                if isinstance(exc, OSError):  # RemoteDisconnected is both
                    raise
                raise ValueError(f"the answer is no HTTP: {exc!r}") from exc
            # http.client takes the end of the connection for the end of the head.
            return None if is_over() else self._response

    def pieces(self, until: float) -> Iterator[bytes]:
        """Yield pieces of the body as they arrive, then ``b""`` if the response has ended.

        Nothing more can be read after the time is over.

        :param until: when to stop, on the clock of :func:`time.monotonic`
        """
        assert self._response is not None, "there is no head yet"
        with self._bounded(until - time.monotonic()) as is_over:
            while True:
                self._socket.settimeout(max(until - time.monotonic(), 0.001))
                try:
                    piece = self._response.read1(_MAX_PIECE)
                except TimeoutError:
                    return
                except (HTTPException, OSError, ValueError):  # the last for a bad chunk size
                    self.is_cut = True
                    piece = b""
                if not piece and is_over():
                    return
                yield piece
                if not piece:
                    return

    @contextmanager
    def _bounded(self, seconds: float) -> Iterator[Callable[[], bool]]:
        """Cut the connection after a time, since a socket's timeout begins anew at each byte.

        Yield a function that tells whether the time is over.
        """
        over = threading.Event()

        def cut() -> None:
            over.set()
            with suppress(OSError):  # not that of an SSLSocket, which disturbs its reader
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)

        timer = threading.Timer(max(seconds, 0) + _MARGIN, cut)
        timer.daemon = True
        timer.start()
        try:
            yield over.is_set
        finally:
            timer.cancel()

    def close(self) -> None:
        """Leave as a browser leaves whose page is closed."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        if self._response is not None:
            self._response.close()
        self._connection.close()
        self._socket.close()
