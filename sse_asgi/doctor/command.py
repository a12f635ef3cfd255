"""``python -m sse_asgi doctor URL`` says what stands between an event stream and a browser."""

from __future__ import annotations

import argparse
import json
import math
import re
import ssl
import sys
from collections.abc import Sequence
from typing import Final, TextIO

from ..headers import TOKEN
from .address import split_url
from .examination import Examiner
from .findings import Finding, Level, diagnose

__all__ = ["main"]

_FINE: Final = 0
_TROUBLE: Final = 1
_FAILED: Final = 2
_INTERRUPTED: Final = 130
"""Exit statuses; the last one is that of shells after Ctrl-C."""

_HEADER: Final = re.compile(rf"({TOKEN}):[ \t]*([^\x00-\x1f\x7f]*)")


def main(arguments: Sequence[str]) -> int:
    """Examine a stream, print one finding a line, and return the exit status.

    That is 0 if all is fine, 1 if there is trouble, and 2 if nothing could be found out.
    """
    options = _parser().parse_args(arguments)
    context = ssl.create_default_context()
    if options.insecure:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if not options.json:
        _say(f"Watching {options.url} for {options.seconds:g} s")
    examiner = Examiner(options.url, tuple(options.header), options.seconds, context)
    try:
        findings = diagnose(examiner.examine())
    except KeyboardInterrupt:
        return _INTERRUPTED
    except (OSError, ValueError) as exc:
        _say(f"Cannot examine {options.url}: {_reason(exc)}", sys.stderr)
        return _FAILED
    _print_json(options.url, findings) if options.json else _print(findings)
    return _TROUBLE if any(finding.level is Level.TROUBLE for finding in findings) else _FINE


def _say(text: str, file: TextIO | None = None) -> None:
    """Print a line. A server's answer may hold characters that steer or break a terminal."""
    file = sys.stdout if file is None else file
    escaped = (c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    encoding = file.encoding or "utf-8"
    line = "".join(escaped).encode(encoding, "backslashreplace").decode(encoding)
    print(line, file=file, flush=True)


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"{error.verify_message} (--insecure trusts any certificate)"
    if isinstance(error, TimeoutError):
        return "the server does not accept the connection"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def _print(findings: list[Finding]) -> None:
    for finding in findings:
        mark = finding.level.value
        mark = mark.upper() if finding.level is Level.TROUBLE else mark
        advice = f". Do: {finding.advice}" if finding.advice else ""
        _say(f"{mark:7}  {finding.topic}: {finding.text}{advice}")


def _print_json(url: str, findings: list[Finding]) -> None:
    rows = [
        {"level": item.level.value, "topic": item.topic, "text": item.text, "advice": item.advice}
        for item in findings
    ]
    print(json.dumps({"url": url, "findings": rows}, indent=2))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m sse_asgi doctor",
        description="Say what stands between an event stream and a browser.",
        epilog="Exit status: 0 all is fine, 1 there is trouble, 2 nothing could be found out.",
    )
    parser.add_argument("url", type=_url, help="address of the stream")
    parser.add_argument(
        "--seconds", type=_seconds, default=20.0, help="how long to watch it (%(default)g)"
    )
    parser.add_argument(
        "--header",
        type=_header,
        action="append",
        default=[],
        metavar="'NAME: VALUE'",
        help="a further request header, such as a cookie; may be repeated",
    )
    parser.add_argument("--insecure", action="store_true", help="trust any certificate")
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser


def _url(text: str) -> str:
    try:
        split_url(text)
    except ValueError as exc:
        raise argparse.ArgumentTypeError(str(exc)) from None
    return text


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds <= 3600:
        raise argparse.ArgumentTypeError(f"must be seconds above 0, up to 3600, not {text!r}")
    return seconds


def _header(text: str) -> tuple[str, str]:
    matched = _HEADER.fullmatch(text)
    if matched is None:
        raise argparse.ArgumentTypeError(f"must be 'Name: value', not {text!r}")
    return matched[1], matched[2].strip()
