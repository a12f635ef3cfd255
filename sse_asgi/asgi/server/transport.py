"""Closing the connection of a client that has stopped reading.

ASGI has no word for it: a cancelled ``send`` frees the application, but the connection stays until
the client reads, and uvicorn and hypercorn (on trio) cannot exit before. So the transport is looked
up behind the server's own ``send``, reading only. Where none is found (granian), the stream ends
for the application and the server keeps the connection.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from typing import Any

__all__ = ["abort_connection"]

logger = logging.getLogger("sse_asgi")

Close = Callable[[], object]

MOST_WRAPPERS = 32


def abort_connection(send: object) -> bool:
    """Close the connection behind ``send`` at once; return whether that was possible."""
    try:
        for candidate in _unwrap(send):
            owner = getattr(candidate, "__self__", None)
            close = _uvicorn(owner) or _hypercorn(owner)
            if close is not None:
                close()
                return True
    except Exception:  # these are the insides of others, and no reason to fail all streams
        logger.debug("could not close the connection", exc_info=True)
    return False


def _unwrap(send: object) -> Iterator[object]:
    """Go from a ``send`` to those that it calls: middleware wraps the server's in its own."""
    waiting: deque[object] = deque([send])
    for _ in range(MOST_WRAPPERS):
        if not waiting:
            return
        candidate = waiting.popleft()
        yield candidate
        inner: list[object] = [getattr(getattr(candidate, "__self__", None), "send", None)]
        for cell in getattr(candidate, "__closure__", None) or ():
            with suppress(ValueError):  # an empty cell
                inner.append(cell.cell_contents)
        if isinstance(candidate, partial):
            inner += [candidate.func, *candidate.args, *candidate.keywords.values()]
        waiting.extend(value for value in inner if callable(value))


def _uvicorn(cycle: Any) -> Close | None:
    """Know ``send`` as a method of uvicorn's RequestResponseCycle, which holds the transport."""
    close: Close | None = getattr(getattr(cycle, "transport", None), "abort", None)
    return close


def _hypercorn(stream: Any) -> Close | None:
    """Know ``send`` as a method of hypercorn's HTTPStream, above an H11Protocol and a TCPServer.

    The connection of its H2Protocol carries other streams, too, and is left alone.
    """
    protocol: Any = getattr(getattr(stream, "send", None), "__self__", None)
    if type(protocol).__name__ != "H11Protocol":
        return None
    server: Any = getattr(getattr(protocol, "send", None), "__self__", None)
    if hasattr(server, "writer"):
        close: Close = server.writer.transport.abort
        return close
    if hasattr(server, "stream"):
        return partial(_close_trio_stream, server.stream)
    return None


def _close_trio_stream(stream: Any) -> None:
    from trio import aclose_forcefully
    from trio.lowlevel import spawn_system_task

    spawn_system_task(aclose_forcefully, stream)
