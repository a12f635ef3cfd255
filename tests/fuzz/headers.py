"""Header fields and queries of strangers: ``Last-Event-ID``, its names in a query, codings."""

from __future__ import annotations

from typing import Final
from urllib.parse import quote_plus

import anyio
from hypothesis import strategies as st

from sse_asgi.asgi.connection import Connection
from sse_asgi.asgi.reconnect import DONE_ID, is_done
from sse_asgi.broadcast import Hub, MemoryBackend
from sse_asgi.wire import MessageEvent
from sse_asgi.wire.negotiation import preferred_codings
from tests.broadcast.reading import Reader

from .target import Target

__all__ = ["ACCEPT_ENCODING", "LAST_EVENT_ID", "RESUME", "field_names", "field_values", "queries"]

LONGEST: Final = 65_536
OFFERED: Final = ("zstd", "br", "gzip")


def repeated(piece: bytes, times: int) -> bytes:
    """Return a piece many times."""
    return (piece * times)[:LONGEST]


lengths = st.integers(0, 512) | st.sampled_from([2**10, LONGEST])

# -- fields and queries ----------------------------------------------------------------------------

field_names = st.sampled_from(
    [b"last-event-id", b"Last-Event-ID", b"accept-encoding", b"origin", b"cookie", b"x"]
) | st.binary(max_size=6)
id_pieces = st.sampled_from(
    [DONE_ID.encode(), b"-", b"0", b"1", b"9" * 30, "é€😀".encode(), b"\xff", b"\0", b"%", b" "]
) | st.binary(max_size=4)
field_values = st.lists(id_pieces, max_size=6).map(b"".join) | st.builds(
    repeated, id_pieces, lengths
)
query_names = st.sampled_from(
    [b"last_event_id", b"lastEventId", b"evs_last_event_id", b"LAST-EVENT-ID", b"l%61st_event_id"]
) | st.binary(max_size=4)
query_values = field_values | field_values.map(lambda value: quote_plus(value).encode())
queries = st.lists(
    st.tuples(query_names, st.sampled_from([b"=", b"", b"=="]), query_values).map(b"".join),
    max_size=4,
).map(b"&".join)


def check_last_event_id(request: tuple[list[tuple[bytes, bytes]], bytes]) -> None:
    """Read the ID of any request: a field counts before the query, and it is text or None."""
    fields, query = request
    connection = Connection({"headers": fields, "query_string": query})
    found = connection.last_event_id
    assert found is None or (isinstance(found, str) and found)
    given = next((value for name, value in fields if name.lower() == b"last-event-id"), b"")
    if given:
        assert found is not None
        assert found.encode() == given or found.encode("latin-1") == given
    if is_done(connection):
        assert found == DONE_ID
    for name in connection.query:
        assert isinstance(connection.query.get_all(name), list)


LAST_EVENT_ID: Final = Target(
    "last-event-id",
    st.tuples(st.lists(st.tuples(field_names, field_values), max_size=4), queries),
    check_last_event_id,
    corpus=(
        ([(b"Last-Event-ID", "é".encode())], b""),
        ([(b"last-event-id", b"\xe9")], b"last_event_id=x"),
        ([], b"last_event_id=%E9&lastEventId=%C3%A9&=&%"),
        ([], b"last_event_id=" + DONE_ID.encode() + b"&lastEventId"),
    ),
)

# -- an ID that a hub is given ---------------------------------------------------------------------

known = st.integers(-2, 9)
numbers = st.one_of(
    known.map(str),
    st.sampled_from(["", "+1", "1_0", " 1", "٣", "-1", "1.0", "0" * 5000, "9" * 5000, "9" * 17]),
    st.text(max_size=4),
)
hub_ids = st.tuples(st.booleans(), st.sampled_from(["-", "", "--", "_", "−"]), numbers)


async def _first_of(parts: tuple[bool, str, str]) -> list[MessageEvent]:
    """Return the first events that a client with this ID is sent."""
    is_own, separator, number = parts
    hub = Hub(MemoryBackend(max_events=4))
    for event in range(6):
        await hub.publish("t", str(event))
    epoch = str(hub.position()).partition("-")[0] if is_own else "other"
    reader = Reader(hub.subscribe("t", last_event_id=epoch + separator + number))
    return reader.ready()


def check_resume(parts: tuple[bool, str, str]) -> None:
    """Resume with any ID: the client is told where it stands, whatever it sent."""
    events = anyio.run(_first_of, parts)
    assert events, "silence"
    assert events[0].event in ("position", "gap") or events[-1].data == "5"


RESUME: Final = Target(
    "resume",
    hub_ids,
    check_resume,
    corpus=((True, "-", "9" * 5000), (True, "-", "٣"), (True, "-", "3"), (False, "-", "3")),
)

# -- codings ---------------------------------------------------------------------------------------

coding_pieces = st.sampled_from(
    [
        *("gzip", "br", "zstd", "*", "identity", "x-gzip", "GZIP", ",", ";", "q=", "Q=", "=", "."),
        *("0", "1", "0.5", "0.001", "1.0000", "-1", "nan", "inf", "1e9", " ", "\t", '"', "é", "\0"),
    ]
) | st.text(max_size=3)
accept_encodings = st.lists(coding_pieces, max_size=16).map("".join) | st.builds(
    lambda piece, times: (piece * times)[:LONGEST], coding_pieces, lengths
)


def check_accept_encoding(value: str) -> None:
    """Negotiate any value: it gives offered codings, each once, and none that is refused."""
    found = preferred_codings(value, OFFERED)
    assert len(set(found)) == len(found)
    assert set(found) <= set(OFFERED)
    elements = [element.strip(" \t").lower() for element in value.split(",")]
    named = {element.partition(";")[0].rstrip(" \t") for element in elements}
    for coding in found:
        assert named & {coding, "*", f"x-{coding}"}
        assert f"{coding};q=0" not in elements


ACCEPT_ENCODING: Final = Target(
    "accept-encoding",
    accept_encodings,
    check_accept_encoding,
    corpus=("gzip;q=0, *", "*;q=0", "gzip;q=nan", "gzip;q=1.0000", ",,;,=", "x-gzip;Q=0,gzip"),
)
