"""A server that speaks Redis' protocol well enough to be let in, and then answers anything."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import AsyncExitStack, suppress
from tempfile import TemporaryDirectory
from typing import Final, NamedTuple
from unittest.mock import patch

import anyio
from anyio.abc import SocketStream
from hypothesis import strategies as st

from sse_asgi import EventDecoder, TopicEnded, TopicExists
from sse_asgi.broadcast import Hub
from sse_asgi.broadcast.backends.redis import RedisBackend
from sse_asgi.errors import PublishError

from .target import Target

__all__ = ["ENGINES", "Answers"]

PATIENCE: Final = 0.15
"""Seconds of silence after which the backend gives a connection up, for a test."""

TOPIC: Final = "t"
OK: Final = b"+OK\r\n"


class Answers(NamedTuple):
    """What the server answers, in turn and over again, once it has let us in.

    :param greets: False: even the greeting is such an answer
    """

    answers: tuple[bytes, ...]
    greets: bool
    backend: str


def bulk(data: bytes) -> bytes:
    """Return a bulk string."""
    return b"$%d\r\n%b\r\n" % (len(data), data)


def array(items: Sequence[bytes]) -> bytes:
    """Return an array of answers."""
    return b"*%d\r\n" % len(items) + b"".join(items)


def number(value: int) -> bytes:
    """Return a number."""
    return b":%d\r\n" % value


FIELDS: Final = {
    b"version": bulk(b"7.0.0"),
    b"proto": number(3),
    b"id": number(1),
    b"mode": bulk(b"standalone"),
    b"role": bulk(b"master"),
}
GREETINGS: Final = {
    b"HELLO": b"%%%d\r\n" % len(FIELDS) + b"".join(bulk(k) + v for k, v in FIELDS.items()),
    b"CLIENT": OK,
    b"INFO": bulk(b"run_id:0123456789abcdef\r\n"),
}
EXTENT: Final = array([bulk(b"abc"), number(0), number(2), bulk(b"abc")])
"""How far the log reaches, as the backend asks first."""

WORDS: Final = (b"e", b"k", b"a", b"t", b"b", b"i", b"m", b"f", b"l", b"s", b"0-1", b"0-2", b"1-1")
words = st.sampled_from(WORDS) | st.binary(max_size=6)
errors = st.sampled_from(
    [
        *(b"ERR x", b"NOSCRIPT x", b"OOM x", b"LOADING x", b"READONLY x", b"MOVED 1 h:1", b"x"),
        *(b"NOAUTH x", b"WRONGTYPE x", b"BUSY x", b"NOPERM x", b"TRYAGAIN x", b"ASK 1 h:1"),
    ]
)
scalars = st.one_of(
    words.map(bulk),
    words.map(lambda word: b"+" + word.replace(b"\r", b"").replace(b"\n", b"") + b"\r\n"),
    errors.map(lambda word: b"-" + word + b"\r\n"),
    st.integers(-(2**70), 2**70).map(b":%d\r\n".__mod__),
    st.sampled_from(
        [b"$-1\r\n", b"*-1\r\n", b"_\r\n", b"#t\r\n", b",1.5\r\n", b",nan\r\n", b"(9\r\n"]
    ),
    st.sampled_from([b"*0\r\n", b"%0\r\n", b"~0\r\n", b">2\r\n+invalidate\r\n*0\r\n", OK]),
)
values = st.recursive(scalars, lambda inner: st.lists(inner, max_size=5).map(array), max_leaves=12)
entries = st.lists(words.map(bulk), min_size=8, max_size=14).map(array)
streams = st.lists(st.tuples(words.map(bulk), entries | scalars).map(array), max_size=3).map(array)
broken = st.binary(min_size=1, max_size=12) | st.sampled_from(
    [
        b"$5\r\nab",
        b"*3\r\n:1\r\n",
        b"$99999999999\r\n",
        b"*99999999999\r\n",
        b":x\r\n",
        b"",
        b"$-2\r\n",
    ]
)
all_answers = st.builds(
    Answers,
    st.lists(st.just(EXTENT) | values | streams | broken, min_size=1, max_size=8).map(tuple),
    st.sampled_from([True, True, True, False]),
    st.sampled_from(["asyncio", "trio"]),
)


class Engine:
    """The server's side of all connections."""

    def __init__(self, given: Answers) -> None:
        self._given = given
        self._number = 0

    async def serve(self, stream: SocketStream) -> None:
        """Answer each request, until the client leaves or the answer is empty."""
        data = b""
        with suppress(anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError):
            async with stream:
                while True:
                    data += await stream.receive()
                    while (taken := take_request(data)) is not None:
                        name, data = taken
                        answer = self._answer(name)
                        if not answer:
                            return
                        await stream.send(answer)

    def _answer(self, name: bytes) -> bytes:
        if self._given.greets and name in GREETINGS:
            return GREETINGS[name]
        self._number += 1
        return self._given.answers[self._number % len(self._given.answers)]


