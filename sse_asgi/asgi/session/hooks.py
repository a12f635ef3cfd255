"""The calls of ``on_open`` and ``on_close``, which tell the program of each stream.

Each is called once for each stream, ``on_open`` first, in the task and the context of the request.
A hook does not decide about the stream: an exception of it is logged, and the stream goes on.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable
from inspect import isawaitable
from typing import Final

import anyio

from ..connection import Connection, request_name
from ..options import StreamOptions
from ..outcome import StreamSummary

__all__ = ["tell_close", "tell_open"]

logger: Final = logging.getLogger("sse_asgi")


async def tell_open(options: StreamOptions, connection: Connection) -> None:
    """Tell ``on_open`` that the stream begins. A cancellation of the request ends the call."""
    if options.on_open is None:
        return
    try:
        await _finish(options.on_open(connection), options, shield=False)
    except Exception:
        logger.exception("%s: on_open failed", request_name(connection))


async def tell_close(
    options: StreamOptions, summary: StreamSummary, connection: Connection
) -> None:
    """Tell ``on_close`` how the stream ended."""
    if options.on_close is None:
        return
    try:
        await _finish(options.on_close(summary), options, shield=True)
    except Exception:
        logger.exception("%s: on_close failed", request_name(connection))


async def _finish(result: Awaitable[None] | None, options: StreamOptions, *, shield: bool) -> None:
    """Wait for the awaitable that a hook returned, within ``cleanup_timeout``."""
    if isawaitable(result):
        with anyio.move_on_after(options.cleanup_timeout, shield=shield):
            await result
