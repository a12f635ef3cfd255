"""Whether the server around us is stopping, read from its own state.

No server tells an application that it stops while a response is open (``http.disconnect`` does not
come, and ``lifespan.shutdown`` comes after the last response). Where no signal arrives either,
because hypercorn's workers get none and a server in a thread cannot, its own flag is all there is.
It is found in the frames of the tasks that run the server; nothing is changed. The attributes that
are read here were checked with uvicorn 0.30 to 0.54, hypercorn 0.17 and 0.18, anycorn 0.20 and
gunicorn 27.
"""

from __future__ import annotations

import logging
import time
import weakref
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import islice
from types import FrameType
from typing import Any, Final

__all__ = ["ServerState", "Servers", "coroutines_of", "find_servers"]

_SAMPLES: Final = 3
"""Tasks of one kind that are searched in vain before the others are skipped."""

_DEPTH: Final = 4
"""Coroutines, from the outermost on, whose functions make the kind of a task."""

_SHARE: Final = 200

_WITH_CONTEXT: Final = frozenset({"hypercorn.asyncio.run", "hypercorn.trio.run", "anycorn.run"})
"""Modules whose functions hold a worker's context, with its flag, as a local variable."""

_GUNICORN: Final = frozenset({"gunicorn.workers.gasgi", "uvicorn_worker._workers"})
"""Modules of gunicorn's workers."""

logger: Final = logging.getLogger("sse_asgi")


class ServerState:
    """The stop flag of one server. Two states of the same server are equal.

    :param server: the server's object
    :param read: returns the flag
    :param is_worker: the server runs in a process that its parent ends with SIGTERM while it is
        stopping
    """

    def __init__(
        self, server: object, read: Callable[[], bool], *, is_worker: bool = False
    ) -> None:
        self._server = weakref.ref(server)
        self._read = read
        self.is_worker = is_worker

    def is_stopping(self) -> bool:
        """Tell whether the server is stopping, or has gone."""
        try:
            return self._read()
        except Exception:  # these are the insides of others, and no reason to fail a stream
            logger.debug("could not look at the server", exc_info=True)
            return False

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ServerState) and self._server == other._server

    def __hash__(self) -> int:
        return hash(self._server)


class Servers:
    """The servers of one event loop, as far as they were found.

    A server may start at any time, so the search is repeated while streams are opened. It looks at
    the tasks of the event loop, and takes at most one part in :data:`_SHARE` of the time.
    """

    def __init__(self, on_asyncio: bool) -> None:
        self._on_asyncio = on_asyncio
        self._heard: list[ServerState] = []
        self._search_at = 0.0
        self.known: list[ServerState] = []
        self.may_have_changed: bool = False
        """Whether a stream was opened since the last search."""

    def search(self) -> None:
        """Find the servers that run now."""
        began = time.monotonic()
        self.known = find_servers(self._on_asyncio)
        self.may_have_changed = False
        ended = time.monotonic()
        self._search_at = ended + (ended - began) * _SHARE

    def search_if_due(self) -> None:
        """Search again if a stream was opened meanwhile, and if the last search was cheap."""
        if self.may_have_changed and time.monotonic() >= self._search_at:
            self.search()

    def stopping(self) -> list[ServerState]:
        """Return the servers that are stopping, or have gone."""
        return [server for server in self.known if server.is_stopping()]

    def have_news(self) -> bool:
        """Tell whether a server is stopping that was not, the last time.

        Each is heard once: another server in this event loop may go on.
        """
        stopping = self.stopping()
        have_news = any(server not in self._heard for server in stopping)
        if have_news:
            self._heard = stopping
        return have_news


def find_servers(on_asyncio: bool) -> list[ServerState]:
    """Look for the servers that the running event loop runs."""
    try:
        return _find_servers(on_asyncio)
    except Exception:  # as above
        logger.debug("could not look for the server", exc_info=True)
        return []


def _find_servers(on_asyncio: bool) -> list[ServerState]:
    found: dict[int, ServerState] = {}
    in_vain: Counter[object] = Counter()
    for coroutine in _asyncio_coroutines() if on_asyncio else _trio_coroutines():
        # A server has a task for each connection, all alike: a few of them tell enough.
        kind = tuple(islice(_codes(coroutine), _DEPTH))
        if in_vain[kind] < _SAMPLES:
            servers = {id(server): state for server, state in _servers_in(coroutine)}
            found |= servers
            if not servers:
                in_vain[kind] += 1
    return list(found.values())


def _codes(coroutine: Any) -> Iterator[object]:
    while coroutine is not None:
        yield getattr(coroutine, "cr_code", None)
        coroutine = getattr(coroutine, "cr_await", None)


def _servers_in(coroutine: Any) -> Iterator[tuple[object, ServerState]]:
    for frame in _frames(coroutine):
        module = frame.f_globals.get("__name__", "")
        if module == "uvicorn.server":
            server = frame.f_locals.get("self")
            if hasattr(server, "should_exit"):
                yield server, _uvicorn(server)
        elif module in _WITH_CONTEXT:
            context = frame.f_locals.get("context")
            if hasattr(context, "terminated"):
                yield context, _hypercorn(context)
        elif module in _GUNICORN:
            worker = frame.f_locals.get("self")
            if hasattr(worker, "alive"):
                yield worker, _gunicorn(worker)


def _uvicorn(server: Any) -> ServerState:
    reference = weakref.ref(server)

    def is_stopping() -> bool:
        server = reference()
        # A server that has reached limit_max_requests closes its sockets and sets no flag.
        return (
            server is None
            or bool(server.should_exit)
            or any(not listener.is_serving() for listener in getattr(server, "servers", ()))
        )

    return ServerState(server, is_stopping)


def _hypercorn(context: Any) -> ServerState:
    from multiprocessing import parent_process

    terminated = context.terminated
    is_worker = parent_process() is not None
    return ServerState(context, lambda: bool(terminated.is_set()), is_worker=is_worker)


def _gunicorn(worker: Any) -> ServerState:
    """Know gunicorn's worker: its flag falls on SIGQUIT and at ``max_requests``, too."""
    reference = weakref.ref(worker)

    def is_stopping() -> bool:
        worker = reference()
        return worker is None or not worker.alive

    return ServerState(worker, is_stopping)


def coroutines_of() -> Iterator[Any]:
    """Find the outermost coroutine of each task of the running event loop."""
    try:
        from asyncio import get_running_loop

        get_running_loop()
    except RuntimeError:
        return _trio_coroutines()
    return _asyncio_coroutines()


def _asyncio_coroutines() -> Iterator[Any]:
    from asyncio import all_tasks

    for task in all_tasks():
        yield task.get_coro()


def _trio_coroutines() -> Iterator[Any]:
    from trio.lowlevel import current_root_task

    tasks: list[Any] = [current_root_task()]
    while tasks:
        task = tasks.pop()
        yield task.coro
        for nursery in task.child_nurseries:
            tasks.extend(nursery.child_tasks)


def _frames(coroutine: Any) -> Iterator[FrameType]:
    while coroutine is not None:
        frame = getattr(coroutine, "cr_frame", None)
        if frame is not None:
            yield frame
        coroutine = getattr(coroutine, "cr_await", None)
