"""The doctor's judgement: pure functions from an observation to findings."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from itertools import pairwise
from statistics import median
from typing import Final

from ..headers import is_event_stream, media_type
from .observation import Ending, Observation

__all__ = ["Finding", "Level", "diagnose"]

_MAX_SILENCE: Final = 20.0
"""Seconds without a byte that are safe: a proxy in common use cuts a stream after 30."""

_ARMOUR: Final = (
    "let the application send 'X-Accel-Buffering: no' (nginx obeys it, or 'proxy_buffering off'),"
    " 'Cache-Control: no-transform' (for proxies that compress) and 'Incremental: ?1' (RFC 10036);"
    " this library sends all three"
)


class Level(Enum):
    """The gravity of a finding."""

    OK = "ok"
    NOTE = "note"
    TROUBLE = "trouble"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that the doctor has found out.

    :param level: its gravity
    :param topic: its subject, in a word
    :param text: the finding, in a sentence
    :param advice: the remedy, if there is anything to do
    """

    level: Level
    topic: str
    text: str
    advice: str = ""


def diagnose(seen: Observation) -> list[Finding]:
    """Return the findings about a stream, the most basic first."""
    findings = list(_kind(seen))
    if any(finding.level is Level.TROUBLE for finding in findings):
        return findings
    looks = (_start, _flow, _incremental, _keep_alive, _ending, _coding, _http, _resume, _retry)
    for look in (*looks, _leaving):
        findings += look(seen)
    return findings


def _ok(topic: str, text: str) -> Finding:
    """Return a finding that all is well."""
    return Finding(Level.OK, topic, text)


def _note(topic: str, text: str, advice: str = "") -> Finding:
    """Return a finding that is worth knowing."""
    return Finding(Level.NOTE, topic, text, advice)


def _trouble(topic: str, text: str, advice: str) -> Finding:
    """Return a finding that somebody must act upon."""
    return Finding(Level.TROUBLE, topic, text, advice)


def _kind(seen: Observation) -> Iterator[Finding]:
    kind = seen.headers.get("content-type", "")
    charset = media_type(kind)[1]
    if not seen.status:
        text = f"there was no answer within {seen.seconds:.3g} s: something holds it back"
        yield _trouble("stream", text, f"see whether the application waits for its end; {_ARMOUR}")
    elif seen.status != 200:
        effect = "is told never to come back" if seen.status == 204 else "gives up for good"
        text = f"the status is {seen.status}: a browser's EventSource {effect}"
        yield _trouble("stream", text, _advice_for(seen.status))
    elif not is_event_stream(kind):
        given = f"as {kind}" if kind else "without a content type"
        text = f"the answer comes {given}, not as text/event-stream"
        yield _trouble("stream", text, "give the address of the stream, not that of its page")
    elif charset not in ("", "utf-8", "utf8"):
        text = f"the charset is {charset}: an event stream is UTF-8, and Chromium gives up"
        yield _trouble("stream", text, "send 'Content-Type: text/event-stream'")
    else:
        made_by = [seen.headers[name] for name in ("server", "via") if name in seen.headers]
        by = f", from {' via '.join(made_by)}" if made_by else ""
        yield _ok("stream", f"it is an event stream: {seen.status}, {kind}{by}")


def _advice_for(status: int) -> str:
    if status in (401, 403):
        return "give the doctor what the page sends: --header 'Cookie: ...' or 'Authorization: ...'"
    if status in (429, 502, 503, 504):
        return "answer 200 with 'retry: ...' and end, as busy() does; or use sse_asgi.web's client"
    return "a stream must answer 200"


def _start(seen: Observation) -> Iterator[Finding]:
    if not seen.arrivals:
        return
    first = seen.arrivals[0].at
    if first > 2:
        text = f"the first byte came after {first:.1f} s; Firefox is not open before it"
        yield _note("start", text, "send a comment at once, as this library does by itself")
    else:
        yield _ok(
            "start", f"the head came after {seen.head_at:.2f} s, the first byte after {first:.2f} s"
        )


def _flow(seen: Observation) -> Iterator[Finding]:
    events, lumps = len(seen.events), seen.lumps
    silence = lumps[0][0].at if lumps else seen.seconds
    pauses = [after[0].at - before[-1].at for before, after in pairwise(lumps)]
    ends = [lump[-1] for lump in lumps[:-1]]
    cut = [end for end, pause in zip(ends, pauses, strict=True) if pause > 0.2 and not end.is_whole]
    if not lumps:
        text = f"not one byte came in {seen.seconds:.3g} s, not even a comment"
        advice = f"either the application is silent, or something holds it back: {_ARMOUR}"
        yield _trouble("delivery", text, advice)
    elif cut:
        text = f"{len(cut)} of {len(lumps)} times the bytes broke off within an event: a buffer"
        yield _trouble("delivery", text, _ARMOUR)
    elif len(lumps) == 1 and events > 1 and silence > 1 and seen.ending is not Ending.OPEN:
        text = f"all {events} events came in one lump at the end, after {silence:.1f} s of nothing"
        yield _trouble("delivery", text, _ARMOUR)
    elif not events:
        yield _note("delivery", f"no event came in {seen.seconds:.3g} s", "watch longer: --seconds")
    elif len(lumps) > 1 and events >= 3 * len(lumps) and median(pauses) > 0.5:
        text = f"events come in lumps of about {events // len(lumps)}, {median(pauses):.1f} s apart"
        yield _note("delivery", text, f"if the application does not send them so, {_ARMOUR}")
    else:
        text = f"{events} events came in {seen.seconds:.3g} s, in {len(lumps)} parts: not held back"
        yield _ok("delivery", text)


