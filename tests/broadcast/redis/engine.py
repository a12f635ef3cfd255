"""The servers of :mod:`tests.broadcast.backends.redis.engine`, under their former name."""

from tests.broadcast.backends.redis.engine import REDIS, Engine, valkey_server, wait_for

__all__ = ["REDIS", "Engine", "valkey_server", "wait_for"]
