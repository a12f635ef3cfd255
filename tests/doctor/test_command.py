"""The command on streams that are right and on servers that are wrong."""

from __future__ import annotations

import gzip
import json
import re
import socket
import sys
import zlib
from collections.abc import Callable
from typing import Any

import pytest

from sse_asgi import DONE_ID
from sse_asgi.__main__ import main
from tests.servers.process import free_port

from .canned import STREAM, answering, dripping

CaptureFixture = pytest.CaptureFixture[str]

EVENTS = b"".join(b"id: %d\ndata: %d\n\n" % (number, number) for number in range(3))


def findings(capsys: CaptureFixture, url: str, *arguments: str) -> tuple[int, dict[str, Any]]:
    """Run the command; return its exit status and, by topic, what it found."""
    status = main(["doctor", url, "--seconds", "5", "--json", *arguments])
    report = json.loads(capsys.readouterr().out)
    assert report["url"] == url
    return status, {row["topic"]: row for row in report["findings"]}


def plain(body: bytes) -> Callable[[str], bytes]:
    return lambda head: STREAM + b"\r\n" + body


def test_stream_that_is_right(capsys: CaptureFixture) -> None:
    def answer(head: str) -> bytes:
        matched = re.search(r"Last-Event-ID: (\d)", head)
        start = int(matched[1]) + 1 if matched else 0
        return plain(b"retry: 2000\n\n" + EVENTS.split(b"\n\n", start)[start])(head)

    with answering(answer) as url:
        status, found = findings(capsys, url)
        assert status == 0
        assert found["resume"]["level"] == "ok"
        assert "2000 ms" in found["retry"]["text"]
        assert "the stream ended" in found["end"]["text"]
        assert main(["doctor", url, "--seconds", "5"]) == 0
        lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"Watching {url} for 5 s"
    assert lines[1] == "ok       stream: it is an event stream: 200, text/event-stream"
    assert all(re.match(r"(ok     |note   )  [a-z-]+: .+", line) for line in lines[1:])
    assert any(". Do: " in line for line in lines)


def test_stream_that_begins_anew_does_not_resume(capsys: CaptureFixture) -> None:
    with answering(plain(EVENTS)) as url:
        status, found = findings(capsys, url)
    assert status == 1
    assert "after Last-Event-ID 0 came 0, and not 1" in found["resume"]["text"]


def test_gap_event_is_an_answer(capsys: CaptureFixture) -> None:
    def answer(head: str) -> bytes:
        gap = b"event: gap\ndata: {}\n\nid: 9\ndata: 9\n\n"
        return plain(gap if "Last-Event-ID" in head else EVENTS)(head)

    with answering(answer) as url:
        status, found = findings(capsys, url)
    assert (status, found["resume"]["level"]) == (0, "note")


@pytest.mark.parametrize("stops", [True, False])
def test_complete_stream_is_asked_for_again(capsys: CaptureFixture, stops: bool) -> None:
    def answer(head: str) -> bytes:
        if stops and f"Last-Event-ID: {DONE_ID}\r\n" in head:
            return b"HTTP/1.1 204 No Content\r\n\r\n"
        return plain(b"event: done\nid: %s\ndata: 1\n\n" % DONE_ID.encode())(head)

    with answering(answer) as url:
        status, found = findings(capsys, url)
    assert status == (0 if stops else 1)
    assert ("204" in found["end"]["text"]) is stops


def compressed(body: bytes, coding: bytes) -> Callable[[str], bytes]:
    return lambda head: STREAM + b"content-encoding: " + coding + b"\r\n\r\n" + body


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
def test_compressed_stream_is_read(capsys: CaptureFixture, coding: str) -> None:
    body = gzip.compress(EVENTS) if coding == "gzip" else zlib.compress(EVENTS)
    with answering(compressed(body, coding.encode())) as url:
        _, found = findings(capsys, url)
    assert found["compression"]["text"].startswith(coding)
    assert "3 events" in found["delivery"]["text"]


def test_coding_that_only_browsers_read_is_told_and_asked_for_otherwise(
    capsys: CaptureFixture,
) -> None:
    def answer(head: str) -> bytes:
        if "zstd" in head:
            return compressed(b"\x28\xb5\x2f\xfd", b"zstd")(head)
        return compressed(gzip.compress(EVENTS), b"gzip")(head)

    with answering(answer) as url:
        _, found = findings(capsys, url)
    assert found["compression"]["text"].startswith("zstd")
    assert "3 events" in found["delivery"]["text"]


def test_gzip_member_for_each_event_is_what_browsers_cannot_read(capsys: CaptureFixture) -> None:
    body = gzip.compress(EVENTS) + gzip.compress(EVENTS)
    with answering(compressed(body, b"gzip")) as url:
        status, found = findings(capsys, url)
    assert status == 1
    assert "the first only" in found["compression"]["text"]


