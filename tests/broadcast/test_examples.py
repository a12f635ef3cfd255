"""The examples of the hub, as printed: in process, and on a real server."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator
from contextlib import aclosing
from importlib import import_module
from pathlib import Path
from secrets import token_hex
from types import ModuleType, SimpleNamespace
from typing import Any

import anyio
import pytest
from anyio.lowlevel import checkpoint

from sse_asgi import MessageEvent
from sse_asgi.testing import EventClient, connect, lifespan
from tests.servers.configurations import CONFIGURATIONS
from tests.servers.harness import Server, serve
from tests.servers.process import ROOT
from tests.servers.response import Response

pytestmark = pytest.mark.needs("starlette")

EXAMPLES = ("job_progress", "llm_tokens")
MOST_LINES = 45
"""The lines of code: neither blank nor of the header."""


async def no_sleep(seconds: float) -> None:
    """Let other tasks run, for no longer than they must."""
    await checkpoint()


IMPATIENT = SimpleNamespace(sleep=no_sleep, create_task_group=anyio.create_task_group)
"""What an example uses of anyio, without its delays."""


def example(name: str) -> ModuleType:
    return import_module(f"examples.{name}")


def published(events: list[MessageEvent]) -> list[str]:
    return [event.data for event in events if event.event not in ("position", "gap")]


async def read(client: EventClient, count: int) -> list[str]:
    """Return the data of the next events that were published."""
    found: list[str] = []
    while len(found) < count:
        found += published([await client.receive()])
    return found


async def until(client: EventClient, kind: str) -> list[MessageEvent]:
    """Read until an event of a kind has come."""
    events = [await client.receive()]
    while events[-1].event != kind:
        events.append(await client.receive())
    return events


async def request(app: Any, method: str, path: str, body: bytes = b"", **options: Any) -> Any:
    """Make an ordinary request; return status and text."""
    async with connect(app, path, method=method, body=body, **options) as client:
        return client.status, await client.text()


class TestChat:
    pytestmark = pytest.mark.anyio

    async def test_everybody_in_the_room_gets_a_line_and_nobody_else(self) -> None:
        app = example("chat").app
        async with (
            connect(app, "/rooms/one/events") as ann,
            connect(app, "/rooms/one/events") as bob,
            connect(app, "/rooms/two/events") as eve,
        ):
            assert await request(app, "POST", "/rooms/one", b"hi \xc3\xa9") == (204, "")
            assert await request(app, "POST", "/rooms/two", b"elsewhere") == (204, "")
            assert (await read(ann, 1))[-1:] == (await read(bob, 1))[-1:] == ["hi é"]
            assert await read(eve, 1) == ["elsewhere"]

    async def test_who_comes_later_gets_the_history_and_who_comes_back_what_was_missed(
        self,
    ) -> None:
        app, room = example("chat").app, f"/rooms/{token_hex()}"
        for line in (b"1", b"2", b"3"):
            await request(app, "POST", room, line)
        async with connect(app, f"{room}/events") as client:
            assert await read(client, 3) == ["1", "2", "3"]
            await request(app, "POST", room, b"4")
            await client.reconnect()
            assert await read(client, 1) == ["4"]

    @pytest.mark.parametrize("line", [b"", b"x" * 1001])
    async def test_a_line_of_the_wrong_length_is_refused(self, line: bytes) -> None:
        status, _ = await request(example("chat").app, "POST", "/rooms/one", line)
        assert status == 400


class TestPriceTicker:
    pytestmark = pytest.mark.anyio

    async def test_who_is_new_gets_the_newest_price_of_each_symbol_and_then_what_comes(
        self,
    ) -> None:
        app = example("price_ticker").app
        async with lifespan(app), connect(app, "/prices") as first:
            await read(first, 8)  # so that there is a backlog
            async with connect(app, "/prices?symbols=EUR,JPY") as client:
                assert (await client.receive()).event == "position"
                events = [await client.receive() for _ in range(4)]
        assert {event.event for event in events} == {"price"}
        symbols = [event.json()["symbol"] for event in events]
        assert [sorted(symbols[:2]), sorted(symbols[2:])] == [["EUR", "JPY"]] * 2

    async def test_who_was_away_gets_no_backlog(self) -> None:
        module = example("price_ticker")
        begin = module.hub.position()
        for price in range(50):
            await module.hub.publish("EUR", {"event": "price", "data": price})
            await module.hub.publish("GBP", {"event": "price", "data": -price})
        async with connect(module.app, "/prices?symbols=EUR,GBP", last_event_id=begin) as client:
            assert await read(client, 2) == ["49", "-49"]
            assert client.pending == ()

    async def test_an_unknown_symbol_is_refused(self) -> None:
        answer = await request(example("price_ticker").app, "GET", "/prices?symbols=EUR,XXX")
        assert answer == (404, "not traded here: XXX")


class TestJobProgress:
    pytestmark = pytest.mark.anyio

    @pytest.fixture(autouse=True)
    def fast(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Let a job take no longer than it must."""
        monkeypatch.setattr(example("job_progress"), "anyio", IMPATIENT)

    async def test_a_job_goes_on_while_its_page_is_reloaded_and_ends_with_its_result(self) -> None:
        app = example("job_progress").app
        async with lifespan(app) as state:
            _, path = await request(app, "POST", "/jobs", state=state)
            async with connect(app, path, state=state) as client:
                assert (await until(client, "progress"))[-1].json()["percent"] >= 0
            async with connect(app, path, state=state) as client:  # reloaded: no last event ID
                events = await until(client, "ended")
                assert events[-2].json() == {"result": 42}
                await client.closed()
            async with connect(app, path, state=state) as client:
                newest = published(await until(client, "ended"))
                assert newest[1:3] == ['{"percent":95}', '{"result":42}']
                await client.closed()
            returned = await request(app, "GET", path, state=state, last_event_id=events[-1].id)
            assert returned == (204, "")

    async def test_a_job_is_stopped(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(example("job_progress"), "anyio", anyio)
        app = example("job_progress").app
        async with lifespan(app) as state:
            _, path = await request(app, "POST", "/jobs", state=state)
            assert await request(app, "DELETE", path, state=state) == (200, "stopped")
            async with connect(app, path, state=state) as client:
                assert (await until(client, "ended"))[-1].json()["state"] == "stopped"

    async def test_an_unknown_job_is_refused(self) -> None:
        app = example("job_progress").app
        async with lifespan(app) as state:
            for method in ("GET", "DELETE"):
                assert (await request(app, method, "/jobs/nothing", state=state))[0] == 404


@pytest.mark.needs("fastapi")
class TestTokens:
    pytestmark = pytest.mark.anyio

    @pytest.fixture(autouse=True)
    def fast(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Let an answer take no longer than it must."""
        monkeypatch.setattr(example("llm_tokens"), "anyio", IMPATIENT)

    async def test_an_answer_survives_reloads_and_reaches_several_readers_whole(self) -> None:
        module = example("llm_tokens")
        path = f"/answers/{token_hex()}"
        words = [token["data"] async for token in module.generate("why")]
        async with lifespan(module.app) as state:
            for _ in range(2):  # a request that is repeated is the same answer
                asked = await request(module.app, "POST", f"{path}?prompt=why", state=state)
                assert asked == (200, f'"{path.removeprefix("/answers/")}"')
            async with connect(module.app, path, state=state) as client:
                seen = await read(client, 3)
                await client.reconnect()
                rest = await until(client, "ended")
                assert (seen + published(rest))[1:-1] == words
                await client.closed()
            for _ in range(2):  # reloaded: from the beginning
                async with connect(module.app, path, state=state) as client:
                    assert published(await until(client, "ended"))[1:-1] == words
            last = rest[-1].id
            answer = await request(module.app, "GET", path, state=state, last_event_id=last)
            assert answer == (204, "")
            stopped = await request(module.app, "DELETE", path, state=state)
            assert stopped == (200, '"completed"')
            assert (await request(module.app, "GET", "/answers/x", state=state))[0] == 404
            assert (await request(module.app, "DELETE", "/answers/x", state=state))[0] == 404

    async def test_a_failure_ends_that_answer_and_no_other(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        module = example("llm_tokens")
        generate = module.generate

        async def fail(prompt: str) -> AsyncIterator[object]:
            async with aclosing(generate(prompt)) as tokens:
                async for token in tokens:
                    yield token
                    if prompt == "bad":
                        raise RuntimeError("no more tokens")

        monkeypatch.setattr(module, "generate", fail)
        async with lifespan(module.app) as state:
            for prompt, last in (("bad", "failed"), ("good", "completed")):
                path = f"/answers/{token_hex()}"
                await request(module.app, "POST", f"{path}?prompt={prompt}", state=state)
                async with connect(module.app, path, state=state) as client:
                    assert (await until(client, "ended"))[-1].json()["state"] == last


@pytest.mark.parametrize("name", EXAMPLES)
def test_example_is_short(name: str) -> None:
    text = (ROOT / "examples" / f"{name}.py").read_text("utf-8")
    code = text.partition("# ///\n")[2].split('"""\n', 1)[1]
    assert len([line for line in code.splitlines() if line.strip()]) <= MOST_LINES


class TestOnAServer:
    pytestmark = pytest.mark.needs("hypercorn")

    @pytest.fixture
    def server(self, request: pytest.FixtureRequest, tmp_path: Path) -> Any:
        configuration = next(c for c in CONFIGURATIONS if c.name == "hypercorn-asyncio-h1")
        with serve(configuration, f"examples.{request.param}:app", tmp_path) as server:
            yield server

    def stops(self, server: Server, stream: Response) -> bool:
        """Stop the server; return whether the open stream came to a clean end, and the server."""
        server.process.signal(signal.SIGTERM)
        while stream.read_event() is not None:
            pass
        return stream.is_complete and server.process.wait() in (0, -signal.SIGTERM)

    @pytest.mark.parametrize("server", ["chat"], indirect=True)
    def test_chat(self, server: Server) -> None:
        with server.connect() as one, server.connect() as other, server.connect() as author:
            assert b"new EventSource" in author.get("/rooms/tea").read_body()
            streams = [client.get("/rooms/tea/events") for client in (one, other)]
            for stream in streams:
                assert next_event(stream).event == "position"
            for line in (b"hello", b"again"):
                said = author.request("POST", "/rooms/tea", body=line)
                assert (said.wait_head().status, said.read_body()) == (204, b"")
            for stream in streams:
                assert [next_event(stream).data for _ in range(2)] == ["hello", "again"]
            assert self.stops(server, streams[0])

    @pytest.mark.parametrize("server", ["price_ticker"], indirect=True)
    def test_price_ticker(self, server: Server) -> None:
        with server.connect() as client:
            stream = client.get("/prices?symbols=EUR")
            assert next_event(stream).event == "position"
            assert [next_event(stream).json()["symbol"] for _ in range(3)] == ["EUR"] * 3
            assert self.stops(server, stream)

    @pytest.mark.parametrize("server", ["job_progress"], indirect=True)
    def test_job_progress(self, server: Server) -> None:
        with server.connect() as author, server.connect() as client:
            path = author.request("POST", "/jobs").read_body().decode()
            stream = client.get(path)
            events = [next_event(stream) for _ in range(5)]
            percents = [event.json()["percent"] for event in events if event.event == "progress"]
            assert len(percents) >= 3
            assert percents == sorted(set(percents))
            assert self.stops(server, stream)

    @pytest.mark.parametrize("server", ["llm_tokens"], indirect=True)
    def test_tokens(self, server: Server) -> None:
        with server.connect() as one, server.connect() as other, server.connect() as third:
            assert b"EventSource" in one.get("/").read_body()
            for answer in "12":
                path = f"/answers/{answer}?prompt=why"
                assert one.request("POST", path).read_body() == f'"{answer}"'.encode()
            stream = one.get("/answers/1")
            tokens = [next_event(stream).data for _ in range(4)][2:]
            assert tokens == ["You ", "ask: "]
            again = other.get("/answers/1")  # reloaded
            while (event := next_event(again)).event != "ended":
                pass
            assert again.read_event() is None
            assert again.is_complete
            headers = [("last-event-id", event.id)]
            returned = other.request("GET", "/answers/1", headers=headers).wait_head()
            assert returned.status == 204
            assert other.request("DELETE", "/answers/2").read_body() in (
                b'"stopped"',
                b'"completed"',
            )
            asked = other.request("POST", "/answers/3?prompt=how")
            assert asked.read_body() == b'"3"'
            assert self.stops(server, third.get("/answers/3"))


def next_event(response: Response) -> MessageEvent:
    event = response.read_event()
    assert event is not None, "the stream has ended"
    return event
