"""Worker threads: bounded in number, counted until they return, with a way into the event loop."""

from __future__ import annotations

import threading
from typing import Any

import anyio
import pytest
from anyio import from_thread, to_thread

from sse_asgi.runtime.eventloop import EventLoop
from sse_asgi.runtime.workers import NoWorker, Workers

pytestmark = pytest.mark.anyio


async def test_thread_counts_until_it_returns() -> None:
    workers = Workers(EventLoop(), limit=2)
    release = threading.Event()
    started = [workers.start(lambda: none(release.wait(5))) for _ in range(2)]
    with pytest.raises(NoWorker, match="all 2 threads of this event loop are in use"):
        workers.start(release.set)
    started[0].cancel()
    assert workers.running == 2
    release.set()
    for worker in started:
        await to_thread.run_sync(worker.thread.join)
    assert workers.running == 0
    await to_thread.run_sync(workers.start(release.clear).thread.join)
    assert not release.is_set()


def none(result: object) -> None:
    """Return nothing."""


async def test_thread_that_the_system_does_not_start_is_not_counted(monkeypatch: Any) -> None:
    def start(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    workers = Workers(EventLoop())
    monkeypatch.setattr(threading.Thread, "start", start)
    with pytest.raises(NoWorker, match="can't start new thread"):
        workers.start(lambda: None)
    assert workers.running == 0


async def test_anyio_still_has_the_token_by_which_a_thread_finds_its_event_loop() -> None:
    found: list[object] = []

    async def here() -> bool:
        return workers.event_loop.is_running_here

    workers = Workers(EventLoop())
    worker = workers.start(lambda: found.append(from_thread.run(here)))
    await to_thread.run_sync(worker.thread.join)
    assert found == [True]


async def test_without_that_token_only_the_calls_fail(monkeypatch: Any) -> None:
    found: list[object] = []

    def work() -> None:
        try:
            from_thread.run(anyio.sleep, 0)
        except RuntimeError as exc:
            found.append(exc)

    monkeypatch.delattr("anyio._core._eventloop.claim_worker_thread")
    worker = Workers(EventLoop()).start(work)
    await to_thread.run_sync(worker.thread.join)
    assert "Not running inside an AnyIO worker thread" in str(found)
