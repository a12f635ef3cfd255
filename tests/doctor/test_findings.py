"""From what was seen to what is said, without any stream."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from sse_asgi import MessageEvent
from sse_asgi.doctor import Arrival, Ending, Finding, Level, Observation, Resumption, diagnose

HEADERS = {
    "content-type": "text/event-stream",
    "cache-control": "no-store, no-transform",
    "incremental": "?1",
}


def arrivals(*times: float, size: int = 1, is_whole: bool = True) -> tuple[Arrival, ...]:
    """Return arrivals of ``size`` events each, with rising IDs."""
    return tuple(
        Arrival(
            at,
            tuple(MessageEvent("x", id=str(index * size + n)) for n in range(size)),
            is_whole=is_whole,
        )
        for index, at in enumerate(times)
    )


GOOD = Observation(
    url="https://example.org/events",
    seconds=20.0,
    headers=HEADERS,
    negotiated="h2",
    head_at=0.01,
    arrivals=(Arrival(0.02, comments=1), *arrivals(1, 2, 3, 4), *(Arrival(19.0, comments=1),)),
    resumption=Resumption("0", "1", "1"),
    noticed=0.01,
    retry=3000,
)


def of(topic: str, **seen: Any) -> Finding:
    """Return what is said of a topic about a stream that is good but for ``seen``."""
    (found,) = [item for item in diagnose(replace(GOOD, **seen)) if item.topic == topic]
    return found


def test_good_stream_has_no_fault_and_every_topic_is_spoken_of() -> None:
    findings = diagnose(GOOD)
    assert {finding.level for finding in findings} == {Level.OK}
    assert [finding.topic for finding in findings] == [
        *("stream", "start", "delivery", "incremental", "keep-alive", "compression", "http"),
        *("resume", "retry", "disconnect"),
    ]
    assert not any(finding.advice for finding in findings)


@pytest.mark.parametrize(
    ("seen", "text", "advice"),
    [
        ({"status": 0}, "no answer within 20 s", "X-Accel-Buffering: no"),
        ({"status": 204}, "never to come back", "must answer 200"),
        ({"status": 401}, "gives up for good", "--header"),
        ({"status": 503}, "gives up for good", "busy()"),
        ({"headers": {}}, "without a content type", "not that of its page"),
        ({"headers": {"content-type": "text/html"}}, "text/html", "not that of its page"),
        (
            {"headers": {"content-type": "text/event-stream; charset=iso-8859-1"}},
            "charset is iso-8859-1",
            "Content-Type: text/event-stream",
        ),
    ],
)
def test_what_is_no_stream_is_said_and_nothing_else(
    seen: dict[str, Any], text: str, advice: str
) -> None:
    (finding,) = diagnose(replace(GOOD, **seen))
    assert finding.level is Level.TROUBLE
    assert text in finding.text
    assert advice in finding.advice


@pytest.mark.parametrize(
    "parameters",
    [
        *("charset=utf-8", "charset=UTF-8", 'charset="utf-8"', 'charset="UTF-8"; x=1', "x=1"),
        *('x="; charset=latin1"', 'x=1;Charset = "utf-\\8"', "charset=", ";;charset=utf-8;"),
    ],
)
def test_utf_8_may_be_said_in_each_form_of_a_parameter(parameters: str) -> None:
    headers = {**HEADERS, "content-type": f"Text/Event-Stream ;{parameters}"}
    assert of("stream", headers=headers).level is Level.OK


@pytest.mark.parametrize("charset", ['"iso-8859-1"; x=1', "'utf-8'"])
def test_other_charset_is_named(charset: str) -> None:
    headers = {**HEADERS, "content-type": f"text/event-stream; x=1; charset={charset}"}
    assert "charset is " in of("stream", headers=headers).text


LUMPED = [Arrival(8.0, tuple(MessageEvent(str(n)) for n in range(12)))]


@pytest.mark.parametrize(
    ("seen", "level", "text"),
    [
        ({"arrivals": ()}, Level.TROUBLE, "not one byte came in 20 s"),
        ({"arrivals": (Arrival(0.1, comments=1),)}, Level.NOTE, "no event came"),
        (
            {"arrivals": tuple(LUMPED), "ending": Ending.CLEAN, "seconds": 8.1},
            Level.TROUBLE,
            "all 12 events came in one lump at the end, after 8.0 s",
        ),
        # It may be silent for long, and then busy.
        ({"arrivals": tuple(LUMPED)}, Level.OK, "12 events"),
        # A short stream that ends at once.
        (
            {"arrivals": arrivals(0.1, size=5), "ending": Ending.CLEAN, "seconds": 0.1},
            Level.OK,
            "5 events",
        ),
        (
            {"arrivals": arrivals(2, 4, 6, size=7, is_whole=False)},
            Level.TROUBLE,
            "2 of 3 times",
        ),
        # Cut by TCP, and whole a moment later.
        ({"arrivals": arrivals(2, 2.01, is_whole=False)}, Level.OK, "in 1 parts"),
        ({"arrivals": arrivals(2, 4, 6, size=7)}, Level.NOTE, "lumps of about 7, 2.0 s apart"),
        ({"arrivals": arrivals(2, 4, 6, size=2)}, Level.OK, "6 events"),
    ],
)
def test_delivery(seen: dict[str, Any], level: Level, text: str) -> None:
    found = of("delivery", **seen)
    assert (found.level, text in found.text) == (level, True), found
    assert ("X-Accel-Buffering: no" in found.advice) == (
        level is Level.TROUBLE or "lumps" in found.text
    )


PING = MessageEvent("", "ping")


@pytest.mark.parametrize(
    ("seen", "level", "text"),
    [
        (
            {"arrivals": tuple(Arrival(at, comments=1) for at in (0.1, 5, 10, 15))},
            Level.OK,
            "about every 5.0 s",
        ),
        ({"arrivals": tuple(Arrival(at, (PING,)) for at in (0, 6, 12))}, Level.OK, "every 6.0 s"),
        ({"arrivals": (Arrival(0.1, comments=1), Arrival(15, comments=1))}, Level.OK, "15.0 s"),
        # The comment at the start is none.
        ({"arrivals": (Arrival(0.1, comments=1),)}, Level.NOTE, "none came in 20 s"),
        ({"arrivals": arrivals(*range(20))}, Level.OK, "longest silence was 1.0 s"),
        ({"arrivals": arrivals(1, 35), "seconds": 40.0}, Level.TROUBLE, "nothing came for 34 s"),
        (
            {"arrivals": arrivals(1, 2), "seconds": 2.1, "ending": Ending.CLEAN},
            Level.OK,
            "none was due",
        ),
    ],
)
def test_keep_alive(seen: dict[str, Any], level: Level, text: str) -> None:
    found = of("keep-alive", **seen)
    assert (found.level, text in found.text) == (level, True), found


@pytest.mark.parametrize(
    ("topic", "seen", "level", "text"),
    [
        ("start", {"arrivals": arrivals(2.5)}, Level.NOTE, "Firefox is not open"),
        ("end", {"ending": Ending.CUT, "seconds": 7.0}, Level.TROUBLE, "cut after 7.0 s"),
        ("end", {"ending": Ending.CLEAN}, Level.NOTE, "a browser comes back"),
        ("end", {"ending": Ending.CLEAN, "stops": True}, Level.OK, "stopped with 204"),
        ("end", {"ending": Ending.CLEAN, "stops": False}, Level.TROUBLE, "served again"),
        (
            "stream",
            {"headers": {**HEADERS, "server": "nginx/1.22", "via": "1.1 varnish"}},
            Level.OK,
            "text/event-stream, from nginx/1.22 via 1.1 varnish",
        ),
        ("compression", {"coding": "gzip"}, Level.OK, "gzip"),
        ("compression", {"coding": "gzip", "has_members": True}, Level.TROUBLE, "the first only"),
        (
            "compression",
            {"headers": {"content-type": "text/event-stream"}},
            Level.NOTE,
            "no-transform is missing",
        ),
        (
            "incremental",
            {"headers": {"content-type": "text/event-stream"}},
            Level.NOTE,
            "the header is missing (the application leaves it out, or a proxy removes it)",
        ),
        ("incremental", {"headers": {**HEADERS, "incremental": "?0"}}, Level.NOTE, "says '?0'"),
        ("incremental", {"headers": {**HEADERS, "incremental": "1"}}, Level.NOTE, "says '1'"),
        ("incremental", {"headers": {**HEADERS, "incremental": " ?1;x=2"}}, Level.OK, "are asked"),
        ("http", {"negotiated": "http/1.1"}, Level.NOTE, "six connections"),
        ("http", {"negotiated": None, "version": "1.0"}, Level.NOTE, "even HTTP/1.0"),
        ("resume", {"resumption": Resumption("0", "1", None)}, Level.TROUBLE, "no event with"),
        ("resume", {"resumption": Resumption("0", "1", "0")}, Level.TROUBLE, "0 came 0, and not 1"),
        ("resume", {"resumption": Resumption("0", "1", "9", True)}, Level.NOTE, "a gap event"),
        (
            "resume",
            {"arrivals": (Arrival(1, (MessageEvent("x"),)),), "resumption": None},
            Level.NOTE,
            "no IDs",
        ),
        ("resume", {"arrivals": arrivals(1), "resumption": None}, Level.NOTE, "only one ID"),
        ("retry", {"retry": 0}, Level.TROUBLE, "hundreds of times"),
        ("retry", {"retry": None}, Level.OK, "unset"),
        ("disconnect", {"noticed": math.inf}, Level.TROUBLE, "a proxy hides it"),
        ("disconnect", {"noticed": 0.25}, Level.OK, "0.25 s later"),
    ],
)
def test_each_topic(topic: str, seen: dict[str, Any], level: Level, text: str) -> None:
    found = of(topic, **seen)
    assert (found.level, text in found.text) == (level, True), found
    assert found.advice or level is Level.OK or topic == "resume"


def test_what_cannot_be_known_is_not_spoken_of() -> None:
    topics = [finding.topic for finding in diagnose(replace(GOOD, noticed=None, arrivals=()))]
    assert "disconnect" not in topics
    assert "resume" not in topics


def test_ids_are_those_that_events_set_and_not_the_position_of_a_hub() -> None:
    events = [
        MessageEvent("", "position", "a-5"),
        MessageEvent("x", id="a-5"),
        MessageEvent("y", id="a-6"),
        MessageEvent("no id of its own", id="a-6"),
        MessageEvent("z", id="a-7"),
    ]
    assert replace(GOOD, arrivals=(Arrival(0, tuple(events)),)).ids == ["a-6", "a-7"]
