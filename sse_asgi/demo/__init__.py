"""The live demo that ``python -m sse_asgi`` serves: a page whose stream is cut and resumed."""

from __future__ import annotations

from .app import Demo

__all__ = ["Demo"]
