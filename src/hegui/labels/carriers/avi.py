"""AVI (RIFF, OpenDML): the label in LIST INFO, sub-chunk AIGC, before the film.

Free space (JUNK) before the film is used where it suffices, so that nothing moves; else every offset
from the start of the file is moved along: the indexes of OpenDML, and those of idx1 that count so.
"""

import struct
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from hegui.labels import xmp
from hegui.labels.carriers.carrier import Carrier, Found, Site
from hegui.labels.carriers.keyed import KEY, elsewhere, site, text
from hegui.labels.carriers.riff import (
    LABEL,
    Chunk,
    Edit,
    blanked,
    chunk_at,
    chunks,
    fitting,
    info_labels,
    info_with,
    list_kind,
    load,
)
from hegui.labels.label import Defect
from hegui.labels.source import ReadError, Source
from hegui.labels.splice import Keep, Plan, replace
from hegui.language import Text

_OF_INDEXES: Final = 0
_INDEX: Final = struct.Struct("<HBBI")  # longs per entry, subtype, type, entries


class _Layout(NamedTuple):
    """The top chunks of the first RIFF, and what each LIST among them is a list of."""

    chunks: list[Chunk]
    kinds: list[bytes]

    @property
    def film(self) -> int:
        """The number of the list with the frames."""
        return self.kinds.index(b"movi")


class Avi(Carrier):
    name = "avi"
    title = Text(zh="AVI 视频", en="AVI film")
    suffixes = (".avi",)
    place = "LIST INFO AIGC"
    source = "TC260-PG-20257A (M)"

    def matches(self, head: bytes, name: str) -> bool:  # noqa: ARG002 (the signature says it)
        return head[:4] == b"RIFF" and head[8:12] == b"AVI "

    def read(self, source: Source) -> Found:
        found = Found()
        try:
            for chunk in _top(source):
                found.sites += self._sites(source, chunk)
        except ReadError as error:
            found.faults.append(Defect(error.code, error.detail))
        return found

    def _sites(self, source: Source, chunk: Chunk) -> list[Site]:
        if list_kind(source, chunk) == b"INFO":
            return info_labels(source, chunk, self.place, guide=True)
        if chunk.kind.upper() == LABEL:
            return [site("RIFF AIGC", KEY, text(load(source, chunk)), guide=False)]
        if chunk.kind == b"_PMX":
            return [Site("XMP", value, "met") for value in xmp.read(load(source, chunk))]
        return []

    def plan(self, source: Source, value: str) -> Plan:
        layout = _layout(source)
        start, end, fresh = _slot(source, layout, value)
        edits: list[Edit] = [(start, end, fresh)]
        for chunk in layout.chunks:
            if start <= chunk.start < end or not self._sites(source, chunk):
                continue
            if chunk.kind == b"_PMX":
                raise elsewhere("XMP")
            kept = info_with(source, chunk, None) if chunk.kind == b"LIST" else b""
            edits.append(blanked(chunk.start, min(chunk.next, source.size), kept))
        if grown := len(fresh) - (end - start):
            (size,) = struct.unpack("<I", source.read(4, 4))
            edits.append((4, 8, struct.pack("<I", fitting(size + grown))))
            edits += _moved(source, layout, end, grown)
        return replace(source.size, *edits)

    def media(self, source: Source) -> Sequence[Keep]:
        """The lists of frames, but for the offsets that stand between the frames."""
        layout = _layout(source)
        holes = sorted(at for at, _ in _offsets(source, layout))
        ranges: list[Keep] = []
        for film in _films(source, layout):
            start = film.data
            for hole in holes:
                if start <= hole < film.end:
                    ranges.append(Keep(start, hole))
                    start = hole + 8
            ranges.append(Keep(start, film.end))
        return ranges


def _top(source: Source) -> Iterator[Chunk]:
    (size,) = struct.unpack("<I", source.read(4, 4))
    return chunks(source, 12, min(size + 8, source.size))


def _layout(source: Source) -> _Layout:
    found = list(_top(source))
    kinds = [list_kind(source, chunk) for chunk in found]
    if b"movi" not in kinds:
        raise ReadError("malformed", "no movi")
    return _Layout(found, kinds)


