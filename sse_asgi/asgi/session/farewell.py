"""The last words of a stream: the block before the final body."""

from __future__ import annotations

import logging
from inspect import isawaitable
from typing import Final

from ...errors import Refusal
from ...wire import Encoder, ServerSentEvent
from ...wire.names import EXPIRED, REVOKED
from ..access import unauthorized
from ..connection import Connection, request_name
from ..options import StreamOptions
from ..outcome import CloseReason, Outcome
from ..reconnect import random_retry
from .state import ClientGone
from .writer import ResponseWriter

__all__ = ["retry_block", "take_leave"]

logger: Final = logging.getLogger("sse_asgi")

# To look in a dict would cost a connection more: an enumeration computes the hash in Python.
_UNAUTHORIZED: Final = (CloseReason.EXPIRED, CloseReason.REVOKED)
_BY_THE_SERVER: Final = (CloseReason.SERVER_STOPPING, CloseReason.LIFETIME, *_UNAUTHORIZED)


def retry_block(options: StreamOptions) -> bytes:
    """Return the reconnection time for a client whose stream the server ends."""
    if options.farewell_retry is None:
        return b""
    event = ServerSentEvent(retry=random_retry(options.farewell_retry))
    return Encoder(separator=options.separator).encode(event)


async def take_leave(
    options: StreamOptions, outcome: Outcome, writer: ResponseWriter, connection: Connection
) -> None:
    """End the response with its last block, or as a refusal, if that is left to do."""
    if writer.is_closed:
        return
    error = outcome.error
    try:
        if outcome.reason is CloseReason.REFUSED and isinstance(error, Refusal):
            await _refuse(error, outcome, writer)
        elif not writer.started and outcome.reason in _UNAUTHORIZED:
            await _refuse(unauthorized(), outcome, writer)
        elif error is None or writer.started:
            block = b""
            if not outcome.is_told:  # otherwise an interruption came before the final body
                outcome.is_told = True
                block = (
                    _last_block(options, outcome.reason, started=writer.started)
                    if error is None
                    else await _error_block(options, outcome, connection)
                )
            await writer.write(block, last=True)
        # Otherwise the server, or the framework around us, makes an error response of it.
    except ClientGone:
        pass
    except Exception as exc:
        if not outcome.first(CloseReason.ERROR, exc):
            logger.error(
                "%s: failed while the stream was closing", request_name(connection), exc_info=exc
            )


async def _refuse(refusal: Refusal, outcome: Outcome, writer: ResponseWriter) -> None:
    outcome.is_handled = True
    try:
        await writer.refuse(refusal)
    except Exception as exc:
        if isinstance(exc, ClientGone) or writer.started:
            raise
        outcome.replace_refusal(exc)  # never a 200: the server answers 500


def _last_block(options: StreamOptions, reason: CloseReason | None, *, started: bool) -> bytes:
    """Return the block before the final body of a stream that ends without an error."""
    block = b"" if started else options.first
    if reason in _BY_THE_SERVER:
        block += retry_block(options)
    if reason in _UNAUTHORIZED:
        # An EventSource comes back, and is refused. A page that reads this can authenticate first.
        name = EXPIRED if reason is CloseReason.EXPIRED else REVOKED
        event = ServerSentEvent({"reason": name}, event=name)
        block += Encoder(separator=options.separator).encode(event)
    return block


async def _error_block(options: StreamOptions, outcome: Outcome, connection: Connection) -> bytes:
    """Return what ``on_error`` makes of the error.

    The error is reported once: by the application, which raises it at last, or, if ``on_error``
    takes it, by the log here.
    """
    error = outcome.error
    if options.on_error is None or not isinstance(error, Exception):
        return b""
    try:
        item = options.on_error(error)
        if isawaitable(item):
            item = await item
        block = b"" if item is None else options.encode(item)
    except Exception:
        logger.exception("%s: on_error failed", request_name(connection))
        return b""
    outcome.is_handled = True
    logger.error(
        "%s: the content failed after its first event", request_name(connection), exc_info=error
    )
    return block