def take_request(data: bytes) -> tuple[bytes, bytes] | None:
    """Return the name of the first complete command, and what follows it; None: it is not there."""
    head, found, rest = data.partition(b"\r\n")
    if not found:
        return None
    name = b""
    for place in range(int(head[1:])):
        size, found, rest = rest.partition(b"\r\n")
        length = int(size[1:] or b"0")
        if not found or len(rest) < length + 2:
            return None
        name = rest[:length].upper() if place == 0 else name
        rest = rest[length + 2 :]
    return name, rest


async def play(given: Answers) -> None:
    """Publish and subscribe against such a server; only documented exceptions may come."""
    async with AsyncExitStack() as stack:
        path = stack.enter_context(TemporaryDirectory()) + "/engine"
        listener = await stack.enter_async_context(await anyio.create_unix_listener(path))
        tasks = await stack.enter_async_context(anyio.create_task_group())
        stack.callback(tasks.cancel_scope.cancel)
        tasks.start_soon(listener.serve, Engine(given).serve)
        hub = Hub(RedisBackend(f"unix://{path}", publish_timeout=2 * PATIENCE, block=0.05))
        with anyio.move_on_after(2 * PATIENCE):
            async with hub, anyio.create_task_group() as users:
                users.start_soon(publish, hub)
                users.start_soon(read, hub)
        assert hub.health() >= 0
        assert hub.snapshot().published >= 0


async def run(hub: Hub) -> None:
    """Run the hub, which waits for the log."""
    async with hub:
        await anyio.sleep_forever()


async def publish(hub: Hub) -> None:
    """Publish; the outcome is known, or not."""
    with suppress(PublishError, TopicEnded, TopicExists):
        position = await hub.publish(TOPIC, "x", first=True)
        assert isinstance(position, str)


async def read(hub: Hub) -> None:
    """Read what comes: whatever it is, it is an event stream."""
    decoder = EventDecoder()
    async for batch in hub.subscribe(TOPIC, last_event_id="abc-1"):
        decoder.feed(batch.body)


def check(given: Answers) -> None:
    """Talk to the server, with less patience than usual."""
    logging.getLogger("coredis").addHandler(logging.NullHandler())
    with patch("sse_asgi.broadcast.backends.redis.connection.TIMEOUT", PATIENCE):
        anyio.run(play, given, backend=given.backend)


ENGINES: Final = Target(
    "redis",
    all_answers,
    check,
    corpus=(
        Answers((OK,), True, "asyncio"),
        Answers((b"$5\r\nab",), True, "trio"),
        Answers((b"-NOAUTH x\r\n",), False, "asyncio"),
        Answers((array([]), b":1\r\n", b"_\r\n"), True, "trio"),
        Answers((b"",), True, "asyncio"),
        Answers((EXTENT, array([])), True, "asyncio"),
        Answers(
            (EXTENT, array([]), array([array([bulk(b"0-2"), array([bulk(b"e")] * 10)])])),
            True,
            "trio",
        ),
    ),
)
