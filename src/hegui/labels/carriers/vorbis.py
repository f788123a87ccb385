"""Vorbis comments, the metadata of FLAC and Ogg: a vendor, and a list of NAME=value."""

import struct
from collections.abc import Sequence
from typing import Final

import msgspec

from hegui.labels.carriers.carrier import Site
from hegui.labels.carriers.keyed import KEY, is_label, site, text
from hegui.labels.source import ReadError

_MOST: Final = 100_000  # comments


class Comments(msgspec.Struct, frozen=True):
    """A comment block as it stands; `rest` is what follows the list (a framing bit, padding)."""

    vendor: bytes
    items: Sequence[bytes]
    rest: bytes

    @classmethod
    def parse(cls, data: bytes) -> "Comments":
        """Raises `ReadError` for a block that is not what it says."""
        try:
            vendor, at = _string(data, 0)
            (count,) = struct.unpack_from("<I", data, at)
            at += 4
            if count > _MOST:
                raise ReadError("over_limit", "comments")
            items = []
            for _ in range(count):
                item, at = _string(data, at)
                items.append(item)
        except struct.error as error:
            raise ReadError("malformed", "comments") from error
        return cls(vendor, items, data[at:])

    def sites(self, place: str, *, guide: bool = True) -> list[Site]:
        """The labels among them. Names of comments have no case, so `aigc` is the guide's name too."""
        return [
            site(place, KEY if name.upper() == KEY else name, value, guide=guide)
            for name, value in map(_split, self.items)
            if is_label(name, value)
        ]

    def labelled(self, value: str | None) -> "Comments":
        """The same comments with `value` as the only label, or with none."""
        items = [item for item in self.items if not is_label(*_split(item))]
        if value is not None:
            items.append(f"{KEY}={value}".encode())
        return Comments(self.vendor, items, self.rest)

    def pack(self) -> bytes:
        parts = [_packed(self.vendor), struct.pack("<I", len(self.items))]
        return b"".join([*parts, *map(_packed, self.items), self.rest])


def _string(data: bytes, at: int) -> tuple[bytes, int]:
    (size,) = struct.unpack_from("<I", data, at)
    end = at + 4 + size
    if end > len(data):
        raise ReadError("malformed", "comments")
    return data[at + 4 : end], end


def _packed(data: bytes) -> bytes:
    return struct.pack("<I", len(data)) + data


def _split(item: bytes) -> tuple[str, str]:
    name, _, value = item.partition(b"=")
    return name.decode("ascii", "replace"), text(value)
