"""ISO base media file format (ISO/IEC 14496-12), QuickTime: its boxes, walked without loading them."""

import struct
from collections.abc import Collection, Iterator
from typing import Final, NamedTuple

from hegui.labels.source import ReadError, Source

DEPTH: Final = 8  # of boxes in boxes that we look at
WORD: Final = 0xFFFF_FFFF  # the most that a 32-bit field holds


class Box(NamedTuple):
    """A box: its header begins at `start`, its content at `body`, and `end` is behind it."""

    start: int
    kind: bytes
    body: int
    end: int
    uuid: bytes = b""  # the type of a box of kind uuid
    wide: bool = False  # its size field has 64 bits
    endless: bool = False  # it has no size: it ends with the file

    @property
    def size(self) -> int:
        return self.end - self.body


Inside = tuple[Box, ...]  # the boxes around one, outermost first


def boxes(source: Source, start: int, end: int) -> Iterator[Box]:
    """The boxes that stand between two places, in their order.

    Raises:
        ReadError: `truncated` for one that is longer than the file, `malformed` for one that is
            longer than what it stands in, or shorter than its own header.
    """
    at = start
    while end - at >= 8:
        source.step()
        box = _box(source, at, end)
        if box is None:
            return
        yield box
        at = box.end


def _box(source: Source, at: int, end: int) -> Box | None:
    """The box at one place; None for zeros, which end QuickTime's lists and pad files."""
    head = source.read(at, min(32, end - at))
    size, kind = struct.unpack_from(">I4s", head)
    header, wide = 8, size == 1
    if size == 0:
        if kind == bytes(4):
            return None
        if end != source.size:
            raise ReadError("malformed", f"{_text(kind)} without a size")
        size, endless = end - at, True
    else:
        endless = False
    if wide:
        header = 16
        size = int.from_bytes(head[8:16]) if len(head) >= 16 else 0
    uuid = head[header : header + 16] if kind == b"uuid" else b""
    header += len(uuid)
    if size < header or (kind == b"uuid" and len(uuid) < 16):
        raise ReadError("malformed", f"{_text(kind)} of {size} bytes")
    if at + size > end:
        code = "truncated" if end == source.size else "malformed"
        raise ReadError(code, _text(kind))
    return Box(at, kind, at + header, at + size, uuid, wide, endless)


def children(source: Source, box: Box) -> Iterator[Box]:
    """The boxes in a box. A meta box begins with a word of flags, but for QuickTime's (moov/meta)."""
    return boxes(source, _first(source, box), box.end)


def _first(source: Source, box: Box) -> int:
    if box.kind != b"meta":
        return box.body
    head = source.read(box.body, min(8, box.size))
    return box.body if head[4:] == b"hdlr" or len(head) < 4 else box.body + 4


def walk(
    source: Source, containers: Collection[bytes], inside: Inside = ()
) -> Iterator[tuple[Box, Inside]]:
    """Every box of the file, and of those that it names as containers, with what it stands in."""
    found = children(source, inside[-1]) if inside else boxes(source, 0, source.size)
    for box in found:
        yield box, inside
        if box.kind in containers:
            if len(inside) >= DEPTH:
                raise ReadError("over_limit", "boxes in boxes")
            yield from walk(source, containers, (*inside, box))


def content(source: Source, box: Box, most: int = 16 * 1024 * 1024) -> bytes:
    """All that is in a box; raises `ReadError` where that is more than `most` bytes."""
    if box.size > most:
        raise ReadError("over_limit", _text(box.kind))
    return source.read(box.body, box.size)


def pack(kind: bytes, *parts: bytes) -> bytes:
    """A new box."""
    size = 8 + sum(len(part) for part in parts)
    if size > WORD:
        raise ReadError("over_limit", _text(kind))
    return struct.pack(">I", size) + kind + b"".join(parts)


def path(box: Box, inside: Inside) -> str:
    """Where a box stands, for people: moov/udta/meta."""
    return "/".join(_text(each.kind) for each in (*inside, box))


def _text(kind: bytes) -> str:
    text = kind.decode("latin-1")
    return text if text.isprintable() else kind.hex()
