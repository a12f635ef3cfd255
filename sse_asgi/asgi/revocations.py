"""Revocations that come from elsewhere: from another worker, over a hub's topic."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterable
from typing import Any, Final

from ..wire import Encoder, EventDecoder
from ..wire.batch import as_batch
from ..wire.names import GAP, REVOKED
from .loop import LoopState

__all__ = ["follow_revocations"]

logger: Final = logging.getLogger("sse_asgi")


async def follow_revocations(content: AsyncIterable[Any]) -> None:
    """Revoke the key that each event of ``content`` names, in this event loop, until it ends.

    Each worker follows a topic of its hub, as a task of its lifespan::

        tasks.start_soon(follow_revocations, hub.subscribe("revocations"))

    and each of them may publish a key for all::

        await hub.publish("revocations", {"event": "revoked", "data": "user:7"})

    After a ``gap`` nobody knows which keys were revoked. Every stream that has a key then ends as
    ``EXPIRED``, and its client is asked anew when it comes back.

    :param content: asynchronous content: items, or the batches of a subscription
    :raises Exception: what ``content`` raised
    """
    keyring, encode, decoder = LoopState.current().keyring, Encoder().encode, EventDecoder()
    async for item in content:
        for event in decoder.feed(as_batch(item, encode).body):
            if event.event == REVOKED:
                keyring.revoke(event.data)
            elif event.event == GAP:
                logger.warning("revocations were missed: every stream that has a key ends")
                keyring.expire_all()
