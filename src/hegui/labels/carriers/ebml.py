"""EBML (RFC 8794): elements walked in a file by their heads, and small ones as trees in memory."""

import zlib
from collections.abc import Iterator
from typing import Final, NamedTuple

import msgspec

from hegui.labels.source import ReadError, Source

CRC: Final = 0xBF
VOID: Final = 0xEC
_DEEPEST: Final = 16
_MOST: Final = 500_000  # elements of one tree


class Element(NamedTuple):
    start: int
    id: int
    data: int
    end: int | None  # None where its size is unknown


class Node(msgspec.Struct):
    """An element in memory: its data, or the elements that it holds. `width` is that of its size."""

    id: int
    data: bytes = b""
    children: "list[Node] | None" = None
    width: int = 1

    def find(self, *ids: int) -> "Iterator[Node]":
        """The elements at a path of ids below this one."""
        for child in self.children or ():
            if child.id == ids[0]:
                if len(ids) == 1:
                    yield child
                else:
                    yield from child.find(*ids[1:])

    def number(self) -> int:
        return int.from_bytes(self.data)

    def text(self) -> str:
        return self.data.decode("utf-8", "replace").rstrip("\0")

    def pack(self) -> bytes:
        """The element as bytes; a checksum that it holds is made anew."""
        data = self.data
        if self.children is not None:
            parts = [child.pack() for child in self.children if child.id != CRC]
            data = b"".join(parts)
            if len(parts) < len(self.children):
                data = b"\xbf\x84" + zlib.crc32(data).to_bytes(4, "little") + data
        return _id(self.id) + size_of(len(data), self.width) + data


def element_at(source: Source, start: int, end: int) -> Element:
    """The element whose head stands at `start`, in what ends at `end`."""
    source.step()
    head = source.read(start, min(12, end - start))
    number, at = _number(head, 0, 4, marked=True)
    size, at = _number(head, at, 8, marked=False)
    if size is None:
        return Element(start, number or 0, start + at, None)
    if start + at + size > end:
        raise ReadError("truncated", f"element {number:X}")
    return Element(start, number or 0, start + at, start + at + size)


def tree(data: bytes, masters: frozenset[int]) -> Node:
    """The one element that these bytes are, as a tree; `masters` are those that hold others."""
    left = [_MOST]
    node, end = _node(data, 0, masters, 0, left)
    if end != len(data):
        raise ReadError("malformed", "element")
    return node


def _node(
    data: bytes, start: int, masters: frozenset[int], depth: int, left: list[int]
) -> tuple[Node, int]:
    left[0] -= 1
    if depth > _DEEPEST or left[0] < 0:
        raise ReadError("over_limit", "elements")
    number, middle = _number(data, start, 4, marked=True)
    size, at = _number(data, middle, 8, marked=False)
    if number is None or size is None or at + size > len(data):
        raise ReadError("malformed", "element")
    end = at + size
    node = Node(number, width=at - middle)
    if number not in masters:
        node.data = data[at:end]
        return node, end
    node.children = []
    while at < end:
        child, at = _node(data, at, masters, depth + 1, left)
        node.children.append(child)
    if at > end:
        raise ReadError("malformed", "element")
    return node, end


def _number(data: bytes, at: int, longest: int, *, marked: bool) -> tuple[int | None, int]:
    """A number of variable length, with its length mark (an id) or without; None is "unknown"."""
    first = data[at] if at < len(data) else 0
    length = 9 - first.bit_length()
    if length > longest or at + length > len(data):
        raise ReadError("malformed", "element head")
    value = int.from_bytes(data[at : at + length])
    if marked:
        return value, at + length
    value &= (1 << 7 * length) - 1
    return (None if value == (1 << 7 * length) - 1 else value), at + length


def _id(number: int) -> bytes:
    return number.to_bytes((number.bit_length() + 7) // 8)


def size_of(size: int, width: int) -> bytes:
    """A size, in `width` bytes if it fits, else in as many as it takes."""
    while size >= (1 << 7 * width) - 1:
        width += 1
    return (1 << 7 * width | size).to_bytes(width)


def void(length: int) -> bytes:
    """Free space of this length in all, which must not be 1."""
    if not length:
        return b""
    width = 1 if length < 0x80 else 8
    size = length - 1 - width
    return b"\xec" + size_of(size, width) + bytes(size)


def uint(number: int, width: int) -> bytes:
    """A number as an element holds it, in `width` bytes if it fits."""
    return number.to_bytes(max(width, (number.bit_length() + 7) // 8, 1))
