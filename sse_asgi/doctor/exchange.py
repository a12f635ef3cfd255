"""One request over HTTP/1.1, and its response as it arrives, piece by piece."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from typing import Self
from urllib.parse import SplitResult, urlsplit

__all__ = ["Exchange", "Fields", "negotiate", "split_url"]

Fields = Iterable[tuple[str, str]]

SCHEMES = ("http", "https")
LARGEST = 65_536


def split_url(url: str) -> SplitResult:
    """Return the parts of the address of a stream.

    :raises ValueError: it is none
    """
    parts = urlsplit(url)
    if parts.scheme not in SCHEMES or not parts.hostname:
        raise ValueError(f"the URL must begin with http:// or https:// and a host, not {url!r}")
    if parts.username is not None:
        raise ValueError("the URL must hold no user: give --header 'Authorization: ...' instead")
    parts.port  # noqa: B018 - raises ValueError for what is no port
    return parts


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

    :param context: how to check the server's certificate, for https
    :param timeout: seconds within which the server must accept the connection
    :raises OSError: there is no connection, or no trust in its certificate
    """

    def __init__(
        self, url: str, headers: Fields, context: ssl.SSLContext, timeout: float = 10.0
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
        self.began = time.monotonic()
        self._connection.connect()
        # The connection forgets its socket when the response is to end with it.
        self._socket = self._connection.sock
        target = parts._replace(scheme="", netloc="", fragment="").geturl() or "/"
        self._connection.putrequest("GET", target, skip_accept_encoding=True)
        for name, value in headers:
            self._connection.putheader(name, value)
        self._connection.endheaders()
        self._response: HTTPResponse | None = None
        self.is_cut = False
        """The connection ended before the response did."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def head(self, seconds: float) -> HTTPResponse | None:
        """Wait for the response's head; None: it did not come within ``seconds``.

        :raises OSError: the connection ended before
        :raises ValueError: what came is no HTTP
        """
        self._socket.settimeout(seconds)
        try:
            self._response = self._connection.getresponse()
        except TimeoutError:
            return None
        except HTTPException as exc:
            if isinstance(exc, OSError):  # RemoteDisconnected is both
                raise
            raise ValueError(f"the answer is no HTTP: {exc!r}") from exc
        return self._response

    def pieces(self, until: float) -> Iterator[bytes]:
        """Yield what comes of the body as it comes, then ``b""`` if the response has ended.

        After the time is over nothing more can be read.

        :param until: when to stop, in terms of :func:`time.monotonic`
        """
        assert self._response is not None, "there is no head yet"
        while True:
            self._socket.settimeout(max(until - time.monotonic(), 0.001))
            try:
                piece = self._response.read1(LARGEST)
            except TimeoutError:
                return
            except (HTTPException, OSError):
                self.is_cut = True
                piece = b""
            yield piece
            if not piece:
                return

    def close(self) -> None:
        """Leave, as a browser does that closes the page."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        if self._response is not None:
            self._response.close()
        self._connection.close()
        self._socket.close()
