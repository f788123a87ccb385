"""The TIFF structure (TIFF 6.0, BigTIFF), in which EXIF stands too: directories of tagged values.

JPEG, WebP and PNG carry a whole one as their EXIF. Labels are met in UserComment (the image guide's
Annex B) and in ImageDescription; they are read, and make way for the one in the right place.
"""

import struct
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Final, NamedTuple

from hegui.labels.carriers.carrier import Site
from hegui.labels.source import ReadError, Source, opened
from hegui.labels.splice import Keep

HEADER: Final = b"Exif\0\0"  # before the structure, in JPEG and in some WebP files
IMAGE_DESCRIPTION: Final = 0x010E
USER_COMMENT: Final = 0x9286
_PLACES: Final = {USER_COMMENT: "EXIF UserComment", IMAGE_DESCRIPTION: "EXIF ImageDescription"}
EXIF_DIRECTORY: Final = 0x8769
SUB_DIRECTORIES: Final = 0x014A
_LONGEST: Final = 64 * 1024  # bytes of a value that may be a label
_ENTRIES: Final = 4096  # in one directory
_VALUES: Final = 1_000_000  # of one entry
# Bytes of one value, by field type; BigTIFF's 16 to 18 and the directory pointers 13 among them.
_WIDTHS: Final = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8,
                  13: 4, 16: 8, 17: 8, 18: 8}  # fmt: skip
_NUMBERS: Final = {1: "B", 3: "H", 4: "I", 13: "I", 16: "Q", 18: "Q"}
_CHARSETS: Final = {
    b"ASCII\0\0\0": "utf-8",
    b"UNICODE\0": "utf-16",
    b"JIS\0\0\0\0\0": "shift_jis",
    bytes(8): "utf-8",
}
Edit = tuple[int, int, bytes]


class Entry(NamedTuple):
    """A tagged value: its field type, and where it stands."""

    tag: int
    kind: int
    number: int  # of its values
    start: int
    size: int
    raw: bytes  # the entry itself
    inline: bool


class Directory(NamedTuple):
    start: int
    end: int
    entries: tuple[Entry, ...]
    following: int  # where the next one is; 0 after the last


