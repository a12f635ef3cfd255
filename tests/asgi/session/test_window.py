"""The delivery window: what goes out together, when, and that nothing is lost or moved."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from itertools import pairwise
from typing import Any

import anyio
import pytest
from anyio.lowlevel import checkpoint
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sse_asgi import (
    CloseReason,
    Connection,
    EventSourceApp,
    EventStream,
    Refusal,
    ServerSentEvent,
    StreamSummary,
    drain,
)
from sse_asgi.asgi.loop import LoopState
from sse_asgi.broadcast import Hub, MemoryBackend
from sse_asgi.testing import VirtualClock, settle
from sse_asgi.wire import EventDecoder
from tests.harness import HEAD_BODY, PING, Peer, only, serve, serving
from tests.ready_content import Mail
from tests.timed import Stuck, event, feed
from tests.wire.decoding import CODINGS, decoder_of

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("no_polling")]

WINDOW = 0.05
KIB = 1024


def events(*moments: float) -> bytes:
    return b"".join(map(event, moments))


def data(body: bytes) -> list[str]:
    return [one.data for one in EventDecoder().feed(body)]


class Timed(Peer):
    """A client that notes when each message of body came."""

    def __init__(self, on_send: Any = None) -> None:
        super().__init__(on_send=on_send)
        self.moments: list[float] = []

    async def send(self, message: dict[str, Any]) -> None:
        await super().send(message)
        if message["type"] == "http.response.body":
            self.moments.append(LoopState.current().clock.now())


async def test_events_within_the_window_go_out_as_one_message() -> None:
    with VirtualClock() as clock:
        stream = EventStream(feed(0, 0.01, 0.02, 0.03, 0.06), window=WINDOW)
        async with serving(stream) as served:
            await clock.advance(0.04)
            assert served.peer.bodies == [event(0)]
            await clock.advance(0.01)
            assert served.peer.bodies == [event(0), events(0.01, 0.02, 0.03)]
            await clock.advance(0.049)
            assert len(served.peer.bodies) == 2
            await clock.advance(0.001)
            assert served.peer.bodies[2:] == [event(0.06)]


async def test_first_event_after_a_silence_goes_out_at_once() -> None:
    with VirtualClock() as clock:
        async with serving(EventStream(feed(0, 1, 1.01, 2), window=WINDOW)) as served:
            await clock.advance(1)
            assert served.peer.bodies == [event(0), event(1)]
            await clock.advance(1)
            assert served.peer.bodies == [event(0), event(1), event(1.01), event(2)]


@pytest.mark.parametrize("window", [None, 0, 0.0])
async def test_without_a_window_each_event_is_a_message(window: float | None) -> None:
    with VirtualClock() as clock:
        async with serving(EventStream(feed(0, 0.01, 0.02), window=window)) as served:
            await clock.advance(0.02)
            assert served.peer.bodies == [event(0), event(0.01), event(0.02)]


async def test_tokens_of_a_model_need_a_tenth_of_the_messages() -> None:
    moments = [number / 500 for number in range(500)]
    with VirtualClock() as clock:
        async with serving(EventStream(feed(*moments), window=WINDOW)) as served:
            await clock.advance(1.1)
    assert served.peer.body == events(*moments)
    assert len(served.peer.bodies) <= 50


@pytest.mark.parametrize("ending", ["return", "raise"])
async def test_end_of_the_content_waits_for_nothing(ending: str) -> None:
    async def content() -> AsyncIterator[str]:
        for text in "abc":
            yield text
        if ending == "raise":
            raise ValueError("no more")

    with VirtualClock():
        stream = EventStream(content, window=WINDOW, on_error=lambda error: {"data": str(error)})
        peer = await serve(stream)
    *texts, last = data(peer.body) if ending == "raise" else [*data(peer.body), ""]
    assert (texts, last) == (["a", "b", "c"], "no more" if ending == "raise" else "")
    assert peer.bodies[0] == b"data: a\n\n"
    assert peer.ended


async def test_refusal_keeps_its_status() -> None:
    async def content(connection: Connection) -> AsyncIterator[str]:
        raise Refusal(401, "log in first")
        yield ""

    peer = await serve(EventSourceApp(content, window=WINDOW))
    assert (peer.status, peer.body) == (401, b"log in first")


@pytest.mark.parametrize("stop", ["drain", "lifetime"])
async def test_server_s_end_brings_what_the_window_holds(stop: str) -> None:
    closed: list[StreamSummary] = []
    moments = (0, 1, 1.01, 1.02)
    lifetime = 1.03 if stop == "lifetime" else None
    with VirtualClock() as clock:
        stream = EventStream(
            feed(*moments),
            window=5,
            max_lifetime=lifetime,
            farewell_retry=(7, 7),
            on_close=closed.append,
        )
        async with serving(stream) as served:
            await clock.advance(1.02 if lifetime is None else 0.8)
            if lifetime is None:
                drain()
            await clock.advance(0.3)
            await served.returned()
    sent = [moment for moment in moments if moment <= only(closed).seconds]
    assert served.peer.body == events(*sent) + b"retry: 7\n\n"
    assert only(closed).events == len(sent)


async def test_64_kib_go_out_before_the_window_is_over() -> None:
    text = "x" * KIB

    async def content() -> AsyncIterator[str]:
        for _ in range(200):
            yield text
        await anyio.sleep_forever()

    with VirtualClock() as clock:
        async with serving(EventStream(content, window=5)) as served:
            await clock.advance(0)
            sizes = [len(body) // KIB for body in served.peer.bodies]
            assert sizes == [1, 64, 64, 64]
            await clock.advance(5)
            assert data(served.peer.body) == [text] * 200


async def test_content_that_is_always_ready_leaves_others_their_turn() -> None:
    reached: list[int] = []

    async def content() -> AsyncIterator[str]:
        for number in range(2000):
            reached.append(number)
            yield str(number)

    with VirtualClock():
        async with serving(EventStream(content, window=5), Peer(turns=False)) as served:
            while len(reached) < 2000:
                before = len(reached)
                await checkpoint()
                assert len(reached) - before <= 1024
            await served.returned()
    assert data(served.peer.body) == [str(number) for number in range(2000)]


async def test_content_stops_while_a_message_is_stuck() -> None:
    made: list[int] = []

    async def content() -> AsyncIterator[str]:
        clock = LoopState.current().clock
        for number in range(100):
            made.append(number)
            yield str(number)
            await clock.sleep_until((number + 1) * 0.01)

    with VirtualClock() as clock:
        peer = Stuck(3)  # the head and the first event arrive
        async with serving(EventStream(content, window=WINDOW, send_timeout=None), peer) as served:
            await clock.advance(2)
            assert len(made) <= 8
            peer.let_go.set()
            await clock.advance(2)
            await served.returned()
    assert data(served.peer.body) == [str(number) for number in range(100)]


@pytest.mark.parametrize("number", [2, 3])
async def test_client_that_takes_no_message_of_a_window_is_slow(number: int) -> None:
    closed: list[StreamSummary] = []
    moments = [0.01 * step for step in range(1, 50)]
    with VirtualClock() as clock:
        stream = EventStream(feed(*moments), window=WINDOW, send_timeout=9, on_close=closed.append)
        async with serving(stream, Stuck(number)) as served:
            await clock.advance(8.9)
            assert not closed
            await clock.advance(0.3)
            await served.returned()
    assert only(closed).reason is CloseReason.SLOW_CLIENT
    assert not served.peer.ended


async def test_client_that_leaves_ends_the_stream() -> None:
    closed: list[StreamSummary] = []

    async def broken(number: int) -> None:
        if number == 3:
            raise OSError("gone")

    with VirtualClock() as clock:
        stream = EventStream(feed(0, 0.01, 0.02), window=WINDOW, on_close=closed.append)
        async with serving(stream, Peer(on_send=broken)) as served:
            await clock.advance(1)
            await served.returned()
    assert only(closed)[:2] == (CloseReason.CLIENT_GONE, 1)


async def test_keep_alive_comes_after_a_silence_and_breaks_no_window() -> None:
    with VirtualClock() as clock:
        async with serving(EventStream(feed(0, 0.01, 10.02, 10.03), window=1, ping=9)) as served:
            await clock.advance(9.999)
            assert served.peer.bodies == [event(0), event(0.01)]
            await clock.advance(0.001)
            assert served.peer.bodies[2:] == [PING]
            await clock.advance(2)
            assert served.peer.bodies[3:] == [event(10.02), event(10.03)]


async def test_keep_alive_at_an_interval_comes_beside_the_windows() -> None:
    moments = [0.01 * step for step in range(300)]
    with VirtualClock() as clock:
        stream = EventStream(feed(*moments), window=0.1, ping=1, ping_always=True)
        async with serving(stream) as served:
            await clock.advance(3.05)
    assert served.peer.body.count(PING) == 3
    assert served.peer.body.replace(PING, b"") == events(*moments)


async def test_late_head_goes_before_the_first_event() -> None:
    with VirtualClock() as clock:
        stream = EventStream(feed(2, 2.01), window=WINDOW, retry=5, start_timeout=1)
        async with serving(stream) as served:
            await clock.advance(3)
            assert served.peer.bodies == [b"retry: 5\n\n", event(2), event(2.01)]
    assert HEAD_BODY not in served.peer.bodies


async def test_summary_counts_the_events_and_not_the_messages() -> None:
    closed: list[StreamSummary] = []
    peer = await serve(EventStream(list("abcde"), window=WINDOW, on_close=closed.append))
    summary = only(closed)
    assert (summary.events, summary.bytes) == (5, len(peer.body))
    assert summary.first_event is not None


# -- content that holds scopes ---------------------------------------------------------------------


async def test_timeout_of_the_content_s_own_loses_nothing() -> None:
    """The content's task waits for a stuck message when the content's own timeout is over."""

    async def content() -> AsyncIterator[str]:
        clock = LoopState.current().clock
        yield "0"
        with anyio.CancelScope() as scope:
            scopes.append(scope)
            for number in range(1, 50):
                await clock.sleep_until(number * 0.012)
                yield str(number)
        yield "taken back"
        await anyio.sleep_forever()

    scopes: list[anyio.CancelScope] = []
    with VirtualClock() as clock:
        peer = Stuck(3)
        stream = EventStream(content, window=WINDOW, send_timeout=None)
        async with serving(stream, peer) as served:
            await clock.advance(0.2)
            scopes[0].cancel()
            await clock.advance(0.2)
            peer.let_go.set()
            await clock.advance(0.2)
            texts = data(served.peer.body)
    assert texts[-1] == "taken back"
    numbers = [int(text) for text in texts[:-1]]
    assert numbers == list(range(len(numbers)))
    assert 5 <= len(numbers) <= 7


async def test_content_runs_in_one_task_and_under_its_own_scopes() -> None:
    tasks: set[int] = set()

    async def content() -> AsyncIterator[str]:
        async with anyio.create_task_group() as group:
            for number in range(20):
                tasks.add(anyio.get_current_task().id)
                await LoopState.current().clock.sleep_until(number * 0.01)
                yield str(number)
            group.cancel_scope.cancel()

    with VirtualClock() as clock:
        async with serving(EventStream(content, window=WINDOW)) as served:
            await clock.advance(1)
            await served.returned()
    assert len(tasks) == 1
    assert data(served.peer.body) == [str(number) for number in range(20)]


# -- every kind of content -------------------------------------------------------------------------


def receive_stream() -> Any:
    send, receive = anyio.create_memory_object_stream[object](99)
    with send:
        for number in range(40):
            send.send_nowait(str(number))
    return receive


async def one_by_one() -> AsyncIterator[str]:
    for number in range(40):
        yield str(number)
        await checkpoint()


KINDS: dict[str, Callable[[], Any]] = {
    "list": lambda: list(map(str, range(40))),
    "sync": lambda: (str(number) for number in range(40)),
    "async": one_by_one,
    "receive stream": receive_stream,
}


@pytest.mark.parametrize("kind", KINDS)
async def test_every_kind_of_content_comes_whole_and_in_order(kind: str) -> None:
    peer = await serve(EventStream(KINDS[kind](), window=WINDOW))
    assert data(peer.body) == list(map(str, range(40)))
    assert peer.ended


@pytest.mark.parametrize("coding", CODINGS)
async def test_compressed_stream_is_readable_after_each_message(coding: str) -> None:
    moments = (0, 0.01, 0.02, 0.07, 0.08, 1)
    scope: dict[str, Any] = {"headers": [(b"accept-encoding", coding.encode())]}
    with VirtualClock() as clock:
        stream = EventStream(feed(*moments), window=WINDOW, compression="auto")
        async with serving(stream, **scope) as served:
            await clock.advance(2)
            decoder = decoder_of(coding)
            bodies = [decoder.feed(body) for body in served.peer.bodies]
    assert bodies == [event(0), events(0.01, 0.02), events(0.07, 0.08), event(1)]


@pytest.mark.parametrize("coding", CODINGS)
async def test_isolated_event_stays_a_message_of_its_own(coding: str) -> None:
    secret = ServerSentEvent("a-secret-of-some-length", isolate=True)

    async def content() -> AsyncIterator[object]:
        for item in (secret.data, secret.data, secret, secret.data):
            yield item
        await anyio.sleep_forever()

    scope: dict[str, Any] = {"headers": [(b"accept-encoding", coding.encode())]}
    block = b"data: a-secret-of-some-length\n\n"
    with VirtualClock() as clock:
        async with serving(EventStream(content, window=1, compression="auto"), **scope) as served:
            await clock.advance(0)
            decoder = decoder_of(coding)
            sizes = [len(body) for body in served.peer.bodies]
            assert [decoder.feed(body) for body in served.peer.bodies] == [block] * 3
            assert sizes[2] > len(block) * 0.8
            await clock.advance(1)
            assert decoder.feed(served.peer.bodies[3]) == block


# -- ready content ---------------------------------------------------------------------------------


async def test_ready_content_is_asked_once_in_a_window() -> None:
    mails: list[Mail] = []

    def handler(connection: Connection) -> Mail:
        mails.append(Mail("a"))
        return mails[0]

    with VirtualClock() as clock:
        async with serving(EventSourceApp(handler, window=WINDOW)) as served:
            await clock.advance(0)
            for text in "bcd":
                mails[0].put(text)
                await clock.advance(0.01)
            assert data(served.peer.body) == ["a"]
            await clock.advance(0.02)
            assert served.peer.bodies[1:] == [b"data: b\n\ndata: c\n\ndata: d\n\n"]
            await clock.advance(1)
            mails[0].put("e")
            await clock.advance(0)
            assert data(served.peer.body)[-1] == "e"
            mails[0].end()
            await clock.advance(WINDOW)
            await served.returned()
    assert served.peer.ended


async def test_hub_s_backlog_is_not_slowed_down() -> None:
    hub = Hub(MemoryBackend(max_events=5000))
    for number in range(3000):
        await hub.publish("t", str(number))
    app = EventSourceApp(
        lambda connection: hub.subscribe(
            "t", last_event_id=connection.last_event_id, start="oldest"
        ),
        window=1,
    )
    with VirtualClock() as clock:
        async with serving(app) as served:
            await clock.advance(0)
            await settle()
            await clock.advance(1)
            texts = data(served.peer.body)[1:]
    assert texts == list(map(str, range(3000)))


async def test_hub_s_clients_share_what_comes_within_a_window() -> None:
    hub = Hub(MemoryBackend())
    app = EventSourceApp(lambda connection: hub.subscribe("t"), window=WINDOW)
    with VirtualClock() as clock:
        async with serving(app) as one, serving(app) as other:
            await clock.advance(1)
            for number in range(100):
                await hub.publish("t", str(number))
                await clock.advance(0.01)
            await clock.advance(WINDOW)
            for served in (one, other):
                assert data(served.peer.body)[1:] == list(map(str, range(100)))
                assert 20 <= len(served.peer.bodies) <= 24


async def test_stuck_keep_alive_delays_ready_content_and_loses_none() -> None:
    mails: list[Mail] = []

    def handler(connection: Connection) -> Mail:
        mails.append(Mail("a"))
        return mails[0]

    with VirtualClock() as clock:
        peer = Stuck(3)
        app = EventSourceApp(handler, window=1, ping=0.5, send_timeout=None)
        async with serving(app, peer) as served:
            await clock.advance(0.6)  # the keep-alive is stuck
            mails[0].put("b")
            await clock.advance(5)
            assert data(served.peer.body) == ["a"]
            peer.let_go.set()
            await clock.advance(0.1)
            assert data(served.peer.body) == ["a", "b"]


# -- any timing ------------------------------------------------------------------------------------

PAUSES = st.lists(
    st.tuples(
        st.sampled_from([0, 0, 0, 1, 10, 49, 50, 51, 400]),  # milliseconds before the event
        st.sampled_from([1, 20, 40_000]),
        st.booleans(),
    ),
    max_size=30,
)


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(plan=PAUSES, delays=st.lists(st.sampled_from([0, 0, 5, 70]), max_size=20))
def test_every_timing_keeps_the_order_and_loses_nothing(
    plan: list[tuple[int, int, bool]], delays: list[int]
) -> None:
    """The client may take its time with each message."""
    for backend in ("asyncio", "trio"):
        anyio.run(_check_timing, plan, delays, backend=backend)


async def _check_timing(plan: list[tuple[int, int, bool]], delays: list[int]) -> None:
    texts = [f"{number}:{'x' * size}" for number, (_, size, _) in enumerate(plan)]
    yielded: dict[str, float] = {}

    async def content() -> AsyncIterator[object]:
        clock = LoopState.current().clock
        moment = clock.now()
        for text, (pause, _, isolated) in zip(texts, plan, strict=True):
            if pause:
                moment = max(moment, clock.now()) + pause / 1000
                await clock.sleep_until(moment)
            yielded[text] = clock.now()
            yield ServerSentEvent(text, isolate=isolated)

    async def slow(number: int) -> None:
        if number < len(delays) and delays[number]:
            clock = LoopState.current().clock
            await clock.sleep_until(clock.now() + delays[number] / 1000)

    with VirtualClock() as clock:
        peer = Timed(on_send=slow)
        async with serving(EventStream(content, window=WINDOW), peer) as served:
            while not served.task.done:
                await clock.advance(0.5)
                assert clock.now() < 60
            await served.returned()
    assert data(peer.body) == texts
    if not any(delays):
        for body, moment in zip(peer.bodies, peer.moments, strict=False):
            for text in data(body):
                assert moment - yielded[text] <= WINDOW + 0.0011
        starts = [m for m, body in zip(peer.moments, peer.bodies, strict=False) if len(body) < 99]
        assert all(later >= earlier for earlier, later in pairwise(starts))
