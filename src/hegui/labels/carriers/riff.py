"""RIFF: chunks, INFO lists; and WAV, whose label is a chunk AIGC before the sound.

Read besides, in WAV: AIGC in a LIST INFO, ID3 and XMP chunks. RF64 and BW64 (EBU Tech 3306) are WAV
whose sizes stand in a chunk ds64.
"""

import struct
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from hegui.labels import xmp
from hegui.labels.carriers import id3
from hegui.labels.carriers.carrier import Carrier, Found, Site
from hegui.labels.carriers.keyed import KEY, LARGEST, elsewhere, is_label, site, text
from hegui.labels.label import Defect
from hegui.labels.source import ReadError, Source
from hegui.labels.splice import Keep, Plan, replace
from hegui.language import Text

Edit = tuple[int, int, bytes]

LABEL: Final = KEY.encode()
UNKNOWN: Final = 0xFFFFFFFF  # a size that was not known when it was written, or stands elsewhere
_TO_THE_END: Final = -1
_LARGE: Final = (b"RF64", b"BW64")


class Chunk(NamedTuple):
    start: int
    kind: bytes
    end: int  # of its data

    @property
    def data(self) -> int:
        return self.start + 8

    @property
    def next(self) -> int:
        return self.end + (self.end - self.start) % 2


def chunk_at(source: Source, start: int, end: int, sizes: dict[bytes, int] | None = None) -> Chunk:
    """The chunk at a place in what ends at `end`; `sizes` are those that stand elsewhere."""
    source.step()
    kind, size = struct.unpack("<4sI", source.read(start, 8))
    if sizes is not None and (size == UNKNOWN or (size == 0 and kind in sizes)):
        size = sizes.get(kind, _TO_THE_END)
        size = end - start - 8 if size == _TO_THE_END else size
    if start + 8 + size > end:
        raise ReadError("truncated", kind.decode("latin-1"))
    return Chunk(start, kind, start + 8 + size)


def chunks(
    source: Source, start: int, end: int, sizes: dict[bytes, int] | None = None
) -> Iterator[Chunk]:
    while start + 8 <= end:
        chunk = chunk_at(source, start, end, sizes)
        yield chunk
        start = chunk.next


def pack(kind: bytes, data: bytes) -> bytes:
    return kind + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)


def list_kind(source: Source, chunk: Chunk) -> bytes:
    """What a LIST is a list of; b"" for another chunk."""
    if chunk.kind != b"LIST" or chunk.end < chunk.data + 4:
        return b""
    return source.read(chunk.data, 4)


def load(source: Source, chunk: Chunk) -> bytes:
    if chunk.end - chunk.data > LARGEST:
        raise ReadError("over_limit", chunk.kind.decode("latin-1"))
    return source.read(chunk.data, chunk.end - chunk.data)


def info_labels(source: Source, chunk: Chunk, place: str, *, guide: bool) -> list[Site]:
    """The labels in an INFO list."""
    found = []
    for part in chunks(source, chunk.data + 4, chunk.end):
        name, value = part.kind.decode("latin-1"), text(load(source, part))
        if is_label(name, value):
            found.append(site(place, name, value, guide=guide))
    return found


def info_with(source: Source, chunk: Chunk | None, value: str | None) -> bytes:
    """An INFO list, as a whole, with this label and no other."""
    items = b""
    for part in chunks(source, chunk.data + 4, chunk.end) if chunk else ():
        data = load(source, part)
        if not is_label(part.kind.decode("latin-1"), text(data)):
            items += pack(part.kind, data)
    if value is not None:
        items += pack(LABEL, value.encode("ascii") + b"\0")
    return pack(b"LIST", b"INFO" + items)


def blanked(start: int, end: int, kept: bytes = b"") -> Edit:
    """The edit that leaves `kept` in a range, and fills the rest of it so that nothing moves."""
    spare = end - start - len(kept)
    if spare and spare < 8:
        raise ReadError("malformed", "INFO")
    filling = struct.pack("<4sI", b"JUNK", spare - 8) + bytes(spare - 8) if spare else b""
    return start, end, kept + filling