def _slot(source: Source, layout: _Layout, value: str) -> Edit:
    """Where the list with the label goes: over the old one, into free space, or before the film."""
    before = layout.chunks[: layout.film]
    old = next((c for c, kind in zip(before, layout.kinds, strict=False) if kind == b"INFO"), None)
    fresh = info_with(source, old, value)
    if old is None:
        at = layout.chunks[layout.film].start
        free = (c for c in before if c.kind == b"JUNK" and _fits(c.next - c.start, fresh))
        room = next(free, None)
        return blanked(room.start, room.next, fresh) if room else (at, at, fresh)
    following = layout.chunks[layout.chunks.index(old) + 1]
    end = following.next if following.kind == b"JUNK" else old.next
    return (
        blanked(old.start, end, fresh) if _fits(end - old.start, fresh) else (old.start, end, fresh)
    )


def _fits(room: int, fresh: bytes) -> bool:
    return room == len(fresh) or room >= len(fresh) + 8


def _films(source: Source, layout: _Layout) -> list[Chunk]:
    """The lists of frames of the first RIFF and, in OpenDML, of those that follow it."""
    found = [layout.chunks[layout.film]]
    at = chunk_at(source, 0, source.size).next
    while at + 12 <= source.size and source.read(at, 4) == b"RIFF":
        riff = chunk_at(source, at, source.size)
        parts = chunks(source, riff.data + 4, riff.end)
        found += [part for part in parts if list_kind(source, part) == b"movi"]
        at = riff.next
    return found


def _moved(source: Source, layout: _Layout, end: int, by: int) -> list[Edit]:
    """The edits of every offset to what stands after `end`, which moves."""
    edits: list[Edit] = [
        (at, at + 8, struct.pack("<Q", offset + by))
        for at, offset in _offsets(source, layout)
        if offset >= end
    ]
    film = layout.chunks[layout.film]
    for chunk in layout.chunks[layout.film + 1 :]:
        if chunk.kind == b"idx1" and (data := _absolute(source, film, chunk)):
            for at in range(8, len(data) - 7, 16):
                (offset,) = struct.unpack_from("<I", data, at)
                struct.pack_into("<I", data, at, fitting(offset + by))
            edits.append((chunk.data, chunk.end, bytes(data)))
    return edits


def _absolute(source: Source, film: Chunk, index: Chunk) -> bytearray | None:
    """The old index, if it counts from the start of the file and not, as it should, of the list."""
    data = bytearray(load(source, index))
    if len(data) < 16:
        return None
    kind, _, offset = struct.unpack_from("<4sII", data)
    for start, absolute in ((film.data, False), (0, True)):
        if start + offset + 4 <= source.size and source.read(start + offset, 4) == kind:
            return data if absolute else None
    return None


def _offsets(source: Source, layout: _Layout) -> Iterator[tuple[int, int]]:
    """Where OpenDML has an offset from the start of the file, and what it is."""
    for chunk, kind in zip(layout.chunks, layout.kinds, strict=True):
        if kind == b"hdrl":
            for stream in chunks(source, chunk.data + 4, chunk.end):
                if list_kind(source, stream) == b"strl":
                    for part in chunks(source, stream.data + 4, stream.end):
                        if part.kind == b"indx":
                            yield from _of_index(source, part)


def _of_index(source: Source, index: Chunk) -> Iterator[tuple[int, int]]:
    """An index of indexes has an offset for each, and each of these the base of its own."""
    data = load(source, index)
    if len(data) < 24:
        raise ReadError("malformed", "indx")
    _, _, kind, entries = _INDEX.unpack_from(data)
    if kind != _OF_INDEXES:
        yield index.data + 12, struct.unpack_from("<Q", data, 12)[0]
        return
    if 24 + 16 * entries > len(data):
        raise ReadError("malformed", "indx")
    for at in range(24, 24 + 16 * entries, 16):
        (offset,) = struct.unpack_from("<Q", data, at)
        if offset:
            yield index.data + at, offset
            part = chunk_at(source, offset, source.size)
            yield part.data + 12, struct.unpack("<Q", source.read(part.data + 12, 8))[0]
