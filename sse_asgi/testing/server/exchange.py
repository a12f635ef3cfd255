"""One request and its response: the half of ASGI that a server plays, in process."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from typing import NoReturn, TypeVar

import anyio
from anyio.lowlevel import checkpoint

from ...asgi.types import ASGIApp, Message, ReceiveHook, SendHook
from ..errors import ASGIViolation
from ..headers import ResponseHeaders
from .profile import UVICORN, ServerProfile
from .request import Request
from .rules import ResponseRules
from .task import AppTask
from .window import Window

__all__ = ["Exchange"]

T = TypeVar("T")


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
        self.scope = request.scope(profile)
        self.status: int | None = None
        self.headers = ResponseHeaders()
        self.has_head = False
        """The client has status and headers."""
        self.complete = False
        """The client has the end of the body."""
        self.disconnected = False
        self.violation: ASGIViolation | None = None
        self.injected: list[BaseException] = []
        """What ``send`` and ``receive`` raised on the test's behalf."""
        self.window = Window(window, self._hand_over)
        self._request = deque(request.body)
        self._websocket = request.scope_type == "websocket"
        self._has_body = request.method != "HEAD"
        self._deliver = deliver
        self._profile = profile
        self._strict = strict
        self._on_send = on_send
        self._on_receive = on_receive
        self._rules = ResponseRules(self.scope, strict=strict)
        self._changed = anyio.Event()
        self._sends = self._receives = self._sending = self._waiting = 0
        self._handshaken = self._told = False
        self._broken: Exception | None = None
        self.task = AppTask(lambda: self._run(app), self.notify)

    async def _run(self, app: ASGIApp) -> None:
        await app(self.scope, self.receive, self.send)

    # What the app calls

    async def receive(self) -> Message:
        """Return the next message of the client: the request, then its disconnect."""
        self._receives += 1
        if self._on_receive is not None:
            message = await self._hooked(self._on_receive(self._receives))
            if message is not None:
                return message
        if self._websocket and not self._handshaken:
            self._handshaken = True
            return {"type": "websocket.connect"}
        if self._request and not self.disconnected and not self._websocket:
            body = self._request.popleft()
            return {"type": "http.request", "body": body, "more_body": bool(self._request)}
        # "if receive is called after a response has been sent or after the HTTP connection has been
        # closed" (ASGI HTTP, Disconnect)
        await self.wait_until(lambda: self.disconnected or self._rules.complete)
        if self._told and not self._profile.repeats_disconnect:
            await anyio.sleep_forever()
        await checkpoint()  # an app that asks again and again must not stop the event loop
        self._told = True
        if self._websocket:
            return {"type": "websocket.disconnect", "code": 1006, "reason": ""}
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        """Take the next message of the response."""
        self._sends += 1
        if self._strict and self._sending:
            self._violate("send was called while it still had a message: messages would overlap")
        if self._strict and self.task.done:
            self._violate("send was called after the app had returned: it left a task behind")
        self._sending += 1
        try:
            if self._on_send is not None:
                await self._hooked(self._on_send(self._sends, message))
            await self._take(message)
        finally:
            self._sending -= 1
            self.notify()

    async def _hooked(self, call: Awaitable[T]) -> T:
        try:
            return await call
        except Exception as exc:
            self.injected.append(exc)
            raise

    def _violate(self, rule: str | ASGIViolation) -> NoReturn:
        violation = ASGIViolation(rule) if isinstance(rule, str) else rule
        self.violation = self.violation or violation  # the app may swallow what is raised
        self.notify()
        raise violation

    async def _take(self, message: Message) -> None:
        try:
            self._rules.check(message)
        except ASGIViolation as exc:
            self._violate(exc)
        self._check_broken()
        if self._rules.kind(message) == "body" and not self.disconnected:
            await self._wait_for_room()
        self._rules.commit(message)
        if self.disconnected:
            await checkpoint()  # an app that sends for ever must not stop the event loop
            if self._profile.send_raises_after_disconnect:
                raise self._inject(OSError("the client has disconnected"))
        else:
            self._accept(message)

    def _inject(self, error: Exception) -> Exception:
        self.injected.append(error)
        return error

    async def _wait_for_room(self) -> None:
        if not self._profile.backpressure or not self.window.is_full:
            return
        self._waiting += 1
        self.notify()
        try:
            await self.wait_until(lambda: self._is_gone or not self.window.is_full)
            if self.disconnected and not self._profile.disconnect_frees_send:
                await anyio.sleep_forever()
        finally:
            self._waiting -= 1
        self._check_broken()

    @property
    def _is_gone(self) -> bool:
        return self.disconnected or self._broken is not None

    def _check_broken(self) -> None:
        if self._broken is not None:
            raise self._inject(self._broken)

    def _accept(self, message: Message) -> None:
        kind = self._rules.kind(message)
        if kind == "start":
            self.status = message["status"]
            self.headers = ResponseHeaders(message.get("headers", ()))
            self.has_head = not self._profile.head_waits_for_body
        elif kind == "websocket.close":
            # "the server must close the connection with a HTTP 403" (ASGI WebSocket, Close)
            self.status, self.has_head, self.complete = 403, True, True
        elif kind == "body":
            body = bytes(message.get("body", b"")) if self._has_body else b""
            self.window.put(body, not message.get("more_body", False))

    def _hand_over(self, body: bytes, last: bool) -> None:
        self.has_head = True
        self.complete = last
        if body:
            self._deliver(body)

    # What the client calls

    def notify(self) -> None:
        """Have everyone who waits for this exchange look again."""
        changed, self._changed = self._changed, anyio.Event()
        changed.set()

    async def wait_until(self, condition: Callable[[], object]) -> None:
        """Wait, without a bound, until ``condition()`` holds."""
        while not condition():
            await self._changed.wait()

    @property
    def is_held_up(self) -> bool:
        """The app waits in ``send`` for the client to read."""
        return self._waiting > 0 and self.window.is_full

    def consumed(self, count: int) -> None:
        """Take note that the client has looked at ``count`` bytes of the body."""
        self.window.consumed(count)
        self.notify()

    def disconnect(self) -> None:
        """Leave, with whatever is on its way unread."""
        self.disconnected = True
        self.window.drop()
        self.notify()

    def answer_500(self) -> None:
        """Send what a server sends when the app raised before its response had started."""
        self.status = 500
        self.headers = ResponseHeaders([(b"content-type", b"text/plain; charset=utf-8")])
        self._hand_over(b"Internal Server Error", last=True)

    def break_send(self, error: Exception) -> None:
        """Have every ``send`` from now on raise ``error``, while ``receive`` tells nothing."""
        self._broken = error
        self.notify()
