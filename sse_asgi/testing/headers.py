"""The header fields of a response."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

__all__ = ["ResponseHeaders"]


class ResponseHeaders(Mapping[str, str]):
    """Header fields by case-insensitive name; fields that are repeated are kept.

    ``headers[name]`` joins the values of a repeated field with commas (RFC 9110, 5.2).
    """

    __slots__ = ("raw",)

    def __init__(self, raw: Iterable[tuple[bytes, bytes]] = ()) -> None:
        self.raw = tuple((bytes(name), bytes(value)) for name, value in raw)
        """The fields as the app sent them."""

    def get_all(self, name: str) -> list[str]:
        """Return every value of the field, in the order sent; none is an empty list."""
        wanted = name.lower().encode("latin-1")
        return [value.decode("latin-1") for key, value in self.raw if key.lower() == wanted]

    def __getitem__(self, name: str) -> str:
        values = self.get_all(name)
        if not values:
            raise KeyError(name)
        return ", ".join(values)

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys(key.lower().decode("latin-1") for key, _ in self.raw))

    def __len__(self) -> int:
        return len({key.lower() for key, _ in self.raw})

    def __repr__(self) -> str:
        pairs = [(key.decode("latin-1"), value.decode("latin-1")) for key, value in self.raw]
        return f"{type(self).__name__}({pairs!r})"
