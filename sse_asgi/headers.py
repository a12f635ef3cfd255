"""Header fields: their grammar, and the questions that this library asks of them (RFC 9110)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final, TypeAlias

from .checks import refuse, shorten

__all__ = [
    "BODILESS",
    "CONTROL",
    "HOP_BY_HOP",
    "TOKEN",
    "Fields",
    "HeaderFields",
    "Headers",
    "ResponseHeaders",
    "checked_headers",
    "decoded",
    "decoded_utf8",
    "end_to_end",
    "header",
    "is_event_stream",
    "is_token",
    "media_type",
]

Headers: TypeAlias = list[tuple[bytes, bytes]]
"""Header fields as ASGI has them: names in lower case and values, as bytes."""

HeaderFields: TypeAlias = Mapping[str, str] | Iterable[tuple[str, str]]
"""Header fields as a user gives them."""

TOKEN: Final = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
"""A ``token`` (RFC 9110, 5.6.2): a field name, a method, a content coding."""

BODILESS: Final = frozenset({204, 205, 304})
"""The final statuses whose responses have no body (RFC 9110, 15.3.5, 15.3.6 and 15.4.5)."""

CONTROL: Final = re.compile(rb"[\0\r\n]")
"""The bytes that end or cut a field value on the wire (RFC 9110, 5.5)."""

_TOKEN: Final = re.compile(TOKEN)
_FIELD_VALUE: Final = re.compile(r"[^\x00-\x08\x0a-\x1f\x7f]*")

HOP_BY_HOP: Final[Mapping[str, str]] = MappingProxyType(
    {
        "connection": "HTTP/3 clients close the whole connection for it (RFC 9114, 4.2)",
        "keep-alive": "HTTP/2 and HTTP/3 have none (RFC 9113, 8.2.2)",
        "proxy-connection": "HTTP/2 and HTTP/3 have none (RFC 9113, 8.2.2)",
        "upgrade": "HTTP/2 and HTTP/3 have none (RFC 9113, 8.2.2)",
        "transfer-encoding": "the server frames the body",
        "content-length": "a stream has no length",
    }
)
"""The fields that only the server may set, with the reason for each."""

_HOP_BY_HOP: Final = frozenset(name.encode() for name in HOP_BY_HOP)

_SINGLETONS: Final = frozenset(
    {b"access-control-allow-credentials", b"access-control-allow-origin", b"age"}
    | {b"content-disposition", b"content-location", b"content-type", b"date", b"etag"}
    | {b"expires", b"last-modified", b"location", b"retry-after"}
)
"""Fields that hold one value. Clients ignore a repeated one, or each client reads another."""

_PARAMETER: Final = re.compile(r'(?:[^;"]|"(?:\\.|[^"\\])*"?)+', re.DOTALL)
"""The text between two semicolons; a quoted string may hold semicolons (RFC 9110, 5.6.4)."""

_QUOTED_PAIR: Final = re.compile(r"\\(.)", re.DOTALL)


class Fields(Mapping[str, str]):
    """Named values. A name may have several, of which the mapping gives the first.

    :param pairs: names and values in their order
    :param fold_case: whether names match in any case, as those of header fields do (RFC 9110, 5.1)
    """

    __slots__ = ("_fold_case", "_values")

    def __init__(self, pairs: Iterable[tuple[str, str]], *, fold_case: bool = False) -> None:
        self._fold_case = fold_case
        self._values: dict[str, list[str]] = {}
        for name, value in pairs:
            self._values.setdefault(self._key(name), []).append(value)

    def _key(self, name: str) -> str:
        return name.lower() if self._fold_case else name

    def __getitem__(self, name: str) -> str:
        return self._values[self._key(name)][0]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def get_all(self, name: str) -> list[str]:
        """Return every value of ``name``, in order."""
        return list(self._values.get(self._key(name), ()))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._values!r})"


class ResponseHeaders(Fields):
    """Header fields of a response by name, in any case.

    ``headers[name]`` joins the values of a repeated field with commas (RFC 9110, 5.2).
    """

    __slots__ = ("raw",)

    def __init__(self, raw: Iterable[tuple[bytes, bytes]] = ()) -> None:
        self.raw: tuple[tuple[bytes, bytes], ...] = tuple(
            (bytes(name), bytes(value)) for name, value in raw
        )
        """The fields as the app sent them."""
        super().__init__(
            ((decoded(name), decoded(value)) for name, value in self.raw), fold_case=True
        )

    def __getitem__(self, name: str) -> str:
        values = self.get_all(name)
        if not values:
            raise KeyError(name)
        return ", ".join(values)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({[(decoded(n), decoded(v)) for n, v in self.raw]!r})"


def decoded(field: str | bytes) -> str:
    """Return a field's name or value as text. Some test clients put text into their scopes."""
    return field if isinstance(field, str) else bytes(field).decode("latin-1")


