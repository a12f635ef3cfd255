"""The proxies that are tested, and how each is told what a test needs."""

from __future__ import annotations

import os
from signal import SIGHUP, SIGUSR1, SIGUSR2
from typing import Final

from tests.web.proxies import NGINX_PATHS

from .proxy import Flow, Proxy

__all__ = ["APACHE", "ENVOY", "HAPROXY", "PROXIES", "VARNISH"]

_USER: Final = "user root; " if os.geteuid() == 0 else ""
_PORT: Final = "127.0.0.1:{port}"
_UPSTREAM: Final = ("127.0.0.1:8000", "127.0.0.1:{upstream}")

_APACHE_MODULES: Final = (
    *("mpm_event", "authz_core", "mime", "filter", "deflate", "http2", "headers"),
    *("proxy", "proxy_http", "reqtimeout"),
)

_APACHE: Final = "\n".join(
    (
        "ServerRoot {home}",
        "ServerName localhost",
        "DefaultRuntimeDir {home}",
        "PidFile {home}/apache.pid",
        "ErrorLog /dev/stderr",
        "TypesConfig /dev/null",
        *(f"LoadModule {it}_module /usr/lib/apache2/modules/mod_{it}.so" for it in _APACHE_MODULES),
        *(f"Include /etc/apache2/mods-available/{it}.conf" for it in ("deflate", "reqtimeout")),
        *(("User www-data", "Group www-data") if os.geteuid() == 0 else ()),
        "Include {home}/apache.conf",
        "",
    )
)

_COMPRESSOR: Final = """http_filters:
          - name: envoy.filters.http.compressor
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.http.compressor.v3.Compressor
              response_direction_config:
                common_config: {content_type: [text/event-stream]}
              compressor_library:
                name: gzip
                typed_config:
                  "@type": type.googleapis.com/envoy.extensions.compression.gzip.compressor.v3.Gzip
"""

NGINX: Final = Proxy(
    name="nginx",
    needs="nginx",
    newcomer="nginx.conf",
    deployed="nginx.conf",
    # nginx opens its built-in log before it has read that there is another.
    command=(
        *("nginx", "-e", "stderr", "-p", "{home}", "-c", "{file}", "-g"),
        f"{_USER}daemon off; error_log stderr; pid nginx.pid;",
    ),
    own=(("http {", "http { access_log off; " + NGINX_PATHS.replace("temp/", "")),),
    listens=("listen 8080", f"listen {_PORT}"),
    forwards=_UPSTREAM,
    raw=Flow.HELD,
    pings=0,
    reload=SIGHUP,
    impatient=("location / {", "location / { proxy_read_timeout 1s;"),
    compressing=("location / {", "location / { gzip on; gzip_types text/event-stream;"),
    coding="gzip",
    http2=(("listen 8080;", "listen 8080 http2;"),),
)

HAPROXY: Final = Proxy(
    name="haproxy",
    needs="haproxy",
    newcomer="haproxy.cfg",
    deployed="haproxy.cfg",
    command=("haproxy", "-W", "-db", "-f", "{file}"),
    reload=SIGUSR2,
    listens=("bind :8080", f"bind {_PORT}"),
    forwards=_UPSTREAM,
    flow=Flow.LATE,
    raw=Flow.LATE,
    impatient=("timeout server 50s", "timeout server 1s"),
    compressing=(
        "\nbackend back\n",
        "\nbackend back\n    compression algo gzip\n    compression type text/event-stream\n",
    ),
)

CADDY: Final = Proxy(
    name="caddy",
    needs="caddy",
    newcomer="Caddyfile",
    deployed="Caddyfile",
    command=("caddy", "run", "--adapter", "caddyfile", "--config", "{file}"),
    environment={
        "CADDY_ADMIN": "unix/{home}/admin.sock",
        "XDG_DATA_HOME": "{home}/data",
        "XDG_CONFIG_HOME": "{home}/config",
    },
    listens=(":8080 {", f"http://{_PORT} {{"),
    forwards=_UPSTREAM,
    pings=0,
    compressing=(":8080 {\n", ":8080 {\n\tencode gzip\n"),
    http2=((":8080 {", "{\n\tservers {\n\t\tprotocols h1 h2c\n\t}\n}\n:8080 {"),),
)

