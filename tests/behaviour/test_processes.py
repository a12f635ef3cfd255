"""A process with streams of ours ends at a signal, forked, frozen or with loops that it dropped."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap

import pytest

from tests.servers.process import ROOT, default_signals

TIMEOUT = 30

COMMON = """
import asyncio, gc, multiprocessing, os, signal, sys, threading, time
import anyio
from sse_asgi import EventSourceApp, EventStream
from tests.harness import Peer, http_scope

async def waiting():
    yield "a"
    await anyio.sleep_forever()

async def short():
    yield "a"

async def stream(content):
    peer = Peer()
    await EventStream(content)(http_scope(), peer.receive, peer.send)

def handlers():
    return signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)

def drop_a_loop():
    loop = asyncio.new_event_loop()
    loop.run_until_complete(stream(short))
    loop.close()
"""


def run(program: str) -> subprocess.CompletedProcess[str]:
    """Run a program in a process of its own, with the default signal handlers."""
    return subprocess.run(
        [sys.executable, "-c", COMMON + textwrap.dedent(program)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        preexec_fn=default_signals,
    )


def check(program: str) -> None:
    process = run(program)
    assert process.returncode == 0, process.stderr


@pytest.mark.parametrize("start", ["os.fork", "multiprocessing"])
def test_child_that_is_forked_while_a_stream_is_open_ends_at_sigterm(start: str) -> None:
    check(
        f"""
        def sleep():
            time.sleep({TIMEOUT})

        def fork():
            if {start!r} == "multiprocessing":
                process = multiprocessing.get_context("fork").Process(target=sleep)
                process.start()
                return process.pid
            process = os.fork()
            if not process:
                sleep()
                os._exit(1)
            return process

        async def main():
            task = asyncio.create_task(stream(waiting))
            await asyncio.sleep(0.05)
            child = fork()
            await asyncio.sleep(0.2)
            os.kill(child, signal.SIGTERM)
            _, status = await asyncio.to_thread(os.waitpid, child, 0)
            assert os.waitstatus_to_exitcode(status) == -signal.SIGTERM, status
            task.cancel()

        asyncio.run(main())
        """
    )


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_process_whose_event_loop_is_frozen_ends_at_sigterm(backend: str) -> None:
    process = run(
        f"""
        async def main():
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(stream, waiting)
                await anyio.sleep(0.05)
                os.kill(os.getpid(), signal.SIGTERM)
                time.sleep({TIMEOUT})

        anyio.run(main, backend={backend!r})
        """
    )
    assert process.returncode == -signal.SIGTERM, process.stderr


@pytest.mark.parametrize("then", ["loop.close()", "pass", "loop.close(); del loop; gc.collect()"])
def test_process_ends_at_once_at_sigterm_when_its_loop_does_not_run(then: str) -> None:
    process = run(
        f"""
        loop = asyncio.new_event_loop()
        loop.run_until_complete(stream(short))
        {then}
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(1)
        print("alive")
        """
    )
    assert process.returncode == -signal.SIGTERM, process.stderr
    assert "alive" not in process.stdout


def test_loop_that_is_closed_and_dropped_leaves_no_handler_and_no_memory() -> None:
    check(
        """
        before = handlers()
        for _ in range(50):
            drop_a_loop()
        gc.collect()
        assert handlers() == before, handlers()
        objects = len(gc.get_objects())
        for _ in range(200):
            drop_a_loop()
        gc.collect()
        grown = len(gc.get_objects()) - objects
        assert grown < 2000, grown
        """
    )


def test_ctrl_c_after_many_dropped_loops_interrupts_as_it_does_without_us() -> None:
    check(
        """
        for _ in range(1200):
            drop_a_loop()
        try:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(5)
        except KeyboardInterrupt:
            pass
        else:
            raise AssertionError("nothing was interrupted")
        """
    )


def test_runner_keeps_its_handler_and_takes_it_away_although_streams_were_open() -> None:
    check(
        """
        async def main():
            before = signal.getsignal(signal.SIGINT)
            assert before != signal.default_int_handler
            task = asyncio.create_task(stream(waiting))
            await asyncio.sleep(0.05)
            assert signal.getsignal(signal.SIGINT) == before
            assert signal.getsignal(signal.SIGTERM) != signal.SIG_DFL
            task.cancel()

        asyncio.run(main())
        assert handlers() == (signal.default_int_handler, signal.SIG_DFL), handlers()
        """
    )


def test_ctrl_c_in_a_run_ends_open_streams_with_their_last_block() -> None:
    check(
        """
        peer = Peer()

        async def main():
            task = asyncio.create_task(EventStream(waiting)(http_scope(), peer.receive, peer.send))
            threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT)).start()
            await asyncio.sleep(10)

        try:
            asyncio.run(main())
        except KeyboardInterrupt:
            assert peer.bodies[1].startswith(b"retry: "), peer.bodies
        else:
            raise AssertionError("nothing was interrupted")
        """
    )


def test_ctrl_c_in_the_second_run_of_a_runner_cancels_its_task() -> None:
    check(
        """
        log = []

        async def work():
            threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT)).start()
            try:
                await asyncio.sleep(10)
            except asyncio.CancelledError:
                log.append("cancelled")
                raise

        with asyncio.Runner() as runner:
            runner.run(stream(short))
            try:
                runner.run(work())
            except KeyboardInterrupt:
                log.append("interrupted")
        assert log == ["cancelled", "interrupted"], log
        """
    )


def test_second_application_hears_signals_after_the_first_has_shut_down() -> None:
    check(
        """
        async def lifespan(app, over):
            messages = iter(["lifespan.startup", "lifespan.shutdown"])

            async def receive():
                message = next(messages)
                if message == "lifespan.shutdown":
                    await over.wait()
                return {"type": message}

            async def send(message):
                pass

            await app({"type": "lifespan", "asgi": {}}, receive, send)

        async def main():
            before = signal.getsignal(signal.SIGTERM)
            first, second = asyncio.Event(), asyncio.Event()
            async with asyncio.TaskGroup() as tasks:
                for over in (first, second):
                    tasks.create_task(lifespan(EventSourceApp(lambda c: short()), over))
                await asyncio.sleep(0.05)
                first.set()
                await asyncio.sleep(0.05)
                assert signal.getsignal(signal.SIGTERM) != before
                second.set()
            assert signal.getsignal(signal.SIGTERM) == before

        asyncio.run(main())
        """
    )
