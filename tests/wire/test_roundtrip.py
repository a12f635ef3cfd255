"""Whatever is encoded is read back, by this decoder and by others, however the bytes are cut."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sse_asgi.errors import EventTooLarge
from sse_asgi.wire import (
    Encoder,
    EventDecoder,
    JSONServerSentEvent,
    MessageEvent,
    ServerSentEvent,
    encode_comment,
)

# Speed is measured elsewhere, and a busy machine is no failure.
unhurried = settings(deadline=None)

SEPARATORS = ("\n", "\r\n", "\r")
# Characters that matter to some parser are drawn as often as all others together: line endings of
# the standard, those that only str.splitlines knows, spaces, colons, NUL, and a byte order mark.
SPECIAL = "\n\r \t:\0\x7f\v\f\x1c\x1d\x1e\x85\u2028\u2029\ufeff\ufffd\uffff\U0010ffff"


def texts(excluded: str = "") -> st.SearchStrategy[str]:
    """Draw text of all of Unicode but surrogates and the excluded characters."""
    special = "".join(character for character in SPECIAL if character not in excluded)
    anything = st.characters(exclude_categories=["Cs"], exclude_characters=excluded)
    return st.text(st.sampled_from(special) | anything)


event_types = texts("\r\n").filter(lambda text: text not in ("", "error", "open"))
ids = texts("".join(map(chr, [*range(0x20), 0x7F]))).filter(lambda text: text.strip(" ") == text)
retries = st.integers(0, 2**31 - 1)
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts(),
    lambda values: st.lists(values) | st.dictionaries(texts(), values),
    max_leaves=6,
)


def optional(strategy: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    """Draw ``None`` as well."""
    return st.none() | strategy


def events(data: st.SearchStrategy[object]) -> st.SearchStrategy[ServerSentEvent]:
    """Draw events that have data."""
    return st.builds(
        ServerSentEvent,
        data,
        event=optional(event_types),
        id=optional(ids),
        retry=optional(retries),
        comment=optional(texts()),
    )


def normalised(text: str) -> str:
    """Return text as it arrives: each line ending is LF."""
    return re.sub("\r\n|\r", "\n", text)


def chunks_of(stream: bytes, cuts: Sequence[int]) -> list[bytes]:
    """Cut a stream where the numbers say."""
    places = sorted({cut % (len(stream) + 1) for cut in cuts})
    return [stream[i:j] for i, j in zip([0, *places], [*places, len(stream)], strict=True)]


cuts = st.lists(st.integers(0, 10**6), max_size=20)


def read(decoder: EventDecoder, chunks: Sequence[bytes]) -> list[MessageEvent]:
    """Feed all chunks."""
    return [event for chunk in chunks for event in decoder.feed(chunk)]


def expected_of(sent: Sequence[ServerSentEvent]) -> list[MessageEvent]:
    """Say what a receiver makes of events that have text as data."""
    received = []
    last_event_id = ""
    for event in sent:
        last_event_id = last_event_id if event.id is None else event.id
        data = normalised(str(event.data))
        received.append(MessageEvent(data, event.event or "message", last_event_id))
    return received


@unhurried
@given(st.lists(events(texts()), max_size=4), st.sampled_from(SEPARATORS), cuts)
def test_events_are_read_back_as_they_were_given(
    sent: list[ServerSentEvent], separator: str, cuts: list[int]
) -> None:
    encode = Encoder(separator=separator).encode
    stream = b"".join(map(encode, sent))
    comments: list[str] = []
    decoder = EventDecoder(on_comment=comments.append)
    assert read(decoder, chunks_of(stream, cuts)) == expected_of(sent)
    retries = [event.retry for event in sent if event.retry is not None]
    assert decoder.retry == (retries[-1] if retries else None)
    lines = [normalised(event.comment).split("\n") for event in sent if event.comment is not None]
    assert comments == [line for group in lines for line in group]


@unhurried
@given(st.lists(texts()), st.sampled_from(SEPARATORS), cuts)
def test_text_is_read_back_as_it_was_given(
    sent: list[str], separator: str, cuts: list[int]
) -> None:
    stream = b"".join(map(Encoder(separator=separator).encode, sent))
    received = read(EventDecoder(), chunks_of(stream, cuts))
    assert received == [MessageEvent(normalised(text)) for text in sent]


@unhurried
@given(json_values, st.sampled_from(SEPARATORS))
def test_json_is_read_back_as_it_was_given(value: object, separator: str) -> None:
    encode = Encoder(separator=separator).encode
    [event] = EventDecoder().feed(encode(JSONServerSentEvent(value)))
    assert event.json() == value
    if value is not None and not isinstance(value, str):
        assert encode({"data": value}) == encode(JSONServerSentEvent(value))
        assert isinstance(value, dict) or encode(value) == encode({"data": value})


# All that a dict may hold, and much that it may not: surrogates, other types, unknown fields.
odd = st.sampled_from(
    ["", " a", "a ", "a b", "a\nb", "a\rb", "a\0", "error", "\ud800", b"a", 7, True]
)
anything = odd | st.none() | st.text() | st.binary() | st.floats() | st.lists(st.text())
plain = {"event": st.just("a") | anything, "id": st.just("a") | anything}
others = {"retry": st.just(7) | anything, "comment": anything, "isolate": anything, "x": anything}
fields = st.fixed_dictionaries(
    {"data": st.just("a") | anything}, optional=plain
) | st.fixed_dictionaries({}, optional={"data": anything, **plain, **others})


@settings(unhurried, max_examples=500)
@given(fields, st.sampled_from(SEPARATORS))
def test_dict_is_sent_as_the_event_that_it_holds_the_fields_of(
    given_fields: dict[str, object], separator: str
) -> None:
    encode = Encoder(separator=separator).encode

    def outcome(make: Callable[[], object]) -> object:
        try:
            return encode(make())
        except (TypeError, ValueError) as error:
            return type(error)

    event: Callable[..., object] = ServerSentEvent
    assert outcome(lambda: given_fields) == outcome(lambda: event(**given_fields))


@unhurried
@given(st.lists(texts()), texts(), st.sampled_from(SEPARATORS))
def test_comment_is_never_more_than_a_comment(
    data: list[str], comment: str, separator: str
) -> None:
    encode = Encoder(separator=separator).encode
    block = encode_comment(comment, separator)
    assert block == encode({"comment": comment})
    comments: list[str] = []
    decoder = EventDecoder(on_comment=comments.append)
    received = decoder.feed(block + b"".join(encode(text) + block for text in data))
    assert [event.data for event in received] == [normalised(text) for text in data]
    assert comments == normalised(comment).split("\n") * (len(data) + 1)
    assert (decoder.last_event_id, decoder.retry) == ("", None)


def naive(stream: bytes) -> tuple[list[MessageEvent], str, int | None]:
    """Read a whole stream as WHATWG HTML 9.2.6 says, in its words and order."""
    text = stream.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace")
    dispatched: list[MessageEvent] = []
    last_event_id, reconnection_time = "", None
    data_buffer = event_type_buffer = last_event_id_buffer = ""
    # What follows the last line ending is no line.
    for line in re.split("\r\n|\n|\r", text)[:-1]:
        if line == "":
            last_event_id = last_event_id_buffer
            if data_buffer != "":
                data = data_buffer[:-1]  # the LF that every data line appends
                event_type = "message" if event_type_buffer == "" else event_type_buffer
                dispatched.append(MessageEvent(data, event_type, last_event_id))
            data_buffer = event_type_buffer = ""
            continue
        if line.startswith(":"):
            continue
        field, value = line.split(":", 1) if ":" in line else (line, "")
        value = value[1:] if value.startswith(" ") else value
        if field == "event":
            event_type_buffer = value
        elif field == "data":
            data_buffer += value + "\n"
        elif field == "id" and "\0" not in value:
            last_event_id_buffer = value
        elif field == "retry" and re.fullmatch("[0-9]+", value) and int(value) < 10**18:
            reconnection_time = int(value)
    return dispatched, last_event_id, reconnection_time


# Pieces of streams, well-formed and not, and bytes that are no text at all.
pieces = st.sampled_from(
    b"\n|\r|\r\n|\n\n|:| |\0|data|data:|data: |event: |id|id: |id: 1|retry: |12|x|\f|\x1c|\xc2\x85|"
    b"\xef\xbb\xbf|\xef|\xbb\xbf|\xe2\x80\xa8|\xed\xa0\x80|\xf0\x9f|\xd9\xa3".split(b"|")
)
streams = st.lists(pieces | st.binary(max_size=3), max_size=30).map(b"".join) | st.binary()


@settings(deadline=None, max_examples=500)
@given(streams, cuts)
def test_any_bytes_in_any_chunks_are_read_as_the_standard_says(
    stream: bytes, cuts: list[int]
) -> None:
    decoder = EventDecoder()
    received = read(decoder, chunks_of(stream, cuts))
    assert (received, decoder.last_event_id, decoder.retry) == naive(stream)


@unhurried
@given(streams, cuts, st.integers(1, 40))
def test_bound_holds_alike_in_any_chunks(stream: bytes, cuts: list[int], bound: int) -> None:
    def outcome(chunks: Sequence[bytes]) -> tuple[list[MessageEvent], str, bool]:
        decoder = EventDecoder(max_event_size=bound)
        received: list[MessageEvent] = []
        try:
            for chunk in [*chunks, b""]:
                received += decoder.feed(chunk)
        except EventTooLarge:
            return received, decoder.last_event_id, True
        return received, decoder.last_event_id, False

    assert outcome(chunks_of(stream, cuts)) == outcome([stream])


@unhurried
@given(st.lists(events(texts()), max_size=4), st.sampled_from(SEPARATORS))
def test_naive_reading_of_the_standard_agrees(sent: list[ServerSentEvent], separator: str) -> None:
    stream = b"".join(map(Encoder(separator=separator).encode, sent))
    assert naive(stream)[0] == expected_of(sent)


@pytest.fixture(scope="module")
def httpx_sse_reader() -> Callable[[bytes], list[MessageEvent]]:
    """Return the parser of httpx-sse, an independent client."""
    import httpx
    import httpx_sse

    def reader(stream: bytes) -> list[MessageEvent]:
        headers = {"content-type": "text/event-stream"}
        response = httpx.Response(200, headers=headers, content=stream)
        received = httpx_sse.EventSource(response).iter_sse()
        return [MessageEvent(event.data, event.event, event.id) for event in received]

    return reader


@pytest.mark.needs("httpx_sse")
@unhurried
@given(sent=st.lists(events(texts()), max_size=4), separator=st.sampled_from(SEPARATORS))
def test_independent_parser_reads_the_same(
    httpx_sse_reader: Callable[[bytes], list[MessageEvent]],
    sent: list[ServerSentEvent],
    separator: str,
) -> None:
    stream = b"".join(map(Encoder(separator=separator).encode, sent))
    assert httpx_sse_reader(stream) == expected_of(sent)


@pytest.mark.needs("httpx_sse")
@unhurried
@given(value=json_values)
def test_independent_parser_reads_the_same_json(
    httpx_sse_reader: Callable[[bytes], list[MessageEvent]], value: object
) -> None:
    [event] = httpx_sse_reader(Encoder().encode(JSONServerSentEvent(value)))
    assert json.loads(event.data) == value
