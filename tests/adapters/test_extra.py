"""An adapter whose framework is not installed says how to install it."""

from __future__ import annotations

import subprocess
import sys

import pytest

HIDE = """
import sys
for name in {hidden!r}:
    sys.modules[name] = None
import {module}
"""

MODULES = [
    ("sse_asgi.adapters.starlette", ["starlette"], "starlette"),
    ("sse_asgi.adapters.fastapi", ["fastapi"], "fastapi"),
    ("sse_asgi.adapters.litestar", ["litestar"], "litestar"),
    ("sse_asgi.adapters.quart", ["quart"], "quart"),
    ("sse_asgi.adapters.django", ["django"], "django"),
]


@pytest.mark.parametrize(("module", "hidden", "extra"), MODULES)
def test_missing_framework_is_told_with_the_command_that_installs_it(
    module: str, hidden: list[str], extra: str
) -> None:
    program = HIDE.format(hidden=hidden, module=module)
    process = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert f'{extra} is not installed: pip install "sse-asgi[{extra}]"' in process.stderr
