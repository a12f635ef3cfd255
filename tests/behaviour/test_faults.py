"""Every call of ``send`` and ``receive`` of a short stream fails in every way, one at a time."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import anyio
import pytest

from sse_asgi import CloseReason, EventSourceApp, StreamSummary
from sse_asgi.testing import VirtualClock, settle
from tests.harness import Peer, Served, nothing_left, only, serving, until

pytestmark = pytest.mark.anyio

Act = Callable[[EventSourceApp, Served], None]

GONE, STOPPED, SLOW = CloseReason.CLIENT_GONE, CloseReason.SERVER_STOPPING, CloseReason.SLOW_CLIENT
DONE, ERROR = CloseReason.COMPLETED, CloseReason.ERROR


@pytest.fixture(
    scope="module", params=["asyncio", pytest.param("trio", marks=pytest.mark.needs("trio"))]
)
def anyio_backend(request: pytest.FixtureRequest) -> str:
    """Leave out uvloop, whose tasks are asyncio's: there are hundreds of these tests."""
    backend: str = request.param
    return backend


class Oops(Exception):
    """What the failing content raises."""


def be_impatient(monkeypatch: pytest.MonkeyPatch, seconds: float, *modules: str) -> None:
    """Give a client that takes nothing any more less time than usual."""
    for module in modules:
        monkeypatch.setattr(f"sse_asgi.asgi.session.{module}.FAREWELL_TIMEOUT", seconds)


class Short:
    """A short stream: its content logs what becomes of it."""

    def __init__(self, kind: str) -> None:
        self.log: list[str] = []
        self.closed: list[StreamSummary] = []
        self._kind = kind
        self.app = EventSourceApp(
            lambda connection: self.content(),
            on_close=self.closed.append,
            on_error=lambda error: "failed",
            farewell_retry=(7, 7),
        )

    async def content(self) -> AsyncIterator[str]:
        self.log.append("began")
        try:
            for item in ("a", "b"):
                yield item
                await anyio.sleep(0.001)
            if self._kind == "fails":
                raise Oops
            if self._kind == "is stopped":
                await anyio.sleep_forever()
        finally:
            self.log.append("closed")


LAST_SEND = {"ends": 4, "fails": 5, "is stopped": 5}


def each_send(*kinds: str) -> list[Any]:
    return [
        pytest.param(kind, number, id=f"{kind}-send {number}")
        for kind in kinds
        for number in range(1, LAST_SEND[kind] + 1)
    ]


def sensible(kind: str, number: int, error: BaseException) -> set[CloseReason]:
    """Return what the reason may be when that ``send`` raises ``error``."""
    own = {"ends": DONE, "fails": ERROR, "is stopped": STOPPED}[kind]
    if number > 3:  # the content has come to its end
        return {own}
    return {GONE} if isinstance(error, OSError) else {ERROR}


@pytest.mark.parametrize(
    ("error", "for_good"),
    [
        pytest.param(OSError("x"), True, id="OSError"),
        pytest.param(RuntimeError("x"), True, id="RuntimeError for good"),
        pytest.param(RuntimeError("x"), False, id="RuntimeError once"),
        pytest.param(ValueError("x"), True, id="ValueError for good"),
    ],
)
@pytest.mark.parametrize(("kind", "number"), each_send(*LAST_SEND))
async def test_send_raises(kind: str, number: int, error: Exception, for_good: bool) -> None:
    short = Short(kind)

    async def fail(call: int) -> None:
        if call == number or (for_good and call > number):
            raise error

    peer = Peer(on_send=fail)
    async with nothing_left(), serving(short.app, peer) as served:
        if kind == "is stopped":
            await until(lambda: len(peer.messages) >= 3 or served.task.done)
            short.app.drain()
        raised = await outcome(served)
    assert short.log == ["began", "closed"]
    assert only(short.closed).reason in sensible(kind, number, error)
    assert only(short.closed).bytes == len(peer.body)
    if isinstance(error, OSError):
        assert peer.sends == number  # no more after that
    assert isinstance(raised, (type(None), type(error)))
    if number <= 3 and not isinstance(error, OSError):
        assert raised is (error if number == 1 else None)  # on_error takes it from then on
        assert peer.ended is (number > 1 and not for_good)
    else:  # on_error takes the content's own
        assert raised is None


async def outcome(served: Served) -> BaseException | None:
    with anyio.fail_after(5):
        try:
            await served.returned()
        except Exception as exc:
            return exc
    return None


def leave(app: EventSourceApp, served: Served) -> None:
    served.peer.leave()


def drain(app: EventSourceApp, served: Served) -> None:
    app.drain()


def cancel(app: EventSourceApp, served: Served) -> None:
    served.task.cancel()


def wait(app: EventSourceApp, served: Served) -> None:
    pass


