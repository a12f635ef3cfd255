"""Whatever is done for a stream is done in the context of its request."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextvars import ContextVar
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from sse_asgi import EventSourceApp, EventStream
from sse_asgi.broadcast import Hub
from sse_asgi.runtime.context import in_context, own_context
from sse_asgi.testing import VirtualClock, settle
from tests.harness import HEAD_BODY, PING, Peer, serving, until

pytestmark = pytest.mark.anyio

USER: ContextVar[str] = ContextVar("user", default="nobody")


class Seeing(Peer):
    """A peer that notes whose context each message is sent in."""

    def __init__(self) -> None:
        super().__init__(on_send=self._note)
        self.seen: list[str] = []

    async def _note(self, number: int) -> None:
        self.seen.append(USER.get())
        token = USER.set("middleware")  # as tracing does, which must be able to take it back
        await anyio.lowlevel.checkpoint()
        USER.reset(token)


def as_user(name: str, app: Any) -> Any:
    async def call(*arguments: Any) -> None:
        USER.set(name)
        await app(*arguments)

    return call


async def waiting() -> AsyncIterator[str]:
    await anyio.sleep_forever()
    yield "never"


@pytest.mark.usefixtures("no_polling")
async def test_late_head_and_keepalive_are_sent_in_the_context_of_the_request() -> None:
    made: list[str] = []

    def ping_message() -> Any:
        made.append(USER.get())
        return {"comment": "ping"}

    with VirtualClock() as clock:
        for message in (None, ping_message):
            ann, bob = Seeing(), Seeing()
            stream = EventStream(waiting, start_timeout=1, ping=5, ping_message=message)
            async with (
                serving(as_user("ann", stream), ann),
                serving(as_user("bob", stream), bob),
            ):
                await clock.advance(7)
            assert ann.seen == ["ann"] * len(ann.messages)
            assert bob.seen == ["bob"] * len(bob.messages)
            assert ann.bodies[:2] == [HEAD_BODY, PING]
    assert sorted(made) == ["ann", "bob"]


async def test_hub_s_events_and_filters_are_in_the_context_of_the_request() -> None:
    hub = Hub()
    asked: list[str] = []

    def chosen(event: Any) -> bool:
        asked.append(USER.get())
        return True

    app = EventSourceApp(lambda connection: hub.subscribe("t", filter=chosen))
    ann, bob = Seeing(), Seeing()
    async with serving(as_user("ann", app), ann), serving(as_user("bob", app), bob):
        await settle()
        for _ in range(3):
            await hub.publish("t", "x")
            await settle()
        await until(lambda: b"data: x" in ann.body and b"data: x" in bob.body)
    assert set(ann.seen) == {"ann"}
    assert set(bob.seen) == {"bob"}
    assert set(asked) == {"ann", "bob"}


async def test_on_close_and_on_error_see_the_context_of_the_request() -> None:
    seen: list[str] = []

    async def failing() -> AsyncIterator[str]:
        yield "a"
        raise LookupError

    stream = EventStream(
        failing,
        on_close=lambda summary: seen.append(USER.get()),
        on_error=lambda error: seen.append(USER.get()),
    )
    async with serving(as_user("ann", stream)) as served:
        await served.returned()
    assert seen == ["ann", "ann"]


async def test_coroutine_is_driven_in_its_context_whatever_comes_of_it() -> None:
    USER.set("ann")
    context = own_context()
    assert context is not None
    USER.set("bob")

    async def steps(error: BaseException | None = None) -> str:
        seen = [USER.get()]
        await anyio.lowlevel.checkpoint()
        seen.append(USER.get())
        try:
            await anyio.sleep(0 if error is None else 60)
        finally:
            seen.append(USER.get())
        if error is not None:
            raise error
        return " ".join(seen)

    assert await in_context(context, steps()) == "ann ann ann"
    with anyio.move_on_after(0.01) as scope:
        await in_context(context, steps(LookupError()))
    assert scope.cancelled_caught
    with pytest.raises(StopAsyncIteration):
        await in_context(context, _raising(StopAsyncIteration()))
    assert USER.get() == "bob"


async def _raising(error: BaseException) -> None:
    await anyio.lowlevel.checkpoint()
    raise error
