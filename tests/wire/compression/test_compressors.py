"""Each message is readable when it has arrived, and the whole is one well-formed body."""

from __future__ import annotations

import gzip
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sse_asgi.wire import Compression, Compressor, Encoder, ServerSentEvent, new_compressor
from sse_asgi.wire.compression.compressors import BrotliCompressor, import_zstd
from tests.wire.decoding import CODINGS, decoder_of

MODES = pytest.mark.parametrize("mode", ["auto", "pages"])
EACH_CODING = pytest.mark.parametrize("coding", CODINGS)

MESSAGES = st.lists(
    # What it repeats, how often, and whether it is to be isolated.
    st.tuples(st.binary(min_size=1, max_size=99), st.integers(1, 2000), st.booleans()),
    max_size=12,
)
Messages = list[tuple[bytes, int, bool]]


def compressor_of(coding: str, mode: Compression = "auto") -> Compressor:
    """Return the compressor that a client gets which asks for nothing else."""
    compressor = new_compressor(mode, coding)
    assert compressor is not None
    assert compressor.coding == coding
    return compressor


@EACH_CODING
@MODES
@settings(deadline=None)
@given(messages=MESSAGES)
def test_every_message_is_readable_when_it_has_arrived(
    coding: str, mode: Compression, messages: Messages
) -> None:
    compressor, decoder = compressor_of(coding, mode), decoder_of(coding)
    for part, count, isolate in messages:
        assert decoder.feed(compressor.compress(part * count, isolate=isolate)) == part * count
        assert not decoder.is_complete
    assert decoder.feed(compressor.finish()) == b""
    assert decoder.is_complete


@settings(deadline=None)
@given(messages=MESSAGES)
def test_stream_of_gzip_is_one_file(messages: Messages) -> None:
    compressor = compressor_of("gzip")
    coded = b"".join(
        compressor.compress(part * count, isolate=isolate) for part, count, isolate in messages
    )
    whole = b"".join(part * count for part, count, _ in messages)
    assert gzip.decompress(coded + compressor.finish()) == whole


@pytest.mark.needs("gzip")
def test_gzip_finds_no_fault_with_the_file(tmp_path: Path) -> None:
    compressor = compressor_of("gzip")
    path = tmp_path / "stream.gz"
    path.write_bytes(
        b"".join(compressor.compress(b"data: %d\n\n" % number) for number in range(100))
        + compressor.finish()
    )
    subprocess.run(["gzip", "--test", path], check=True, timeout=10, capture_output=True)


@EACH_CODING
@MODES
def test_what_repeats_itself_takes_a_fraction(coding: str, mode: Compression) -> None:
    compressor = compressor_of(coding, mode)
    block = b"event: patch\ndata: <tr><td>%d</td><td>unchanged, as before</td></tr>\n\n"
    coded = sum(len(compressor.compress(block % number)) for number in range(100))
    assert coded < 100 * len(block) / 2


def test_pages_larger_than_the_window_of_gzip_take_a_fraction_of_it() -> None:
    page = b"".join(b"<li>%d</li>" % (number * 7919 % 99991) for number in range(5000))
    assert len(page) > 50_000
    sizes = {}
    for coding in ("gzip", "br"):
        compressor = compressor_of(coding, "pages")
        compressor.compress(page)
        sizes[coding] = len(compressor.compress(page))
    assert sizes["br"] < sizes["gzip"] / 50


@pytest.mark.needs("zstd-module")
def test_zstd_asks_no_more_memory_of_a_client_than_every_client_has() -> None:
    get_frame_info = import_zstd().get_frame_info

    modes: list[tuple[Compression, int]] = [("auto", 15), ("pages", 17)]
    for mode, log in modes:
        frame = compressor_of("zstd", mode).compress(b"data: a\n\n")
        # RFC 8878, 3.1.1.1.2: exponent and mantissa of the window, after the magic number and the
        # descriptor of the header.
        assert get_frame_info(frame).decompressed_size is None
        assert 10 + (frame[5] >> 3) == log
        assert not frame[5] & 7


@MODES
@pytest.mark.parametrize("accept_encoding", ["", "identity", "deflate", "gzip;q=0", "*;q=0"])
def test_client_that_asks_for_no_coding_gets_none(mode: Compression, accept_encoding: str) -> None:
    assert new_compressor(mode, accept_encoding) is None