class Wav(Carrier):
    name = "wav"
    title = Text(zh="WAV 音频", en="WAV sound")
    suffixes = (".wav",)
    place = "RIFF AIGC"
    source = "TC260-PG-202510A (M)"

    def matches(self, head: bytes, name: str) -> bool:  # noqa: ARG002 (the signature says it)
        return head[:4] in (b"RIFF", *_LARGE) and head[8:12] == b"WAVE"

    def read(self, source: Source) -> Found:
        found = Found()
        try:
            for chunk in _wave(source):
                found.sites += self._sites(source, chunk)
        except ReadError as error:
            found.faults.append(Defect(error.code, error.detail))
        return found

    def _sites(self, source: Source, chunk: Chunk) -> list[Site]:
        if chunk.kind.upper() == LABEL:
            return [site(self.place, chunk.kind.decode(), text(load(source, chunk)))]
        if list_kind(source, chunk) == b"INFO":
            return info_labels(source, chunk, "LIST INFO", guide=False)
        if chunk.kind == b"_PMX":
            return [Site("XMP", value, "met") for value in xmp.read(load(source, chunk))]
        if tag := _tag(source, chunk):
            return [label.site(guide=False) for label in id3.labels(source, tag)]
        return []

    def plan(self, source: Source, value: str) -> Plan:
        edits: list[Edit] = []
        sound: Chunk | None = None
        for chunk in _wave(source):
            if chunk.kind == b"data" and sound is None:
                sound = chunk
            elif chunk.kind.upper() == LABEL:
                edits.append((chunk.start, min(chunk.next, source.size), b""))
            elif self._sites(source, chunk):
                edits += _without(source, chunk)
        if sound is None:
            raise ReadError("malformed", "no data")
        edits.append((sound.start, sound.start, pack(LABEL, value.encode("ascii"))))
        grown = sum(len(data) - (end - start) for start, end, data in edits)
        return replace(source.size, *edits, *_resized(source, grown))

    def media(self, source: Source) -> Sequence[Keep]:
        return [
            Keep(c.data, min(c.end, source.size))
            for c in _wave(source)
            if c.kind in (b"fmt ", b"data")
        ]


def _wave(source: Source) -> Iterator[Chunk]:
    """The chunks of a WAV; one of unknown size (a stream that was saved) goes on to the end."""
    form, size = struct.unpack("<4sI", source.read(0, 8))
    end = source.size
    sizes: dict[bytes, int] = {}
    if form in _LARGE:
        first = chunk_at(source, 12, end)
        if first.kind != b"ds64" or first.end - first.data < 24:
            raise ReadError("malformed", "no ds64")
        large, sound = struct.unpack("<QQ", source.read(first.data, 16))
        end, sizes[b"data"] = min(end, large + 8), sound
    elif size in (0, UNKNOWN):
        sizes[b"data"] = _TO_THE_END
    else:
        end = min(end, size + 8)
    return chunks(source, 12, end, sizes)


def _tag(source: Source, chunk: Chunk) -> id3.Tag | None:
    """The ID3 tag that a chunk holds."""
    tag = id3.tag_at(source, chunk.data) if chunk.kind.lower() == b"id3 " else None
    if tag and tag.end > chunk.end:
        raise ReadError("malformed", "ID3v2")
    return tag


def _without(source: Source, chunk: Chunk) -> list[Edit]:
    """The edits that take the labels out of a chunk that may hold other things, which do not move."""
    if chunk.kind == b"LIST":
        return [blanked(chunk.start, min(chunk.next, source.size), info_with(source, chunk, None))]
    tag = _tag(source, chunk)
    if tag is None:
        raise elsewhere("XMP")
    return id3.without(source, tag)


def _resized(source: Source, grown: int) -> list[Edit]:
    """The edits of the sizes of the whole, where they are known."""
    form, size = struct.unpack("<4sI", source.read(0, 8))
    if form in _LARGE:
        (large,) = struct.unpack("<Q", source.read(20, 8))
        return [(20, 28, struct.pack("<Q", large + grown))]
    if size in (0, UNKNOWN):
        return []
    return [(4, 8, struct.pack("<I", fitting(size + grown)))]


def fitting(size: int) -> int:
    """A size of RIFF, which has 32 bits."""
    if size >= UNKNOWN:
        raise ReadError("over_limit", "RIFF beyond 4 GiB")
    return size
