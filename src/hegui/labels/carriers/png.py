"""PNG (ISO/IEC 15948), animated ones too: the label in an XMP packet, an iTXt chunk after the header.

Read besides: that chunk packed or behind the picture, tEXt, zTXt and iTXt chunks that are a label,
and EXIF.
"""

import struct
import zlib
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from hegui.labels.carriers import exif, parts
from hegui.labels.carriers.carrier import Carrier, Found
from hegui.labels.carriers.parts import Part
from hegui.labels.source import ReadError, Source
from hegui.labels.splice import Keep, Plan, replace
from hegui.language import Text

_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
_KEYWORD: Final = b"XML:com.adobe.xmp"
_LARGEST_TEXT: Final = 4 * 1024 * 1024  # bytes of a chunk of text, packed or not
_TEXTS: Final = frozenset({b"iTXt", b"tEXt", b"zTXt"})
# Their texts are labels if they look like one; a text named AIGC is one in any case.
_NAMED: Final = frozenset({b"AIGC", b"Description", b"Comment", b"UserComment"})
_READ: Final = _TEXTS | {b"eXIf"}
_MEDIA: Final = frozenset({b"IHDR", b"PLTE", b"IDAT", b"fdAT", b"fcTL", b"acTL", b"tRNS"})
_HEAD: Final = struct.Struct(">I4s")
_SMALL: Final = 16 * 1024  # bytes of a chunk behind which a window is read
_WINDOW: Final = 128 * 1024
_AHEAD: Final = 16 * 1024 * 1024  # bytes of a file that windows may take


class _Chunk(NamedTuple):
    start: int  # of its length field
    kind: bytes
    end: int
    late: bool  # whether it stands behind the picture's first data


class Png(Carrier):
    name = "png"
    title = Text(zh="PNG 图片", en="PNG picture")
    suffixes = (".png", ".apng")
    place = "XMP, iTXt XML:com.adobe.xmp"
    source = "TC260-PG-20259A (M)"

    def matches(self, head: bytes, name: str) -> bool:  # noqa: ARG002 (the signature says it)
        return head.startswith(_SIGNATURE)

    def read(self, source: Source) -> Found:
        return parts.read(_parts(source))

    def plan(self, source: Source, value: str) -> Plan:
        header = next(_chunks(source, frozenset({b"IHDR"})), None)
        if header is None or header.start != len(_SIGNATURE):
            raise ReadError("malformed", "no IHDR")
        packet, edits = parts.rewrite(_parts(source), value)
        return replace(source.size, (header.end, header.end, _packet(packet)), *edits)

    def media(self, source: Source) -> Sequence[Keep]:
        return [Keep(chunk.start, chunk.end) for chunk in _chunks(source, _MEDIA)]


def _chunks(source: Source, kinds: frozenset[bytes]) -> Iterator[_Chunk]:
    """Every chunk of these kinds up to IEND; what follows is not looked at.

    Chunks of picture data are small in many files, and then a window over some of them is read at
    once: that takes half the time of reading their heads one by one.
    """
    at = previous = len(_SIGNATURE)
    window, start, behind, ahead = b"", at, at, _AHEAD
    late, size = False, source.size
    while True:
        source.step()
        if at + 8 > behind:
            wide = late and at - previous < _SMALL and ahead > 0
            count = max(8, min(_WINDOW, size - at)) if wide else 8
            start, window, ahead = at, source.read(at, count), ahead - count
            behind = at + count
        length, kind = _HEAD.unpack_from(window, at - start)
        end = at + 12 + length
        if end > size:
            raise ReadError("truncated", kind.decode("latin-1"))
        if kind in kinds:
            yield _Chunk(at, kind, end, late)
        if kind == b"IDAT":
            late = True
        elif kind == b"IEND":
            return
        previous, at = at, end


def _readable(source: Source) -> Iterator[_Chunk]:
    """The chunks in which a label may be; walked once for reading a file and planning its label."""
    if "png" in source.notes:
        yield from source.notes["png"]
        return
    met = []
    for chunk in _chunks(source, _READ):
        met.append(chunk)
        yield chunk
    source.notes["png"] = met  # a walk that ends early, or in an error, is none


def _parts(source: Source) -> Iterator[Part]:
    room = _LARGEST_TEXT
    for chunk in _readable(source):
        size = chunk.end - chunk.start - 12
        if size > _LARGEST_TEXT:
            raise ReadError("over_limit", "text")
        data = source.read(chunk.start + 8, size)
        if chunk.kind == b"eXIf":
            yield Part(chunk.start, chunk.end, "exif", data, "EXIF", "met", _exif)
        elif part := _text(chunk, data, room):
            room -= len(part.data)
            yield part


def _text(chunk: _Chunk, data: bytes, room: int) -> Part | None:
    """A chunk of text, if a label may be in it; unpacked to `room` bytes at most."""
    keyword, _, rest = data.partition(b"\0")
    if keyword != _KEYWORD and keyword not in _NAMED:
        return None
    kind = chunk.kind.decode()
    packed = kind == "zTXt" or (kind == "iTXt" and rest[:1] == b"\1")
    if kind == "zTXt":
        rest = rest[1:]
    elif kind == "iTXt":
        rest = rest[2:].partition(b"\0")[2].partition(b"\0")[2]
    text = _unpacked(rest, room) if packed else rest
    if keyword == _KEYWORD:
        right = kind == "iTXt" and not packed and not chunk.late
        where = [kind, "packed" * packed, "behind the picture" * chunk.late]
        place = "XMP" if right else ", ".join(["XMP", *filter(None, where)])
        return Part(
            chunk.start, chunk.end, "xmp", text, place, "guide" if right else "met", _packet
        )
    if keyword == b"AIGC" or exif.is_label(text):
        return Part(chunk.start, chunk.end, "text", text, f"{kind} {keyword.decode()}")
    return None


def _unpacked(data: bytes, room: int) -> bytes:
    unpacking = zlib.decompressobj()
    try:
        text = unpacking.decompress(data, max(room, 1))
    except zlib.error as error:
        raise ReadError("malformed", "packed text") from error
    if unpacking.unconsumed_tail:
        raise ReadError("over_limit", "packed text")
    return text


def _chunk(kind: bytes, data: bytes) -> bytes:
    return _HEAD.pack(len(data), kind) + data + zlib.crc32(kind + data).to_bytes(4)


def _packet(packet: bytes) -> bytes:
    return _chunk(b"iTXt", _KEYWORD + b"\0\0\0\0\0" + packet)


def _exif(data: bytes) -> bytes:
    return _chunk(b"eXIf", data)
