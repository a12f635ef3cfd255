"""Endless streams of frameworks that know nothing of this library."""

from __future__ import annotations

import importlib
from typing import Any

import pytest

from sse_asgi.testing import DAPHNE, GRANIAN, HYPERCORN, UVICORN, ServerProfile, connect, settle
from tests.testing.peers.trace import Trace

PEERS = [
    pytest.param("starlette_app", "make_app", id="starlette", marks=pytest.mark.needs("starlette")),
    pytest.param(
        "starlette_app",
        "make_sse_starlette_app",
        id="sse-starlette",
        marks=pytest.mark.needs("starlette", "sse_starlette"),
    ),
    pytest.param("fastapi_app", "make_app", id="fastapi", marks=pytest.mark.needs("fastapi")),
    pytest.param("litestar_app", "make_app", id="litestar", marks=pytest.mark.needs("litestar")),
]
ASYNCIO_PEERS = [
    pytest.param("quart_app", "make_app", id="quart", marks=pytest.mark.needs("quart")),
    pytest.param("django_app", "make_app", id="django", marks=pytest.mark.needs("django")),
]
SERVERS = [
    pytest.param(UVICORN, id="uvicorn"),
    pytest.param(GRANIAN, id="granian"),
    pytest.param(HYPERCORN, id="hypercorn"),
    pytest.param(DAPHNE, id="daphne"),
]

pytestmark = pytest.mark.anyio


class Peers:
    """What holds for the streams of every framework."""

    def make(self, module: str, function: str, trace: Trace) -> Any:
        """Return the framework's app."""
        peer = importlib.import_module(f"{__package__}.peers.{module}")
        return getattr(peer, function)(trace)

    def connect(self, app: Any, module: str, **options: Any) -> Any:
        """Connect to the app's stream."""
        # Django sends its header names as they are written, against the rule of ASGI.
        return connect(app, "/ticks", strict=module != "django_app", **options)

    async def read_a_stream(self, module: str, function: str, server: ServerProfile) -> None:
        """Receive some events, leave, and see the generator closed."""
        # A response that is cancelled in send, and not in the generator, leaves that to the garbage
        # collector; so the generator waits for ever in the end.
        trace = Trace(idle_after=3)
        app = self.make(module, function, trace)
        async with self.connect(app, module, server=server) as events:
            assert events.status == 200
            received = [await events.receive() for _ in range(3)]
            await settle()
            assert not trace.closed
        assert [(event.id, event.data) for event in received] == [
            ("0", "tick 0"),
            ("1", "tick 1"),
            ("2", "tick 2"),
        ]
        assert trace.closed

    async def disconnect_from_a_stream(
        self, module: str, function: str, server: ServerProfile
    ) -> None:
        """Disconnect, and see the generator closed once the app has returned."""
        trace = Trace(idle_after=1)
        app = self.make(module, function, trace)
        async with self.connect(app, module, server=server) as events:
            await events.receive()
            await settle()
            events.disconnect()
            await events.returned()
            assert trace.closed


@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize(("module", "function"), PEERS)
class TestOnEveryEventLoop(Peers):
    async def test_an_endless_generator_streams_and_is_closed(
        self, module: str, function: str, server: ServerProfile
    ) -> None:
        await self.read_a_stream(module, function, server)

    async def test_the_generator_is_closed_by_the_time_the_app_has_returned(
        self, module: str, function: str, server: ServerProfile
    ) -> None:
        await self.disconnect_from_a_stream(module, function, server)


@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize(("module", "function"), ASYNCIO_PEERS)
class TestOnAsyncio(Peers):
    @pytest.fixture(params=[False, True], ids=["asyncio", "uvloop"])
    def anyio_backend(self, request: pytest.FixtureRequest) -> tuple[str, dict[str, bool]]:
        """Run on asyncio, the only event loop of these frameworks."""
        return "asyncio", {"use_uvloop": request.param}

    async def test_an_endless_generator_streams_and_is_closed(
        self, module: str, function: str, server: ServerProfile
    ) -> None:
        await self.read_a_stream(module, function, server)

    async def test_the_generator_is_closed_by_the_time_the_app_has_returned(
        self, module: str, function: str, server: ServerProfile
    ) -> None:
        await self.disconnect_from_a_stream(module, function, server)
