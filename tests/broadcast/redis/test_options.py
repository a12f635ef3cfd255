"""What the backend takes, and what it refuses with the name of the field and the rule."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import pytest

from sse_asgi.broadcast.backends.redis import RedisBackend
from sse_asgi.broadcast.backends.redis.endpoint import Address

pytestmark = pytest.mark.needs("coredis")

SENTINELS = (("a", 26379), ("b", 1))


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("redis://", Address("direct", False, (("localhost", 6379),))),
        ("valkey://h:1/2", Address("direct", False, (("h", 1),), db=2)),
        ("rediss://h?db=3", Address("direct", True, (("h", 6379),), db=3)),
        ("valkeys://[::1]:7", Address("direct", True, (("::1", 7),))),
        ("unix:///run/r%20s.sock?db=1", Address("direct", False, (), "/run/r s.sock", db=1)),
        ("redis+cluster://a,b:1", Address("cluster", False, (("a", 6379), ("b", 1)))),
        ("rediss+cluster://a", Address("cluster", True, (("a", 6379),))),
        ("redis+sentinel://a,b:1/m", Address("sentinel", False, SENTINELS, service="m")),
        ("rediss+sentinel://a,b:1/m/4", Address("sentinel", True, SENTINELS, service="m", db=4)),
        (
            "redis://us%40er:p%3A%2F%23@h",
            Address("direct", False, (("h", 6379),), username="us@er", password="p:/#"),
        ),
        ("redis://:secret@h", Address("direct", False, (("h", 6379),), password="secret")),
    ],
    ids=str,
)
def test_urls_are_understood(url: str, expected: Address) -> None:
    assert Address.parse(url) == expected
    assert "secret" not in repr(Address.parse(url))


@pytest.mark.parametrize(
    ("url", "rule"),
    [
        ("http://h", "url must begin with one of redis://"),
        ("localhost:6379", "url must begin"),
        ("redis://a,b", "url must have one host"),
        ("redis://h:0", "host or host:port"),
        ("redis://h:99999", "host or host:port"),
        ("redis://h:x", "host or host:port"),
        ("redis://h/one", "number as its database"),
        ("redis://h/1/2", "path too long"),
        ("redis://h?timeout=1", "unknown parameters: timeout"),
        ("redis://:a#b@h", "fragment"),
        ("unix://", "absolute path"),
        ("redis+sentinel://h", "must name the service"),
        ("redis+cluster://h/1", "must name no database"),
    ],
)
def test_other_urls_are_refused(url: str, rule: str) -> None:
    with pytest.raises(ValueError, match=rule):
        RedisBackend(url)


@pytest.mark.parametrize(
    ("options", "error", "rule"),
    [
        ({"name": ""}, ValueError, "name must be printable"),
        ({"name": "a{b"}, ValueError, "name must be .* without braces"),
        ({"name": 1}, TypeError, "name must be a str"),
        ({"max_events": 0}, ValueError, "max_events must be 1 or above"),
        ({"max_events": 1.5}, TypeError, "max_events must be an int"),
        ({"max_age": 0}, ValueError, "max_age must be above 0"),
        ({"memory_events": -1}, ValueError, "memory_events must be"),
        ({"memory_bytes": True}, TypeError, "memory_bytes must be an int"),
        ({"publish_timeout": 0}, ValueError, "publish_timeout must be from"),
        ({"publish_timeout": 61}, ValueError, "publish_timeout must be from"),
        ({"publish_timeout": None}, TypeError, "publish_timeout must be a number"),
        ({"block": float("nan")}, ValueError, "block must be from"),
        ({"block": 0}, ValueError, "block must be from 0.05 to 60"),
        ({"username": 1}, TypeError, "username must be a string"),
        ({"password": b"x"}, TypeError, "password must be a string"),
        ({"sentinel_password": "x"}, ValueError, "sentinel_password is for"),
        ({"ca_file": "ca.pem"}, ValueError, "need a URL with TLS"),
        ({"ssl_context": ssl.create_default_context()}, ValueError, "need a URL with TLS"),
        ({"ssl_context": "ca.pem"}, TypeError, "ssl_context must be"),
    ],
)
def test_other_options_are_refused(
    options: dict[str, Any], error: type[Exception], rule: str
) -> None:
    with pytest.raises(error, match=rule):
        RedisBackend("redis://h", **options)


def test_the_url_must_be_a_string() -> None:
    with pytest.raises(TypeError, match="url must be a string"):
        RedisBackend(b"redis://h")  # type: ignore[arg-type]


def test_a_certificate_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        RedisBackend("rediss://h", ca_file=tmp_path / "ca.pem")
    with pytest.raises(ValueError, match="ca_file has no effect"):
        RedisBackend("rediss://h", ca_file="x", ssl_context=ssl.create_default_context())
