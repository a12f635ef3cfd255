"""A client that reads HTTP/2 responses frame by frame (RFC 9113), over cleartext.

It sits on hyperframe and hpack, the parts of the h2 package, and not on h2 itself: h2 refuses every
frame that follows a GOAWAY, and what streams still get after one is what the tests want to see.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .response import Connection, Headers, Response, WireError

if TYPE_CHECKING:
    from hyperframe.frame import (
        ContinuationFrame,
        DataFrame,
        Frame,
        GoAwayFrame,
        HeadersFrame,
        PingFrame,
        RstStreamFrame,
        SettingsFrame,
    )

__all__ = ["PROBE", "Http2Connection"]

# RFC 9113, 3.4: the preface and an empty SETTINGS frame, which the server answers with its own.
PROBE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])
CANCEL = 8  # RFC 9113, 7
FRAME_HEADER = 9
# RFC 9113, 8.2.2: fields of the connection have no place in HTTP/2.
CONNECTION_FIELDS = frozenset(
    {"connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"}
)


class Http2Connection(Connection):
    """Any number of requests at once, on one connection."""

    def __init__(self, port: int) -> None:
        # Imported here, since the tests over HTTP/1.1 run without these packages.
        from hpack import Decoder, Encoder

        super().__init__(port)
        self.is_going_away = False
        self._encoder = Encoder()
        self._decoder = Decoder()
        self._buffer = bytearray()
        self._block = b""
        self._responses: dict[int, Response] = {}
        self._next_id = 1
        self._starved: set[int] = set()
        self._handlers: dict[str, Callable[[Any], None]] = {
            "HeadersFrame": self._on_headers,
            "ContinuationFrame": self._on_headers,
            "DataFrame": self._on_data,
            "RstStreamFrame": self._on_reset,
            "GoAwayFrame": self._on_going_away,
            "SettingsFrame": self._on_settings,
            "PingFrame": self._on_ping,
        }
        self.write(PROBE)

    def request(
        self, method: str, target: str, *, headers: Headers = (), body: bytes = b""
    ) -> Response:
        from hyperframe.frame import DataFrame, HeadersFrame

        stream_id, self._next_id = self._next_id, self._next_id + 2
        response = self._responses[stream_id] = Response(self, method, stream_id)
        fields = [
            *((":method", method), (":scheme", "http"), (":path", target)),
            *((":authority", "127.0.0.1"), *headers),
        ]
        head = HeadersFrame(stream_id, self._encoder.encode(fields), flags=["END_HEADERS"])
        if not body:
            head.flags.add("END_STREAM")
            self.write(head.serialize())
        else:
            data = DataFrame(stream_id, body, flags=["END_STREAM"])
            self.write(head.serialize() + data.serialize())
        return response

    def cancel(self, response: Response) -> None:
        from hyperframe.frame import RstStreamFrame

        self.write(RstStreamFrame(response.stream_id, error_code=CANCEL).serialize())

    def starve(self, response: Response) -> None:
        """Let the server send no more of the response than its window has room for."""
        self._starved.add(response.stream_id)

    def receive(self, data: bytes) -> None:
        from hyperframe.frame import Frame

        self._buffer += data
        while len(self._buffer) >= FRAME_HEADER:
            header = memoryview(bytes(self._buffer[:FRAME_HEADER]))
            frame, length = Frame.parse_frame_header(header)
            if len(self._buffer) < FRAME_HEADER + length:
                break
            body = bytes(self._buffer[FRAME_HEADER : FRAME_HEADER + length])
            del self._buffer[: FRAME_HEADER + length]
            frame.parse_body(memoryview(body))
            if handler := self._handlers.get(type(frame).__name__):
                handler(frame)
        if not data:
            for response in self._responses.values():
                response.end(is_complete=False)

    # -- one handler for each type of frame that matters ---------------------------------------

    def _on_headers(self, frame: HeadersFrame | ContinuationFrame) -> None:
        self._block += frame.data
        if "END_HEADERS" in frame.flags:
            block, self._block = self._block, b""
            self._on_head(self._responses[frame.stream_id], block)
        self._on_flags(frame)

    def _on_head(self, response: Response, block: bytes) -> None:
        fields = [(str(name), str(value)) for name, value in self._decoder.decode(block)]
        for name, _ in fields:
            if name != name.lower() or name in CONNECTION_FIELDS:
                raise WireError(f"{name!r} is not allowed in HTTP/2")
        pseudo = dict(fields[:1])
        status = int(pseudo.get(":status", response.status))
        if status >= 200 and not response.status:
            response.add_head(status, fields[1:])

    def _on_data(self, frame: DataFrame) -> None:
        from hyperframe.frame import WindowUpdateFrame

        length = frame.flow_controlled_length
        if frame.data:
            self._responses[frame.stream_id].add(frame.data)
        if length:
            is_done = "END_STREAM" in frame.flags or frame.stream_id in self._starved
            windows = (0,) if is_done else (0, frame.stream_id)
            updates = [WindowUpdateFrame(window, window_increment=length) for window in windows]
            self.answer(b"".join(update.serialize() for update in updates))
        self._on_flags(frame)

    def _on_flags(self, frame: Frame) -> None:
        if "END_STREAM" in frame.flags:
            self._responses[frame.stream_id].end(is_complete=True)

    def _on_reset(self, frame: RstStreamFrame) -> None:
        self._responses[frame.stream_id].end(is_complete=False)

    def _on_going_away(self, frame: GoAwayFrame) -> None:
        self.is_going_away = True

    def _on_settings(self, frame: SettingsFrame) -> None:
        self._acknowledge(frame, b"")

    def _on_ping(self, frame: PingFrame) -> None:
        self._acknowledge(frame, frame.opaque_data)

    def _acknowledge(self, frame: Frame, payload: bytes) -> None:
        if "ACK" not in frame.flags:
            header = len(payload).to_bytes(3, "big") + bytes([frame.type or 0, 1, 0, 0, 0, 0])
            self.answer(header + payload)
