"""JPEG (ITU-T T.81; XMP specification part 3): the label in an XMP packet, an APP1 segment.

Read besides: EXIF UserComment and ImageDescription, APP9 and APP11 segments that begin with AIGC,
comments, and extended XMP. Nothing behind the start of the first scan is looked at.
"""

import struct
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Final, NamedTuple

from hegui.labels import xmp
from hegui.labels.carriers import exif, parts
from hegui.labels.carriers.carrier import Carrier, Found
from hegui.labels.carriers.parts import Edit, Part
from hegui.labels.source import ReadError, Source, opened
from hegui.labels.splice import Keep, Plan, replace
from hegui.language import Problem, Text

_XMP: Final = b"http://ns.adobe.com/xap/1.0/\0"
_EXTENDED: Final = b"http://ns.adobe.com/xmp/extension/\0"
_EXTENDED_HEAD: Final = len(_EXTENDED) + 32 + 8  # its number, its length in all, its offset
_MPF: Final = b"MPF\0"
_MP_ENTRY: Final = 0xB002
LONGEST: Final = 65_502  # bytes of a packet in one segment
_APP0, _APP1, _APP2, _APP9, _APP11, _COM = 0xE0, 0xE1, 0xE2, 0xE9, 0xEB, 0xFE
_SCAN, _END = 0xDA, 0xD9
_ALONE: Final = frozenset({0x01, *range(0xD0, 0xD9)})  # markers without a segment
_TEXTS: Final = {_APP9: "APP9", _APP11: "APP11"}
_OURS: Final = frozenset({_APP1, _APP2, _APP9, _APP11, _COM})


class _Segment(NamedTuple):
    start: int  # of its marker
    end: int
    marker: int
    data: bytes  # of application segments and comments; b"" for the others


class Jpeg(Carrier):
    name = "jpeg"
    title = Text(zh="JPEG 图片", en="JPEG picture")
    suffixes = (".jpg", ".jpeg", ".jpe", ".jfif")
    place = "XMP, APP1"
    source = "TC260-PG-20259A (M)"

    def matches(self, head: bytes, name: str) -> bool:  # noqa: ARG002 (the signature says it)
        return head.startswith(b"\xff\xd8\xff")

    def read(self, source: Source) -> Found:
        return parts.read(_parts(_segments(source)))

    def plan(self, source: Source, value: str) -> Plan:
        segments = list(_segments(source))
        packet, edits = parts.rewrite(_parts(iter(segments)), value)
        place = _place(segments)
        edits = [(place, place, _segment(_APP1, _XMP + _fitting(packet))), *edits]
        return replace(source.size, *edits, *_pictures(segments, edits))

    def media(self, source: Source) -> Sequence[Keep]:
        kept = [s for s in _segments(source) if not s.data and s.marker not in _OURS]
        scan = kept[-1].start  # what ends the walk
        return [*(Keep(s.start, s.end) for s in kept[:-1]), Keep(scan, source.size)]


def _segments(source: Source) -> Iterator[_Segment]:
    """Every segment up to the first scan, which is the last one."""
    at = 2
    while True:
        source.step()
        mark, marker = source.read(at, 2)
        if mark != 0xFF:
            raise ReadError("malformed", f"no marker at {at}")
        if marker == 0xFF:  # padding
            at += 1
            continue
        if marker in _ALONE:
            at += 2
            continue
        if marker == _END:
            yield _Segment(at, at + 2, marker, b"")
            return
        size = int.from_bytes(source.read(at + 2, 2))
        end = at + 2 + size
        if size < 2 or end > source.size:
            raise ReadError("truncated" if end > source.size else "malformed", f"segment at {at}")
        yield _Segment(at, end, marker, source.read(at + 4, size - 2) if marker in _OURS else b"")
        if marker == _SCAN:
            return
        at = end


