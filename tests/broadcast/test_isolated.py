"""Events that are compressed by themselves are not joined with others by a hub."""

from __future__ import annotations

from typing import Any

import pytest

from sse_asgi import EventStream, ServerSentEvent
from sse_asgi.broadcast import Hub
from sse_asgi.testing import connect
from sse_asgi.wire import EncodedBatch, IsolatedBlock
from tests.wire.decoding import decoder_of

pytestmark = pytest.mark.anyio

SECRET = {"data": "a secret", "isolate": True}


def batches(subscription: Any) -> list[EncodedBatch]:
    """Return all that is ready."""
    return list(iter(subscription.take, None))


@pytest.mark.parametrize("filter", [None, lambda entry: True])
async def test_isolated_event_of_a_backlog_comes_by_itself(filter: Any) -> None:
    hub = Hub()
    subscription = hub.subscribe("t", filter=filter)
    assert subscription.take() is not None  # where it stands
    for event in ("a", "b", SECRET, SECRET, "c", "d"):
        await hub.publish("t", event)
    found = batches(subscription)
    assert [batch.events for batch in found] == [2, 1, 1, 2]
    isolated = [type(batch.body) is IsolatedBlock for batch in found]
    assert isolated == [False, True, True, False]


async def test_stream_compresses_it_by_itself() -> None:
    hub = Hub()
    for text in ("a secret", "b"):
        await hub.publish("t", text)
    await hub.publish("t", ServerSentEvent("a secret", isolate=True))
    await hub.publish("t", "a secret")
    subscription = hub.subscribe("t", last_event_id=f"{(hub.position() or '').partition('-')[0]}-0")
    stream = EventStream(subscription, compression="auto")
    async with connect(stream, headers={"accept-encoding": "gzip"}) as client:
        received = [(await client.receive()).data for _ in range(5)]
        assert received[1:] == ["a secret", "b", "a secret", "a secret"]
        *_, isolated, after = client.chunks
    # What it had in common with the others would take a few bytes.
    assert len(isolated) > 30
    assert len(after) > 30
    assert decoder_of("gzip").feed(b"".join(client.chunks)).count(b"a secret") == 3
