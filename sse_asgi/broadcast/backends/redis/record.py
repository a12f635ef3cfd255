"""An entry of the log as Redis keeps it: the fields of a stream's entry.

====== ===============================================================
``e``  the stretch in which the entry was added
``k``  its token
``a``  when it was added, in milliseconds of the server's clock
``t``  its topic
``b``  its encoded event; ``i`` instead, if that is an isolated block
``s``  the bytes of all blocks up to it
``m``  "f" if it begins its topic, "l" if it ends it, "fl" for both
====== ===============================================================
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from ....wire import IsolatedBlock
from ...log.entry import Entry, Position

__all__ = ["Record", "kind_of", "marks_of", "record_of"]

_JOINABLE: Final = b"b"
_ISOLATED: Final = b"i"
_FIRST: Final = b"f"
_LAST: Final = b"l"
_ID: Final = re.compile(rb"0-([0-9]{1,16})")


class Record(NamedTuple):
    """An entry as Redis keeps it."""

    sequence: int
    epoch: str
    token: str
    entry: Entry


def kind_of(block: bytes) -> bytes:
    """Return the name of the field that holds the block."""
    return _ISOLATED if type(block) is IsolatedBlock else _JOINABLE


def marks_of(*, first: bool, last: bool) -> bytes:
    """Return the field that says whether an entry begins or ends its topic; empty: neither."""
    return _FIRST * first + _LAST * last


def record_of(identifier: bytes, fields: list[bytes]) -> Record | None:
    """Return an entry, or None if another program has written it."""
    match = _ID.fullmatch(identifier)
    if match is None or len(fields) < 10 or fields[0:8:2] != [b"e", b"k", b"a", b"t"]:
        return None
    kind, block = fields[8], fields[9]
    if kind == _ISOLATED:
        block = IsolatedBlock(block)
    elif kind != _JOINABLE:
        return None
    try:
        position = Position(fields[1].decode(), int(match[1]))
        marks = fields[13] if len(fields) > 13 and fields[12] == b"m" else b""
        topic, first, last = fields[7].decode(), _FIRST in marks, _LAST in marks
        entry = Entry(position, topic, block, first=first, last=last)
        return Record(position.sequence, position.epoch, fields[3].decode(), entry)
    except UnicodeDecodeError:
        return None
