"""An app's lifespan: started before the requests, shut down after them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Literal, TypeAlias

import anyio

from ..asgi.types import ASGIApp, Message
from .connection import clean_up
from .errors import AppLeaked, ASGIViolation, LifespanFailed, StreamTimeout
from .server.task import AppTask

__all__ = ["LifespanRun", "lifespan"]

Phase: TypeAlias = Literal["startup", "shutdown"]


@asynccontextmanager
async def lifespan(app: ASGIApp, *, timeout: float = 5.0) -> AsyncIterator[dict[str, Any]]:
    """Start ``app`` up and return its lifespan state, for ``connect(app, state=state)``.

    Leaving the block shuts the app down, whether streams are open or not. What the app raises is
    raised, also when it is that it does not know the lifespan protocol.

    :param app: any ASGI 3 application
    :param timeout: the bound of startup and of shutdown, in seconds
    :raises LifespanFailed: the app reported a failure
    :raises StreamTimeout: the app did not answer in time
    :raises ASGIViolation: the app broke a rule of the protocol
    :raises AppLeaked: the app did not return after its shutdown
    """
    run = LifespanRun(app, timeout)
    try:
        await run.begin("startup")
    except BaseException:
        await run.abandon()
        raise
    try:
        yield run.state
    except BaseException as exc:
        await clean_up(run.shut_down, exc)
        raise
    await run.shut_down()


class LifespanRun:
    """One call of the app with a lifespan scope."""

    def __init__(self, app: ASGIApp, timeout: float) -> None:
        self.state: dict[str, Any] = {}
        self._timeout = timeout
        self._phase: Phase = "startup"
        self._received: set[Phase] = set()
        self._answers: dict[Phase, Message] = {}
        self._changed = anyio.Event()
        asgi = {"version": "3.0", "spec_version": "2.0"}
        scope = {"type": "lifespan", "asgi": asgi, "state": self.state}
        self._task = AppTask(lambda: self._run(app, scope), self._notify)

    async def _run(self, app: ASGIApp, scope: dict[str, Any]) -> None:
        await app(scope, self._receive, self._send)

    def _notify(self) -> None:
        changed, self._changed = self._changed, anyio.Event()
        changed.set()

    async def _receive(self) -> Message:
        while self._phase in self._received:
            await self._changed.wait()
        self._received.add(self._phase)
        return {"type": f"lifespan.{self._phase}"}

    async def _send(self, message: Message) -> None:
        phase, kind = self._phase, message["type"]
        expected = (f"lifespan.{phase}.complete", f"lifespan.{phase}.failed")
        if kind not in expected or phase in self._answers:
            raise ASGIViolation(
                f"{kind} was sent during the {phase}, which awaits {' or '.join(expected)}"
            )
        self._answers[phase] = message
        self._notify()

    async def begin(self, phase: Phase) -> None:
        """Begin the phase and wait for the app's answer."""
        self._phase = phase
        self._notify()
        with anyio.move_on_after(self._timeout):
            while phase not in self._answers and not self._task.done:
                await self._changed.wait()
        answer = self._answers.get(phase)
        if answer is None:
            raise self._unanswered(phase)
        if answer["type"].endswith(".failed"):
            raise LifespanFailed(answer.get("message", "") or f"the {phase} failed")

    def _unanswered(self, phase: Phase) -> BaseException:
        if self._task.error is not None:
            return self._task.error
        missing = f"lifespan.{phase}.complete"
        if self._task.done:
            return ASGIViolation(f"the app returned without {missing}")
        where = self._task.where()
        return StreamTimeout(f"no {missing} within {self._timeout:g} s; the app waits at\n{where}")

    async def shut_down(self) -> None:
        """Shut the app down and wait for it to return."""
        with anyio.CancelScope(shield=True):
            try:
                await self.begin("shutdown")
                if not await self._task.wait(self._timeout):
                    where = self._task.where()
                    raise AppLeaked(
                        f"the app did not return after its shutdown; it waits at\n{where}"
                    )
            finally:
                await self.abandon()
        if self._task.error is not None:
            raise self._task.error

    async def abandon(self) -> None:
        """Cancel the app if it is still there."""
        with anyio.CancelScope(shield=True):
            if not self._task.done:
                self._task.cancel()
                await self._task.wait(1)