def _incremental(seen: Observation) -> Iterator[Finding]:
    """Look for the field that forbids proxies to buffer: a structured boolean (RFC 10036)."""
    value = seen.headers.get("incremental", "").partition(";")[0].strip()
    if value == "?1":
        yield _ok("incremental", "proxies are asked to pass each event on (Incremental: ?1)")
    else:
        missing = "the header is missing (the application leaves it out, or a proxy removes it)"
        said = f"the header says '{value}'" if value else missing
        text = f"{said}: a proxy that obeys RFC 10036 may hold events back"
        yield _note("incremental", text, "send 'Incremental: ?1', as this library does by itself")


def _keep_alive(seen: Observation) -> Iterator[Finding]:
    times, silence = seen.keep_alives, seen.longest_silence
    if silence > _MAX_SILENCE:
        text = f"nothing came for {silence:.0f} s: proxies cut a silent stream after 30 to 60 s"
        yield _trouble("keep-alive", text, "send a comment every 15 s (ping=15)")
    elif len(times) > 1:
        every = median(after - before for before, after in pairwise(times))
        yield _ok("keep-alive", f"one about every {every:.1f} s")
    elif times:
        yield _ok("keep-alive", f"one came after {times[0]:.1f} s")
    elif seen.ending is Ending.OPEN and silence > seen.seconds / 2:
        text = f"none came in {seen.seconds:.3g} s; 15 s between them are usual"
        yield _note("keep-alive", text, "watch longer: --seconds 40")
    else:
        yield _ok("keep-alive", f"none was due: the longest silence was {silence:.1f} s")


def _ending(seen: Observation) -> Iterator[Finding]:
    if seen.ending is Ending.CUT:
        text = f"the connection was cut after {seen.seconds:.1f} s, within the response"
        yield _trouble(
            "end", text, "look for an error in the server's log, or a proxy's time limit"
        )
    elif seen.stops:
        yield _ok(
            "end", "the stream is complete (done), and a client that returns is stopped with 204"
        )
    elif seen.stops is not None:
        text = "the stream is complete (done), but a client that returns is served again"
        yield _trouble("end", text, "answer 204 to its ID, as an EventSourceApp does")
    elif seen.ending is Ending.CLEAN:
        text = f"the stream ended after {seen.seconds:.1f} s; a browser comes back to it"
        yield _note("end", text, "if it is complete, let its last event be done()")


def _coding(seen: Observation) -> Iterator[Finding]:
    control = seen.headers.get("cache-control", "").lower()
    if seen.has_members:
        text = f"each event is a separate {seen.coding} member: browsers read the first only"
        yield _trouble("compression", text, "send 'Content-Encoding: identity' to keep it off")
    elif seen.coding:
        yield _ok("compression", f"{seen.coding}; a browser can read each event as it arrives")
    elif "no-transform" not in control:
        text = "none, but a proxy may compress and hold events back: no-transform is missing"
        yield _note("compression", text, "send 'Cache-Control: no-store, no-transform'")
    else:
        yield _ok("compression", "none, and proxies are told to leave it so (no-transform)")


def _http(seen: Observation) -> Iterator[Finding]:
    if seen.negotiated == "h2":
        yield _ok("http", "a browser gets HTTP/2 here: a hundred streams or so at a time")
        return
    text = "HTTP/1.1: a browser opens six connections to a host, for all of its tabs"
    if seen.version == "1.0":
        text += "; the answer is even HTTP/1.0"
    secure = "" if seen.negotiated is not None else "TLS and "
    advice = f"serve it with {secure}HTTP/2, or share one stream between tabs"
    yield _note("http", text, advice)


def _resume(seen: Observation) -> Iterator[Finding]:
    tried = seen.resumption
    if not seen.events:
        return
    if tried is None:
        text = "only one ID was seen" if seen.ids and seen.ids[0] else "the events have no IDs"
        loss = "may be lost" if seen.ids and seen.ids[0] else "are lost"
        yield _note("resume", f"{text}: events that a client misses while it reconnects {loss}")
    elif tried.answered == tried.expected:
        yield _ok("resume", f"it works: after Last-Event-ID {tried.asked} came {tried.answered}")
    elif tried.has_gap:
        text = f"a gap event says that the events after {tried.asked} are no longer there"
        yield _note("resume", text, "keep a longer history if clients must miss nothing")
    else:
        came = "no event with an ID" if tried.answered is None else f"{tried.answered}"
        text = f"after Last-Event-ID {tried.asked} came {came}, and not {tried.expected}"
        advice = "replay after connection.last_event_id, or use a Hub; tell a loss with a gap event"
        yield _trouble("resume", text, advice)


def _retry(seen: Observation) -> Iterator[Finding]:
    if seen.retry is None:
        yield _ok("retry", "unset: a browser comes back after 3 to 5 s")
    elif seen.retry < 100:
        text = f"{seen.retry} ms: browsers would come back up to hundreds of times a second"
        yield _trouble("retry", text, "set it to 1000 or more")
    else:
        yield _ok("retry", f"a browser comes back after {seen.retry} ms")


def _leaving(seen: Observation) -> Iterator[Finding]:
    if seen.noticed is None:
        return
    if math.isinf(seen.noticed):
        text = "the server did not notice that a client had left: a proxy hides it"
        yield _trouble("disconnect", text, "shorten ping: within two of them the server knows")
    else:
        text = f"the server knew {seen.noticed:.2f} s later that a client had left"
        yield _ok("disconnect", text)