def test_response_that_is_cut_is_trouble(capsys: CaptureFixture) -> None:
    body = b"transfer-encoding: chunked\r\n\r\n8\r\ndata: 1\r\n4\r\n\n\nda"
    with answering(lambda head: STREAM + body) as url:
        status, found = findings(capsys, url)
    assert (status, found["end"]["level"]) == (1, "trouble")


def test_server_that_never_answers_is_trouble(capsys: CaptureFixture) -> None:
    with answering(lambda head: b"") as url:
        assert main(["doctor", url, "--seconds", "0.2"]) == 1
    assert "TROUBLE  stream: there was no answer within 0.2 s" in capsys.readouterr().out


def test_redirects_are_followed_and_the_headers_sent(capsys: CaptureFixture) -> None:
    heads: list[str] = []

    def answer(head: str) -> bytes:
        heads.append(head)
        if head.startswith("GET / "):
            return b"HTTP/1.1 307 x\r\nlocation: /events?a=b\r\ncontent-length: 0\r\n\r\n"
        return plain(b"data: 1\n\n")(head)

    with answering(answer) as url:
        status, found = findings(capsys, url, "--header", "Cookie: a=b", "--header", "x-y:  z ")
    assert (status, found["stream"]["level"]) == (0, "ok")
    assert heads[1].startswith("GET /events?a=b HTTP/1.1\r\n")
    for head in heads:
        assert "Cookie: a=b\r\n" in head
        assert "x-y: z\r\n" in head
        assert "Accept: text/event-stream\r\n" in head


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"HTTP/1.1 307 x\r\nlocation: /\r\ncontent-length: 0\r\n\r\n", "redirects"),
        (b"SSH-2.0-OpenSSH\r\n", "no HTTP"),
        (STREAM + b"content-encoding: gzip\r\n\r\nplain text", "not compressed"),
        (STREAM + b"content-encoding: br\r\n\r\nx", "no coding fits"),
        (STREAM + b"\r\ndata: " + b"x" * 11_000_000, "must not be larger"),
    ],
)
def test_what_cannot_be_examined_is_told(
    capsys: CaptureFixture, answer: bytes, reason: str
) -> None:
    with answering(lambda head: answer) as url:
        assert main(["doctor", url]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"Cannot examine {url}: ")
    assert reason in error


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"