@pytest.mark.parametrize(
    ("act", "for_good"),
    [(leave, True), (drain, True), (drain, False), (cancel, True), (cancel, False)],
)
@pytest.mark.parametrize(("kind", "number"), each_send("ends", "fails"))
async def test_send_blocks(
    kind: str, number: int, for_good: bool, act: Act, monkeypatch: pytest.MonkeyPatch
) -> None:
    short = Short(kind)
    # The block that the server was at work on may have gone out or not; the final body follows.
    ends = not for_good and 1 < number < (4 if act is drain else LAST_SEND[kind])
    if ends:
        be_impatient(monkeypatch, 0.15, "deadlines")
    else:
        be_impatient(monkeypatch, 0.02, "deadlines", "session")

    async def hang(call: int) -> None:
        if call == number or (for_good and call > number):
            await anyio.sleep_forever()

    peer = Peer(on_send=hang)
    async with nothing_left(), serving(short.app, peer) as served:
        await until(lambda: peer.sends == number)
        act(short.app, served)
        raised = await outcome(served)
    assert short.log == ["began", "closed"]
    own = {"ends": DONE, "fails": ERROR}[kind]
    expected = GONE if act is leave else STOPPED
    assert only(short.closed).reason is (own if number > 3 else expected)
    assert raised is None  # on_error takes the content's own
    assert served.task.cancelled is (act is cancel)
    assert peer.ended or not ends


@pytest.mark.usefixtures("no_polling")
@pytest.mark.parametrize(("kind", "number"), each_send("ends", "fails"))
async def test_send_blocks_for_longer_than_it_may(kind: str, number: int) -> None:
    short = Short(kind)

    async def hang(call: int) -> None:
        if call >= number:
            await anyio.sleep_forever()

    peer = Peer(on_send=hang)
    with VirtualClock() as clock:
        async with serving(short.app, peer) as served:
            await until(lambda: peer.sends == number)
            await clock.advance(29.999)
            assert not served.task.done
            await clock.advance(1.001)
            raised = await outcome(served)
    assert short.log == ["began", "closed"]
    own = {"ends": DONE, "fails": ERROR}[kind]
    assert only(short.closed).reason is (own if number > 3 else SLOW)
    assert raised is None  # on_error takes the content's own
    assert peer.sends == number


@pytest.mark.parametrize("act", [leave, cancel, wait])
@pytest.mark.parametrize("number", [1, 2, 3, 4, 5])
async def test_send_blocks_while_the_server_stops(
    number: int, act: Act, monkeypatch: pytest.MonkeyPatch
) -> None:
    short = Short("is stopped")
    be_impatient(monkeypatch, 0.02, "deadlines", "session")

    async def hang(call: int) -> None:
        if call >= number:
            await anyio.sleep_forever()

    peer = Peer(on_send=hang)
    async with nothing_left(), serving(short.app, peer) as served:
        await until(lambda: peer.sends == min(number, 3))
        short.app.drain()
        await until(lambda: peer.sends > 3 or (number <= 3 and "closed" in short.log))
        act(short.app, served)
        await outcome(served)
    assert short.log == ["began", "closed"]
    assert only(short.closed).reason in {STOPPED, GONE}
    assert not peer.ended


Receive = Callable[[int], Awaitable[Any]]


async def raise_oserror(call: int) -> Any:
    raise OSError("x")


async def raise_runtime_error(call: int) -> Any:
    raise RuntimeError("x")


async def block(call: int) -> Any:
    await anyio.sleep_forever()


async def request(call: int) -> Any:
    return {"type": "http.request", "body": b"", "more_body": False}


async def nonsense(call: int) -> Any:
    return {"no": "type"}


@pytest.mark.parametrize("number", [1, 3])
@pytest.mark.parametrize("kind", list(LAST_SEND))
@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (raise_oserror, GONE),
        (raise_runtime_error, ERROR),
        (nonsense, ERROR),
        (block, None),
        (request, None),
    ],
)
async def test_receive_fails(
    fault: Receive, reason: CloseReason | None, kind: str, number: int
) -> None:
    short = Short(kind)

    async def receive(call: int) -> Any:
        return await (request if call < number else fault)(call)

    peer = Peer(on_receive=receive)
    async with nothing_left(), serving(short.app, peer) as served:
        if reason is None and kind == "is stopped":
            await until(lambda: peer.sends == 3)
            short.app.drain()
        raised = await outcome(served)
    assert short.log == ["began", "closed"]
    own = {"ends": DONE, "fails": ERROR, "is stopped": STOPPED}[kind]
    assert only(short.closed).reason is (reason or own)
    if reason is GONE:
        assert raised is None
        assert not peer.ended
    elif reason is ERROR:
        assert peer.started is (raised is None)  # on_error takes it from then on
        assert peer.ended or isinstance(raised, RuntimeError | KeyError)
    else:
        assert raised is None  # on_error takes the content's own
        assert peer.ended
    await settle()