class Tiff:
    """A TIFF structure, its directories read one by one."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.again: set[int] = set()  # directories to which more than one way leads
        head = source.read(0, 8)
        self.order = {b"II": "<", b"MM": ">"}.get(head[:2], "")
        version = struct.unpack(f"{self.order or '<'}H", head[2:4])[0]
        if not self.order or version not in {42, 43}:
            raise ReadError("malformed", "TIFF header")
        self.big = version == 43
        # Formats of a directory's count, an entry, and an offset.
        self.counted, self.entry, self.offset = (
            (f"{self.order}Q", f"{self.order}HHQ8s", f"{self.order}Q")
            if self.big
            else (f"{self.order}H", f"{self.order}HHI4s", f"{self.order}I")
        )

    @property
    def pointer(self) -> int:
        """Where the header says where the first directory is."""
        return 8 if self.big else 4

    def number(self, at: int) -> int:
        return int(
            struct.unpack(self.offset, self.source.read(at, struct.calcsize(self.offset)))[0]
        )

    def directories(self) -> Iterator[Directory]:
        """The first directory, then every other, each once; those of pages, of EXIF and below pages."""
        waiting = [self.number(self.pointer)]
        if not waiting[0]:
            raise ReadError("malformed", "no directory")
        seen: set[int] = set()
        while waiting:
            at = waiting.pop()
            if at in seen:
                self.again.add(at)
            if at in seen or not at:
                continue
            seen.add(at)
            directory = self._directory(at)
            yield directory
            waiting.append(directory.following)
            for entry in directory.entries:
                if entry.tag in {EXIF_DIRECTORY, SUB_DIRECTORIES}:
                    waiting += self.numbers(entry)

    def _directory(self, at: int) -> Directory:
        self.source.step()
        width, size = struct.calcsize(self.counted), struct.calcsize(self.entry)
        count = struct.unpack(self.counted, self.source.read(at, width))[0]
        if count > _ENTRIES:
            raise ReadError("over_limit", "directory")
        start, end = at + width, at + width + count * size
        data = self.source.read(start, end - start)
        for _ in range(count):
            self.source.step()
        entries = tuple(
            self._entry(data[i : i + size], start + i) for i in range(0, len(data), size)
        )
        link = struct.calcsize(self.offset)
        # Some writers of EXIF leave the last link away.
        following = self.number(end) if end + link <= self.source.size else 0
        return Directory(at, min(end + link, self.source.size), entries, following)

    def _entry(self, raw: bytes, at: int) -> Entry:
        tag, kind, count, value = struct.unpack(self.entry, raw)
        size = _WIDTHS.get(kind, 0) * count
        inline = size <= len(value)
        start = at + len(raw) - len(value) if inline else struct.unpack(self.offset, value)[0]
        return Entry(tag, kind, count, start, size, raw, inline)

    def value(self, entry: Entry) -> bytes:
        return self.source.read(entry.start, entry.size)

    def numbers(self, entry: Entry) -> tuple[int, ...]:
        """A value of whole numbers; none where it is of another type."""
        form = _NUMBERS.get(entry.kind)
        if entry.number > _VALUES:
            raise ReadError("over_limit", "values")
        return struct.unpack(f"{self.order}{entry.number}{form}", self.value(entry)) if form else ()

    def label(self, entry: Entry) -> Site | None:
        """The label that an entry holds, if it holds one."""
        if entry.tag not in _PLACES or not entry.size:
            return None
        data = self.source.read(entry.start, min(entry.size, _LONGEST))
        charset = _CHARSETS.get(data[:8]) if entry.tag == USER_COMMENT else None
        text = self._decoded(data[8:], charset) if charset else data.decode("utf-8", "replace")
        text = text.strip(" \0\t\r\n")
        if not is_label(text.encode("utf-8", "replace")):
            return None
        if entry.size > _LONGEST:
            raise ReadError("over_limit", _PLACES[entry.tag])
        return Site(_PLACES[entry.tag], text, "met")

    def _decoded(self, data: bytes, charset: str) -> str:
        if charset == "utf-16" and data[:2] not in {b"\xff\xfe", b"\xfe\xff"}:
            charset = "utf-16-le" if self.order == "<" else "utf-16-be"
        return data.decode(charset, "replace")


def is_label(text: bytes) -> bool:
    """Whether a text without a name of its own is a label: wrapped in AIGC, or the fields alone."""
    return b"{" in text and (b'"AIGC"' in text or (b'"Label"' in text and b'"ProduceID"' in text))


def read(data: bytes) -> list[Site]:
    """The labels in an EXIF block.

    Cameras and editors leave damaged EXIF behind, which says nothing of the label elsewhere: it is an
    error only where it seems to hold one.

    Raises:
        ReadError: `malformed`, `truncated`, `over_limit`.
    """
    try:
        with opened(_structure(data)) as source:
            tiff = Tiff(source)
            entries = (entry for each in tiff.directories() for entry in each.entries)
            return [site for entry in entries if (site := tiff.label(entry))]
    except ReadError:
        if is_label(data):
            raise
        return []


def without(data: bytes) -> bytes:
    """An EXIF block with its labels emptied and everything else in its place; b"" if nothing is left.

    It keeps its length, so that no offset in it changes. Raises as `read`.
    """
    try:
        return _without(data)
    except ReadError:
        if is_label(data):
            raise
        return data


def _without(data: bytes) -> bytes:
    structure = _structure(data)
    with opened(structure) as source:
        tiff = Tiff(source)
        directories = list(tiff.directories())
        doomed = labels(tiff, directories)
        if doomed and not any(set(each.entries) - doomed for each in directories):
            return b""
        new = bytearray(structure)
        for start, end, fresh in erase(tiff, directories, doomed):
            new[start:end] = fresh
    return data[: len(data) - len(structure)] + bytes(new)


def labels(tiff: Tiff, directories: Iterable[Directory]) -> set[Entry]:
    """The entries that hold labels, and a pointer to a directory that holds nothing else."""
    doomed: set[Entry] = set()
    hollow = set()
    for each in directories:
        found = {entry for entry in each.entries if tiff.label(entry)}
        doomed |= found
        if found and len(found) == len(each.entries):
            hollow.add(each.start)
    pointers = [e for each in directories for e in each.entries if e.tag == EXIF_DIRECTORY]
    return doomed | {entry for entry in pointers if hollow & set(tiff.numbers(entry))}


def erase(tiff: Tiff, directories: Sequence[Directory], doomed: set[Entry]) -> list[Edit]:
    """The edits that take entries out of their directories and blank their values, moving nothing.

    Raises `ReadError` `malformed` where that would touch what stays.
    """
    edits = {entry.start: _blank(entry) for entry in doomed if not entry.inline}
    staying: list[Keep] = []
    for each in directories:
        left = [entry for entry in each.entries if entry not in doomed]
        staying += [Keep(e.start, e.start + e.size) for e in left if not e.inline]
        if len(left) < len(each.entries):
            data = directory(tiff, [entry.raw for entry in left], each.following)
            size = each.end - each.start
            edits[each.start] = (each.start, each.end, data.ljust(size, b"\0")[:size])
        else:
            staying.append(Keep(each.start, each.end))
    found = sorted(edits.values())
    check_apart(found, staying)
    return found


def _blank(entry: Entry) -> Edit:
    return entry.start, entry.start + entry.size, bytes(entry.size)


def check_apart(edits: Sequence[Edit], staying: Iterable[Keep]) -> None:
    """Raise `ReadError` where sorted edits touch one another, or what stays."""
    ends = [end for _, end, _ in edits]
    overlap = any(after[0] < before[1] for before, after in pairwise(edits))
    for part in staying:
        i = bisect_right(ends, part.start)  # the first edit that ends behind it
        overlap = overlap or (i < len(edits) and edits[i][0] < part.end)
    if overlap:
        raise ReadError("malformed", "parts of the file overlap")


def directory(tiff: Tiff, entries: Iterable[bytes], following: int) -> bytes:
    """A directory as it stands in the file."""
    entries = list(entries)
    return b"".join(
        [struct.pack(tiff.counted, len(entries)), *entries, struct.pack(tiff.offset, following)]
    )


def _structure(data: bytes) -> bytes:
    return data.removeprefix(HEADER)
