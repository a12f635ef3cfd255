"""The proxy of :mod:`tests.broadcast.backends.redis.proxy`, under its former name."""

from tests.broadcast.backends.redis.proxy import Proxy

__all__ = ["Proxy"]
