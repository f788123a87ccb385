"""The cross-reference of a PDF (ISO 32000-2, 7.5.4 to 7.5.8): tables, streams, both, and their chain.

Tables are not loaded: one entry is read where it must stand. Streams are inflated up to a cap.
"""

import re
import zlib
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import msgspec

from hegui.labels.carriers.pdfobjects import Dict, Object, Ref, object_at, value_in
from hegui.labels.source import ReadError, Source

_TAIL: Final = 4096  # bytes at the end in which `startxref` must stand
_CHAIN: Final = 256  # revisions
_INFLATED: Final = 16 * 1024 * 1024
_HEADER: Final = 1024 * 1024  # bytes of an object stream that say where its objects are
_TRAILER: Final = 64 * 1024
_START: Final = re.compile(rb"startxref[\0\t\n\f\r ]+(\d{1,12})")
_SUBSECTION: Final = re.compile(
    rb"[\0\t\n\f\r ]*(\d{1,10})[\0\t\n\f\r ]+(\d{1,10})[ \t]*(?:\r\n|\r|\n)"
)
_ENTRY: Final = re.compile(rb"(\d{10}) (\d{5}) ([nf])")


class Place(NamedTuple):
    """Where an object stands: kind 0 nowhere, 1 at an offset, 2 in an object stream of this number."""

    kind: int
    where: int
    other: int  # generation, or index in the object stream


class Section(msgspec.Struct):
    """One revision's table or stream. `runs` are (first number, count, offset of the first entry)."""

    trailer: Dict
    at: int
    runs: list[tuple[int, int, int]]
    rows: bytes | None = None  # of a stream; None of a table
    widths: tuple[int, int, int] = (1, 0, 0)
    mixed: bool = False  # whether the rows are differences to those before (predictor "up")

    def numbers(self) -> Iterator[int]:
        return (first + n for first, count, _ in self.runs for n in range(count))

    def find(self, source: Source, number: int) -> Place | None:
        """Where this revision says that the object is; None where it says nothing."""
        for first, count, start in self.runs:
            if first <= number < first + count:
                index = number - first
                if self.rows is not None:
                    return self._row(start + index)
                found = _ENTRY.match(source.read(start + 20 * index, 20))
                if found is None:
                    raise ReadError("malformed", "PDF cross-reference")
                return Place(int(found[3] == b"n"), int(found[1]), int(found[2]))
        return None

    def _row(self, index: int) -> Place | None:
        assert self.rows is not None  # noqa: S101 (for the type checker)
        width = sum(self.widths)
        if self.mixed:
            stride = width + 1
            columns = (self.rows[n + 1 : stride * (index + 1) : stride] for n in range(width))
            row = bytes(sum(column) & 0xFF for column in columns)
        else:
            row = self.rows[index * width : (index + 1) * width]
        one, two, _ = self.widths
        kind = int.from_bytes(row[:one]) if one else 1
        return Place(kind, int.from_bytes(row[one : one + two]), int.from_bytes(row[one + two :]))


class Xref:
    """The chain of a file's revisions, the newest first.

    Raises:
        ReadError: `malformed`, `over_limit`, `truncated`.
    """

    def __init__(self, source: Source) -> None:
        self.source = source
        self.start, _ = last_start(source, source.size)
        self.sections = list(_chain(source, self.start))
        self.trailer = self.sections[0].trailer
        self._packed: dict[int, tuple[bytes, Dict]] = {}

    def place(self, number: int) -> Place | None:
        """Where an object is; None or kind 0 where there is none."""
        free = None
        for section in self.sections:
            found = section.find(self.source, number)
            if found and found.kind:
                return found
            if found and not isinstance(section.trailer.get(b"XRefStm"), int):
                return found  # free, and not hidden as in a hybrid file
            free = free or found
        return free

    def load(self, value: Any) -> Object:
        """What a reference points to, through at most a few references; other values as they are."""
        for _ in range(8):
            if not isinstance(value, Ref):
                return Object(value)
            found = self._load(value)
            if found.stream >= 0 or not isinstance(found.value, Ref):
                return found
            value = found.value
        raise ReadError("over_limit", "PDF references")

    def _load(self, ref: Ref) -> Object:
        self.source.step()
        place = self.place(ref.number)
        if place is None or place.kind not in {1, 2}:
            return Object(None)
        if place.kind == 1:
            return object_at(self.source, place.where, ref.number)
        return Object(self._unpacked(place, ref.number))

    def _unpacked(self, place: Place, number: int) -> Any:
        """An object out of an object stream (7.5.7)."""
        if place.where not in self._packed:
            outer = self.place(place.where)
            if outer is None or outer.kind != 1:
                raise ReadError("malformed", "PDF object stream")
            held = object_at(self.source, outer.where, place.where)
            self._packed[place.where] = self.stream(held), held.value
        data, head = self._packed[place.where]
        first, count = head.get(b"First"), head.get(b"N")
        if not isinstance(first, int) or not isinstance(count, int) or not 0 <= first <= _HEADER:
            raise ReadError("malformed", "PDF object stream")
        numbers = data[:first].split()
        pairs = zip(numbers[: 2 * count : 2], numbers[1 : 2 * count : 2], strict=False)
        key = str(number).encode()
        offset = next((at for found, at in pairs if found == key), None)
        if offset is None or not re.fullmatch(rb"\d{1,9}", offset):
            raise ReadError("malformed", "PDF object stream")
        return value_in(data, first + int(offset))[0]

    def stream(self, held: Object) -> bytes:
        """The data of a stream, inflated."""
        size = self.load(held.value.get(b"Length")).value if held.stream >= 0 else None
        return inflated(self.source, held, size)


