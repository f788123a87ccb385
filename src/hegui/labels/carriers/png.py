"""PNG (ISO/IEC 15948): the label in an XMP packet, an iTXt chunk directly after the header.

Read besides: tEXt and zTXt chunks named AIGC or Description, and compressed iTXt.
"""

import struct
import zlib
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from hegui.labels import xmp
from hegui.labels.carriers.carrier import Carrier, Found, Site
from hegui.labels.label import Defect
from hegui.labels.source import ReadError, Source
from hegui.labels.splice import Keep, Plan, replace
from hegui.language import Text

_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
_KEYWORD: Final = b"XML:com.adobe.xmp"
_LARGEST_TEXT: Final = 4 * 1024 * 1024  # bytes of a chunk of text, packed or not
_TEXTS: Final = frozenset({b"iTXt", b"tEXt", b"zTXt"})
_NAMED: Final = frozenset({b"AIGC", b"Description"})


class _Chunk(NamedTuple):
    start: int  # of its length field
    kind: bytes
    size: int  # of its data

    @property
    def end(self) -> int:
        return self.start + 12 + self.size


class Png(Carrier):
    name = "png"
    title = Text(zh="PNG 图片", en="PNG picture")
    suffixes = (".png", ".apng")
    place = "XMP, iTXt XML:com.adobe.xmp"
    source = "TC260-PG-20259A (M)"

    def matches(self, head: bytes, name: str) -> bool:  # noqa: ARG002 (the signature says it)
        return head.startswith(_SIGNATURE)

    def read(self, source: Source) -> Found:
        found = Found()
        try:
            for chunk in _chunks(source):
                if chunk.kind in _TEXTS:
                    _read_text(source, chunk, found)
        except ReadError as error:
            found.faults.append(Defect(error.code, error.detail))
        return found

    def plan(self, source: Source, value: str) -> Plan:
        edits: list[tuple[int, int, bytes]] = []
        packet: bytes | None = None
        after_header = 0
        for chunk in _chunks(source):
            if chunk.kind == b"IHDR":
                after_header = chunk.end
            elif chunk.kind in _TEXTS:
                keyword, text = _text(source, chunk)
                if keyword == _KEYWORD:
                    packet = packet or text
                    edits.append((chunk.start, chunk.end, b""))
                elif keyword in _NAMED and b"AIGC" in text + keyword and _is_label(keyword, text):
                    edits.append((chunk.start, chunk.end, b""))
        if not after_header:
            raise ReadError("malformed", "no IHDR")
        fresh = _KEYWORD + b"\0\0\0\0\0" + xmp.write(packet, value)
        return replace(source.size, (after_header, after_header, _chunk(b"iTXt", fresh)), *edits)

    def media(self, source: Source) -> Sequence[Keep]:
        kinds = (b"IHDR", b"PLTE", b"IDAT", b"fdAT", b"fcTL", b"acTL", b"tRNS")
        return [Keep(c.start, c.end) for c in _chunks(source) if c.kind in kinds]


def _chunks(source: Source) -> Iterator[_Chunk]:
    """Every chunk up to IEND; what follows is not looked at."""
    at = len(_SIGNATURE)
    while True:
        source.step()
        size, kind = struct.unpack(">I4s", source.read(at, 8))
        chunk = _Chunk(at, kind, size)
        if chunk.end > source.size:
            raise ReadError("truncated", kind.decode("latin-1"))
        yield chunk
        if kind == b"IEND":
            return
        at = chunk.end


def _text(source: Source, chunk: _Chunk) -> tuple[bytes, bytes]:
    """The keyword and the text of a chunk, unpacked."""
    if chunk.size > _LARGEST_TEXT:
        raise ReadError("over_limit", "text")
    keyword, _, rest = source.read(chunk.start + 8, chunk.size).partition(b"\0")
    if chunk.kind == b"tEXt":
        return keyword, rest
    if chunk.kind == b"zTXt":
        return keyword, _unpack(rest[1:])
    packed, rest = rest[:1] == b"\1", rest[2:]
    text = rest.partition(b"\0")[2].partition(b"\0")[2]
    return keyword, _unpack(text) if packed else text


def _unpack(data: bytes) -> bytes:
    unpacking = zlib.decompressobj()
    try:
        text = unpacking.decompress(data, _LARGEST_TEXT)
    except zlib.error as error:
        raise ReadError("malformed", "packed text") from error
    if unpacking.unconsumed_tail:
        raise ReadError("over_limit", "packed text")
    return text


def _read_text(source: Source, chunk: _Chunk, found: Found) -> None:
    keyword, text = _text(source, chunk)
    if keyword == _KEYWORD:
        packed = (
            source.read(chunk.start + 8 + len(_KEYWORD) + 1, 1) == b"\1" and chunk.kind == b"iTXt"
        )
        right = chunk.kind == b"iTXt" and not packed
        place = "XMP" if right else f"XMP, {chunk.kind.decode()}{', compressed' if packed else ''}"
        found.sites += [Site(place, value, "guide" if right else "met") for value in xmp.read(text)]
    elif keyword in _NAMED and _is_label(keyword, text):
        place = f"{chunk.kind.decode()} {keyword.decode()}"
        found.sites.append(Site(place, text.decode("utf-8", "replace"), "met"))


def _is_label(keyword: bytes, text: bytes) -> bool:
    return (
        keyword == b"AIGC" or b'"AIGC"' in text or (b'"Label"' in text and b'"ProduceID"' in text)
    )


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
