"""The offsets in an ISO media file that point at places which move when a box before them grows.

Chunk offsets (stco, co64), auxiliary data (saio), fragments (tfhd, tfra, sidx) and items (iloc).
Offsets relative to their own fragment (trun, saio of a traf) move with it and stay as they are.
"""

import struct
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate
from typing import Final, NamedTuple

from hegui.labels.carriers.bmff import WORD, Box, Inside, content, pack, walk
from hegui.labels.carriers.bmff_items import Extent, Location, Locations
from hegui.labels.source import ReadError, Source
from hegui.language import Problem

_CONTAINERS: Final = frozenset(
    {b"moov", b"trak", b"mdia", b"minf", b"dinf", b"stbl", b"meta", b"moof", b"traf", b"mfra"}
)


class Edit(NamedTuple):
    """New bytes for a range of the file, in these boxes."""

    start: int
    end: int
    data: bytes
    inside: Inside = ()

    @property
    def grows(self) -> int:
        return len(self.data) - (self.end - self.start)


class Moves:
    """Where each place of the old file is in the new one, given edits in the order of the file."""

    def __init__(self, edits: Sequence[Edit]) -> None:
        self._edits = edits
        self._ends = [edit.end for edit in edits]
        self._sums = [0, *accumulate(edit.grows for edit in edits)]

    def to(self, place: int) -> int:
        """Where that is which stood at a place."""
        return place + self._sums[bisect_right(self._ends, place)]

    def all(self, places: Sequence[int]) -> list[int]:
        """The same for a table: most point behind every edit, so all of it moves by the same."""
        if places and self._ends and min(places) >= self._ends[-1]:
            by = self._sums[-1]
            return [place + by for place in places]
        return [self.to(place) for place in places]

    def start(self, edit: Edit) -> int:
        """Where the new bytes of an edit begin."""
        number = next(n for n, each in enumerate(self._edits) if each is edit)
        return edit.start + self._sums[number]


class Placed(NamedTuple):
    """Where an item's data is: in what an edit brings, `skip` bytes into it, `length` bytes."""

    edit: Edit
    skip: int
    length: int


