"""Proxies as they are installed, with the configurations that the examples deploy.

A test fills in ports and paths, and may add directives that spoil a configuration.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.servers.http1 import PROBE
from tests.servers.process import ROOT, ServerProcess, free_port

__all__ = ["DEPLOYMENT", "caddy", "filled_in", "haproxy", "nginx", "nginx_command"]

DEPLOYMENT = ROOT / "examples" / "deployment"

EXECUTE = ("-c", "import os, sys; os.execvp(sys.argv[1], sys.argv[1:])")

NGINX_PATHS = "".join(
    f"{name}_temp_path temp/{name};"
    for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
)


def filled_in(name: str, values: Mapping[str, str]) -> str:
    """Return a file of the deployment with other ports and paths, each of which it has once."""
    text = (DEPLOYMENT / name).read_text("utf-8")
    for given, value in values.items():
        assert text.count(given) == 1, f"{name} has {given!r} {text.count(given)} times"
        text = text.replace(given, value)
    return text


def nginx_command(home: Path, port: int, upstream: int, *directives: str) -> Sequence[str]:
    """Write a configuration into ``home``, and return the command that runs nginx with it."""
    passing = "proxy_pass http://app;"
    text = filled_in(
        "nginx.conf",
        {
            "listen 8080;": f"listen 127.0.0.1:{port};",
            "server 127.0.0.1:8000;": f"server 127.0.0.1:{upstream};",
            "http {": f"http {{ access_log off; {NGINX_PATHS}",
            passing: "\n".join((passing, *directives)),
        },
    )
    (home / "temp").mkdir()
    configuration = home / "nginx.conf"
    configuration.write_text(text)
    user = "user root;" if os.geteuid() == 0 else ""
    mode = f"{user} daemon off; error_log stderr; pid nginx.pid;"
    # nginx opens its built-in log before it has read that there is another.
    return "nginx", "-e", "stderr", "-p", str(home), "-c", str(configuration), "-g", mode


@contextmanager
def nginx(upstream: int, directory: Path, *directives: str) -> Iterator[ServerProcess]:
    """Run nginx in front of a port, with ``directives`` beside the others."""
    home = directory / f"nginx-{upstream}-{len(list(directory.iterdir()))}"
    home.mkdir()
    port = free_port()
    with _running(nginx_command(home, port, upstream, *directives), port, home) as process:
        yield process


@contextmanager
def haproxy(upstream: int, directory: Path) -> Iterator[ServerProcess]:
    """Run HAProxy in front of a port."""
    port = free_port()
    configuration = directory / f"haproxy-{port}.cfg"
    addresses = {
        "bind :8080": f"bind 127.0.0.1:{port}",
        "127.0.0.1:8000": f"127.0.0.1:{upstream}",
    }
    configuration.write_text(filled_in("haproxy.cfg", addresses))
    with _running(("haproxy", "-db", "-f", str(configuration)), port, directory) as process:
        yield process


@contextmanager
def caddy(upstream: int, directory: Path) -> Iterator[ServerProcess]:
    """Run Caddy in front of a port."""
    port = free_port()
    configuration = directory / f"Caddyfile-{port}"
    addresses = {
        ":8080 {": f"http://127.0.0.1:{port} {{",
        "127.0.0.1:8000": f"127.0.0.1:{upstream}",
    }
    configuration.write_text(filled_in("Caddyfile", addresses))
    command = ("caddy", "run", "--adapter", "caddyfile", "--config", str(configuration))
    own = {
        "CADDY_ADMIN": f"unix//{directory / f'caddy-{port}.sock'}",
        **{f"XDG_{kind}_HOME": str(directory / kind) for kind in ("DATA", "CONFIG")},
    }
    with _running(command, port, directory, own) as process:
        yield process


@contextmanager
def _running(
    command: Sequence[str],
    port: int,
    directory: Path,
    environment: Mapping[str, str] | None = None,
) -> Iterator[ServerProcess]:
    log = directory / f"{command[0]}-{port}.log"
    with ServerProcess((*EXECUTE, *command), port, log, environment) as process:
        process.wait_ready(PROBE)
        yield process