@pytest.mark.needs("zstd-module", "brotli")
@pytest.mark.parametrize(("mode", "coding"), [("auto", "gzip"), ("pages", "zstd")])
def test_browser_gets_the_coding_that_suits_the_mode(mode: Compression, coding: str) -> None:
    compressor = new_compressor(mode, "gzip, deflate, br, zstd")
    assert compressor is not None
    assert compressor.coding == coding


def test_coding_whose_package_is_missing_is_not_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("compression.zstd", "backports.zstd", "brotli", "brotlicffi"):
        monkeypatch.setitem(sys.modules, name, None)
    compressor = new_compressor("pages", "gzip, deflate, br, zstd")
    assert compressor is not None
    assert compressor.coding == "gzip"
    assert new_compressor("pages", "br, zstd") is None
    # The client would rather have nothing than the one coding that is there.
    assert new_compressor("auto", "br, gzip;q=0.5, identity;q=0.8") is None


@pytest.mark.needs("brotlicffi")
def test_brotlicffi_stands_in_for_brotli(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "brotli", None)
    compressor = new_compressor("auto", "br")
    assert compressor is not None
    monkeypatch.undo()
    decoder = decoder_of("br")
    assert decoder.feed(compressor.compress(b"data: a\n\n")) == b"data: a\n\n"
    assert decoder.feed(compressor.compress(b"data: b\n\n", isolate=True)) == b"data: b\n\n"
    decoder.feed(compressor.finish())
    assert decoder.is_complete


@pytest.mark.needs("brotli")
@pytest.mark.parametrize("size", [1, 2**16, 2**16 + 1, 2**20, 2**20 + 1, 2**24, 2**24 + 1])
def test_isolated_body_of_any_size_is_stored(size: int) -> None:
    compressor, decoder = BrotliCompressor(14), decoder_of("br")
    body = b"a" * size
    coded = compressor.compress(body, isolate=True)
    assert size < len(coded) < size + 20
    assert decoder.feed(coded) == body


# -- BREACH: a secret is guessed digit by digit from nothing but lengths ---------------------------

DIGITS = "0123456789abcdef"
FILLER = "{}-(^@/*!"
SECRET = "d3afb24e2962"


def secret_block(isolate: bool) -> bytes:
    """Return the event with the secret; who guesses knows the rest of it."""
    return Encoder().encode(ServerSentEvent({"user": "ada", "csrf": SECRET}, isolate=isolate))


def reflected_size(coding: str, text: str, *, isolate: bool) -> int:
    """Return the length on the wire of a chosen text, in a stream that has told the secret."""
    compressor = compressor_of(coding)
    compressor.compress(secret_block(isolate), isolate=isolate)
    return len(compressor.compress(Encoder().encode(text)))


def recovered(coding: str, *, isolate: bool) -> str:
    """Guess the secret: the right digit makes a repetition longer, if it stands next to it."""
    known = ""
    for _ in SECRET:
        prefix = f'"csrf":"{known}'
        gains = [
            reflected_size(coding, f"{prefix}{FILLER}{digit}", isolate=isolate)
            - reflected_size(coding, f"{prefix}{digit}{FILLER}", isolate=isolate)
            for digit in DIGITS
        ]
        if gains.count(max(gains)) > 1:
            break
        known += DIGITS[gains.index(max(gains))]
    return known


@EACH_CODING
def test_secret_is_read_off_the_lengths_of_a_stream_that_does_not_isolate_it(coding: str) -> None:
    assert recovered(coding, isolate=False) == SECRET


@EACH_CODING
def test_lengths_say_nothing_of_an_isolated_secret(coding: str) -> None:
    assert recovered(coding, isolate=True) == ""


@EACH_CODING
@pytest.mark.parametrize("isolate", [True, False])
def test_length_of_an_isolated_secret_is_the_same_after_a_right_guess(
    coding: str, isolate: bool
) -> None:
    sizes = []
    for guess in (SECRET, SECRET[::-1]):
        compressor = compressor_of(coding)
        compressor.compress(Encoder().encode(f'"csrf":"{guess}"'))
        sizes.append(len(compressor.compress(secret_block(isolate), isolate=isolate)))
    right, wrong = sizes
    assert right == wrong if isolate else right < wrong - 4
