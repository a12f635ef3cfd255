"""The live demo that ``python -m sse_asgi`` serves: one page, one signal, every claim visible."""

from __future__ import annotations

from .app import Demo

__all__ = ["Demo"]
