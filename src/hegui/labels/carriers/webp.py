"""WebP (RFC 9649): the label in an XMP chunk, which the header chunk VP8X announces.

A simple file gets that header when it is labelled. Read besides: EXIF, and an XMP chunk that is not
announced or misspelt.
"""

import struct
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from hegui.labels.carriers import parts
from hegui.labels.carriers.carrier import Carrier, Found, Slot
from hegui.labels.carriers.parts import Edit, Part
from hegui.labels.source import ReadError, Source
from hegui.labels.splice import Keep, Plan, replace
from hegui.language import Text

_HAS_XMP: Final = 0x04
_HAS_EXIF: Final = 0x08
_HAS_ALPHA: Final = 0x10
_XMP: Final = frozenset({b"XMP ", b"XMP\0"})
_MEDIA: Final = frozenset({b"VP8 ", b"VP8L", b"ALPH", b"ANIM", b"ANMF"})
_LARGEST: Final = 4 * 1024 * 1024  # bytes of a chunk of metadata


class _Chunk(NamedTuple):
    start: int
    kind: bytes
    size: int  # of its data, without the byte that makes it even

    @property
    def end(self) -> int:
        return self.start + 8 + self.size + self.size % 2


class Webp(Carrier):
    name = "webp"
    title = Text(zh="WebP 图片", en="WebP picture")
    suffixes = (".webp",)
    place = "XMP chunk"
    source = "TC260-PG-20259A (M)"

    def matches(self, head: bytes, name: str) -> bool:  # noqa: ARG002 (the signature says it)
        return head[:4] == b"RIFF" and head[8:12] == b"WEBP"

    def read(self, source: Source) -> Found:
        return parts.read(_parts(source, _chunks(source)))

    def plan(self, source: Source, value: str) -> Plan:
        chunks = list(_chunks(source))
        end = chunks[-1].end
        if end > source.size:
            raise ReadError("truncated", "no even length")
        packet, edits = parts.rewrite(_parts(source, iter(chunks)), value)
        gone = {start for start, _, data in edits if not data}
        has_exif = any(c.kind == b"EXIF" and c.start not in gone for c in chunks)
        edits += [
            (end, end, _xmp_chunk(packet)),
            _header(source, chunks[0], has_exif=has_exif),
        ]
        grown = sum(len(data) - (stop - start) for start, stop, data in edits)
        return replace(source.size, (4, 8, struct.pack("<I", end - 8 + grown)), *edits)

    def media(self, source: Source) -> Sequence[Keep]:
        return [Keep(c.start, c.start + 8 + c.size) for c in _chunks(source) if c.kind in _MEDIA]


def _chunks(source: Source) -> Iterator[_Chunk]:
    """Every chunk of the picture; what follows behind it in the file is not looked at."""
    end = 8 + int.from_bytes(source.read(4, 4), "little")
    at = 12
    while at + 8 <= end:
        source.step()
        kind, size = struct.unpack("<4sI", source.read(at, 8))
        chunk = _Chunk(at, kind, size)
        if at + 8 + size > source.size:
            raise ReadError("truncated", kind.decode("latin-1"))
        yield chunk
        at = chunk.end
    if at == 12:
        raise ReadError("truncated", "no picture")


def _parts(source: Source, chunks: Iterator[_Chunk]) -> Iterator[Part]:
    announced = False
    for chunk in chunks:
        if chunk.kind == b"VP8X":
            announced = bool(_data(source, chunk)[0] & _HAS_XMP)
        elif chunk.kind in _XMP:
            right = announced and chunk.kind == b"XMP "
            place = "XMP" if right else "XMP, " + ("misspelt" if announced else "not announced")
            data = _data(source, chunk)
            slot: Slot = "guide" if right else "met"
            yield Part(chunk.start, chunk.end, "xmp", data, place, slot, _xmp_chunk)
        elif chunk.kind == b"EXIF":
            data = _data(source, chunk)
            yield Part(chunk.start, chunk.end, "exif", data, "EXIF", "met", _exif_chunk)


def _data(source: Source, chunk: _Chunk) -> bytes:
    if chunk.size > _LARGEST:
        raise ReadError("over_limit", chunk.kind.decode("latin-1"))
    if chunk.kind == b"VP8X" and chunk.size < 10:
        raise ReadError("malformed", "VP8X")
    return source.read(chunk.start + 8, chunk.size)


def _header(source: Source, first: _Chunk, *, has_exif: bool) -> Edit:
    """The edit that announces XMP: in the header that is there, or with one of our own."""
    at = first.start + 8
    if first.kind == b"VP8X":
        flags = _data(source, first)[0] & ~_HAS_EXIF | _HAS_XMP | (_HAS_EXIF * has_exif)
        return at, at + 1, bytes([flags])
    flags = _HAS_XMP | (_HAS_EXIF * has_exif)
    if first.kind == b"VP8 ":
        head = source.read(at, 10)
        if head[3:6] != b"\x9d\x01\x2a":
            raise ReadError("malformed", "VP8")
        width, height = (n & 0x3FFF for n in struct.unpack("<HH", head[6:]))
    elif first.kind == b"VP8L" and source.read(at, 1) == b"\x2f":
        bits = int.from_bytes(source.read(at + 1, 4), "little")
        width, height = (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
        flags |= _HAS_ALPHA * (bits >> 28 & 1)
    else:
        raise ReadError("malformed", "no picture")
    size = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return first.start, first.start, _wrapped(b"VP8X", bytes([flags, 0, 0, 0]) + size)


def _wrapped(kind: bytes, data: bytes) -> bytes:
    return struct.pack("<4sI", kind, len(data)) + data + bytes(len(data) % 2)


def _xmp_chunk(packet: bytes) -> bytes:
    return _wrapped(b"XMP ", packet)


def _exif_chunk(data: bytes) -> bytes:
    return _wrapped(b"EXIF", data)
