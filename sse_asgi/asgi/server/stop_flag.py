"""Whether the server around us is stopping, read from its own state.

No server tells an application that it stops while a response is open (``http.disconnect`` does not
come, and ``lifespan.shutdown`` comes after the last response). Where no signal arrives either,
because hypercorn's workers get none and a server in a thread cannot, its own flag is all there is.
It is found once for each event loop, in the frames of the tasks that run the server; nothing is
changed.
"""

from __future__ import annotations

import logging
import weakref
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

__all__ = ["ServerState", "find_servers"]

logger = logging.getLogger("sse_asgi")


class ServerState:
    """The stop flag of one server.

    :param is_worker: the server runs in a process that its parent ends with SIGTERM while it is
        stopping
    """

    def __init__(self, read: Callable[[], bool], *, is_worker: bool = False) -> None:
        self._read = read
        self.is_worker = is_worker

    def is_stopping(self) -> bool:
        """Tell whether the server is stopping, or has gone."""
        try:
            return self._read()
        except Exception:  # as below
            logger.debug("could not look at the server", exc_info=True)
            return False


def find_servers(on_asyncio: bool) -> list[ServerState]:
    """Look for the servers that the running event loop runs: uvicorn's and hypercorn's."""
    try:
        return _find_servers(on_asyncio)
    except Exception:  # these are the insides of others, and no reason to fail a stream
        logger.debug("could not look for the server", exc_info=True)
        return []


def _find_servers(on_asyncio: bool) -> list[ServerState]:
    coroutines = _asyncio_coroutines() if on_asyncio else _trio_coroutines()
    frames = (frame for coroutine in coroutines for frame in _frames(coroutine))
    found = {}
    for frame in frames:
        module = frame.f_globals.get("__name__", "")
        if module == "uvicorn.server":
            server = frame.f_locals.get("self")
            if hasattr(server, "should_exit"):
                found[id(server)] = _uvicorn(server)
        elif module in ("hypercorn.asyncio.run", "hypercorn.trio.run"):
            context = frame.f_locals.get("context")
            if hasattr(context, "terminated"):
                found[id(context)] = _hypercorn(context)
    return list(found.values())


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

    return ServerState(is_stopping)


def _hypercorn(context: Any) -> ServerState:
    from multiprocessing import parent_process

    terminated = context.terminated
    return ServerState(lambda: bool(terminated.is_set()), is_worker=parent_process() is not None)


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