HOSTILE = {
    "garbage": b"hello\r\n\r\n",
    "nul": b"\0" * 100,
    "half a head": b"HTTP/1.1 200 OK\r\nContent-",
    "bad status": b"HTTP/1.1 abc OK\r\n\r\n",
    "status 1000": b"HTTP/1.1 1000 OK\r\n\r\n",
    "version 9": b"HTTP/9.9 200 OK\r\n\r\n",
    "many fields": b"HTTP/1.1 200 OK\r\n" + b"x: 1\r\n" * 300 + b"\r\n",
    "long field": b"HTTP/1.1 200 OK\r\nx: " + b"y" * 70_000 + b"\r\n\r\n",
    "redirect to nothing": b"HTTP/1.1 302 F\r\nLocation:\r\nContent-Length: 0\r\n\r\n",
    **{
        f"redirect to {location!r}": b"HTTP/1.1 302 F\r\nContent-Length: 0\r\nLocation: "
        + location
        + b"\r\n\r\n"
        for location in (
            *(b"/a b", b"/a\x01b", b"http://a b/", b"http://[::1/", b"ftp://x/", b"http://"),
            *(b"http://127.0.0.1:99999/", b"http://u:p@127.0.0.1/", b"//", b"http://%00/"),
            *("/é€".encode(), b"/\xff", b"http://" + b"a" * 70 + b"/", b"javascript:x"),
        )
    },
    "bad chunk": HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nabc",
    "negative chunk": HEAD + b"Transfer-Encoding: chunked\r\n\r\n-5\r\nabc",
    "huge chunk": HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b"f" * 5000 + b"\r\nabc",
    "bad length": HEAD + b"Content-Length: many\r\n\r\ndata: x\n\n",
    "two codings": HEAD + b"Content-Encoding: gzip, br\r\n\r\nx",
    "raw deflate": HEAD + b"Content-Encoding: deflate\r\n\r\n" + zlib.compress(EVENTS)[2:-4],
    "ID beyond Latin-1": HEAD + "\r\nid: €\ndata: 1\n\nid: b\ndata: 2\n\n".encode(),
    "ID with control": HEAD + b"\r\nid: a\x01\x7fb\ndata: 1\n\nid: b\ndata: 2\n\n",
    "bytes that are no text": HEAD
    + b"Server: \xff\x1b[31m\r\n\r\nid: \xff\ndata: \xff\n\nid: a\ndata\n\n",
    "deep JSON": HEAD + b"\r\nevent: signal\ndata: " + b"[" * 200_000 + b"\n\n",
    "long number": HEAD + b'\r\nevent: signal\ndata: {"n": ' + b"9" * 10_000 + b"}\n\n",
    "long retry": HEAD + b"\r\nretry: " + b"9" * 10_000 + b"\n\n",
    "101": b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n",
    "continue without end": b"HTTP/1.1 100 Continue\r\n\r\n" * 50,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_no_answer_of_a_server_is_a_traceback(capsys: CaptureFixture, name: str) -> None:
    with answering(lambda head: HOSTILE[name]) as url:
        status = main(["doctor", url, "--seconds", "1"])
    told = capsys.readouterr()
    assert status in (0, 1, 2)
    assert told.out.startswith("Watching")
    assert bool(told.err) == (status == 2)
    assert all(line.isprintable() for line in (told.out + told.err).splitlines())


def test_server_that_drips_its_head_is_not_waited_for(capsys: CaptureFixture) -> None:
    with dripping(b"HTTP/1.1 200 OK\r\n", b"x") as url:
        assert main(["doctor", url, "--seconds", "0.5"]) == 1
    assert "no answer within 0.5 s" in capsys.readouterr().out


def test_server_that_drips_a_chunk_size_is_not_waited_for(capsys: CaptureFixture) -> None:
    head = HEAD + b"Transfer-Encoding: chunked\r\n\r\n9\r\ndata: x\n\n\r\n"
    with dripping(head, b"0") as url:
        assert main(["doctor", url, "--seconds", "0.5"]) == 0
    assert "1 events came" in capsys.readouterr().out


def test_first_connection_counts_though_the_second_one_is_refused(capsys: CaptureFixture) -> None:
    def answer(head: str) -> bytes:
        return b"no HTTP\r\n" if "Last-Event-ID" in head else plain(EVENTS)(head)

    with answering(answer) as url:
        status, found = findings(capsys, url)
    assert status == 1
    assert "came no event with an ID" in found["resume"]["text"]
    assert found["delivery"]["level"] == "ok"


def test_id_is_sent_as_browsers_send_it(capsys: CaptureFixture) -> None:
    heads: list[str] = []

    def answer(head: str) -> bytes:
        heads.append(head.encode("latin-1").decode())
        return plain("id: é€\ndata: 1\n\nid: b\ndata: 2\n\n".encode())(head)

    with answering(answer) as url:
        findings(capsys, url, "--header", "cookie: ü€", "--header", "accept: a/b")
    assert "Last-Event-ID: é€\r\n" in heads[1]
    assert "cookie: ü€\r\n" in heads[1]
    assert [line for line in heads[1].split("\r\n") if line.lower().startswith("accept:")] == [
        "accept: a/b"
    ]


def test_path_is_encoded_as_browsers_do(capsys: CaptureFixture) -> None:
    heads: list[str] = []

    def answer(head: str) -> bytes:
        heads.append(head)
        return plain(b"data: 1\n\n")(head)

    with answering(answer) as url:
        status, _ = findings(capsys, f"{url}é b?q=ü")
    assert status == 0
    assert heads[0].startswith("GET /%C3%A9%20b?q=%C3%BC HTTP/1.1\r\n")


def test_interruption_ends_it_without_a_traceback(
    capsys: CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*args: object, **kwargs: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(socket, "create_connection", interrupt)
    assert main(["doctor", "http://127.0.0.1:9/"]) == 130


def test_dead_port_is_told(capsys: CaptureFixture) -> None:
    url = f"http://127.0.0.1:{free_port()}/"
    assert main(["doctor", url]) == 2
    assert capsys.readouterr().err == f"Cannot examine {url}: Connection refused\n"


def test_name_that_is_not_known_is_told(
    capsys: CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: object, **kwargs: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "create_connection", fail)
    assert main(["doctor", "http://nowhere.invalid/"]) == 2
    assert "Name or service not known" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["ftp://example.org/"],
        ["example.org"],
        ["http://"],
        ["http://user:secret@example.org/"],
        ["http://example.org:99999/"],
        ["http://a b/"],
        ["http://./"],
        ["http://[::1"],
        ["http://example.org/", "--seconds", "0"],
        ["http://example.org/", "--seconds", "nan"],
        ["http://example.org/", "--seconds", "soon"],
        ["http://example.org/", "--header", "no colon"],
        ["http://example.org/", "--header", "a: b\nc: d"],
    ],
)
def test_wrong_use_is_told(capsys: CaptureFixture, arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as raised:
        main(["doctor", *arguments])
    assert raised.value.code == 2
    assert "usage: python -m sse_asgi doctor" in capsys.readouterr().err


def test_command_is_part_of_the_module(
    capsys: CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["sse_asgi", "doctor", "--help"])
    with pytest.raises(SystemExit):
        main()
    assert "Exit status: 0 all is fine" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main(["--help"])
    assert "doctor URL" in capsys.readouterr().out
