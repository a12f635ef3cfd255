"""Closing the connection of a client that has stopped reading.

ASGI has no word for it: a cancelled ``send`` frees the application, but the connection stays until
the client reads, and uvicorn and hypercorn (on trio) cannot exit before. So the server's own object
is looked up, reading only, in three places:

1. behind ``send``, which middleware wraps in closures, partials and objects;
2. behind ``receive``, for middleware that passes messages through a stream of its own, as
   Starlette's ``BaseHTTPMiddleware`` does;
3. in the task in which hypercorn runs the application for the same scope.

Only objects of the server's own types count. Where none is found (granian; middleware that copies
the scope as well), the stream ends for the application, and the server keeps the connection until
its own timeout.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from typing import Any, Final

from .stop_flag import coroutines_of

__all__ = ["abort_connection", "behind", "is_of"]

Close = Callable[[], object]

_MOST_OBJECTS: Final = 256
"""Objects that are looked at before the search is given up."""

_CORNS: Final = ("hypercorn.", "anycorn.")

_STOP_AT: Final = frozenset({"asyncio", "trio", "anyio", "logging", "threading", "builtins"})
"""Packages whose objects lead everywhere, and to no server."""

logger: Final = logging.getLogger("sse_asgi")


def abort_connection(send: object, receive: object = None, scope: Any = None) -> bool:
    """Close the client's connection at once; return whether that was possible.

    :param send: the application's ``send``
    :param receive: its ``receive``
    :param scope: its scope
    """
    try:
        for candidate in _candidates(send, receive, scope):
            for known in (_uvicorn, _hypercorn, _gunicorn, _daphne):
                close = known(candidate)
                if close is not None:
                    close()
                    return True
    except Exception:  # these are the insides of others, and no reason to fail all streams
        logger.debug("could not close the connection", exc_info=True)
    return False


def _candidates(send: object, receive: object, scope: Any) -> Iterator[object]:
    yield from behind(send)
    yield from behind(receive)
    if scope is not None:
        yield from _running(scope)


# -- from a callable to the callables that it calls ------------------------------------------------


def behind(function: object) -> Iterator[object]:
    """Find the objects behind a ``send`` or ``receive``, the nearest first."""
    seen: set[int] = set()
    waiting: deque[object] = deque([function])
    while waiting and len(seen) < _MOST_OBJECTS:
        candidate = waiting.popleft()
        if candidate is None or id(candidate) in seen:
            continue
        seen.add(id(candidate))
        yield candidate
        waiting.extend(_parts(candidate))


def _parts(candidate: Any) -> Iterator[object]:
    if isinstance(candidate, partial):
        yield candidate.func
        yield from candidate.args
        yield from candidate.keywords.values()
    owner = getattr(candidate, "__self__", None)
    if owner is not None:
        yield owner
    for cell in getattr(candidate, "__closure__", None) or ():
        with suppress(ValueError):  # an empty cell
            yield cell.cell_contents
    wrapped = getattr(candidate, "__wrapped__", None)
    if wrapped is not None:
        yield wrapped
    if type(candidate).__module__.partition(".")[0] not in _STOP_AT:
        yield from _attributes(candidate)


def _attributes(candidate: object) -> Iterator[object]:
    """Find the attributes of an object that may be a ``send`` or ``receive``, or wrap one."""
    values = dict(getattr(candidate, "__dict__", None) or {})
    for kind in type(candidate).__mro__:
        slots = getattr(kind, "__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            values[name] = getattr(candidate, name, None)
    for name, value in values.items():
        if callable(value) or any(word in name for word in ("send", "receive", "request")):
            yield value


# -- from the scope to the task that serves it -----------------------------------------------------


def _running(scope: Any) -> Iterator[object]:
    """Find the ``send`` that hypercorn has given to the application for this scope."""
    for coroutine in coroutines_of():
        frame = getattr(coroutine, "cr_frame", None)
        if frame is None or not frame.f_globals.get("__name__", "").startswith("hypercorn."):
            continue
        if frame.f_code.co_name == "_handle" and frame.f_locals.get("scope") is scope:
            yield getattr(frame.f_locals.get("send"), "__self__", None)


# -- the servers' own objects ----------------------------------------------------------------------


def _uvicorn(candidate: Any) -> Close | None:
    """Know uvicorn's RequestResponseCycle, which holds the transport.

    With HTTP/2 the transport carries other streams, too, and is left alone.
    """
    if not is_of(candidate, "uvicorn.protocols.", "RequestResponseCycle"):
        return None
    if "h2" in type(candidate).__module__.rpartition(".")[2]:
        return None
    close: Close | None = getattr(candidate.transport, "abort", None)
    return close


def _hypercorn(candidate: Any) -> Close | None:
    """Know the HTTPStream of hypercorn and anycorn, above an H11Protocol and a TCPServer.

    The connection of its H2Protocol carries other streams, too, and is left alone.
    """
    if not is_of(candidate, _CORNS, "HTTPStream"):
        return None
    protocol: Any = getattr(candidate.send, "__self__", None)
    if not is_of(protocol, _CORNS, "H11Protocol"):
        return None
    server: Any = getattr(protocol.send, "__self__", None)
    if is_of(server, "anycorn.", "TCPServer"):
        return partial(_shut_down, server.stream)
    if hasattr(server, "writer"):
        close: Close = server.writer.transport.abort
        return close
    if hasattr(server, "stream"):
        return partial(_close_trio_stream, server.stream)
    return None


def _gunicorn(candidate: Any) -> Close | None:
    """Know the protocol of gunicorn's own ASGI worker, which holds the transport.

    With HTTP/2 the transport carries other streams, too, and is left alone.
    """
    if not is_of(candidate, "gunicorn.asgi.", "ASGIProtocol"):
        return None
    if getattr(candidate, "_h2_conn", None) is not None:
        return None
    close: Close | None = getattr(candidate.transport, "abort", None)
    return close


def _daphne(candidate: Any) -> Close | None:
    """Know daphne's request, whose channel holds the transport of Twisted."""
    if not is_of(candidate, "daphne.", "WebRequest"):
        return None
    close: Close | None = getattr(candidate.channel.transport, "abortConnection", None)
    return close


def is_of(candidate: object, module: str | tuple[str, ...], name: str) -> bool:
    """Tell whether an object is of a class of that name, or of one that is derived from it."""
    return any(
        kind.__name__ == name and kind.__module__.startswith(module)
        for kind in type(candidate).__mro__
    )


def _shut_down(stream: Any) -> None:
    """End both ways of a stream of anyio's, so that a send that waits for the client fails."""
    from socket import SHUT_RDWR

    from anyio.abc import SocketAttribute

    stream.extra(SocketAttribute.raw_socket).shutdown(SHUT_RDWR)


def _close_trio_stream(stream: Any) -> None:
    from trio import aclose_forcefully
    from trio.lowlevel import spawn_system_task

    spawn_system_task(aclose_forcefully, stream)
