"""The types of ASGI, wide enough for every framework's own."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, TypeAlias

__all__ = ["ASGIApp", "Message", "Receive", "ReceiveHook", "Send", "SendHook"]

# asgiref, Starlette and bare functions annotate their apps in ways that exclude each other.
ASGIApp: TypeAlias = Callable[[Any, Any, Any], Awaitable[object]]
"""An ASGI 3 application."""

Message: TypeAlias = MutableMapping[str, Any]
"""An ASGI message."""

Receive: TypeAlias = Callable[[], Awaitable[Any]]
"""The server's ``receive``. Frameworks have different message types, so any type is accepted."""

Send: TypeAlias = Callable[[Any], Awaitable[None]]
"""The server's ``send``."""

SendHook: TypeAlias = Callable[[int, Message], Awaitable[object]]
"""Awaited with the number of the call of ``send``, from 1, and its message."""

ReceiveHook: TypeAlias = Callable[[int], Awaitable[Message | None]]
"""Awaited with the number of the call of ``receive``, from 1; may return a message for the app."""
