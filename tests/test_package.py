"""What is published: one version, whole files for Python and for JavaScript, no dead links."""

from __future__ import annotations

import json
import re
import subprocess
import tarfile
import tomllib
from pathlib import Path
from typing import Any

import pytest

import sse_asgi

ROOT = Path(__file__).parent.parent
WEB = ROOT / "sse_asgi" / "web"
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
MANIFEST: dict[str, Any] = json.loads((WEB / "package.json").read_text("utf-8"))

IMPORT = """
import { SteadyEventSource } from "sse-asgi";
import { SharedEventSource } from "sse-asgi/shared";
console.log(typeof SteadyEventSource, import.meta.resolve("sse-asgi").split("/").at(-1));
console.log(SharedEventSource.prototype instanceof SteadyEventSource);
"""


def test_version_has_one_source() -> None:
    assert "version" in PROJECT["project"]["dynamic"]
    source = PROJECT["tool"]["hatch"]["version"]
    found = re.findall(source["pattern"], (ROOT / source["path"]).read_text("utf-8"))
    assert found == [sse_asgi.__version__]


def test_client_package_has_the_version_of_the_library() -> None:
    assert MANIFEST["version"] == sse_asgi.__version__
    assert MANIFEST["license"] == PROJECT["project"]["license"]


def test_newest_release_of_the_changelog_is_this_version() -> None:
    changes = (ROOT / "CHANGELOG.md").read_text("utf-8")
    releases = re.findall(r"^## \[(\d\S*)\] - \d{4}-\d\d-\d\d$", changes, re.MULTILINE)
    assert releases[:1] in ([], [sse_asgi.__version__])
    assert changes.count("## [Unreleased]") == (not releases)


def test_long_description_has_no_dead_links() -> None:
    hook = PROJECT["tool"]["hatch"]["metadata"]["hooks"]["fancy-pypi-readme"]
    text = (ROOT / "README.md").read_text("utf-8")
    for substitution in hook["substitutions"]:
        text = re.sub(substitution["pattern"], substitution["replacement"], text)
    assert not re.findall(r"\]\((?!https?://)", text)
    assert "[anyio](https://pypi.org/project/anyio/)" in text


def test_source_distribution_has_all_that_the_tests_need() -> None:
    included = PROJECT["tool"]["hatch"]["build"]["targets"]["sdist"]["only-include"]
    for name in ("sse_asgi", "tests", "examples", "README.md", "noxfile.py"):
        assert name in included
    assert all((ROOT / name).exists() for name in included)


def test_names_in_the_client_manifest_are_files() -> None:
    entries = [MANIFEST["exports"][name] for name in (".", "./shared")]
    named = {entry[key] for entry in entries for key in ("types", "default")}
    assert named == {f"./{name}" for name in MANIFEST["files"]}
    assert all((WEB / name).is_file() for name in MANIFEST["files"])


@pytest.mark.parts
@pytest.mark.needs("node", "npm")
def test_packed_client_is_imported_by_its_name(tmp_path: Path) -> None:
    packed = run("npm", "pack", str(WEB), "--json", cwd=tmp_path)
    (archive,) = tmp_path.glob("*.tgz")
    assert archive.name in packed
    with tarfile.open(archive) as files:
        names = {name.removeprefix("package/") for name in files.getnames()}
        assert names == {*MANIFEST["files"], "package.json", "README.md"}
        files.extractall(tmp_path / "node_modules", filter="data")
    (tmp_path / "node_modules" / "package").rename(tmp_path / "node_modules" / "sse-asgi")
    (tmp_path / "page.mjs").write_text(IMPORT)
    assert run("node", "page.mjs", cwd=tmp_path) == "function client.js\ntrue\n"


def run(*command: str, cwd: Path) -> str:
    return subprocess.run(
        command, cwd=cwd, check=True, capture_output=True, text=True, timeout=50
    ).stdout
