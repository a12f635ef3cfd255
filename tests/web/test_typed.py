"""Events that are typed in Python and in the page: OpenAPI, and the tools that read it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from tests.examples.running import running
from tests.servers.process import ROOT

from . import npm
from .browser import opened

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Route

pytestmark = [
    pytest.mark.parts,
    pytest.mark.needs("fastapi", "uvicorn"),
    pytest.mark.xdist_group("browser"),
]

EXAMPLE = (ROOT / "examples" / "fastapi_tokens.py").read_text("utf-8")
GUIDE = (ROOT / "examples" / "guide" / "browser.md").read_text("utf-8")
TSC = ("--strict", "--noEmit", "--target", "es2022", "--module", "preserve")
PLUGIN = "@hey-api/typescript"
DUMP = """
import json, pathlib, runpy, sys
for name, version in json.loads(sys.argv[1]).items():
    app = runpy.run_path(f"{name}/fastapi_tokens.py")["app"]
    app.openapi_version = version
    pathlib.Path(name, "openapi.json").write_text(json.dumps(app.openapi()))
"""


class Variant(NamedTuple):
    """A change of the example, and a part of the error that a build then has."""

    old: str = ""
    new: str = ""
    error: str | None = None
    version: str = "3.1.0"


VARIANTS = {
    "as_it_is": Variant(),
    "openapi_3_2": Variant(version="3.2.0"),
    "renamed": Variant('Literal["done"] = "done"', 'Literal["ended"] = "ended"', "ended"),
    "added": Variant('Literal["done"] = "done"', 'Literal["done", "failed"] = "done"', "failed"),
    "other_field": Variant("    tokens: int\n", "    words: int\n", "tokens"),
}


SHARED = """
import { SharedEventSource } from "sse-asgi/shared";
const source: EventSource = new SharedEventSource("/events", { silence: 45_000 });
source.addEventListener("price", ({ data }: MessageEvent<string>) => console.log(data));
new SharedEventSource(async () => "/events", { name: "events" });
// @ts-expect-error: a function needs a name
new SharedEventSource(() => "/events");
"""


@pytest.fixture(scope="module")
def errors(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """Run the commands of the guide on each variant; return the errors of the last one."""
    directory = tmp_path_factory.mktemp("typed")
    (page,) = re.findall(r"^```ts\n(.*?)^```", GUIDE, re.DOTALL | re.MULTILINE)
    for name, variant in VARIANTS.items():
        assert not variant.old or EXAMPLE.count(variant.old) == 1
        source = EXAMPLE.replace(variant.old, variant.new) if variant.old else EXAMPLE
        (directory / name).mkdir()
        (directory / name / "fastapi_tokens.py").write_text(source, "utf-8")
        (directory / name / "page.ts").write_text(page, "utf-8")
    (directory / "as_it_is" / "shared.ts").write_text(SHARED, "utf-8")
    dump(directory)
    modules = directory / "node_modules"
    modules.mkdir()
    (modules / "sse-asgi").symlink_to(ROOT / "sse_asgi" / "web")
    jobs = [
        {"input": f"./{name}/openapi.json", "output": f"{name}/client", "plugins": [PLUGIN]}
        for name in VARIANTS
    ]
    (directory / "openapi-ts.config.mjs").write_text(f"export default {json.dumps(jobs)};")
    tools = npm.installed() / ".bin"
    made = npm.execute(tools / "openapi-ts", directory)
    assert made.returncode == 0, made.stdout + made.stderr
    pages = ["as_it_is/shared.ts", *(f"{name}/page.ts" for name in VARIANTS)]
    checked = npm.execute(tools / "tsc", directory, *TSC, *pages)
    lines = checked.stdout.splitlines()
    assert all(line.startswith((" ", *VARIANTS)) for line in lines), checked.stdout
    return {name: [line for line in lines if line.startswith(name)] for name in VARIANTS}


def dump(directory: Path) -> None:
    """Write what each variant of the example says of itself."""
    versions = {name: variant.version for name, variant in VARIANTS.items()}
    command = [sys.executable, "-c", DUMP, json.dumps(versions)]
    paths = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run(command, cwd=directory, env=paths, check=True, timeout=60)


@pytest.mark.needs("node", "npm")
@pytest.mark.timeout(240)  # it installs the packages
@pytest.mark.parametrize("name", VARIANTS)
def test_build_fails_exactly_if_the_page_forgets_a_change(
    errors: dict[str, list[str]], name: str
) -> None:
    expected = VARIANTS[name].error
    if expected is None:
        assert errors[name] == []
    else:
        assert any(f"'{expected}'" in line.replace('"', "'") for line in errors[name]), errors[name]


@pytest.mark.needs("chromium", "playwright", "node", "npm")
@pytest.mark.timeout(240)
def test_swagger_ui_shows_the_events(browser: Browser, tmp_path: Path) -> None:
    files = npm.installed() / "swagger-ui-dist"

    def fulfill(route: Route) -> None:
        file = files / route.request.url.rpartition("/")[2]
        route.fulfill(path=file) if file.exists() else route.abort()

    with (
        running("fastapi_tokens", tmp_path) as process,
        opened(browser, "about:blank") as page,
    ):
        address = f"http://127.0.0.1:{process.port}/"
        page.route(lambda url: not url.startswith(address), fulfill)
        page.goto(f"{address}docs")
        page.click("#operations-default-tokens_chat_tokens_get button.opblock-summary-control")
        stream = page.locator("#operations-default-tokens_chat_tokens_get tr.response").first
        assert "Token or Done as JSON, named by its kind" in stream.inner_text()
        assert "text/event-stream" in stream.inner_text()
        union = page.locator("section.models article", has_text="ChatEvent").first
        union.get_by_text("Expand all").first.click()
        for text in ("One of", "#0 Token", "#1 Done", "kind"):
            union.get_by_text(text).first.wait_for()


@pytest.mark.needs("schemathesis")
@pytest.mark.timeout(120)
def test_schemathesis_finds_that_streams_keep_to_their_schemas(tmp_path: Path) -> None:
    with running("fastapi_tokens", tmp_path) as process:
        url = f"http://127.0.0.1:{process.port}/openapi.json"
        options = ("--max-examples", "3", "--request-timeout", "8", "--no-color", "--seed", "1")
        ended = subprocess.run(
            [sys.executable, "-m", "schemathesis.cli", "run", url, *options],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
    assert ended.returncode == 0, ended.stdout
    assert "2 passed" in ended.stdout
