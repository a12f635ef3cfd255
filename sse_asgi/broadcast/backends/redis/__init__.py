"""A log in Redis or Valkey: needs ``pip install "sse-asgi[redis]"``."""

from __future__ import annotations

from ....extras import missing

try:
    import coredis  # noqa: F401
except ModuleNotFoundError as _exc:
    raise missing("redis", _exc) from _exc

from .backend import RedisBackend

__all__ = ["RedisBackend"]