APACHE: Final = Proxy(
    name="apache",
    needs="apache2",
    newcomer="apache.conf",
    deployed="apache.conf",
    command=("apache2", "-f", "{file}", "-D", "FOREGROUND"),
    reload=SIGUSR1,
    wrapped=_APACHE,
    own=(("<VirtualHost *:8080>", "<VirtualHost *:{port}>"),),
    listens=("Listen 8080", f"Listen {_PORT}"),
    forwards=("ProxyPass / http://127.0.0.1:8000/", "ProxyPass / http://127.0.0.1:{upstream}/"),
    impatient=("ProxyPass / ", "ProxyTimeout 1\n    ProxyPass / "),
    compressing=("ProxyPass / ", "SetOutputFilter DEFLATE\n    ProxyPass / "),
    coding="gzip",
    http2=(("ProxyPass / ", "Protocols h2c http/1.1\n    ProxyPass / "),),
)

ENVOY: Final = Proxy(
    name="envoy",
    needs="envoy",
    newcomer="envoy.yaml",
    deployed="envoy.yaml",
    command=(
        *("envoy", "-c", "{file}", "--concurrency", "1", "--disable-hot-restart"),
        *("-l", "warning"),
    ),
    listens=(
        "{address: 0.0.0.0, port_value: 8080}",
        "{address: 127.0.0.1, port_value: {port}}",
    ),
    forwards=("port_value: 8000", "port_value: {upstream}"),
    pings=0,
    impatient=("stat_prefix: front", "stat_prefix: front\n          stream_idle_timeout: 1s"),
    compressing=("http_filters:\n", _COMPRESSOR),
)

H2O: Final = Proxy(
    name="h2o",
    needs="h2o",
    newcomer="h2o.yaml",
    deployed="h2o.yaml",
    command=("h2o", "-c", "{file}"),
    listens=("{host: 0.0.0.0, port: 8080}", "{host: 127.0.0.1, port: {port}}"),
    forwards=_UPSTREAM,
    impatient=("hosts:\n", "proxy.timeout.io: 1000\nhosts:\n"),
    compressing=("hosts:\n", "compress: ON\nhosts:\n"),
)

VARNISH: Final = Proxy(
    name="varnish",
    needs="varnishd",
    newcomer="varnish.vcl",
    deployed="varnish.vcl",
    command=(
        *("varnishd", "-F", "-j", "none", "-n", "{home}/work", "-s", "malloc,32m"),
        *("-p", "feature=+http2", "-a", _PORT, "-f", "{file}"),
    ),
    listens=None,
    forwards=('.port = "8000";', '.port = "{upstream}";'),
    pings=3,
    impatient=('.port = "8000";', '.port = "8000"; .between_bytes_timeout = 1s;'),
    # VCL joins the parts of a subroutine in their order.
    compressing=("", "\nsub vcl_backend_response { set beresp.do_gzip = true; }\n"),
    coding=None,
)

LIGHTTPD: Final = Proxy(
    name="lighttpd",
    needs="lighttpd",
    newcomer="lighttpd.conf",
    deployed="lighttpd.conf",
    command=("lighttpd", "-D", "-f", "{file}"),
    listens=("server.port = 8080", 'server.bind = "127.0.0.1"\nserver.port = {port}'),
    forwards=('"port" => 8000', '"port" => {upstream}'),
    flow=Flow.HELD,
    raw=Flow.HELD,
    pings=2,
    impatient=('"port" => 8000', '"read-timeout" => 1, "port" => 8000'),
    compressing=(
        '("mod_proxy")',
        '("mod_proxy", "mod_deflate")\ndeflate.mimetypes = ("text/event-stream")',
    ),
    coding=None,
)

NGHTTPX: Final = Proxy(
    name="nghttpx",
    needs="nghttpx",
    newcomer="nghttpx.conf",
    deployed=None,
    command=("nghttpx", "--conf", "{file}", "--single-process"),
    listens=("*,8080", "127.0.0.1,{port}"),
    forwards=("127.0.0.1,8000", "127.0.0.1,{upstream}"),
    pings=0,
    impatient=("8000", "8000\nbackend-read-timeout=1"),
)

PROXIES: Final = (NGINX, HAPROXY, CADDY, APACHE, ENVOY, H2O, VARNISH, LIGHTTPD, NGHTTPX)
