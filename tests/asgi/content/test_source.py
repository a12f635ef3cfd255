"""Every kind of content gives its items, in order, joined where they are ready."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial, wraps
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from anyio.abc import ObjectReceiveStream

from sse_asgi import Connection, EventSourceApp, EventStream
from sse_asgi.testing import connect
from tests.harness import Peer, serve, serving

ITEMS = ["a", "b", "c"]
BODY = b"data: a\n\ndata: b\n\ndata: c\n\n"


async def generate() -> AsyncIterator[str]:
    for item in ITEMS:
        yield item


async def generate_for(connection: Connection) -> AsyncIterator[str]:
    assert connection.path == "/"
    for item in ITEMS:
        yield item


def pull() -> Iterator[str]:
    yield from ITEMS


def pull_for(connection: Connection) -> Iterator[str]:
    assert connection.path == "/"
    yield from ITEMS


class Methods:
    """Handlers that are methods, and an instance that is one itself."""

    async def generate(self, connection: Connection) -> AsyncIterator[str]:
        for item in ITEMS:
            yield item

    async def __call__(self, connection: Connection) -> list[str]:
        return ITEMS


class AsyncItems:
    """An asynchronous iterator without ``aclose``."""

    def __init__(self) -> None:
        self._items = iter(ITEMS)

    def __aiter__(self) -> AsyncItems:
        return self

    async def __anext__(self) -> str:
        for item in self._items:
            return item
        raise StopAsyncIteration


class AsyncCollection:
    """An asynchronous iterable that makes an iterator."""

    def __aiter__(self) -> AsyncItems:
        return AsyncItems()


class Collection:
    """A synchronous iterable that knows only ``__iter__``."""

    def __iter__(self) -> Iterator[str]:
        return iter(ITEMS)


def with_default(connection: Connection, more: list[str] | None = None) -> list[str]:
    return ITEMS + (more or [])


def received() -> Any:
    send, receive = anyio.create_memory_object_stream[str](3)
    with send:
        for item in ITEMS:
            send.send_nowait(item)
    return receive


class Received(ObjectReceiveStream[str]):
    """A receive stream that is not anyio's own."""

    def __init__(self) -> None:
        self._items = iter(ITEMS)

    async def receive(self) -> str:
        for item in self._items:
            return item
        raise anyio.EndOfStream

    async def aclose(self) -> None:
        self._items = iter(())


# What makes content of each kind, and whether its three items make one body message.
KINDS: dict[str, tuple[Callable[[], Any], bool]] = {
    "async generator": (generate, False),
    "async generator function": (lambda: generate, False),
    "async generator function for a connection": (lambda: generate_for, False),
    "async generator method": (lambda: Methods().generate, False),
    "async generator function, partial": (lambda: partial(generate_for), False),
    "async iterator": (AsyncItems, False),
    "async iterable": (AsyncCollection, False),
    "memory object stream": (received, True),
    "object receive stream": (Received, False),
    "list": (lambda: ITEMS, True),
    "tuple": (lambda: tuple(ITEMS), True),
    "sync generator": (pull, False),
    "sync generator function": (lambda: pull, False),
    "sync generator function for a connection": (lambda: pull_for, False),
    "sync iterator": (lambda: iter(ITEMS), False),
    "sync iterable": (Collection, False),
    "deque": (lambda: deque(ITEMS), False),
    "dict view": (lambda: dict.fromkeys(ITEMS).keys(), False),
}


@pytest.mark.anyio
@pytest.mark.parametrize("kind", KINDS)
async def test_every_kind_of_content_gives_its_items_in_order(kind: str) -> None:
    make, joined = KINDS[kind]
    async with connect(EventStream(make())) as events:
        assert await events.body() == BODY
        assert not joined or events.chunks == (BODY,)


@pytest.mark.anyio
@pytest.mark.parametrize("kind", KINDS)
async def test_every_kind_of_content_may_be_empty(kind: str, monkeypatch: Any) -> None:
    monkeypatch.setattr(f"{__name__}.ITEMS", [])
    make, _ = KINDS[kind]
    peer = await serve(EventStream(make()))
    assert peer.ended
    assert peer.body == b""


HANDLERS: dict[str, Callable[[Connection], Any]] = {
    "async generator function": generate_for,
    "sync generator function": pull_for,
    "async generator method": Methods().generate,
    "partial": partial(generate_for),
    "callable object": Methods(),
    "function that returns a list": lambda connection: ITEMS,
    "function that returns a generator": lambda connection: pull(),
    "function that returns an async generator": lambda connection: generate(),
    "function that returns a memory object stream": lambda connection: received(),
    "function with a default": with_default,
    "function that may return None": lambda connection: ITEMS if connection else None,
    "function that may fall back to None": lambda connection: ITEMS or None,
}


@pytest.mark.anyio
@pytest.mark.parametrize("kind", HANDLERS)
async def test_every_kind_of_handler_gives_the_items(kind: str) -> None:
    async with connect(EventSourceApp(HANDLERS[kind])) as events:
        assert await events.body() == BODY


def traced(function: Any) -> Any:
    """Wrap as decorators for tracing and injection do."""

    @wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return wrapper


def untold(function: Any) -> Any:
    """Wrap as decorators do that do not tell what they wrap."""

    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return wrapper


def awaited(function: Any) -> Any:
    """Wrap as decorators do that wait for something first."""

    @wraps(function)
    async def wrapper(*args: Any, **kwargs: Any) -> Any:
        await anyio.lowlevel.checkpoint()
        return function(*args, **kwargs)

    return wrapper