class Patches:
    """The edits that set every offset of a file right after `moves`.

    `widen` names the stco that must become co64, by where they start; `too_far` are then those
    which must as well: run again with them. `placed` are new places for items of the file's own meta
    box, by their number.

    Raises:
        Problem: `labels.offset`, `labels.external`.
        ReadError: a table that cannot be read.
    """

    def __init__(
        self, source: Source, moves: Moves, widen: Iterable[int], placed: dict[int, Placed]
    ) -> None:
        self.edits: list[Edit] = []
        self.too_far: set[int] = set()
        self._source, self._moves = source, moves
        self._widen, self._placed = set(widen), placed
        for box, inside in walk(source, _CONTAINERS):
            patch = _PATCHES.get(box.kind)
            if patch is not None:
                patch(self, box, inside)

    def chunks(self, box: Box, inside: Inside) -> None:
        narrow = box.kind == b"stco"
        form = "I" if narrow else "Q"
        count = int.from_bytes(self._source.read(box.body, 8)[4:])
        width = struct.calcsize(form) * count
        if 8 + width > box.size:
            raise ReadError("malformed", box.kind.decode())
        old = struct.unpack(f">{count}{form}", self._source.read(box.body + 8, width))
        new = self._moves.all(old)
        if new and max(new) >= 1 << 64:
            raise ReadError("malformed", "co64")
        if box.start in self._widen:
            data = struct.pack(f">II{count}Q", 0, count, *new)
            self.edits.append(Edit(box.start, box.end, pack(b"co64", data), inside))
        elif narrow and new and max(new) > WORD:
            self.too_far.add(box.start)
        elif new != list(old):
            data = struct.pack(f">{count}{form}", *new)
            self.edits.append(Edit(box.body + 8, box.body + 8 + width, data))

    def references(self, box: Box, _inside: Inside) -> None:
        """Chunk offsets into another file cannot be told from those into this one."""
        data = content(self._source, box)
        at = 8
        while at + 12 <= len(data):
            size = int.from_bytes(data[at : at + 4])
            if size < 12:
                raise ReadError("malformed", "dref")
            if not data[at + 11] & 1 and size > 13:  # not "in this file", and the name of another
                raise Problem(
                    "labels.external",
                    "The film's media is in other files: save it as one self-contained file, then label that.",
                )
            at += size

    def auxiliary(self, box: Box, inside: Inside) -> None:
        if inside and inside[0].kind == b"moov":
            data = content(self._source, box)
            at = 12 if data[3:4] == b"\1" else 4
            count = int.from_bytes(data[at : at + 4])
            self._table(box, data, at + 4, count, wide=data[:1] != b"\0")

    def fragment(self, box: Box, _inside: Inside) -> None:
        """base_data_offset, in older fragmented files."""
        data = content(self._source, box)
        if data[3:4] and data[3] & 1:
            self._table(box, data, 8, 1, wide=True)

    def random_access(self, box: Box, _inside: Inside) -> None:
        data = content(self._source, box)
        wide = data[:1] == b"\1"
        width = 8 if wide else 4
        lengths, count = int.from_bytes(data[8:12]), int.from_bytes(data[12:16])
        step = 2 * width + sum((lengths >> shift & 3) + 1 for shift in (0, 2, 4))
        self._table(box, data, 16 + width, count, wide=wide, step=step)

    def segments(self, box: Box, _inside: Inside) -> None:
        """Lengths of what follows the index, which matter where a box grows among that."""
        data = content(self._source, box)
        wide = data[:1] != b"\0"
        at = 20 if wide else 16  # of first_offset, behind earliest_presentation_time
        form = struct.Struct(">Q" if wide else ">I")
        table = at + form.size + 4
        if len(data) < table:
            raise ReadError("malformed", "sidx")
        place = box.end + form.unpack_from(data, at)[0]
        new = bytearray(data)
        _put(box, form, new, at, self._moves.to(place) - self._moves.to(box.end))
        count = int.from_bytes(data[table - 2 : table])
        if table + 12 * count > len(data):
            raise ReadError("malformed", "sidx")
        for each in range(table, table + 12 * count, 12):
            (word,) = _WORD.unpack_from(data, each)
            kind, length = word & 1 << 31, word & (1 << 31) - 1
            grown = self._moves.to(place + length) - self._moves.to(place)
            if grown >= 1 << 31:
                raise _no_room(box)
            _WORD.pack_into(new, each, kind | grown)
            place += length
        self._set(box, data, new)

    def items(self, box: Box, inside: Inside) -> None:
        table = Locations.of(content(self._source, box))
        before = dict(table.items)
        placed = self._placed if len(inside) == 1 else {}
        beside = (each for each, _ in walk(self._source, (), inside))
        idat = next((each for each in beside if each.kind == b"idat"), None)
        for number, location in table.items.items():
            if number not in placed:
                table.items[number] = self._moved(location, idat)
        for number, (edit, skip, length) in placed.items():
            method = table.items[number].method if number in table.items else 0
            place = self._moves.start(edit) + skip
            if method == 1 and idat:
                place -= self._moves.to(idat.body)
            table.items[number] = Location(method, 0, 0, [Extent(place, length)])
        if table.items != before:
            self.edits.append(Edit(box.start, box.end, pack(b"iloc", table.pack()), inside))

    def _moved(self, location: Location, idat: Box | None) -> Location:
        if location.elsewhere or location.method not in {0, 1} or (location.method and not idat):
            return location
        origin = idat.body if location.method and idat else 0
        return location.moved(
            lambda place: self._moves.to(origin + place) - (self._moves.to(origin) if origin else 0)
        )

    def _table(
        self, box: Box, data: bytes, at: int, count: int, *, wide: bool, step: int = 0
    ) -> None:
        """Move each offset of a table in a box, `step` bytes apart."""
        form = struct.Struct(">Q" if wide else ">I")
        step = step or form.size
        if count and at + (count - 1) * step + form.size > len(data):
            raise ReadError("malformed", box.kind.decode())
        new = bytearray(data)
        for place in range(at, at + count * step, step):
            _put(box, form, new, place, self._moves.to(form.unpack_from(data, place)[0]))
        self._set(box, data, new)

    def _set(self, box: Box, old: bytes, new: bytearray) -> None:
        if new != old:
            self.edits.append(Edit(box.body, box.end, bytes(new)))


_WORD: Final = struct.Struct(">I")
_PATCHES: Final[dict[bytes, Callable[[Patches, Box, Inside], None]]] = {
    b"stco": Patches.chunks, b"co64": Patches.chunks, b"dref": Patches.references,
    b"saio": Patches.auxiliary, b"tfhd": Patches.fragment, b"tfra": Patches.random_access,
    b"sidx": Patches.segments, b"iloc": Patches.items,
}  # fmt: skip


def _put(box: Box, form: struct.Struct, data: bytearray, at: int, value: int) -> None:
    try:
        form.pack_into(data, at, value)
    except struct.error as error:
        raise _no_room(box) from error


def _no_room(box: Box) -> Problem:
    return Problem(
        "labels.offset",
        "An offset of the file ({box}) has no room for its new value: write the file anew (ffmpeg -c copy), then label it.",
        box=box.kind.decode(),
    )
