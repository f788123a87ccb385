"""ZIP archives (APPNOTE 6.3), read by their directory alone and written by splicing.

Parts that are not touched keep their bytes, packed as they are; one that is replaced is written in
the place of the old. ZIP64 records are understood where all numbers fit the classic form.
"""

import itertools
import struct
import zlib
from collections.abc import Mapping
from typing import Final, NamedTuple

from hegui.labels.source import ReadError, Source
from hegui.labels.splice import Keep, Plan, replace
from hegui.language import Problem

LOCAL_MARK: Final = b"PK\3\4"
LARGEST_PART: Final = 4 * 1024 * 1024  # bytes of an unpacked part that we look at
_END: Final = struct.Struct("<4s4H2IH")
_RECORD: Final = struct.Struct("<4s6H3I5H2I")
_LOCAL: Final = struct.Struct("<4s5H3I2H")
_FAR_END: Final = struct.Struct("<4sQ2H2I4Q")
_FAR_POINTER: Final = struct.Struct("<4sIQI")
_FULL16: Final = 0xFFFF
_FULL32: Final = 0xFFFFFFFF
_DEFLATED: Final = 8
_EPOCH: Final = (0, 0x21)  # 1 January 1980: the time of a part is nobody's business
_UTF8: Final = 0x800


class Entry(NamedTuple):
    """A part as the directory has it; `end` is where the next one, or the directory, starts."""

    name: str
    start: int
    end: int
    record: bytes
    flags: int
    method: int
    packed: int
    size: int
    crc: int


class Zip(NamedTuple):
    """An archive: its parts in the order of the directory, and where the directory stands."""

    entries: tuple[Entry, ...]
    directory: int
    comment: bytes

    def named(self, name: str) -> Entry | None:
        """The part of this name; names differ in more than their case (OPC, 7.5.3)."""
        found = [entry for entry in self.entries if entry.name.lower() == name.lower()]
        if len(found) > 1:
            raise ReadError("malformed", f"two parts {name[:80]}")
        return found[0] if found else None


def directory(source: Source) -> Zip:
    """Read the directory of an archive.

    Raises:
        ReadError: `truncated` without an end, `malformed`, `over_limit`.
    """
    at, count, size, start, comment = _end(source)
    if start + size != at:
        raise ReadError("malformed", "ZIP directory")
    data, place = source.read(start, size), 0
    found: list[Entry] = []
    for _ in range(count):
        source.step()
        entry, place = _record(data, place)
        found.append(entry)
    if place != size:
        raise ReadError("malformed", "ZIP directory")
    edges = sorted({entry.start for entry in found} | {start})
    if len(edges) != count + 1 or edges[-1] != start:
        raise ReadError("malformed", "ZIP parts overlap")
    ends = dict(itertools.pairwise(edges))
    return Zip(tuple(e._replace(end=ends[e.start]) for e in found), start, comment)


def _end(source: Source) -> tuple[int, int, int, int, bytes]:
    """Where the directory ends, its count, size and start, and the archive's comment."""
    tail_at = max(0, source.size - _END.size - _FULL16)
    tail = source.read(tail_at, source.size - tail_at)
    place = len(tail)
    while (place := tail.rfind(b"PK\5\6", 0, place)) >= 0:
        source.step()
        if place + _END.size <= len(tail):
            fields = _END.unpack_from(tail, place)
            if place + _END.size + fields[7] == len(tail):
                break
    else:
        raise ReadError("truncated", "ZIP without an end")
    _, disk, first, here, count, size, start, _ = fields
    at, comment = tail_at + place, tail[place + _END.size :]
    if _FULL16 in {count, here} or _FULL32 in {size, start}:
        return *_far_end(source, at), comment
    if disk or first or here != count:
        raise ReadError("malformed", "ZIP over several disks")
    return at, count, size, start, comment


def _far_end(source: Source, at: int) -> tuple[int, int, int, int]:
    """The same from the ZIP64 records before the classic end."""
    mark, _, place, _ = _FAR_POINTER.unpack(source.read(at - _FAR_POINTER.size, _FAR_POINTER.size))
    if mark != b"PK\6\7":
        raise ReadError("malformed", "ZIP64")
    fields = _FAR_END.unpack(source.read(place, _FAR_END.size))
    if fields[0] != b"PK\6\6" or place + 12 + fields[1] != at - _FAR_POINTER.size:
        raise ReadError("malformed", "ZIP64")
    return place, fields[7], fields[8], fields[9]


def _record(data: bytes, at: int) -> tuple[Entry, int]:
    """One record of the directory, and where the next begins."""
    try:
        fields = _RECORD.unpack_from(data, at)
    except struct.error as error:
        raise ReadError("malformed", "ZIP directory") from error
    mark, _, _, flags, method, _, _, crc, packed, size, named, more, said, _, _, _, start = fields
    name_at = at + _RECORD.size
    end = name_at + named + more + said
    if mark != b"PK\1\2" or end > len(data):
        raise ReadError("malformed", "ZIP directory")
    raw = data[name_at : name_at + named]
    name = raw.decode("utf-8" if flags & _UTF8 else "cp437", "replace")
    if _FULL32 in {packed, size, start}:
        extra = data[name_at + named : name_at + named + more]
        size, packed, start = _far_numbers(extra, [size, packed, start])
    return Entry(name, start, 0, data[at:end], flags, method, packed, size, crc), end


