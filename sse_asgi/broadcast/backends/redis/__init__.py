"""A log in Redis or Valkey: needs ``pip install sse-asgi[redis]``."""

from __future__ import annotations

try:
    import coredis  # noqa: F401
except ModuleNotFoundError as exc:
    raise ModuleNotFoundError(
        'coredis is not installed: pip install "sse-asgi[redis]"', name=exc.name
    ) from exc

from .backend import RedisBackend

__all__ = ["RedisBackend"]
