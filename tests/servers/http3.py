"""A client that reads HTTP/3 responses (RFC 9114) over QUIC, by aioquic."""

from __future__ import annotations

import socket
import ssl
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from .response import TIMEOUT, Connection, Headers, Response, WireError

if TYPE_CHECKING:
    from aioquic.quic.connection import QuicConnection

__all__ = ["Http3Connection"]

CANCELLED = 0x10C  # RFC 9114, 8.1: H3_REQUEST_CANCELLED
CONNECTION_FIELDS = frozenset({b"connection", b"keep-alive", b"transfer-encoding", b"upgrade"})


class Http3Connection(Connection):
    """Any number of requests at once, on one connection, whose certificate nobody checks."""

    def __init__(self, port: int) -> None:
        # Imported here, since the tests over TCP run without these packages.
        from aioquic.h3.connection import H3_ALPN, H3Connection
        from aioquic.quic.configuration import QuicConfiguration
        from aioquic.quic.connection import QuicConnection

        self._socket = socket.socket(type=socket.SOCK_DGRAM)
        self._address = ("127.0.0.1", port)
        self._socket.connect(self._address)
        configuration = QuicConfiguration(
            alpn_protocols=H3_ALPN, verify_mode=ssl.CERT_NONE, server_name="localhost"
        )
        self._responses: dict[int, Response] = {}
        self._is_connected = False
        self._quic: QuicConnection = QuicConnection(configuration=configuration)
        self._quic.connect(self._address, now=time.monotonic())
        self._http = H3Connection(self._quic)
        self._send_datagrams()
        deadline = time.monotonic() + TIMEOUT
        while not self._is_connected:
            self.advance(deadline)

    def request(
        self, method: str, target: str, *, headers: Headers = (), body: bytes = b""
    ) -> Response:
        stream_id = self._quic.get_next_available_stream_id()
        response = self._responses[stream_id] = Response(self, method, stream_id)
        fields = [
            *((":method", method), (":scheme", "https"), (":path", target)),
            *((":authority", "localhost"), *headers),
        ]
        encoded = [(name.encode(), value.encode()) for name, value in fields]
        self._http.send_headers(stream_id, encoded, end_stream=not body)
        if body:
            self._http.send_data(stream_id, body, end_stream=True)
        self._send_datagrams()
        return response

    def cancel(self, response: Response) -> None:
        self._quic.stop_stream(response.stream_id, CANCELLED)
        self._send_datagrams()

    def advance(self, deadline: float) -> None:
        timer = self._quic.get_timer()
        until = deadline if timer is None else min(deadline, timer)
        self._socket.settimeout(max(until - time.monotonic(), 0.001))
        try:
            self.receive(self._socket.recv(65536))
        except ConnectionError:
            self._end_all()
        except TimeoutError:
            now = time.monotonic()
            if now >= deadline:
                raise
            self._quic.handle_timer(now)
            self.receive(b"")

    def receive(self, data: bytes) -> None:
        if data:
            self._quic.receive_datagram(data, self._address, now=time.monotonic())
        while (event := self._quic.next_event()) is not None:
            self._on_quic_event(event)
        self._send_datagrams()

    def _on_quic_event(self, event: Any) -> None:
        kind = type(event).__name__
        if kind == "HandshakeCompleted":
            self._is_connected = True
        elif kind == "ConnectionTerminated":
            self._end_all()
        elif kind == "StreamReset" and event.stream_id in self._responses:
            self._responses[event.stream_id].end(is_complete=False)
        http_event: Any
        for http_event in self._http.handle_event(event):
            response = self._responses[http_event.stream_id]
            if type(http_event).__name__ == "HeadersReceived":
                self._on_headers(response, http_event.headers)
            elif http_event.data:
                response.add(http_event.data)
            if http_event.stream_ended:
                response.end(is_complete=True)

    def _on_headers(self, response: Response, headers: list[tuple[bytes, bytes]]) -> None:
        for name, _ in headers:
            if name != name.lower() or name in CONNECTION_FIELDS:
                raise WireError(f"{name!r} is not allowed in HTTP/3")
        fields = [(name.decode(), value.decode("latin-1")) for name, value in headers]
        response.add_head(int(dict(fields)[":status"]), fields[1:])

    def _end_all(self) -> None:
        for response in self._responses.values():
            response.end(is_complete=False)

    def _send_datagrams(self) -> None:
        with suppress(ConnectionError):  # the server is gone
            for data, _ in self._quic.datagrams_to_send(now=time.monotonic()):
                self._socket.send(data)

    def close(self) -> None:
        self._quic.close()
        self._send_datagrams()
        self._socket.close()

    def reset(self) -> None:
        """Fall silent, as a client does that has crashed: there is nobody who could tell."""
        self._socket.close()
