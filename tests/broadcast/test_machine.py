"""The hub against a model so simple that it must be right: a list."""

from __future__ import annotations

import anyio
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from sse_asgi import MessageEvent
from sse_asgi.broadcast import Hub, MemoryBackend

from .reading import Reader, data, gaps

TOPICS = ("a", "b", "c")
CAPACITY = 6


async def _ready(reader: Reader) -> list[MessageEvent]:
    return reader.ready()


class Client:
    """One client, and what it must have seen by the model."""

    def __init__(self, reader: Reader, topics: frozenset[str], at: int) -> None:
        self.reader = reader
        self.topics = topics
        self.at = at
        """Events of the log that it has seen, or was told that it will not see."""


class HubMachine(RuleBasedStateMachine):
    """Publish, subscribe, read, leave, come back; history is small, so gaps are frequent."""

    clients = Bundle("clients")
    left = Bundle("left")

    def __init__(self) -> None:
        super().__init__()
        self.run = anyio.from_thread.start_blocking_portal("asyncio")
        self.portal = self.run.__enter__()
        self.hub = Hub(MemoryBackend(max_events=CAPACITY))
        self.log: list[tuple[str, str]] = []
        self.epoch = str(self.hub.position()).partition("-")[0]

    def teardown(self) -> None:
        self.run.__exit__(None, None, None)

    @property
    def floor(self) -> int:
        return max(0, len(self.log) - CAPACITY)

    @rule(topic=st.sampled_from(TOPICS))
    def publish(self, topic: str) -> None:
        text = str(len(self.log))
        published = self.hub.publish_threadsafe(topic, text)
        self.log.append((topic, text))
        assert published == f"{self.epoch}-{len(self.log)}"

    @rule(target=clients, topics=st.frozensets(st.sampled_from(TOPICS), min_size=1))
    def subscribe(self, topics: frozenset[str]) -> Client:
        reader = Reader(self.hub.subscribe(*topics))
        return Client(reader, topics, len(self.log))

    @rule(client=clients)
    def read(self, client: Client) -> None:
        self.check(client, self.portal.call(_ready, client.reader))

    def check(self, client: Client, events: list[MessageEvent]) -> None:
        expected = [
            text
            for number, (topic, text) in enumerate(self.log)
            if number >= client.at and topic in client.topics
        ]
        found = data(events)
        lost = expected[: len(expected) - len(found)]
        assert expected[len(lost) :] == found, "in order, no hole, nothing twice"
        assert all(int(text) < self.floor for text in lost), "what is retained is never lost"
        told = gaps(events)
        assert bool(lost) <= bool(told), "what is lost is told"
        for gap in told:
            assert gap["lost"] in (None, len(lost))
        client.at = len(self.log)

    @rule(target=left, client=consumes(clients))
    def leave(self, client: Client) -> Client:
        self.check(client, self.portal.call(_ready, client.reader))
        self.portal.call(client.reader.subscription.aclose)
        return client

    @rule(target=clients, client=consumes(left))
    def come_back(self, client: Client) -> Client:
        last_event_id = client.reader.last_event_id
        client.at = int(last_event_id.rpartition("-")[2])
        topics = client.topics
        reader = Reader(self.hub.subscribe(*topics, last_event_id=last_event_id))
        return Client(reader, topics, client.at)

    @invariant()
    def history_is_bounded(self) -> None:
        assert len(self.hub.history) <= CAPACITY
        retained = sum(self.hub.history.topics.counts().values())
        assert retained == len(self.hub.history)


HubMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestHub = HubMachine.TestCase
