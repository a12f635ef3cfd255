"""Schedules of content, client and server, against a model that knows what every stream promises.

A schedule is a list of acts in any order: the content gives an item, ends or fails; the client
blocks, leaves or breaks; the server stops or cancels; time passes. Whatever the order:

* messages never overlap, the start comes first, and nothing follows the final body
* the final body is sent, unless the client is gone or takes nothing
* events arrive in order, as a prefix of the content's, and all of them if the stream is complete
* ``on_close`` is called once, with a reason that has happened
* content that began is closed once, in its own task and context
* the application raises what the content or the server has raised, or nothing
* no task, timer or stream is left behind
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple
from unittest.mock import patch

import anyio
from anyio.lowlevel import checkpoint
from hypothesis import strategies as st

from sse_asgi import CloseReason, EventSourceApp, StreamSummary
from sse_asgi.asgi.loop import LoopState
from sse_asgi.testing import VirtualClock, settle
from sse_asgi.wire import EventDecoder
from tests.harness import WAIT, Served, http_scope, is_idle

from .stage import Oops, Script, ScriptIterator, StagePeer
from .target import Target

__all__ = ["SCHEDULES", "Schedule"]

GONE, STOPPING, SLOW = CloseReason.CLIENT_GONE, CloseReason.SERVER_STOPPING, CloseReason.SLOW_CLIENT
DONE, ERROR, LIFETIME = CloseReason.COMPLETED, CloseReason.ERROR, CloseReason.LIFETIME
FAREWELL: Final = b"retry: 7\n\n"
FAILED: Final = "failed"
SELDOM: Final = 1000.0
"""Seconds between two looks at the server, which is not there."""
IMPATIENT: Final = ("sse_asgi.asgi.session.deadlines", "sse_asgi.asgi.session.session")


class Schedule(NamedTuple):
    """One stream, and what happens to it."""

    acts: tuple[tuple[str, Any], ...]
    options: dict[str, Any]
    kind: str
    at_end: str
    gzip: bool
    backend: str


PLAIN: Final = ("end", "fail", "block", "free", "leave", "drain", "cancel")
acts = st.one_of(
    st.tuples(st.just("item"), st.integers(1, 3)),
    st.tuples(st.just("turns"), st.integers(1, 12)),
    st.tuples(st.just("pass"), st.sampled_from([0.5, 1.0, 4.0, 30.0])),
    st.tuples(
        st.sampled_from(["end", "fail", "block", "free", "leave", "drain", "cancel"]), st.none()
    ),
    st.tuples(st.sampled_from(["break", "deafen"]), st.sampled_from(["OSError", "RuntimeError"])),
)
option_sets: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {},
    optional={
        "ping": st.sampled_from([None, 1.0]),
        "send_timeout": st.sampled_from([None, 3.0]),
        "start_timeout": st.sampled_from([0.0, 1.0]),
        "max_lifetime": st.just(20.0),
        "window": st.just(0.5),
        "retry": st.just(5),
        "compression": st.just("auto"),
    },
)
schedules = st.builds(
    Schedule,
    st.lists(acts, max_size=14).map(tuple),
    option_sets,
    st.sampled_from(["generator", "iterator"]),
    st.sampled_from(["", "wait", "raise"]),
    st.booleans(),
    st.sampled_from(["asyncio", "trio"]),
)


@dataclass
class Stream:
    """A stream while its schedule runs, and all that has happened to it."""

    schedule: Schedule
    peer: StagePeer = field(default_factory=StagePeer)
    happened: set[str] = field(default_factory=set)
    closed: list[StreamSummary] = field(default_factory=list)

    def __post_init__(self) -> None:
        schedule = self.schedule
        self.script = Script(schedule.at_end if schedule.kind == "generator" else "")
        self.app = EventSourceApp(
            lambda connection: self.content(),
            on_close=self.closed.append,
            on_error=lambda error: FAILED,
            farewell_retry=(7, 7),
            **schedule.options,
        )

    def content(self) -> Any:
        """Return the content."""
        if self.schedule.kind == "iterator":
            return ScriptIterator(self.script)
        return self.script.generator()

    async def act(self, served: Served, clock: VirtualClock, name: str, value: Any) -> None:
        """Let one thing happen."""
        error = OSError("x") if value == "OSError" else RuntimeError("x")
        number = len(self.happened)
        if name == "item":
            for at in range(value):
                self.script.tell(f"{number}.{at}")
        elif name == "turns":
            for _ in range(value):
                await checkpoint()
        elif name == "pass":
            await clock.advance(value)
        else:
            deeds: dict[str, Callable[[], object]] = {
                "end": lambda: self.script.tell(None),
                "fail": lambda: self.script.tell(Oops("on purpose")),
                "block": self.peer.block,
                "free": self.peer.free,
                "leave": self.peer.leave,
                "drain": self.app.drain,
                "cancel": served.task.cancel,
                "break": lambda: self.peer.break_send(error),
                "deafen": lambda: self.peer.break_receive(error),
            }
            deeds[name]()
        self.happened.add(name if value is None or name in ("item", "turns") else f"{name} {value}")

    # -- what must hold ----------------------------------------------------------------------------

    def reasons(self) -> set[CloseReason]:
        """Return the reasons that have happened."""
        causes = {
            "end": DONE,
            "fail": ERROR,
            "break RuntimeError": ERROR,
            "deafen RuntimeError": ERROR,
            "leave": GONE,
            "break OSError": GONE,
            "deafen OSError": GONE,
            "drain": STOPPING,
            "cancel": STOPPING,
        }
        found = {reason for cause, reason in causes.items() if cause in self.happened}
        if self.peer.was_blocked:
            found.add(SLOW)
        if "max_lifetime" in self.schedule.options:
            found.add(LIFETIME)
        if self.schedule.at_end == "raise":
            found.add(ERROR)
        return found

    def texts(self) -> list[str]:
        """Return the data of the events that the client has got."""
        body = self.peer.body
        if self.peer.started and self.peer.headers.get(b"content-encoding") == b"gzip":
            body = zlib.decompressobj(31).decompress(body)
        return [event.data for event in EventDecoder().feed(body)]

    @property
    def is_smooth(self) -> bool:
        """Whether the client was there and took everything, to the end."""
        rough = {"leave", "block", "cancel"}
        is_broken = any(name.startswith(("break", "deafen")) for name in self.happened)
        return not is_broken and not rough & self.happened and not self.peer.is_cut

    def check(self, error: BaseException | None, *, cancelled: bool) -> None:
        """Compare all that is left of the stream with the model."""
        peer, script = self.peer, self.script
        assert not peer.violations, peer.violations
        (summary,) = self.closed
        assert summary.reason in self.reasons(), (summary, self.happened)
        assert not script.faults, script.faults
        assert script.begun <= 1
        if self.schedule.kind == "generator":
            assert script.closed == script.begun
        try:
            texts = self.texts()
        except zlib.error:
            assert peer.is_cut
            return
        if texts and texts[-1] == FAILED:
            texts.pop()
        assert texts == script.items[: len(texts)], (texts, script.items)
        if summary.reason is DONE and peer.ended:
            assert texts == script.items
        if self.is_smooth:
            self.check_smooth(summary, error, texts)
        assert not cancelled or "cancel" in self.happened
        self.check_error(error)

    def check_smooth(
        self, summary: StreamSummary, error: BaseException | None, texts: list[str]
    ) -> None:
        """Check what the client of an undisturbed stream has got."""
        peer = self.peer
        assert peer.ended or (error is not None and not peer.started), peer.messages
        assert summary.bytes == len(peer.body)
        if summary.reason in (STOPPING, LIFETIME) and not self.schedule.gzip:
            assert peer.body.endswith(FAREWELL), peer.body
        if summary.reason is not ERROR:
            assert summary.events == len(texts)

    def check_error(self, error: BaseException | None) -> None:
        """Check what the application has raised."""
        if isinstance(error, Oops):
            # on_error takes it from the first event on.
            assert not self.peer.started or not self.is_smooth
        elif error is not None:
            raised = any(name.endswith("RuntimeError") for name in self.happened)
            assert raised or "break OSError" in self.happened, error


async def play(schedule: Schedule) -> None:
    """Run a schedule to its end, and check."""
    before = {task.id for task in anyio.get_running_tasks()}
    stream = Stream(schedule)
    peer = stream.peer
    headers = [(b"accept-encoding", b"gzip")] if schedule.gzip else []
    with VirtualClock() as clock:
        served = Served(stream.app, peer, http_scope(headers=headers))
        await checkpoint()  # a task that is cancelled before its first step runs no line of the app
        for name, value in schedule.acts:
            await stream.act(served, clock, name, value)
        await settle()
        if not served.task.done:
            peer.free()
            await stream.act(served, clock, "leave", None)
        await served.task.wait(WAIT)
        assert served.task.done, f"the app did not return; it waits at\n{served.where()}"
        await clock.advance(2 * SELDOM)
        state = LoopState.current()
        assert not state.sessions
        assert is_idle(state)
        left = [task.name for task in anyio.get_running_tasks() if task.id not in before]
        assert not left, left
    stream.check(served.task.error, cancelled=served.task.cancelled)


def check(schedule: Schedule) -> None:
    """Run a schedule on its event loop, with a farewell that does not wait for long."""
    with ExitStack() as stack:
        for module in IMPATIENT:
            stack.enter_context(patch(f"{module}.FAREWELL_TIMEOUT", 0.02))
        stack.enter_context(patch("sse_asgi.asgi.server.shutdown.POLL_INTERVAL", SELDOM))
        anyio.run(play, schedule, backend=schedule.backend)


SCHEDULES: Final = Target(
    "schedules",
    schedules,
    check,
    corpus=(
        Schedule((("item", 2), ("end", None)), {}, "generator", "wait", False, "asyncio"),
        Schedule((("item", 2), ("turns", 9), ("drain", None)), {}, "generator", "", True, "trio"),
        Schedule((("fail", None),), {}, "iterator", "", False, "asyncio"),
        Schedule(
            (("item", 1), ("block", None), ("pass", 4.0), ("free", None)),
            {"send_timeout": 3.0},
            "generator",
            "raise",
            False,
            "trio",
        ),
    ),
)