def inflated(source: Source, held: Object, size: Any) -> bytes:
    """The data of a stream of this packed length, with no other filter than Flate."""
    if held.stream < 0 or not isinstance(size, int) or size < 0:
        raise ReadError("malformed", "PDF stream")
    data = source.read(held.stream, size)
    names = held.value.get(b"Filter")
    names = names if isinstance(names, list) else [names] if names is not None else []
    if not names:
        return data
    if names not in ([b"FlateDecode"], [b"Fl"]):
        raise ReadError("over_limit", "PDF filter")
    unpacking = zlib.decompressobj()
    try:
        data = unpacking.decompress(data, _INFLATED)
    except zlib.error as error:
        raise ReadError("malformed", "PDF stream") from error
    if unpacking.unconsumed_tail:
        raise ReadError("over_limit", "PDF stream")
    source.step(len(data) // 256)
    return data


def last_start(source: Source, end: int) -> tuple[int, int]:
    """What the last `startxref` before `end` says, and where its number ends."""
    start = max(0, end - _TAIL)
    found = list(_START.finditer(source.read(start, end - start)))
    if not found:
        raise ReadError("truncated", "PDF without startxref")
    return int(found[-1][1]), start + found[-1].end()


def _chain(source: Source, at: Any) -> Iterator[Section]:
    seen: set[int] = set()
    while at is not None:
        if not isinstance(at, int) or at in seen:
            raise ReadError("malformed", "PDF cross-reference")
        if len(seen) >= _CHAIN:
            raise ReadError("over_limit", "PDF revisions")
        seen.add(at)
        section = _section(source, at)
        yield section
        beside = section.trailer.get(b"XRefStm")
        if section.rows is None and isinstance(beside, int):
            yield _stream(source, beside)
        at = section.trailer.get(b"Prev")


def _section(source: Source, at: int) -> Section:
    if not 0 <= at < source.size:
        raise ReadError("malformed", "PDF cross-reference")
    head = source.read(at, min(32, source.size - at))
    found = re.match(rb"[\0\t\n\f\r ]*xref", head)
    return _table(source, at, at + found.end()) if found else _stream(source, at)


def _table(source: Source, at: int, place: int) -> Section:
    runs: list[tuple[int, int, int]] = []
    while True:
        source.step()
        head = source.read(place, min(64, source.size - place))
        if found := re.match(rb"[\0\t\n\f\r ]*trailer", head):
            break
        found = _SUBSECTION.match(head)
        if found is None:
            raise ReadError("malformed", "PDF cross-reference")
        count = int(found[2])
        runs.append((int(found[1]), count, place + found.end()))
        place += found.end() + 20 * count
        if place >= source.size:
            raise ReadError("truncated", "PDF cross-reference")
    place += found.end()
    trailer, _ = value_in(source.read(place, min(_TRAILER, source.size - place)))
    if not isinstance(trailer, Dict):
        raise ReadError("malformed", "PDF trailer")
    return Section(trailer, at, runs)


def _stream(source: Source, at: int) -> Section:
    held = object_at(source, at)
    head = held.value
    if not isinstance(head, Dict) or head.get(b"Type") != b"XRef":
        raise ReadError("malformed", "PDF cross-reference")
    widths, size = head.get(b"W"), head.get(b"Size")
    if (
        not isinstance(widths, list)
        or len(widths) != 3
        or not all(isinstance(width, int) and 0 <= width <= 8 for width in widths)
        or not isinstance(size, int)
    ):
        raise ReadError("malformed", "PDF cross-reference")
    rows = inflated(source, held, head.get(b"Length"))
    mixed = _is_mixed(head, sum(widths), rows)
    stride = sum(widths) + mixed
    index = head.get(b"Index") or [0, size]
    if not isinstance(index, list) or not all(isinstance(n, int) and n >= 0 for n in index):
        raise ReadError("malformed", "PDF cross-reference")
    runs, done = [], 0
    for first, count in zip(index[::2], index[1::2], strict=False):
        source.step()
        runs.append((first, count, done))
        done += count
    if not stride or done > len(rows) // stride:
        raise ReadError("truncated", "PDF cross-reference")
    return Section(head, at, runs, rows, (widths[0], widths[1], widths[2]), mixed)


def _is_mixed(head: Dict, width: int, rows: bytes) -> bool:
    """Whether the rows bear the predictor "up", which is the only one in use for this."""
    parameters = head.get(b"DecodeParms")
    parameters = parameters[0] if isinstance(parameters, list) and parameters else parameters
    predictor = parameters.get(b"Predictor") if isinstance(parameters, Dict) else None
    if predictor in {None, 1}:
        return False
    columns = parameters.get(b"Columns") if isinstance(parameters, Dict) else None
    if columns != width or set(rows[:: width + 1]) - {2}:
        raise ReadError("over_limit", "PDF predictor")
    return True
