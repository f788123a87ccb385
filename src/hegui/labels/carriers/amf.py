"""AMF0, as far as the metadata of Flash Video goes: where its properties and numbers stand."""

import struct
from collections.abc import Iterator
from typing import Final, NamedTuple

from hegui.labels.source import ReadError

NUMBER: Final = 0
STRING: Final = 2
OBJECT: Final = 3
ARRAY: Final = 8  # with names
STRICT: Final = 10  # without
LONG: Final = 12
_END: Final = b"\0\0\x09"
_FIXED: Final = {NUMBER: 8, 1: 1, 4: 0, 5: 0, 6: 0, 7: 2, 11: 10, 13: 0}  # bytes after the kind
_DEEPEST: Final = 16
_MOST: Final = 500_000  # values


class Property(NamedTuple):
    """A name and its value; `value` is where the value's kind stands."""

    start: int
    name: str
    kind: int
    value: int
    end: int


class Walk:
    """Walks through values; counts them, so that no file can keep it busy."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self._left = _MOST

    def take(self, layout: str, at: int) -> int:
        try:
            (number,) = struct.unpack_from(layout, self.data, at)
        except struct.error as error:
            raise ReadError("malformed", "AMF") from error
        return int(number)

    def string(self, at: int) -> tuple[str, int]:
        """A string without its kind, and where it ends."""
        end = at + 2 + self.take(">H", at)
        if end > len(self.data):
            raise ReadError("malformed", "AMF")
        return self.data[at + 2 : end].decode("utf-8", "replace"), end

    def end_of(self, at: int, depth: int = 0) -> int:
        """Where the value at a place ends."""
        self._left -= 1
        if depth > _DEEPEST or self._left < 0:
            raise ReadError("over_limit", "AMF")
        kind = self.take("B", at)
        end = at + 1
        if kind in _FIXED:
            end += _FIXED[kind]
        elif kind == STRING:
            end = self.string(end)[1]
        elif kind == LONG:
            end += 4 + self.take(">I", end)
        elif kind in (OBJECT, ARRAY):
            *_, end = (self.first(at), *(p.end for p in self.properties(at, depth)))
            end += len(_END) if self.data[end : end + 3] == _END else 0
        elif kind == STRICT:
            count, end = self.take(">I", end), end + 4
            for _ in range(count):
                end = self.end_of(end, depth + 1)
        else:
            raise ReadError("malformed", f"AMF {kind}")
        if end > len(self.data):
            raise ReadError("malformed", "AMF")
        return end

    def first(self, at: int) -> int:
        """Where the first property of an object or array stands."""
        return at + (5 if self.take("B", at) == ARRAY else 1)

    def properties(self, at: int, depth: int = 0) -> Iterator[Property]:
        """The properties of an object or array, up to its end mark or, where it lacks one, of the data."""
        at = self.first(at)
        while at < len(self.data) and self.data[at : at + 3] != _END:
            name, value = self.string(at)
            end = self.end_of(value, depth + 1)
            yield Property(at, name, self.take("B", value), value, end)
            at = end

    def text(self, value: int) -> str | None:
        """The value as a string, if it is one."""
        kind = self.take("B", value)
        if kind not in (STRING, LONG):
            return None
        start = value + (3 if kind == STRING else 5)
        return self.data[start : self.end_of(value)].decode("utf-8", "replace")

    def numbers(self, value: int) -> Iterator[int]:
        """Where the numbers of a strict array stand; nothing for another kind of value."""
        if self.take("B", value) == STRICT:
            at = value + 5
            for _ in range(self.take(">I", value + 1)):
                if self.take("B", at) == NUMBER:
                    yield at + 1
                at = self.end_of(at)


def string(text: str) -> bytes:
    """A string without its kind."""
    data = text.encode()
    return struct.pack(">H", len(data)) + data


def named(name: str, value: str) -> bytes:
    """A property whose value is a string."""
    return string(name) + bytes([STRING]) + string(value)
