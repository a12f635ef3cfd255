"""The client script as an ASGI application and as text."""

from __future__ import annotations

from typing import Any

import pytest

from sse_asgi import DONE_ID
from sse_asgi.web import ClientScript, client_js
from tests.harness import Peer, http_scope

pytestmark = pytest.mark.anyio


async def ask(app: ClientScript, **scope: Any) -> Peer:
    peer = Peer()
    await app(http_scope(**scope), peer.receive, peer.send)
    assert peer.ended
    assert not peer.violations
    return peer


async def test_script_is_served_as_a_module_that_caches_may_keep() -> None:
    peer = await ask(ClientScript(max_age=60))
    assert peer.status == 200
    assert peer.body.decode() == client_js(module=True)
    assert peer.headers[b"content-type"] == b"text/javascript; charset=utf-8"
    assert peer.headers[b"content-length"] == str(len(peer.body)).encode()
    assert peer.headers[b"cache-control"] == b"public, max-age=60"
    # A module is loaded with CORS (WHATWG HTML 8.1.4.2).
    assert peer.headers[b"access-control-allow-origin"] == b"*"


async def test_head_has_no_body_and_other_methods_are_refused() -> None:
    script = ClientScript()
    head = await ask(script, method="HEAD")
    assert head.headers == (await ask(script)).headers
    assert head.body == b""
    refused = await ask(script, method="POST")
    assert refused.status == 405
    assert refused.headers[b"allow"] == b"GET, HEAD"


@pytest.mark.parametrize("form", [b"%s", b"W/%s", b'"a", %s , "b"', b"*"])
async def test_script_that_the_client_has_is_not_sent_again(form: bytes) -> None:
    script = ClientScript()
    etag = (await ask(script)).headers[b"etag"]
    value = form.replace(b"%s", etag)
    peer = await ask(script, headers=[(b"if-none-match", value)])
    assert (peer.status, peer.body) == (304, b"")
    assert peer.headers[b"etag"] == etag
    other = await ask(script, headers=[(b"if-none-match", b'"another"')])
    assert other.status == 200


async def test_other_scopes_and_ages_are_refused() -> None:
    with pytest.raises(RuntimeError, match="websocket"):
        await ClientScript()({"type": "websocket"}, None, Peer().send)
    with pytest.raises(TypeError, match="max_age"):
        ClientScript(max_age=1.5)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="max_age"):
        ClientScript(max_age=-1)


def test_text_to_paste_is_the_module_without_its_export() -> None:
    assert "\nexport class SteadyEventSource " in client_js(module=True)
    assert "\nclass SteadyEventSource " in client_js()
    assert "export" not in client_js()


def test_shared_text_has_both_classes_and_no_import() -> None:
    text = client_js(module=True, shared=True)
    assert "\nexport class SteadyEventSource " in text
    assert "\nexport class SharedEventSource extends SteadyEventSource " in text
    assert "\nimport " not in text
    assert "\nexport" not in client_js(shared=True)
    assert ClientScript(shared=True)._body.decode() == text


def test_script_knows_the_mark_that_ends_a_stream() -> None:
    assert f'"{DONE_ID}"' in client_js()
