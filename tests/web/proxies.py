"""nginx and HAProxy as they are installed, each with a configuration and a port of its own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.servers.http1 import PROBE
from tests.servers.process import ServerProcess, free_port

__all__ = ["haproxy", "nginx"]

EXECUTE = ("-c", "import os, sys; os.execvp(sys.argv[1], sys.argv[1:])")

NGINX = """
{user}
daemon off;
worker_processes 1;
pid {directory}/nginx.pid;
error_log stderr;
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://127.0.0.1:{upstream};
            {directives}
        }}
    }}
}}
"""

HAPROXY = """
defaults
    mode http
    timeout connect 5s
    timeout client 50s
    timeout server 50s
frontend front
    bind 127.0.0.1:{port}
    default_backend back
backend back
    server app 127.0.0.1:{upstream}
"""


@contextmanager
def nginx(upstream: int, directory: Path, *directives: str) -> Iterator[ServerProcess]:
    """Run nginx with its defaults, and ``directives``, in front of a port."""
    home = directory / f"nginx-{upstream}-{len(list(directory.iterdir()))}"
    home.mkdir()
    port = free_port()
    configuration = home / "nginx.conf"
    text = NGINX.format(
        user="user root;" if os.geteuid() == 0 else "",
        directory=home,
        port=port,
        upstream=upstream,
        directives="\n".join(directives),
    )
    configuration.write_text(text)
    # nginx opens its built-in log before it has read that there is another.
    command = ("nginx", "-e", "stderr", "-p", str(home), "-c", str(configuration))
    with ServerProcess((*EXECUTE, *command), port, home / "nginx.log") as process:
        process.wait_ready(PROBE)
        yield process


@contextmanager
def haproxy(upstream: int, directory: Path) -> Iterator[ServerProcess]:
    """Run HAProxy with the usual timeouts in front of a port."""
    port = free_port()
    configuration = directory / f"haproxy-{port}.cfg"
    configuration.write_text(HAPROXY.format(port=port, upstream=upstream))
    command = ("haproxy", "-db", "-f", str(configuration))
    with ServerProcess((*EXECUTE, *command), port, directory / f"haproxy-{port}.log") as process:
        process.wait_ready(PROBE)
        yield process
