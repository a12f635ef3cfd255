"""The hub against a model so simple that it must be right: a list."""

from __future__ import annotations

from math import inf

import anyio
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from sse_asgi import MessageEvent, Refusal, TopicEnded, TopicExists
from sse_asgi.broadcast import Hub, MemoryBackend

from .reading import Reader, data, gaps

TOPICS = ("a", "b", "c")
"""Topics end, and another one with the same letter follows."""
CAPACITY = 6


async def _ready(reader: Reader) -> list[MessageEvent]:
    return reader.ready()


class Client:
    """One client, and what it must have seen by the model."""

    def __init__(self, reader: Reader, topics: frozenset[str], at: int) -> None:
        self.reader = reader
        self.topics = topics
        self.is_refused = False
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
        self.ends: dict[str, int] = {}
        self.begun: set[str] = set()
        self.generations = dict.fromkeys(TOPICS, 0)
        self.epoch = str(self.hub.position()).partition("-")[0]

    def teardown(self) -> None:
        self.run.__exit__(None, None, None)

    @property
    def floor(self) -> int:
        return max(0, len(self.log) - CAPACITY)

    def topic(self, letter: str) -> str:
        return f"{letter}{self.generations[letter]}"

    def append(self, topic: str, *, first: bool = False, last: bool = False) -> None:
        text = str(len(self.log))
        published = self.hub.publish_threadsafe(topic, text, first=first, last=last)
        self.log.append((topic, text))
        assert published == f"{self.epoch}-{len(self.log)}"

    @rule(letter=st.sampled_from(TOPICS))
    def publish(self, letter: str) -> None:
        self.append(self.topic(letter))

    @rule(letter=st.sampled_from(TOPICS))
    def begin(self, letter: str) -> None:
        topic = self.topic(letter)
        if topic in self.begun:
            with pytest.raises(TopicExists):
                self.append(topic, first=True)
        else:
            self.append(topic, first=True)
            self.begun.add(topic)

    @rule(letter=st.sampled_from(TOPICS))
    def end(self, letter: str) -> None:
        topic = self.topic(letter)
        self.append(topic, last=True)
        self.ends[topic] = len(self.log)
        self.generations[letter] += 1
        with pytest.raises(TopicEnded):
            self.append(topic)
        with pytest.raises(TopicExists):
            self.append(topic, first=True)

    @rule(target=clients, letters=st.frozensets(st.sampled_from(TOPICS), min_size=1))
    def subscribe(self, letters: frozenset[str]) -> Client:
        topics = frozenset(map(self.topic, letters))
        return Client(Reader(self.hub.subscribe(*topics)), topics, len(self.log))

    def end_of(self, topics: frozenset[str]) -> float:
        """How many events the log has with the last event of these topics."""
        return max(self.ends.get(topic, inf) for topic in topics)

    @rule(client=clients)
    def read(self, client: Client) -> None:
        if client.is_refused:
            return
        self.check(client, self.portal.call(_ready, client.reader))
        assert client.reader.ended == (self.end_of(client.topics) < inf)

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
        self.read(client)
        self.portal.call(client.reader.subscription.aclose)
        return client

    @rule(target=clients, client=consumes(left))
    def come_back(self, client: Client) -> Client:
        last_event_id = client.reader.last_event_id
        client.at = int(last_event_id.rpartition("-")[2])
        topics = client.topics
        again = Client(client.reader, topics, client.at)
        if self.end_of(topics) <= client.at:
            subscription = self.hub.subscribe(*topics, last_event_id=last_event_id)
            with pytest.raises(Refusal, match="204"):
                self.portal.call(_ready, Reader(subscription))
            again.is_refused = True
        else:
            again.reader = Reader(self.hub.subscribe(*topics, last_event_id=last_event_id))
        return again

    @invariant()
    def history_is_bounded(self) -> None:
        assert len(self.hub.history) <= CAPACITY
        retained = sum(self.hub.history.topics.counts().values())
        assert retained == len(self.hub.history)


HubMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestHub = HubMachine.TestCase