def _parts(segments: Iterator[_Segment]) -> Iterator[Part]:
    extended: dict[bytes, list[_Segment]] = {}
    for start, end, marker, data in segments:
        if marker == _APP1 and data.startswith(_XMP):
            yield Part(start, end, "xmp", data[len(_XMP) :], "XMP", "guide", _xmp_segment)
        elif marker == _APP1 and data.startswith(exif.HEADER):
            yield Part(start, end, "exif", data, "EXIF", "met", _exif_segment)
        elif marker == _APP1 and data.startswith(_EXTENDED):
            extended.setdefault(data[len(_EXTENDED) :][:32], []).append(
                _Segment(start, end, marker, data)
            )
        elif marker in _TEXTS and data.startswith(b"AIGC"):
            yield Part(start, end, "text", data[4:].strip(b"\0 :="), _TEXTS[marker])
        elif marker == _COM and exif.is_label(data):
            yield Part(start, end, "text", data, "COM")
    for each in extended.values():
        yield _joined(each)


def _joined(segments: list[_Segment]) -> Part:
    """The portions of one extended packet, put together."""
    by_offset = {
        s.data[_EXTENDED_HEAD - 4 : _EXTENDED_HEAD]: s.data[_EXTENDED_HEAD:] for s in segments
    }
    packet = b"".join(by_offset[offset] for offset in sorted(by_offset))
    return Part(segments[0].start, segments[0].end, "xmp", packet, "extended XMP")


def _place(segments: Sequence[_Segment]) -> int:
    """Where the packet stands: after JFIF and EXIF, before all else."""
    at = 2
    for segment in segments:
        leads = segment.marker == _APP0 or (
            segment.marker == _APP1 and segment.data.startswith(exif.HEADER)
        )
        if not leads:
            break
        at = segment.end
    return at


def _fitting(packet: bytes) -> bytes:
    if len(packet) > LONGEST:
        packet = xmp.shrink(packet)
    if len(packet) > LONGEST:
        raise Problem(
            "labels.too-large",
            "With the label the picture's XMP has {count} bytes, and {most} is the most: export the "
            "picture with less metadata.",
            count=len(packet),
            most=LONGEST,
        )
    return packet


def _segment(marker: int, data: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(data) + 2) + data


def _xmp_segment(packet: bytes) -> bytes:
    return _segment(_APP1, _XMP + packet)


def _exif_segment(data: bytes) -> bytes:
    return _segment(_APP1, data)


def _pictures(segments: Sequence[_Segment], edits: Sequence[Edit]) -> Iterator[Edit]:
    """Mend the table of further pictures (CIPA DC-007): it counts from itself, and ours has grown."""
    for segment in segments:
        if segment.marker == _APP2 and segment.data.startswith(_MPF):
            base = segment.start + 4 + len(_MPF)
            with opened(segment.data[len(_MPF) :]) as source, suppress(ReadError, StopIteration):
                tiff = exif.Tiff(source)
                entries = (entry for each in tiff.directories() for entry in each.entries)
                table = next(entry for entry in entries if entry.tag == _MP_ENTRY)
                fresh = _moved(tiff.value(table), tiff.order, base, edits)
                yield base + table.start, base + table.start + len(fresh), fresh


def _moved(table: bytes, order: str, base: int, edits: Sequence[Edit]) -> bytes:
    """Sizes and offsets of pictures, 16 bytes each: the first is the file's own, and has offset 0."""
    grown = sum(len(data) - (end - start) for start, end, data in edits)
    behind = sum(len(data) - (end - start) for start, end, data in edits if start >= base)
    rows = []
    for kind, size, offset, others in struct.iter_unpack(
        f"{order}IIII", table[: len(table) // 16 * 16]
    ):
        first = not offset
        rows.append(
            struct.pack(
                f"{order}IIII",
                kind,
                (size + grown if first else size) & 0xFFFFFFFF,
                (offset if first else offset + behind) & 0xFFFFFFFF,
                others,
            )
        )
    return b"".join(rows)
