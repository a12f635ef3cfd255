"""An app's startup and shutdown around its streams."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import Any

import anyio
import pytest

from sse_asgi.testing import (
    AppLeaked,
    ASGIViolation,
    LifespanFailed,
    StreamTimeout,
    connect,
    lifespan,
)

from .apps import Receive, Scope, Send, endless

pytestmark = pytest.mark.anyio


class App:
    """An app that speaks the lifespan protocol and streams."""

    def __init__(self) -> None:
        self.steps: list[str] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan":
            await endless(b"data: a\n\n")(scope, receive, send)
            self.steps.append("stream ended")
            return
        while True:
            kind = (await receive())["type"]
            self.steps.append(kind)
            if kind == "lifespan.startup":
                scope["state"]["answer"] = 42
            await send({"type": f"{kind}.complete"})
            if kind == "lifespan.shutdown":
                return


async def test_the_state_of_the_lifespan_goes_to_the_requests() -> None:
    app = App()
    async with lifespan(app) as state, connect(app, state=state) as events:
        assert state == {"answer": 42}
        assert events.scope["state"] == {"answer": 42}
        assert (await events.receive()).data == "a"
    assert app.steps == ["lifespan.startup", "stream ended", "lifespan.shutdown"]


async def test_the_app_can_be_shut_down_while_a_stream_is_open() -> None:
    app = App()
    async with AsyncExitStack() as server:
        await server.enter_async_context(lifespan(app))
        async with connect(app) as events:
            await server.aclose()
            assert app.steps == ["lifespan.startup", "lifespan.shutdown"]
            await events.receive()


def answering(*answers: dict[str, Any], error: Exception | None = None) -> Any:
    """Return an app that gives these answers, then raises the error or returns."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        for answer in answers:
            await receive()
            await send(answer)
        if error is not None:
            raise error

    return app


UP = {"type": "lifespan.startup.complete"}


@pytest.mark.parametrize(
    ("app", "error", "message"),
    [
        (answering({"type": "lifespan.startup.failed", "message": "no db"}), LifespanFailed, "db"),
        (answering({"type": "lifespan.startup.failed"}), LifespanFailed, "the startup failed"),
        (answering(error=LookupError("x")), LookupError, "x"),
        (answering(), ASGIViolation, r"returned without lifespan\.startup\.complete"),
        (answering({"type": "http.response.start"}), ASGIViolation, "was sent during the startup"),
    ],
)
async def test_a_startup_that_fails_is_raised(
    app: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        async with lifespan(app):
            pytest.fail("entered")


@pytest.mark.parametrize(
    ("app", "error", "message"),
    [
        (
            answering(UP, {"type": "lifespan.shutdown.failed", "message": "late"}),
            LifespanFailed,
            "late",
        ),
        (answering(UP, error=LookupError("x")), LookupError, "x"),
        (answering(UP), ASGIViolation, r"returned without lifespan\.shutdown\.complete"),
        (answering(UP, UP), ASGIViolation, "was sent during the shutdown"),
        (
            answering(UP, {"type": "lifespan.shutdown.complete"}, error=LookupError("x")),
            LookupError,
            "x",
        ),
    ],
)
async def test_a_shutdown_that_fails_is_raised(
    app: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        async with lifespan(app):
            pass


async def test_a_startup_that_does_not_end_is_cancelled() -> None:
    cancelled = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await anyio.sleep_forever()
        finally:
            cancelled.append(True)

    with pytest.raises(StreamTimeout, match=r"no lifespan\.startup\.complete within 0\.02 s"):
        async with lifespan(app, timeout=0.02):
            pytest.fail("entered")
    assert cancelled == [True]


async def test_an_app_that_does_not_return_after_its_shutdown_is_a_leak() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        for phase in ("startup", "shutdown"):
            await receive()
            await send({"type": f"lifespan.{phase}.complete"})
        await receive()

    with pytest.raises(AppLeaked, match="did not return after its shutdown"):
        async with lifespan(app, timeout=0.02):
            pass


async def test_the_test_s_own_exception_leaves_the_block_and_the_app_is_shut_down() -> None:
    app = App()
    with pytest.raises(LookupError):
        async with lifespan(app):
            raise LookupError
    assert app.steps == ["lifespan.startup", "lifespan.shutdown"]


async def test_the_test_s_own_exception_has_a_note_about_the_shutdown() -> None:
    with pytest.raises(LookupError) as raised:
        async with lifespan(answering(UP, {"type": "lifespan.shutdown.failed"})):
            raise LookupError
    assert raised.value.__notes__ == ["Afterwards, too: LifespanFailed: the shutdown failed"]
