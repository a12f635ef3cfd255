"""The states of runs against a model: a table of what was done with them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import anyio
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from sse_asgi import MessageEvent, Refusal, TopicEnded, UnknownRun
from sse_asgi.broadcast import Hub, Runs, RunState
from sse_asgi.broadcast.runs.name import topic_of
from sse_asgi.broadcast.runs.state import ended_event
from tests.broadcast.reading import WAIT, Reader

RUNS = st.sampled_from(("a", "b", "c"))


class Model:
    """One run as it must be: the events so far, and its state."""

    def __init__(self, producer: Producer) -> None:
        self.producer = producer
        self.events: list[str] = []
        self.state = RunState("running")


class Producer:
    """A producer that does what it is told, one step at a time."""

    def __init__(self) -> None:
        self.steps: asyncio.Queue[str] = asyncio.Queue()
        self.begun = self.closed = False

    async def produce(self) -> AsyncIterator[str]:
        self.begun = True
        try:
            while (text := await self.steps.get()) != "complete":
                if text == "fail":
                    raise RuntimeError("as it was told")
                yield text
        finally:
            self.closed = True


class RunMachine(RuleBasedStateMachine):
    """Start, produce, fail, complete, stop, end elsewhere, follow, restart: in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.run = anyio.from_thread.start_blocking_portal("asyncio")
        self.portal = self.run.__enter__()
        self.hub = Hub()
        self.models: dict[str, Model] = {}
        self.unneeded: list[Producer] = []

    @initialize()
    def enter(self) -> None:
        self.runs = Runs(self.hub, grace=0)
        self.block = self.portal.wrap_async_context_manager(self.runs)
        self.block.__enter__()

    def teardown(self) -> None:
        self.block.__exit__(None, None, None)
        self.run.__exit__(None, None, None)

    def do(self, function: object, *arguments: object) -> object:
        """Call in the event loop, and let all that follows from it happen."""

        async def call() -> object:
            with anyio.fail_after(WAIT):
                result = await function(*arguments)  # type: ignore[operator]
                await anyio.wait_all_tasks_blocked()
                return result

        return self.portal.call(call)

    @rule(run=RUNS)
    def start(self, run: str) -> None:
        producer = Producer()
        assert self.do(self.runs.start, run, producer.produce()) == run
        if run in self.models:
            self.unneeded.append(producer)
        else:
            self.models[run] = Model(producer)

    @rule(run=RUNS, count=st.integers(1, 3))
    def produce(self, run: str, count: int) -> None:
        model = self.models.get(run)
        if model is None or model.state.has_ended:
            return
        for _ in range(count):
            text = str(len(model.events))
            self.do(model.producer.steps.put, text)
            model.events.append(text)

    @rule(run=RUNS)
    def complete(self, run: str) -> None:
        model = self.models.get(run)
        if model is None or model.state.has_ended:
            return
        self.do(model.producer.steps.put, "complete")
        model.state = RunState("completed")

    @rule(run=RUNS)
    def fail(self, run: str) -> None:
        model = self.models.get(run)
        if model is None or model.state.has_ended:
            return
        self.do(model.producer.steps.put, "fail")
        model.state = RunState("failed", "error")

    @rule(run=RUNS)
    def stop(self, run: str) -> None:
        model = self.models.get(run)
        if model is None:
            with pytest.raises(UnknownRun):
                self.do(self.runs.stop, run)
            return
        if not model.state.has_ended:
            model.state = RunState("stopped")
        assert self.do(self.runs.stop, run) == model.state

    @rule(run=RUNS)
    def end_elsewhere(self, run: str) -> None:
        model, lost = self.models.get(run), RunState("failed", "producer lost")
        if model is None:
            return
        if model.state.has_ended:
            with pytest.raises(TopicEnded):
                self.hub.publish_sync(topic_of(run), ended_event(lost), last=True)
            return
        self.hub.publish_sync(topic_of(run), ended_event(lost), last=True)
        model.state = lost
        self.do(model.producer.steps.put, "too late")

    @rule()
    def restart(self) -> None:
        self.block.__exit__(None, None, None)
        for model in self.models.values():
            if not model.state.has_ended:
                model.state = RunState("failed", "restarting")
        self.enter()

    @rule(run=RUNS, data=st.data())
    def follow(self, run: str, data: st.DataObject) -> None:
        """Come at any time, leave, and come back with any ID."""
        if run not in self.models:
            with pytest.raises(UnknownRun):
                self.portal.call(self.ready, Reader(self.runs.follow(run)))
            return
        first = Reader(self.runs.follow(run))
        events = self.portal.call(self.ready, first)
        self.check(run, events, first.ended)
        at = data.draw(st.integers(0, len(events) - 1))
        last_event_id = events[at].id
        again = Reader(self.runs.follow(run, last_event_id=last_event_id))
        if self.models[run].state.has_ended and at == len(events) - 1:
            with pytest.raises(Refusal, match="204"):
                self.portal.call(self.ready, again)
            return
        rest = self.portal.call(self.ready, again)[1:]
        assert [(event.data, event.id) for event in rest] == [
            (event.data, event.id) for event in events[at + 1 :]
        ]
        assert again.ended == first.ended

    async def ready(self, reader: Reader) -> list[MessageEvent]:
        found = reader.ready()
        await reader.subscription.aclose()
        return found

    def check(self, run: str, events: list[MessageEvent], ended: bool) -> None:
        model = self.models[run]
        position, started, *rest = events
        assert (position.event, started.event) == ("position", "started")
        assert started.json()["run"] == run
        assert ended == model.state.has_ended
        if ended:
            last = rest.pop()
            assert (last.event, RunState(**last.json())) == ("ended", model.state)
        assert [(event.event, event.data) for event in rest] == [
            ("message", text) for text in model.events
        ]

    @invariant()
    def states_are_those_of_the_model(self) -> None:
        for run, model in self.models.items():
            assert self.portal.call(self.runs.state, run) == model.state
            assert not model.producer.begun or model.producer.closed == model.state.has_ended
        assert not any(producer.begun for producer in self.unneeded)


RunMachine.TestCase.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
TestRuns = RunMachine.TestCase