def decoded_utf8(field: str | bytes) -> str:
    """Return a value as text: the bytes are UTF-8, or else Latin-1, in which all bytes are text."""
    if isinstance(field, str):
        return field
    try:
        return bytes(field).decode()
    except UnicodeDecodeError:
        return bytes(field).decode("latin-1")


def header(headers: Iterable[tuple[Any, Any]], name: bytes) -> bytes | None:
    """Return the first value of a field as bytes, or None.

    :param headers: the fields of an ASGI scope; those of some test clients are str
    :param name: the field's name, in lower case
    """
    size = len(name)  # most fields differ in it, so it is compared first
    for key, value in headers:
        if len(key) == size and (key == name or decoded(key).lower() == name.decode()):
            return value.encode(errors="replace") if isinstance(value, str) else bytes(value)
    return None


def is_token(text: object) -> bool:
    """Tell whether ``text`` is a ``token`` (RFC 9110, 5.6.2)."""
    return isinstance(text, str) and _TOKEN.fullmatch(text) is not None


def media_type(content_type: str) -> tuple[str, str]:
    """Return the media type and its charset in lower case; without a charset, that is ``""``.

    The value of a parameter may be quoted (RFC 9110, 5.6.6 and 8.3.1).
    """
    kind, _, parameters = content_type.partition(";")
    kind = kind.strip().lower()
    for parameter in _PARAMETER.findall(parameters):
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "charset":
            return kind, _unquoted(value.strip()).strip().lower()
    return kind, ""


def _unquoted(value: str) -> str:
    if not value.startswith('"'):
        return value
    return _QUOTED_PAIR.sub(r"\1", value[1:].removesuffix('"'))


def is_event_stream(content_type: str) -> bool:
    """Tell whether a client reads events from such a response (WHATWG HTML 9.2.3)."""
    return media_type(content_type)[0] == "text/event-stream"


def end_to_end(headers: Headers) -> Headers:
    """Return the headers without those that only the server may set (see :data:`HOP_BY_HOP`)."""
    return [pair for pair in headers if pair[0].lower() not in _HOP_BY_HOP]


def checked_headers(fields: HeaderFields | None) -> Headers:
    """Return the response headers that a user gives, as ASGI has them.

    :raises TypeError: they are not pairs of str
    :raises ValueError: a field cannot be sent, or only the server may set it, or a field that has
        one value is given twice (RFC 9110, 5.3)
    """
    if fields is None:
        return []
    if isinstance(fields, (str, bytes)) or not isinstance(fields, Iterable):
        raise TypeError(refuse("headers", "a mapping or pairs of str", fields))
    pairs = fields.items() if isinstance(fields, Mapping) else fields
    checked = [_checked_field(pair) for pair in pairs]
    names: set[bytes] = set()
    for name, _ in checked:
        if name in names and name in _SINGLETONS:
            raise ValueError(f"headers: {name.decode()!r} must be given only once (RFC 9110, 5.3)")
        names.add(name)
    return checked


def _checked_field(pair: object) -> tuple[bytes, bytes]:
    if not (isinstance(pair, tuple) and len(pair) == 2 and all(isinstance(x, str) for x in pair)):
        raise TypeError(refuse("headers", "pairs of str", pair))
    name, value = pair
    if not is_token(name):
        raise ValueError(f"headers: {shorten(name)} is not a field name (RFC 9110, 5.1)")
    if name.lower() in HOP_BY_HOP:
        raise ValueError(f"headers: {name!r} must not be set: {HOP_BY_HOP[name.lower()]}")
    if not _FIELD_VALUE.fullmatch(value) or value != value.strip(" \t"):
        raise ValueError(
            f"headers: the value {shorten(value)} of {name!r} holds control characters or outer "
            "space (RFC 9110, 5.5)"
        )
    try:
        return name.lower().encode(), value.encode("latin-1")
    except UnicodeEncodeError as exc:
        raise ValueError(
            f"headers: the value {shorten(value)} of {name!r} is not Latin-1 (RFC 9110, 5.5)"
        ) from exc
