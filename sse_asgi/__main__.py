"""``python -m sse_asgi`` serves the live demo; ``python -m sse_asgi doctor`` examines a stream."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from .extras import how_to_install

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if arguments and arguments[0] == "doctor":
        from .doctor import main as examine

        return examine(arguments[1:])
    options = _parser().parse_args(arguments)
    return _demo(options.host, options.port)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m sse_asgi",
        description="Serve the live demo: one page that shows a stream, cut and resumed.",
        epilog="'python -m sse_asgi doctor URL' says what stands between a stream and a browser.",
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (%(default)s)")
    parser.add_argument(
        "--port", type=_port, default=8000, help="port to listen on, 0 for a free one (%(default)s)"
    )
    return parser


def _port(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= 5 and int(text) <= 65535):
        raise argparse.ArgumentTypeError(f"must be a whole number from 0 to 65535, not {text!r}")
    return int(text)


def _demo(host: str, port: int) -> int:
    try:
        from .demo.server import run
    except ModuleNotFoundError as exc:
        if exc.name is None or exc.name.partition(".")[0] != "hypercorn":
            raise
        print(f"The demo needs hypercorn: {how_to_install('demo')}", file=sys.stderr)
        return 2
    return run(host, port)


if __name__ == "__main__":
    sys.exit(main())
