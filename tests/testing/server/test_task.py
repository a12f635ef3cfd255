"""The task that the app runs in."""

from __future__ import annotations

import anyio
import pytest

from sse_asgi.testing.server.task import AppTask


@pytest.mark.anyio
async def test_a_task_that_is_cancelled_before_its_first_step_ends() -> None:
    done = []

    async def main() -> None:
        await anyio.sleep_forever()

    task = AppTask(main, lambda: done.append(True))
    task.cancel()
    assert await task.wait(5)
    assert task.done
    assert task.cancelled
    assert task.error is None
    assert done == [True]


@pytest.mark.anyio
async def test_a_task_may_swallow_its_cancellation_and_return() -> None:
    async def main() -> None:
        try:
            await anyio.sleep_forever()
        except anyio.get_cancelled_exc_class():
            return

    task = AppTask(main, lambda: None)
    await anyio.wait_all_tasks_blocked()
    task.cancel()
    assert await task.wait(5)
    assert not task.cancelled


@pytest.mark.anyio
async def test_where_names_the_calls_of_the_app_only() -> None:
    async def inner() -> None:
        await anyio.sleep_forever()

    async def main() -> None:
        await inner()

    task = AppTask(main, lambda: None)
    await anyio.wait_all_tasks_blocked()
    where = task.where().splitlines()
    assert [line.rpartition(".")[2] for line in where] == ["main", "inner"]
    assert all("test_task.py:" in line for line in where)
    task.cancel()
    assert await task.wait(5)


@pytest.mark.anyio
async def test_the_wait_is_bounded() -> None:
    task = AppTask(anyio.sleep_forever, lambda: None)
    assert not await task.wait(0.01)
    task.cancel()
    assert await task.wait(5)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_task_that_nobody_ends_ends_with_the_event_loop(backend: str) -> None:
    async def main() -> AppTask:
        task = AppTask(anyio.sleep_forever, lambda: None)
        await anyio.wait_all_tasks_blocked()
        return task

    task = anyio.run(main, backend=backend)
    assert task.cancelled
    assert task.error is None
