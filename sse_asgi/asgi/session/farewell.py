"""The last words of a stream: the block before the final body, and what ``on_close`` is told."""

from __future__ import annotations

import logging
from inspect import isawaitable
from typing import TYPE_CHECKING

import anyio

from ...errors import Refusal
from ...wire import Encoder, ServerSentEvent
from ..options import StreamOptions
from ..outcome import CloseReason, StreamSummary
from .writer import ClientGone

if TYPE_CHECKING:
    from .control import Ending

from ..reconnect import random_retry

__all__ = ["error_block", "report", "retry_block", "take_leave"]

logger = logging.getLogger("sse_asgi")


def retry_block(options: StreamOptions) -> bytes:
    """Return the reconnection time for a client whose stream the server ends."""
    if options.farewell_retry is None:
        return b""
    event = ServerSentEvent(retry=random_retry(options.farewell_retry))
    return Encoder(separator=options.separator).encode(event)


async def error_block(options: StreamOptions, error: Exception, request: str) -> bytes:
    """Log the error of ``request``, and return what ``on_error`` makes of it."""
    logger.error("%s: the content failed after its first event: %r", request, error)
    if options.on_error is None:
        return b""
    try:
        item = options.on_error(error)
        if isawaitable(item):
            item = await item
        return b"" if item is None else options.encode(item)
    except Exception:
        logger.exception("%s: on_error failed", request)
        return b""


async def report(options: StreamOptions, summary: StreamSummary, request: str) -> None:
    """Tell ``on_close`` how the stream of ``request`` ended."""
    if options.on_close is None:
        return
    try:
        result = options.on_close(summary)
        if isawaitable(result):
            with anyio.move_on_after(options.cleanup_timeout, shield=True):
                await result
    except Exception:
        logger.exception("%s: on_close failed", request)


async def take_leave(session: Ending) -> None:
    """End the response with its last block, or as a refusal, if that is left to do."""
    response, error = session.response, session.error
    if response.closed:
        return
    try:
        if session.reason is CloseReason.REFUSED and isinstance(error, Refusal):
            session.error = None
            await response.refuse(error)
        elif error is None or response.started:
            await response.write(await _last_block(session), last=True)
        # Otherwise the server, or the framework around us, makes an error response of it.
    except ClientGone:
        pass
    except Exception as exc:
        session.fail(exc)


async def _last_block(session: Ending) -> bytes:
    if session.took_leave:
        return b""  # an interruption came before the final body
    session.took_leave = True
    if session.error is not None:
        return await error_block(session.options, session.error, session.name)
    block = b"" if session.response.started else session.options.first
    if session.reason in (CloseReason.SERVER_STOPPING, CloseReason.LIFETIME):
        block += retry_block(session.options)
    return block
