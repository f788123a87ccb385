"""GIF (89a): the label in an XMP packet, the application extension XMP DataXMP.

Read besides: a comment that is a label, and a packet in sub-blocks of its own. A picture's data can
only be passed over block by block, so a file of more than 48 MB is read in part and said to be so.
"""

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from hegui.labels.carriers import exif, parts
from hegui.labels.carriers.carrier import Carrier, Found, Slot
from hegui.labels.carriers.parts import Part
from hegui.labels.source import ReadError, Source
from hegui.labels.splice import Keep, Plan, replace
from hegui.language import Text

_APPLICATION: Final = b"\x21\xff\x0b"
_COMMENT: Final = b"\x21\xfe"
_XMP: Final = _APPLICATION + b"XMP DataXMP"
# Behind the packet, so that a walk by the lengths of blocks ends whatever byte it falls in with.
_TRAILER: Final = b"\x01" + bytes(range(0xFF, -1, -1)) + b"\0"
_WINDOW: Final = 256 * 1024
_LARGEST: Final = 4 * 1024 * 1024  # bytes of an extension with metadata


class _Block(NamedTuple):
    start: int
    end: int
    head: bytes  # its first bytes: 14 of an application extension


class Gif(Carrier):
    name = "gif"
    title = Text(zh="GIF 图片", en="GIF picture")
    suffixes = (".gif",)
    place = "XMP, application extension XMP DataXMP"
    source = "TC260-PG-20259A (M)"

    def matches(self, head: bytes, name: str) -> bool:  # noqa: ARG002 (the signature says it)
        return head[:6] in {b"GIF87a", b"GIF89a"}

    def read(self, source: Source) -> Found:
        return parts.read(_parts(source, _blocks(source)))

    def plan(self, source: Source, value: str) -> Plan:
        blocks = list(_blocks(source))
        packet, edits = parts.rewrite(_parts(source, iter(blocks)), value)
        place = blocks[0].start
        for block in blocks:  # a count of loops stands first, or is not heeded
            if not block.head.startswith(_APPLICATION):
                break
            place = block.end
        # Extensions came with 89a.
        return replace(source.size, (0, 6, b"GIF89a"), (place, place, _extension(packet)), *edits)

    def media(self, source: Source) -> Sequence[Keep]:
        blocks = list(_blocks(source))
        kept = [b for b in blocks if not b.head.startswith((_XMP, _COMMENT))]
        return [Keep(6, blocks[0].start), *(Keep(block.start, block.end) for block in kept)]


class _Walk:
    """Passes over sub-blocks, a window of the file in hand."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._start, self._data = 0, b""

    def byte(self, at: int) -> int:
        if not self._start <= at < self._start + len(self._data):
            count = min(_WINDOW, self._source.size - at)
            if count <= 0:
                raise ReadError("truncated", "GIF")
            self._start, self._data = at, self._source.read(at, count)
        return self._data[at - self._start]

    def behind(self, at: int) -> int:
        """Where the sub-blocks end that begin here."""
        while size := self.byte(at):
            data, i = self._data, at - self._start
            last = len(data)
            while i < last and (size := data[i]):
                full = data[i::256]  # most are of 255 bytes, and run into the hundreds
                i += (len(full) - len(full.lstrip(b"\xff"))) * 256 or size + 1
            at = self._start + i
        return at + 1


def _blocks(source: Source) -> Iterator[_Block]:
    """Every extension and every picture, then the end."""
    flags = source.read(0, 13)[10]
    at = 13 + _colours(flags)
    walk = _Walk(source)
    while True:
        source.step()
        kind = walk.byte(at)
        if kind == 0x3B:
            yield _Block(at, at + 1, b"\x3b")
            return
        if kind == 0x21:
            label = walk.byte(at + 1)
            size = 14 if label == 0xFF else 2
            head = source.read(at, min(size, source.size - at))
            end = walk.behind(at + 2)
        elif kind == 0x2C:
            head = b"\x2c"
            end = walk.behind(at + 11 + _colours(walk.byte(at + 9)))
        else:
            raise ReadError("malformed", f"no block at {at}")
        yield _Block(at, end, head)
        at = end


def _colours(flags: int) -> int:
    """Bytes of the table of colours that these flags announce."""
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


def _parts(source: Source, blocks: Iterator[_Block]) -> Iterator[Part]:
    for start, end, head in blocks:
        if head == _XMP:
            packet = _data(source, start + 14, end)
            right = packet.endswith(_TRAILER)
            packet = packet[: -len(_TRAILER)] if right else _unblocked(packet)
            place = "XMP" if right else "XMP, in sub-blocks"
            slot: Slot = "guide" if right else "met"
            yield Part(start, end, "xmp", packet, place, slot, _extension)
        elif head == _COMMENT:
            text = _unblocked(_data(source, start + 2, end))
            if exif.is_label(text):
                yield Part(start, end, "text", text, "comment")


def _data(source: Source, start: int, end: int) -> bytes:
    if end - start > _LARGEST:
        raise ReadError("over_limit", "extension")
    return source.read(start, end - start)


def _unblocked(data: bytes) -> bytes:
    """What sub-blocks hold, put together."""
    found = bytearray()
    at = 0
    while size := data[at]:
        found += data[at + 1 : at + 1 + size]
        at += 1 + size
    return bytes(found)


def _extension(packet: bytes) -> bytes:
    return _XMP + packet + _TRAILER
