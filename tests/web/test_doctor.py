"""The doctor on real parts: the demo, a proxy that holds back, one that hides who left, TLS."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.demo.process import running
from tests.proxies.catalog import HAPROXY
from tests.proxies.setting import front_of
from tests.servers.process import ROOT, ServerProcess

from .conftest import Serve
from .proxies import haproxy, nginx

pytestmark = [pytest.mark.parts, pytest.mark.needs("uvicorn", "h11")]

# What makes nginx do as it does without this library's headers.
BUFFERING = "proxy_ignore_headers X-Accel-Buffering;"


def examine(url: str, *arguments: str, seconds: float = 2) -> tuple[int, dict[str, Any]]:
    """Run the command; return its exit status and, by topic, what it found."""
    process = subprocess.run(
        [
            *(sys.executable, "-m", "sse_asgi", "doctor", url, "--json"),
            *("--seconds", str(seconds), *arguments),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=40,
    )
    assert process.stdout, process.stderr
    rows = json.loads(process.stdout)["findings"]
    return process.returncode, {row["topic"]: row for row in rows}


@pytest.mark.needs("hypercorn", "nginx")
def test_demo_is_fine_also_behind_nginx_and_knows_at_once_who_has_left(tmp_path: Path) -> None:
    with running(tmp_path) as demo, nginx(demo.port, tmp_path) as proxy:
        for port in (demo.port, proxy.port):
            status, found = examine(f"http://127.0.0.1:{port}/events")
            assert status == 0, found
            assert found["delivery"]["level"] == "ok"
            assert found["resume"]["text"].startswith("it works")
            assert found["disconnect"]["level"] == "ok"
            assert "six connections" in found["http"]["text"]


@pytest.mark.needs("nginx")
def test_proxy_that_holds_back_is_found_out_and_the_header_named(
    server: ServerProcess, tmp_path: Path
) -> None:
    with nginx(server.port, tmp_path, BUFFERING) as proxy:
        status, found = examine(f"http://127.0.0.1:{proxy.port}/clock", seconds=1.5)
        assert status == 1
        # nginx holds back even the head.
        assert found["stream"]["text"].startswith("there was no answer within 1.5 s")
        assert "X-Accel-Buffering: no" in found["stream"]["advice"]
        # With more of it, its buffers fill up.
        status, found = examine(f"http://127.0.0.1:{proxy.port}/clock?pad=300", seconds=3)
        assert status == 1
        assert "broke off within an event" in found["delivery"]["text"]
        # And at its end a stream comes all at once.
        status, found = examine(f"http://127.0.0.1:{proxy.port}/clock?most=30", seconds=10)
        assert status == 1
        assert "30 events came in one lump at the end" in found["delivery"]["text"]
    with nginx(server.port, tmp_path) as proxy:
        status, found = examine(f"http://127.0.0.1:{proxy.port}/clock?pad=300", seconds=1)
        assert (status, found["delivery"]["level"]) == (0, "ok")


@pytest.mark.needs("haproxy")
def test_proxy_that_removes_the_header_against_buffering_is_a_note(
    server: ServerProcess, tmp_path_factory: pytest.TempPathFactory
) -> None:
    removing = ("\nbackend back\n", "\nbackend back\n    http-response del-header incremental\n")
    front = front_of(HAPROXY, server.port, tmp_path_factory, removing)
    with front.running():
        for port, level in ((server.port, "ok"), (front.port, "note")):
            status, found = examine(f"http://127.0.0.1:{port}/clock", seconds=1)
            assert (status, found["incremental"]["level"]) == (0, level)
    assert "a proxy removes it" in found["incremental"]["text"]


@pytest.mark.needs("nginx")
def test_keep_alives_are_counted_and_a_compressing_proxy_is_seen(
    server: ServerProcess, tmp_path: Path
) -> None:
    directives = ("proxy_http_version 1.1;", "gzip on;", "gzip_types text/event-stream;")
    with nginx(server.port, tmp_path, *directives) as proxy:
        status, found = examine(f"http://127.0.0.1:{proxy.port}/pinged?key=doctor")
    assert status == 0
    assert re.search(r"one about every 0\.[4-9] s", found["keep-alive"]["text"])
    assert found["compression"]["text"].startswith("gzip")


@pytest.mark.needs("hypercorn", "haproxy")
def test_demo_behind_haproxy_is_examined(tmp_path: Path) -> None:
    # Its events are so many that it is told soon who has left.
    with running(tmp_path) as demo, haproxy(demo.port, tmp_path) as proxy:
        status, found = examine(f"http://127.0.0.1:{proxy.port}/events")
    assert status == 0
    assert found["disconnect"]["level"] == "ok"


def test_page_is_not_a_stream_and_a_dead_server_is_told(serve: Serve) -> None:
    server = serve()
    status, found = examine(f"http://127.0.0.1:{server.port}/")
    assert status == 1
    assert list(found) == ["stream"]
    server.kill()
    with pytest.raises(AssertionError, match="Connection refused"):
        examine(f"http://127.0.0.1:{server.port}/")


@pytest.mark.needs("hypercorn", "h2", "openssl")
def test_http2_is_negotiated_over_tls(secure: ServerProcess) -> None:
    url = f"https://127.0.0.1:{secure.port}/pinged?key=tls"
    with pytest.raises(AssertionError, match=r"self.signed certificate \(--insecure"):
        examine(url)
    status, found = examine(url, "--insecure", seconds=1)
    assert status == 0
    assert "HTTP/2" in found["http"]["text"]
