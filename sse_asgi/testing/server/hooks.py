"""The test's hand in ``send`` and ``receive``: hooks, and errors on demand."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TypeVar

from ...asgi.types import Message, ReceiveHook, SendHook

__all__ = ["Hooks"]

T = TypeVar("T")


class Hooks:
    """Counts the calls of the app, and lets the test wait, raise or answer in them.

    :param on_send: awaited at each ``send``
    :param on_receive: awaited at each ``receive``; may return a message for the app
    """

    __slots__ = ("_broken", "_on_receive", "_on_send", "_receives", "injected", "sends")

    def __init__(self, on_send: SendHook | None, on_receive: ReceiveHook | None) -> None:
        self._on_send = on_send
        self._on_receive = on_receive
        self._receives = 0
        self._broken: Exception | None = None
        self.sends: int = 0
        """Calls of ``send``."""
        self.injected: list[BaseException] = []
        """The exceptions that ``send`` and ``receive`` raised on the test's behalf."""

    async def before_send(self, message: Message) -> None:
        """Count a ``send``, and let the test have its way."""
        self.sends += 1
        if self._on_send is not None:
            await self._hooked(self._on_send(self.sends, message))

    async def before_receive(self) -> Message | None:
        """Count a ``receive``, and return the test's own message if it has one."""
        self._receives += 1
        return (
            None
            if self._on_receive is None
            else await self._hooked(self._on_receive(self._receives))
        )

    async def _hooked(self, call: Awaitable[T]) -> T:
        try:
            return await call
        except Exception as exc:
            self.inject(exc)
            raise

    def inject(self, error: Exception) -> Exception:
        """Note and return an exception that is raised on the test's behalf."""
        self.injected.append(error)
        return error

    # -- a broken connection -----------------------------------------------------------------------

    @property
    def is_broken(self) -> bool:
        """Whether ``send`` raises from now on."""
        return self._broken is not None

    def break_send(self, error: Exception) -> None:
        """Have every ``send`` from now on raise ``error``."""
        self._broken = error

    def check_broken(self) -> None:
        """Raise the error of a broken connection."""
        if self._broken is not None:
            raise self.inject(self._broken)