class Source:
    """An object whose call is an asynchronous generator, and one whose method is wrapped."""

    async def __call__(self, connection: Connection) -> AsyncIterator[str]:
        for item in ITEMS:
            yield item

    @traced
    async def method(self, connection: Connection) -> AsyncIterator[str]:
        for item in ITEMS:
            yield item

    @classmethod
    def of_class(cls, connection: Connection) -> Iterator[str]:
        return pull()

    @staticmethod
    def static(connection: Connection) -> Iterator[str]:
        return pull()


MAKERS: dict[str, Callable[..., Any]] = {
    "wrapped": traced(generate_for),
    "wrapped twice": traced(traced(pull_for)),
    "wrapped without a trace": untold(generate_for),
    "wrapped in a coroutine function": awaited(generate_for),
    "partial of a lambda": partial(lambda made, connection: made(), generate),
    "object": Source(),
    "bound wrapped method": Source().method,
    "class method": Source.of_class,
    "static method": Source.static,
    "lambda": lambda connection: generate_for(connection),
    **{kind: HANDLERS[kind] for kind in HANDLERS if "may" not in kind},
}


@pytest.mark.anyio
@pytest.mark.parametrize("make", [EventSourceApp, EventStream])
@pytest.mark.parametrize("kind", MAKERS)
async def test_every_function_that_makes_content_is_taken(kind: str, make: Any) -> None:
    async with connect(make(MAKERS[kind])) as events:
        assert await events.body() == BODY


@pytest.mark.anyio
@pytest.mark.parametrize(
    "function",
    [
        traced(generate),
        awaited(pull),
        lambda: generate(),
        lambda: ITEMS,
        partial(traced(generate)),
        partial(lambda nothing: pull(), None),
        lambda more=(): [*ITEMS, *more],
    ],
    ids=["wrapped", "awaited", "lambda", "list", "partial", "all given", "default"],
)
async def test_function_without_a_parameter_is_called_without_the_connection(
    function: Any,
) -> None:
    async with connect(EventStream(function)) as events:
        assert await events.body() == BODY


@pytest.mark.anyio
async def test_coroutine_function_may_return_content_after_a_wait() -> None:
    async def handler(connection: Connection) -> Any:
        await anyio.sleep(0.01)
        return generate()

    async with connect(EventSourceApp(handler)) as events:
        assert await events.body() == BODY


@pytest.mark.anyio
@pytest.mark.parametrize("returned", [None, "text", b"data: x\n\n", {"data": "x"}, 5])
async def test_what_a_handler_returns_must_be_content(returned: Any) -> None:
    app = EventSourceApp(lambda connection: returned)
    peer = Peer()
    with pytest.raises(TypeError, match="what the handler returned must be an iterable"):
        await serve(app, peer)
    assert not peer.messages


@pytest.mark.anyio
async def test_iterable_serves_many_connections_and_an_iterator_one() -> None:
    many = EventStream(ITEMS)
    for _ in range(2):
        assert (await serve(many)).body == BODY
    once = EventStream(iter(ITEMS))
    assert (await serve(once)).body == BODY
    peer = Peer()
    with pytest.raises(RuntimeError, match="a generator function serves many"):
        await serve(once, peer)
    assert not peer.messages


@pytest.mark.anyio
@pytest.mark.parametrize("content", [ITEMS, tuple(ITEMS)])
async def test_what_is_in_memory_takes_no_thread(content: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr("sse_asgi.asgi.content.source.ThreadedIterator", None)
    assert (await serve(EventStream(content))).body == BODY


@pytest.mark.anyio
async def test_slow_sync_iterable_gives_each_item_when_it_is_there() -> None:
    gates = [threading.Event() for _ in ITEMS]

    def slow() -> Iterator[str]:
        for item, gate in zip(ITEMS, gates, strict=True):
            gate.wait(5)
            yield item

    gates[0].set()
    async with connect(EventStream(slow())) as events:
        for number, item in enumerate(ITEMS, 1):
            assert (await events.receive()).data == item
            assert not events.pending
            if number < len(gates):
                gates[number].set()


@pytest.mark.anyio
async def test_memory_object_stream_is_sent_as_items_arrive_and_joined_when_several_did() -> None:
    send, receive = anyio.create_memory_object_stream[str](10)
    async with connect(EventStream(receive, start_timeout=0)) as events, send:
        for item in ITEMS:
            send.send_nowait(item)
            assert (await events.receive()).data == item
        for item in ITEMS:
            send.send_nowait(item)
        for item in ITEMS:
            assert (await events.receive()).data == item
        assert events.chunks[-1] == BODY


@pytest.mark.anyio
async def test_memory_object_stream_is_closed_when_the_client_leaves() -> None:
    send, receive = anyio.create_memory_object_stream[str](10)
    with send:
        send.send_nowait("a")
        async with serving(EventStream(receive, start_timeout=0)):
            pass
        with pytest.raises(anyio.BrokenResourceError):
            send.send_nowait("b")


@pytest.mark.anyio
async def test_long_list_is_sent_in_bodies_of_about_64_kib() -> None:
    items = ["x" * 1000] * 200
    peer = await serve(EventStream(items))
    block = b"data: " + b"x" * 1000 + b"\n\n"
    assert peer.body == block * 200
    sizes = [len(body) for body in peer.bodies]
    assert len(sizes) == 4
    assert all(65_536 <= size < 65_536 + len(block) for size in sizes[:-1])
