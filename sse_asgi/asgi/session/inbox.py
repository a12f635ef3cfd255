"""The server's ``receive``, shared by the session and by content that reads the request's body.

A session calls ``receive`` to learn that the client has left. Content may call it, too, through the
framework's request object: ``await request.body()``. Two that call it by turns take each other's
messages. So the session asks the server for both, keeps the body for the content, and gives the
framework's request object, which was made before the response, the shared ``receive``.
"""

from __future__ import annotations

import logging
import sys
from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

import anyio
from anyio.lowlevel import checkpoint

from ..connection import Connection, request_name

if TYPE_CHECKING:
    from types import FrameType

    from ..types import Message, Receive

__all__ = ["DISCONNECTS", "Inbox", "drop", "shared_receive"]

logger: Final = logging.getLogger("sse_asgi")

DISCONNECTS: Final = ("http.disconnect", "websocket.disconnect")

MOST_BYTES: Final = 1_048_576
"""Bytes of a body that are kept for content that has not asked for any of them."""

MOST_FRAMES: Final = 24
"""Frames between the application and the framework's function that made the request object."""

_WITHOUT_BODY: Final = ("GET", "HEAD")
_ATTRIBUTES: Final = ("_receive", "receive")
"""Under these names Starlette's and Litestar's request objects have it."""


async def drop(message: Message, connection: Connection, warned: bool) -> bool:
    """Drop a message that is no disconnect; return whether the log has been warned.

    It is warned of a part of the request's body, which is lost: nothing shows who wants it.
    """
    if message.get("body") and not warned:
        warned = True
        name = request_name(connection)
        logger.warning("%s: dropped the request's body; read it before the stream begins", name)
    await checkpoint()
    return warned


def shared_receive(scope: Any, receive: Receive) -> Receive:
    """Return the ``receive`` for the session of a request.

    It is another one if the request may have a body and the framework's request object is found,
    in a local variable of one of the functions that have called us.
    """
    if scope.get("method", "GET") in _WITHOUT_BODY or not _has_body(scope):
        return receive
    readers = list(_readers(receive, sys._getframe(1)))
    if not readers:
        return receive
    inbox = Inbox(receive)
    for owner, name in readers:
        setattr(owner, name, inbox.receive)
    return inbox.receive_disconnect


def _has_body(scope: Any) -> bool:
    """Tell whether a body may follow the request's head: HTTP/2 does not have to say so."""
    return (b"content-length", b"0") not in scope["headers"]


def _readers(receive: Receive, frame: FrameType | None) -> Iterator[tuple[Any, str]]:
    """Find the objects that read from ``receive``."""
    seen: set[int] = set()
    for _ in range(MOST_FRAMES):
        if frame is None:
            return
        for value in list(frame.f_locals.values()):
            if id(value) in seen:
                continue
            seen.add(id(value))
            attributes = getattr(value, "__dict__", None) or {}
            for name in _ATTRIBUTES:
                if "scope" in attributes and attributes.get(name) == receive:
                    yield value, name
        frame = frame.f_back


class Inbox:
    """Asks the server for one message at a time, and hands it to those who wait for it."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._messages: deque[Message] = deque()
        self._size = 0
        self._left: Message | None = None
        self._is_asking = False
        self._is_read = False
        self._is_lost = False
        self._change = anyio.Event()

    async def receive(self) -> Message:
        """Return the next message of the request: the framework's side.

        :raises RuntimeError: the body was so long that it was not kept
        """
        self._is_read = True
        if self._is_lost:
            raise RuntimeError(
                f"the request's body has more than {MOST_BYTES} bytes and was not kept until now:"
                " read it before the stream begins"
            )
        while not self._messages:
            if self._left is not None:
                return self._left
            await self._ask_or_wait()
        message = self._messages.popleft()
        self._size -= len(message.get("body", b""))
        self._tell()
        return message

    async def receive_disconnect(self) -> Message:
        """Return the client's disconnect: the session's side."""
        while self._left is None:
            if self._size > MOST_BYTES and self._is_read:
                await self._change.wait()  # until the content has taken some of it
            else:
                await self._ask_or_wait()
        return self._left

    async def _ask_or_wait(self) -> None:
        if self._is_asking:
            await self._change.wait()
            return
        self._is_asking = True
        try:
            message = await self._receive()
        finally:
            self._is_asking = False
            self._tell()
        if message["type"] in DISCONNECTS:
            self._left = message
            return
        self._messages.append(message)
        self._size += len(message.get("body", b""))
        if self._size > MOST_BYTES and not self._is_read:
            self._is_lost = True
            self._messages.clear()
            self._size = 0

    def _tell(self) -> None:
        change, self._change = self._change, anyio.Event()
        change.set()
