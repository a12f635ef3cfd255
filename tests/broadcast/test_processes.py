"""A hub in memory in processes that fork, have no event loop, or are interrupted by signals."""

from __future__ import annotations

import json

import pytest

from .programs import run_program

FORKED = """
import json, multiprocessing, sys
import anyio
from sse_asgi import EventDecoder
from sse_asgi.broadcast import Hub

hub = Hub()
if sys.argv[1] == "used":
    hub.publish_sync("t", "before the fork")


async def first_event(last_event_id):
    subscription = hub.subscribe("t", last_event_id=last_event_id)
    return EventDecoder().feed((await anext(subscription)).body)[0]


def child(connection):
    ids = [hub.publish_sync("t", str(number)) for number in range(5)]
    connection.send(ids)
    event = anyio.run(first_event, connection.recv())
    connection.send([event.event, event.json().get("reason")])


fork = multiprocessing.get_context("fork")
children = []
for _ in range(2):
    here, there = fork.Pipe()
    process = fork.Process(target=child, args=(there,))
    process.start()
    children.append((process, here))
ids = [here.recv() for _, here in children]
own = [hub.publish_sync("t", str(number)) for number in range(5)]
for (_, here), others in zip(children, (ids[1], own)):
    here.send(others[2])
answers = [here.recv() for _, here in children]
for process, _ in children:
    process.join()
    assert process.exitcode == 0
print(json.dumps({"ids": [*ids, own], "answers": answers}))
"""


@pytest.mark.parametrize("before", ["used", "new"])
def test_forked_children_do_not_answer_each_other_s_ids(before: str) -> None:
    found = json.loads(run_program(FORKED, before))
    epochs = [{one.partition("-")[0] for one in ids} for ids in found["ids"]]
    assert [len(one) for one in epochs] == [1, 1, 1]
    assert len(set.union(*epochs)) == 3, "each process has a log of its own"
    assert found["answers"] == [["gap", "reset"], ["gap", "reset"]]


WITHOUT_A_LOOP = """
import multiprocessing, threading
from sse_asgi.broadcast import Hub

hub = Hub()
ids = [hub.publish_sync("t", "script")]
thread = threading.Thread(target=lambda: ids.append(hub.publish_sync("t", "thread")))
thread.start()
thread.join()
assert [one.partition("-")[2] for one in ids] == ["1", "2"], ids


def child():
    assert hub.publish_sync("t", "child").endswith("-1")


process = multiprocessing.get_context("fork").Process(target=child)
process.start()
process.join()
assert process.exitcode == 0
assert hub.publish_sync("t", "script again").endswith("-3")
print([entry.event.data for entry in hub.history])
"""


def test_script_thread_and_forked_child_publish_without_an_event_loop() -> None:
    assert run_program(WITHOUT_A_LOOP).split("'")[1::2] == ["script", "thread", "script again"]


# A tracing function is called between the steps of a program, as a signal handler is.
INTERRUPTED = """
import sys
import anyio
from sse_asgi import EventDecoder
from sse_asgi.broadcast import Hub

hub = Hub()


def publish_interrupted(step):
    left, ids = step, []

    def trace(frame, event, argument):
        nonlocal left
        frame.f_trace_opcodes = True
        if event == "opcode":
            left -= 1
            if not left:
                sys.settrace(None)
                ids.append(hub.publish_sync("t", "handler"))
                return None
        return trace

    sys.settrace(trace)
    try:
        ids.append(hub.publish_sync("t", "program"))
    finally:
        sys.settrace(None)
    return ids


async def main():
    subscription = hub.subscribe("t")
    await anext(subscription)
    published, received, decoder = [], [], EventDecoder()
    for _ in range(2):  # Python 3.12 traces the steps of code that it has traced before
        published += publish_interrupted(1_000_000)
    for step in range(1, 100_000):
        ids = publish_interrupted(step)
        published += ids
        if len(ids) == 1:
            break
        while len(received) < len(published):
            received += [event.id for event in decoder.feed((await anext(subscription)).body)]
    assert step > 200, step
    received += [event.id for event in decoder.feed((await anext(subscription)).body)]
    assert sorted(received) == sorted(published)
    numbers = [int(one.partition("-")[2]) for one in received]
    assert numbers == list(range(1, len(numbers) + 1))


anyio.run(main)
"""


def test_signal_handler_that_publishes_waits_for_nobody_and_loses_nothing() -> None:
    run_program(INTERRUPTED, timeout=30)
