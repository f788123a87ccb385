"""Items of a meta box (ISO/IEC 14496-12, 8.11): their descriptions (infe) and locations (iloc)."""

from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

import msgspec

from hegui.labels.carriers.bmff import WORD, Box, boxes, content
from hegui.labels.source import ReadError, Source

_MANY: Final = 65_536  # items, or extents, of one file that we look at


class Item(NamedTuple):
    """What a file says of an item: `content` is the media type of one of kind `mime`."""

    number: int
    kind: bytes
    content: bytes = b""
    packed: bytes = b""  # the content's encoding


class Extent(NamedTuple):
    place: int
    length: int
    number: int = 0  # extent_index, of method 2


class Location(NamedTuple):
    """Where an item's data is: in the file (method 0), in idat (1), or in other items (2).

    Places count from `base`.
    """

    method: int
    elsewhere: int  # data_reference_index: 0 is this file
    base: int
    extents: list[Extent]

    def ranges(self, origin: int = 0) -> list[tuple[int, int]]:
        start = self.base + origin
        return [(start + e.place, start + e.place + e.length) for e in self.extents]

    def moved(self, to: Callable[[int], int]) -> "Location":
        """The same data where `to` says that it is now; `base` is kept in use where it is used."""
        old = [self.base + extent.place for extent in self.extents]
        by = {to(place) - place for place in old}
        if by <= {0}:
            return self
        if len(by) == 1 and self.base and self.base + min(by) >= 0:
            return self._replace(base=self.base + by.pop())
        extents = [e._replace(place=to(place)) for e, place in zip(self.extents, old, strict=True)]
        return self._replace(base=0, extents=extents)


class Locations(msgspec.Struct):
    """The iloc box; `widths` are the bytes of its offset, length, base and index fields."""

    version: int
    flags: bytes
    widths: tuple[int, int, int, int]
    items: dict[int, Location]

    @classmethod
    def of(cls, data: bytes) -> "Locations":
        """Parse the box's content; raises `ReadError`."""
        fields = _Fields(data)
        version, flags = fields.number(1), fields.bytes(3)
        sizes, more = fields.number(1), fields.number(1)
        widths = (sizes >> 4, sizes & 15, more >> 4, more & 15 if version in {1, 2} else 0)
        if version > 2 or not {*widths} <= {0, 4, 8}:
            raise ReadError("malformed", "iloc")
        found = cls(version, flags, widths, {})
        for _ in range(fields.count(4 if version == 2 else 2)):
            number = fields.number(4 if version == 2 else 2)
            method = fields.number(2) & 15 if version else 0
            elsewhere, base = fields.number(2), fields.number(widths[2])
            extents = []
            for _ in range(fields.count(2)):
                index = fields.number(widths[3])
                extents.append(Extent(fields.number(widths[0]), fields.number(widths[1]), index))
            found.items[number] = Location(method, elsewhere, base, extents)
        return found

    def pack(self) -> bytes:
        """The box's content, with fields as wide as before, or as wide as they must be."""
        every = self.items.values()
        extents = [extent for item in every for extent in item.extents]
        needs = (
            _width([extent.place for extent in extents]),
            _width([extent.length for extent in extents]),
            _width([item.base for item in every]),
            0,
        )
        offset, length, base, index = map(max, self.widths, needs)
        wide = 4 if self.version == 2 else 2
        parts = [
            bytes([self.version]),
            self.flags,
            bytes([offset << 4 | length, base << 4 | index]),
        ]
        parts.append(len(self.items).to_bytes(wide))
        for number, item in self.items.items():
            parts += [number.to_bytes(wide), item.method.to_bytes(2 if self.version else 0)]
            parts += [item.elsewhere.to_bytes(2), item.base.to_bytes(base)]
            parts.append(len(item.extents).to_bytes(2))
            for e in item.extents:
                parts += [e.number.to_bytes(index), e.place.to_bytes(offset)]
                parts.append(e.length.to_bytes(length))
        return b"".join(parts)


def _width(values: list[int]) -> int:
    most = max(values, default=0)
    return 8 if most > WORD else 4 if most else 0


class _Fields:
    """Reads numbers off bytes, one after the other."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at, self._counted = data, 0, 0

    def bytes(self, width: int) -> bytes:
        start, self._at = self._at, self._at + width
        if self._at > len(self._data):
            raise ReadError("malformed", "iloc")
        return self._data[start : self._at]

    def number(self, width: int) -> int:
        return int.from_bytes(self.bytes(width))

    def count(self, width: int) -> int:
        count = self.number(width)
        self._counted += count
        if self._counted > _MANY:
            raise ReadError("over_limit", "iloc")
        return count


def items(source: Source, iinf: Box) -> Iterator[Item]:
    """Every item that an iinf box describes."""
    width = 2 if source.read(iinf.body, 1) == b"\0" else 4
    for box in boxes(source, iinf.body + 4 + width, iinf.end):
        if box.kind == b"infe":
            yield _item(content(source, box, 64 * 1024))


def _item(data: bytes) -> Item:
    version = data[0] if data else 0
    wide = 4 if version == 3 else 2
    number, rest = int.from_bytes(data[4 : 4 + wide]), data[6 + wide :]
    if len(data) < 6 + wide:
        raise ReadError("malformed", "infe")
    kind, rest = (rest[:4], rest[4:]) if version >= 2 else (b"", rest)
    texts = [*rest.split(b"\0"), b"", b"", b""]
    if version < 2 and texts[1]:
        kind = b"mime"
    return Item(number, kind, *(texts[1:3] if kind == b"mime" else ()))


def numbers(data: bytes, *, wide: bool) -> tuple[int, ...]:
    """A list of item numbers, 16 or 32 bits each."""
    width = 4 if wide else 2
    ends = range(width, len(data) + 1, width)
    return tuple(int.from_bytes(data[end - width : end]) for end in ends)