def _far_numbers(extra: bytes, given: list[int]) -> list[int]:
    """Size, packed size and start, where full ones stand in the ZIP64 field, in this order."""
    while len(extra) >= 4:
        kind, count = struct.unpack_from("<HH", extra)
        if kind == 1 and 4 + count <= len(extra):
            numbers = iter(
                n for (n,) in struct.iter_unpack("<Q", extra[4 : 4 + min(count, 24) // 8 * 8])
            )
            return [next(numbers, value) if value == _FULL32 else value for value in given]
        extra = extra[4 + count :]
    return given


def part(source: Source, entry: Entry) -> bytes:
    """A part, unpacked.

    Raises:
        ReadError: `encrypted`, `over_limit`, `malformed`, `truncated`.
    """
    if entry.flags & 1:
        raise ReadError("encrypted", entry.name[:80])
    if max(entry.size, entry.packed) > LARGEST_PART:
        raise ReadError("over_limit", entry.name[:80])
    head = _LOCAL.unpack(source.read(entry.start, _LOCAL.size))
    name = source.read(entry.start + _LOCAL.size, head[9])
    if head[0] != LOCAL_MARK or name != _raw(entry):
        raise ReadError("malformed", f"ZIP part {entry.name[:80]}")
    begin = entry.start + _LOCAL.size + head[9] + head[10]
    if begin + entry.packed > entry.end:
        raise ReadError("malformed", "ZIP parts overlap")
    data = source.read(begin, entry.packed)
    if entry.method == _DEFLATED:
        data = _inflate(data, entry)
    elif entry.method:
        raise ReadError("over_limit", f"ZIP method {entry.method}")
    if len(data) != entry.size or zlib.crc32(data) != entry.crc:
        raise ReadError("malformed", f"ZIP part {entry.name[:80]}")
    return data


def _inflate(data: bytes, entry: Entry) -> bytes:
    """No more than the directory says, whatever is packed there."""
    try:
        return zlib.decompressobj(-15).decompress(data, entry.size + 1)
    except zlib.error as error:
        raise ReadError("malformed", f"ZIP part {entry.name[:80]}") from error


def rewrite(source: Source, archive: Zip, parts: Mapping[str, bytes]) -> Plan:
    """The archive with these parts replaced in their places, or added after the others.

    Raises:
        Problem: `labels.zip64`, where the numbers would not fit.
    """
    edits: list[tuple[int, int, bytes]] = []
    records: dict[int, bytes] = {}
    left = dict(parts)
    moved: list[tuple[int, int]] = []  # where a replaced part ended, and by how much it grew
    for entry in archive.entries:
        if entry.name in left:
            local, record = _packed(_raw(entry), left.pop(entry.name), entry.flags & _UTF8)
            edits.append((entry.start, entry.end, local))
            moved.append((entry.end, len(local) - (entry.end - entry.start)))
            records[entry.start] = record
    at = archive.directory + sum(by for _, by in moved)
    central = b"".join(
        _placed(records.get(e.start, e.record), e.start + sum(by for end, by in moved if end <= e.start))
        for e in archive.entries
    )  # fmt: skip
    added = b""
    for name, data in left.items():
        local, record = _packed(name.encode(), data, 0 if name.isascii() else _UTF8)
        central += _placed(record, at + len(added))
        added += local
    start, count = at + len(added), len(archive.entries) + len(left)
    if start + len(central) >= _FULL32 or count >= _FULL16:
        raise _too_far()
    end = _END.pack(b"PK\5\6", 0, 0, count, count, len(central), start, len(archive.comment))
    tail = added + central + end + archive.comment
    return replace(source.size, (archive.directory, source.size, tail), *edits)


def _raw(entry: Entry) -> bytes:
    named = int.from_bytes(entry.record[28:30], "little")
    return entry.record[_RECORD.size : _RECORD.size + named]


def _placed(record: bytes, start: int) -> bytes:
    """A record of the directory that says where its part is now."""
    old = int.from_bytes(record[42:46], "little")
    if old == _FULL32 or start >= _FULL32:
        raise _too_far()
    return record[:42] + start.to_bytes(4, "little") + record[46:]


def _packed(name: bytes, data: bytes, flags: int) -> tuple[bytes, bytes]:
    """A part packed anew: its local header with the data, and its record in the directory."""
    packing = zlib.compressobj(6, zlib.DEFLATED, -15)
    body = packing.compress(data) + packing.flush()
    common = (flags, _DEFLATED, *_EPOCH, zlib.crc32(data), len(body), len(data), len(name))
    local = _LOCAL.pack(LOCAL_MARK, 20, *common, 0) + name + body
    record = _RECORD.pack(b"PK\1\2", 20, 20, *common, 0, 0, 0, 0, 0, 0) + name
    return local, record


def kept(archive: Zip, apart: frozenset[str]) -> list[Keep]:
    """Where the parts stand, but for those whose name or folder is in `apart`."""
    found = [
        Keep(entry.start, entry.end)
        for entry in archive.entries
        if entry.name not in apart and entry.name.partition("/")[0] not in apart
    ]
    return sorted(found, key=lambda each: each.start)


def _too_far() -> Problem:
    return Problem(
        "labels.zip64",
        "The file is a ZIP64 archive that cannot be written in the classic form: save it anew with "
        "less than 4 GB and 65,535 parts.",
    )
