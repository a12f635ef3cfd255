"""One request and its response: the half of ASGI that a server plays, in process."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NoReturn

import anyio
from anyio.lowlevel import checkpoint

from ...asgi.types import ASGIApp, Message, ReceiveHook, SendHook
from ...runtime.change import Change
from ..errors import ASGIViolation
from .hooks import Hooks
from .incoming import Incoming
from .profile import UVICORN, ServerProfile
from .request import Request
from .response import ClientResponse
from .rules import ResponseRules
from .task import AppTask

__all__ = ["Exchange"]

_SENDS_PER_TURN: Final = 16
"""Calls of ``send`` before the event loop gets a turn: an app need not ever wait."""


class Exchange:
    """Runs the app on one request and hands each piece of the response's body to ``deliver``."""

    def __init__(
        self,
        app: ASGIApp,
        request: Request,
        deliver: Callable[[bytes], object],
        *,
        profile: ServerProfile = UVICORN,
        strict: bool = True,
        window: int = 65536,
        on_send: SendHook | None = None,
        on_receive: ReceiveHook | None = None,
    ) -> None:
        self.scope: dict[str, Any] = request.scope(profile)
        self.response: ClientResponse = ClientResponse(
            deliver,
            window=window,
            head_waits=profile.head_waits_for_body,
            has_body=request.method != "HEAD",
        )
        self.hooks: Hooks = Hooks(on_send, on_receive)
        self.disconnected: bool = False
        self.violation: ASGIViolation | None = None
        self._incoming = Incoming(request)
        self._profile = profile
        self._rules = ResponseRules(self.scope, strict=strict)
        self._change = Change()
        self._sending = self._held_up = 0
        self.task: AppTask = AppTask(lambda: self._run(app), self.notify)

    async def _run(self, app: ASGIApp) -> None:
        await app(self.scope, self.receive, self.send)

    # -- what the app calls ------------------------------------------------------------------------

    async def receive(self) -> Message:
        """Return the next message of the client: the request, then its disconnect."""
        message = await self.hooks.before_receive()
        message = message or self._incoming.next(disconnected=self.disconnected)
        if message is not None:
            return message
        # "if receive is called after a response has been sent or after the HTTP connection has been
        # closed" (ASGI HTTP, Disconnect)
        await self.wait_until(lambda: self.disconnected or self._rules.complete)
        if self._incoming.is_told and not self._profile.repeats_disconnect:
            await anyio.sleep_forever()
        await checkpoint()  # an app that asks again and again must not stop the event loop
        return self._incoming.disconnect()

    async def send(self, message: Message) -> None:
        """Take the next message of the response."""
        if self._rules.strict and self._sending:
            self._violate("send was called while it still had a message: messages would overlap")
        if self._rules.strict and self.task.done:
            self._violate("send was called after the app had returned: it left a task behind")
        self._sending += 1
        try:
            await self.hooks.before_send(message)
            if not self.hooks.sends % _SENDS_PER_TURN:
                await checkpoint()
            await self._take(message)
        finally:
            self._sending -= 1
            self.notify()

    def _violate(self, rule: str | ASGIViolation) -> NoReturn:
        violation = ASGIViolation(rule) if isinstance(rule, str) else rule
        self.violation = self.violation or violation  # the app may swallow what is raised
        self.notify()
        raise violation

    async def _take(self, message: Message) -> None:
        try:
            message = self._rules.check(message)
        except ASGIViolation as exc:
            self._violate(exc)
        self.hooks.check_broken()
        kind = self._rules.kind(message)
        if kind == "body" and not self.disconnected:
            await self._wait_for_room()
        self._rules.commit(message)
        if not self.disconnected:
            self.response.accept(kind, message)
            return
        await checkpoint()  # an app that sends on and on must not stop the event loop
        if self._profile.send_raises_after_disconnect:
            raise self.hooks.inject(OSError("the client has disconnected"))

    async def _wait_for_room(self) -> None:
        window = self.response.window
        if not self._profile.backpressure or not window.is_full:
            return
        self._held_up += 1
        self.notify()
        try:
            await self.wait_until(lambda: self._is_gone or not window.is_full)
            if self.disconnected and not self._profile.disconnect_frees_send:
                await anyio.sleep_forever()
        finally:
            self._held_up -= 1
        self.hooks.check_broken()

    @property
    def _is_gone(self) -> bool:
        return self.disconnected or self.hooks.is_broken

    # -- what the client calls ---------------------------------------------------------------------

    def notify(self) -> None:
        """Have every task that waits for this exchange look again."""
        self._change.notify()

    async def wait_until(self, condition: Callable[[], object]) -> None:
        """Wait, without a bound, until ``condition()`` holds."""
        while not condition():
            await self._change.wait()

    @property
    def is_held_up(self) -> bool:
        """The app waits in ``send`` for the client to read."""
        return self._held_up > 0 and self.response.window.is_full

    def consumed(self, count: int) -> None:
        """Take note that the client has looked at ``count`` bytes of the body."""
        self.response.window.consumed(count)
        self.notify()

    # -- faults on demand; none of them waits ------------------------------------------------------

    def disconnect(self) -> None:
        """Leave, with whatever is on its way unread."""
        self.disconnected = True
        self.response.window.drop()
        self.notify()

    def pause(self, room: int) -> None:
        """Stop reading: ``send`` waits as soon as ``room`` bytes are on their way."""
        self.response.window.pause(room)
        self.notify()

    def resume(self) -> None:
        """Read on, beginning with what is on its way."""
        self.response.window.resume()
        self.notify()

    def break_send(self, error: Exception) -> None:
        """Have every ``send`` from now on raise ``error``, while ``receive`` tells nothing."""
        self.hooks.break_send(error)
        self.notify()
