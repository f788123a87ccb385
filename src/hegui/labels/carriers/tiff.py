"""TIFF (6.0 and BigTIFF): the label in an XMP packet, tag 700 of the first directory.

The packet and a new first directory go behind everything else, so that nothing in the file moves;
where an old label was, there are zeros. Read besides: UserComment, ImageDescription, and packets of
other directories.
"""

import struct
from collections.abc import Iterable, Sequence
from typing import Final

from hegui.labels import xmp
from hegui.labels.carriers import exif
from hegui.labels.carriers.carrier import Carrier, Found, Site, Slot
from hegui.labels.carriers.exif import Directory, Entry
from hegui.labels.label import Defect
from hegui.labels.source import ReadError, Source
from hegui.labels.splice import Keep, Plan, replace
from hegui.language import Problem, Text

XMP: Final = 700
_BYTES: Final = frozenset({1, 2, 7})  # field types in which packets are met; the guide's is 7
_UNDEFINED: Final = 7
_PACKETS: Final = 64  # in one file
_REACH: Final = 0xFFFFFFFF  # bytes that offsets of a TIFF that is not big can reach
# Where coded pictures are, and how long: strips, tiles, and one JPEG stream.
_CODED: Final = ((273, 279), (324, 325), (513, 514))


class Tiff(Carrier):
    name = "tiff"
    title = Text(zh="TIFF 图片", en="TIFF picture")
    suffixes = (".tif", ".tiff")
    place = "XMP, tag 700"
    source = "TC260-PG-20259A (M)"

    def matches(self, head: bytes, name: str) -> bool:  # noqa: ARG002 (the signature says it)
        return head[:4] in {b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"}

    def read(self, source: Source) -> Found:
        found = Found()
        try:
            tiff = exif.Tiff(source)
            packets = 0
            for place, directory in enumerate(tiff.directories()):
                packets += sum(map(_is_packet, directory.entries))
                if packets > _PACKETS:
                    raise ReadError("over_limit", "XMP")  # noqa: TRY301 (the walk ends here)
                _read(tiff, directory, place, found)
        except ReadError as error:
            found.faults.append(Defect(error.code, error.detail))
        return found

    def plan(self, source: Source, value: str) -> Plan:
        tiff = exif.Tiff(source)
        directories = list(tiff.directories())
        first = directories[0]
        if first.start in tiff.again:
            raise ReadError("malformed", "directories in a circle")
        old = next((entry for entry in first.entries if _is_packet(entry)), None)
        packet = xmp.write(tiff.value(old) if old else None, value)
        edits, doomed = _cleared(tiff, directories)
        start = _tail(source, first, old)
        tail = packet + bytes(len(packet) % 2)
        at = start + len(tail)
        tail += _directory(tiff, first, doomed, len(packet), start)
        if not tiff.big and at + len(tail) > _REACH:
            raise Problem(
                "labels.too-large",
                "With the label the file would pass 4 GB, the most that a TIFF holds: save it as "
                "BigTIFF, then label it.",
            )
        header = struct.pack(tiff.offset, at)
        behind = min(start, source.size)
        edits = [edit for edit in edits if edit[0] < behind]
        edits += [
            (tiff.pointer, tiff.pointer + len(header), header),
            (behind, source.size, bytes(start - behind) + tail),
        ]
        edits.sort()
        exif.check_apart(edits, _media(tiff, directories))
        return replace(source.size, *edits)

    def media(self, source: Source) -> Sequence[Keep]:
        tiff = exif.Tiff(source)
        return _media(tiff, tiff.directories())


def _tail(source: Source, first: Directory, old: Entry | None) -> int:
    """Where the packet and the directory go: over those that we wrote before, or behind the file.

    Directories begin at even bytes.
    """
    if old and first.end == source.size and first.start == old.start + old.size + old.size % 2:
        return old.start
    return source.size + source.size % 2


def _is_packet(entry: Entry) -> bool:
    return entry.tag == XMP and entry.kind in _BYTES


def _read(tiff: exif.Tiff, directory: Directory, place: int, found: Found) -> None:
    """What one directory holds; a broken packet does not hide the others."""
    for entry in directory.entries:
        try:
            if _is_packet(entry):
                where = "XMP" if not place else f"XMP, directory {place + 1}"
                slot: Slot = "met" if place else "guide"
                packet = tiff.value(entry)
                found.sites += [Site(where, value, slot) for value in xmp.read(packet)]
            elif site := tiff.label(entry):
                found.sites.append(site)
        except ReadError as error:
            found.faults.append(Defect(error.code, error.detail))


def _cleared(
    tiff: exif.Tiff, directories: Sequence[Directory]
) -> tuple[list[exif.Edit], set[Entry]]:
    """The edits that leave no label in the file, and the entries that go with them.

    Those of the first directory it loses when it is written anew, its packet among them.
    """
    doomed = exif.labels(tiff, directories)
    doomed |= {entry for entry in directories[0].entries if entry.tag == XMP}
    shorter: list[exif.Edit] = []
    for each in directories[1:]:
        for entry in filter(_is_packet, each.entries):
            packet = tiff.value(entry)
            if xmp.read(packet):
                rest = xmp.clear(packet)
                if not rest:
                    doomed.add(entry)
                elif len(rest) > entry.size:
                    raise ReadError("over_limit", "XMP")
                else:
                    shorter.append((entry.start, entry.start + entry.size, rest.ljust(entry.size)))
    return [*exif.erase(tiff, directories, doomed), *shorter], doomed


def _directory(
    tiff: exif.Tiff, first: Directory, doomed: set[Entry], size: int, start: int
) -> bytes:
    """The first directory, with a packet of `size` bytes at `start`."""
    entries = [entry.raw for entry in first.entries if entry not in doomed]
    value = struct.pack(tiff.offset, start)
    entries.append(struct.pack(tiff.entry, XMP, _UNDEFINED, size, value))
    entries.sort(key=lambda raw: struct.unpack(f"{tiff.order}H", raw[:2]))
    return exif.directory(tiff, entries, first.following)


def _media(tiff: exif.Tiff, directories: Iterable[Directory]) -> list[Keep]:
    found: list[Keep] = []
    for each in directories:
        values = {entry.tag: entry for entry in each.entries}
        for where, sizes in _CODED:
            if where in values and sizes in values:
                pairs = zip(tiff.numbers(values[where]), tiff.numbers(values[sizes]), strict=False)
                found += [Keep(start, start + size) for start, size in pairs]
    if any(part.end > tiff.source.size for part in found):
        raise ReadError("truncated", "picture")
    return found
