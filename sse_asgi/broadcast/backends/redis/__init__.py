"""A log in Redis or Valkey: needs ``pip install sse-asgi[redis]``."""

from __future__ import annotations

try:
    import coredis  # noqa: F401
except ModuleNotFoundError as _exc:
    raise ModuleNotFoundError(
        'coredis is not installed: pip install "sse-asgi[redis]"', name=_exc.name
    ) from _exc

from .backend import RedisBackend

__all__ = ["RedisBackend"]
