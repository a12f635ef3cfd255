"""A log in Redis or Valkey: needs ``pip install sse-asgi[redis]``."""

from __future__ import annotations

from .backend import RedisBackend

__all__ = ["RedisBackend"]
