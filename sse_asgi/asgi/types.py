"""The types of ASGI, as wide as the apps that are tested."""

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
"""The server's ``receive``. Every framework has a message type of its own, so any is taken."""

Send: TypeAlias = Callable[[Any], Awaitable[None]]
"""The server's ``send``."""

SendHook: TypeAlias = Callable[[int, Message], Awaitable[object]]
"""Awaited with the number of the call of ``send``, from 1, and its message."""

ReceiveHook: TypeAlias = Callable[[int], Awaitable[Message | None]]
"""Awaited with the number of the call of ``receive``, from 1; may return a message for the app."""
