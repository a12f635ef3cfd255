"""What is compressed once for everybody is readable for each, whatever else each has got."""

from __future__ import annotations

from itertools import count
from random import Random
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sse_asgi.wire import SharedBlock, SharedStream
from sse_asgi.wire.compression import shared as sharing
from sse_asgi.wire.compression.compressors import GzipCompressor
from sse_asgi.wire.compression.shared import RUN_BLOCKS
from tests.wire.decoding import decoder_of

PING = b": ping\n\n"


def block(number: int) -> bytes:
    """Return an event that has much in common with the others."""
    return b'id: %d\ndata: {"what": "repeats itself, again and again", "n": %d}\n\n' % (
        number,
        number,
    )


class Channel:
    """A log, and the blocks after any place in it, joined; the same for all who ask."""

    def __init__(self) -> None:
        self.stream = SharedStream()
        self.newest = 0
        self._known: dict[tuple[int, int], SharedBlock] = {}

    def after(self, place: int, most: int = 1000) -> SharedBlock:
        """Return the blocks after ``place`` up to the newest, at most so many."""
        numbers = range(place + 1, min(self.newest, place + most) + 1)
        key = (place, numbers[-1])
        if key not in self._known:
            blocks = [(number, block(number)) for number in numbers]
            body = b"".join(part for _, part in blocks)
            self._known[key] = SharedBlock.of(body, self.stream, place, blocks)
        return self._known[key]


class Client:
    """Gets what a channel has, and things of its own, and reads all of it."""

    def __init__(self, channel: Channel, *, place: int = 0) -> None:
        self.sizes: list[int] = []
        self._channel = channel
        self._compressor = GzipCompressor(13, 5)
        self._decoder = decoder_of("gzip")
        self.place = place

    def catch_up(self, most: int = 1000) -> None:
        """Get what is after the place where it stands."""
        if self.place < self._channel.newest:
            body = self._channel.after(self.place, most)
            self.get(body)
            self.place += body.count(b"data:")

    def get(self, body: bytes, *, isolate: bool = False) -> None:
        """Get anything, and read it at once."""
        coded = self._compressor.compress(body, isolate=isolate)
        assert self._decoder.feed(coded) == body
        self.sizes.append(len(coded))

    def end(self) -> None:
        """Get the end."""
        assert self._decoder.feed(self._compressor.finish()) == b""
        assert self._decoder.is_complete


def publish(channel: Channel, *clients: Client, times: int = 1) -> None:
    """Publish events, and give each to each of the clients."""
    for _ in range(times):
        channel.newest += 1
        for client in clients:
            client.catch_up()


ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("publish"), st.integers(1, 9)),
        st.tuples(st.just("catch up"), st.integers(0, 3)),
        st.tuples(st.just("catch up in part"), st.integers(0, 3)),
        st.tuples(st.just("ping"), st.integers(0, 3)),
        st.tuples(st.just("isolated"), st.integers(0, 3)),
        st.tuples(st.just("everybody"), st.integers(1, 9)),
        st.tuples(st.just("join"), st.integers(0, 3)),
    ),
    max_size=40,
)


@settings(deadline=None, max_examples=300)
@given(actions=ACTIONS)
@patch.object(sharing, "RUN_BLOCKS", 7)
def test_any_mixture_is_readable_at_once_and_to_the_end(actions: list[tuple[str, int]]) -> None:
    channel = Channel()
    clients = [Client(channel) for _ in range(4)]
    for action, number in actions:
        if action == "publish":
            channel.newest += number
        elif action == "everybody":
            publish(channel, *clients, times=number)
        elif action == "catch up":
            clients[number].catch_up()
        elif action == "join":
            clients[number].end()
            clients[number] = Client(channel, place=channel.newest)
        elif action == "catch up in part":
            clients[number].catch_up(5)
        else:
            clients[number].get(PING, isolate=action == "isolated")
    for client in clients:
        client.catch_up()
        client.end()


def test_everybody_gets_the_same_bytes() -> None:
    channel = Channel()
    clients = [Client(channel) for _ in range(3)]
    publish(channel, *clients, times=RUN_BLOCKS * 2 + 7)
    assert clients[0].sizes == clients[1].sizes == clients[2].sizes
    assert sum(clients[0].sizes) < channel.newest * len(block(1)) / 4


@pytest.mark.parametrize("begin", [1, RUN_BLOCKS - 1, RUN_BLOCKS, RUN_BLOCKS + 1])
@pytest.mark.parametrize("own", [False, True])
def test_who_joins_or_gets_a_byte_of_its_own_shares_from_the_next_run_on(
    begin: int, own: bool
) -> None:
    channel = Channel()
    old = Client(channel)
    publish(channel, old, times=begin)
    late = Client(channel, place=begin)
    if own:
        late.get(PING)
    publish(channel, old, late, times=RUN_BLOCKS * 2)
    for following in (count(-begin % RUN_BLOCKS), count(-begin % RUN_BLOCKS + RUN_BLOCKS)):
        at = next(following)
        # Once in step it gets what the others get, and its own compressor is gone.
        assert (
            late.sizes[own + at + 1 : own + at + 50] == old.sizes[begin + at + 1 : begin + at + 50]
        )
    assert late._compressor._deflate is None
    old.end()
    late.end()


def test_ping_in_the_midst_of_a_run_is_followed_by_private_blocks_until_the_next() -> None:
    channel = Channel()
    one, other = Client(channel), Client(channel)
    publish(channel, one, other, times=10)
    one.get(PING)
    publish(channel, one, other, times=RUN_BLOCKS - 10)
    assert one._compressor._deflate is not None
    publish(channel, one, other)
    assert one._compressor._deflate is None
    one.end()
    other.end()


def test_client_that_lags_behind_does_not_end_the_run_of_the_others() -> None:
    channel = Channel()
    slow, fast = Client(channel), Client(channel)
    publish(channel, slow, fast, times=5)
    publish(channel, fast, times=5)
    run = channel.stream._run
    slow.catch_up(2)
    slow.catch_up()
    publish(channel, slow, fast)
    assert channel.stream._run is run
    assert slow._compressor._deflate is fast._compressor._deflate is None


def test_run_ends_before_what_is_kept_of_it_is_large() -> None:
    channel = Channel()
    stream = channel.stream
    runs = set()
    generator = Random(1)
    for number in range(1, 20):
        (piece,) = stream.pieces(number - 1, [(number, generator.randbytes(300_000))])
        assert piece is not None
        assert sum(len(kept.coded) for kept in piece.run.pieces.values()) < 2_000_000
        runs.add(id(piece.run))
    assert len(runs) > 2


def test_who_comes_after_blocks_that_nobody_asked_for_begins_a_run() -> None:
    channel = Channel()
    publish(channel, Client(channel), times=5)
    publish(channel, times=5)
    late = Client(channel, place=10)
    publish(channel, late)
    assert late._compressor._deflate is None


def test_who_lags_behind_blocks_that_were_passed_over_gets_them_all_the_same() -> None:
    channel = Channel()
    slow, other = Client(channel), Client(channel)
    publish(channel, slow, times=3)
    publish(channel, other, times=1)
    publish(channel, times=5)
    late = Client(channel, place=channel.newest)
    publish(channel, late)
    slow.catch_up()
    slow.end()
