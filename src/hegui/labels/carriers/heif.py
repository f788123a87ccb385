"""HEIF: HEIC, AVIF (ISO/IEC 23008-12): the label in an XMP packet, an item that describes the picture.

The item has type mime, content type application/rdf+xml, and a reference cdsc to the primary item.
A packet that exists is merged in its place; a new one stands in an mdat directly behind the meta box,
at the head of the file. Sequences (avis, hevc) have a moov besides, whose chunk offsets follow.
"""

from collections.abc import Iterator, Sequence
from typing import ClassVar, Final

from hegui.labels import xmp
from hegui.labels.carriers.bmff import Box, boxes, children, content, pack, walk
from hegui.labels.carriers.bmff_edit import Surgery
from hegui.labels.carriers.bmff_items import Item, Location, Locations, items, numbers
from hegui.labels.carriers.bmff_places import Places
from hegui.labels.carriers.carrier import Carrier, Found, Site, Slot
from hegui.labels.label import Defect
from hegui.labels.source import ReadError, Source
from hegui.labels.splice import Keep, Plan
from hegui.language import Text

_MEDIA_TYPE: Final = b"application/rdf+xml"
_PLAIN: Final = frozenset({b"mif1", b"mif2", b"mif3", b"msf1", b"miaf"})  # HEIF of any codec
_HEVC: Final = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"})
_AV1: Final = frozenset({b"avif", b"avis"})


class Heif(Carrier):
    name = "heic"
    title = Text(zh="HEIC / HEIF 图片", en="HEIC / HEIF picture")
    suffixes: ClassVar[tuple[str, ...]] = (".heic", ".heif", ".hif", ".heics", ".heifs")
    place = "XMP, item application/rdf+xml"
    source = "TC260-PG-20259A (M)"

    def matches(self, head: bytes, name: str) -> bool:  # noqa: ARG002 (the signature says it)
        return head[4:8] == b"ftyp" and head[8:12] in _PLAIN | _HEVC

    def read(self, source: Source) -> Found:
        places = Places(source)
        found = Found(faults=places.faults)
        try:
            meta = _Meta(source)
            for item in meta.xmp:
                found.sites += _sites(meta, item)
        except ReadError as error:
            found.faults.append(Defect(error.code, error.detail))
        found.sites += places.sites()
        found.faults = list(dict.fromkeys(found.faults))
        return found

    def plan(self, source: Source, value: str) -> Plan:
        places = Places(source)
        places.check()
        meta = _Meta(source)
        surgery = Surgery(source.fresh())
        places.clear(surgery)
        own = next((item for item in meta.xmp if meta.is_of_primary(item)), None)
        if own is None:
            _add(meta, surgery, xmp.write(None, value))
        for item in meta.xmp:
            packet = meta.packet(item)
            if item is own:
                _replace(meta, surgery, item, xmp.write(packet, value))
            elif xmp.read(packet):
                _replace(meta, surgery, item, xmp.clear(packet))
        return surgery.plan()

    def media(self, source: Source) -> Sequence[Keep]:
        """All of mdat and idat but XMP."""
        meta = _Meta(source)
        bodies = [box for box in meta.top if box.kind == b"mdat"]
        bodies += [meta.idat] if meta.idat else []
        packets = sorted(each for item in meta.xmp for each in meta.ranges(item))
        return [keep for body in bodies for keep in _without(body, packets)]


class Avif(Heif):
    name = "avif"
    title = Text(zh="AVIF 图片", en="AVIF picture")
    suffixes: ClassVar[tuple[str, ...]] = (".avif", ".avifs")

    def matches(self, head: bytes, name: str) -> bool:  # noqa: ARG002 (the signature says it)
        if head[4:8] != b"ftyp":
            return False
        major, end = head[8:12], int.from_bytes(head[:4])
        others = {head[at : at + 4] for at in range(16, min(end, len(head)), 4)}
        return major in _AV1 or (major in _PLAIN and bool(others & _AV1) and not others & _HEVC)


class _Meta:
    """The file's meta box: its items, and which of them are XMP; that of the picture itself first."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.top = [box for box, _ in walk(source, ())]
        metas = [box for box in self.top if box.kind == b"meta"]
        if len(metas) != 1 or metas[0].endless:
            raise ReadError("malformed", "meta")
        self.box = metas[0]
        self.parts = {box.kind: box for box in children(source, self.box)}
        self.iinf, self.iloc = self._part(b"iinf"), self._part(b"iloc")
        self.idat, self.iref = self.parts.get(b"idat"), self.parts.get(b"iref")
        self.items = list(items(source, self.iinf))
        self.locations = Locations.of(content(source, self.iloc)).items
        self.primary = self._primary()
        described = [item for item in self.items if _is_xmp(item)]
        self.xmp = sorted(described, key=lambda item: not self.is_of_primary(item))

    def _part(self, kind: bytes) -> Box:
        if kind not in self.parts:
            raise ReadError("malformed", f"no {kind.decode()}")
        return self.parts[kind]

    def _primary(self) -> int:
        pitm = self.parts.get(b"pitm")
        return int.from_bytes(content(self.source, pitm, 64)[4:]) if pitm else 0

    def is_of_primary(self, item: Item) -> bool:
        """Whether an item describes the primary one; one that names none is taken to."""
        of = [
            to
            for kind, number, to in self._references()
            if (kind, number) == (b"cdsc", item.number)
        ]
        return not of or any(self.primary in to for to in of)

    def _references(self) -> Iterator[tuple[bytes, int, tuple[int, ...]]]:
        if self.iref:
            wide = self.source.read(self.iref.body, 1) != b"\0"
            for box in boxes(self.source, self.iref.body + 4, self.iref.end):
                data, width = content(self.source, box), 4 if wide else 2
                yield (
                    box.kind, int.from_bytes(data[:width]), numbers(data[width + 2 :], wide=wide),
                )  # fmt: skip

    def ranges(self, item: Item) -> list[tuple[int, int]]:
        """Where an item's data is; raises `ReadError` for data in another file or item."""
        location = self.locations.get(item.number, Location(0, 0, 0, []))
        if location.elsewhere or location.method > 1 or (location.method and not self.idat):
            raise ReadError("malformed", "XMP in another place")
        return location.ranges(self.idat.body if location.method and self.idat else 0)

    def packet(self, item: Item) -> bytes:
        if item.packed:
            raise ReadError("malformed", "packed XMP")
        ranges = self.ranges(item)
        if sum(end - start for start, end in ranges) > xmp.LARGEST:
            raise ReadError("over_limit", "XMP")
        return b"".join(self.source.read(start, end - start) for start, end in ranges)

    def unused(self) -> int:
        """A number for a new item, which no item and no group of items has."""
        used = {0, *self.locations, *(item.number for item in self.items)}
        if b"grpl" in self.parts:
            for box in children(self.source, self.parts[b"grpl"]):
                used.add(int.from_bytes(content(self.source, box)[4:8]))
        last = max(used) + 1
        free = range(last, last + 1) if last < 1 << 16 else range(1, 1 << 16)
        number = next((each for each in free if each not in used), 0)
        if not number:
            raise ReadError("over_limit", "items")
        return number


def _is_xmp(item: Item) -> bool:
    return item.kind == b"mime" and item.content.lower() == _MEDIA_TYPE


def _sites(meta: _Meta, item: Item) -> list[Site]:
    slot: Slot = "guide" if meta.is_of_primary(item) else "met"
    place = "XMP" if slot == "guide" else f"XMP, item {item.number}"
    packet = meta.packet(item)
    return [Site(place, value, slot) for value in xmp.read(packet)] if packet.strip() else []


def _add(meta: _Meta, surgery: Surgery, packet: bytes) -> None:
    """A new item. What goes into the same place is given in the order in which it is to stand."""
    number = meta.unused()
    wide = meta.source.read(meta.iinf.body, 1) != b"\0"
    count = meta.iinf.body + 4
    width = 4 if wide else 2
    more = int.from_bytes(meta.source.read(count, width)) + 1
    if more >= 1 << 8 * width:
        raise ReadError("over_limit", "items")
    surgery.put(count, count + width, more.to_bytes(width))
    infe = pack(b"infe", b"\2\0\0\0", number.to_bytes(2), bytes(2), b"mime\0", _MEDIA_TYPE, b"\0")
    surgery.put(meta.iinf.end, meta.iinf.end, infe, (meta.box, meta.iinf))
    _refer(meta, surgery, number)
    media = surgery.put(meta.box.end, meta.box.end, pack(b"mdat", packet))
    surgery.place(number, media, 8, len(packet))


def _refer(meta: _Meta, surgery: Surgery, number: int) -> None:
    """Say that the new item describes the primary one."""
    if not meta.primary:
        return
    wide = meta.primary >= 1 << 16
    if meta.iref:
        wide = meta.source.read(meta.iref.body, 1) != b"\0"
    width = 4 if wide else 2
    if meta.primary >= 1 << 8 * width:
        raise ReadError("malformed", "iref")
    numbers_of = number.to_bytes(width), (1).to_bytes(2), meta.primary.to_bytes(width)
    reference = pack(b"cdsc", *numbers_of)
    if meta.iref:
        surgery.put(meta.iref.end, meta.iref.end, reference, (meta.box, meta.iref))
    else:
        iref = pack(b"iref", bytes([wide, 0, 0, 0]), reference)
        surgery.put(meta.box.end, meta.box.end, iref, (meta.box,))


def _replace(meta: _Meta, surgery: Surgery, item: Item, packet: bytes) -> None:
    """Put a packet where the item's old one is; what else is there moves."""
    ranges = [(start, end) for start, end in meta.ranges(item) if end > start]
    if not ranges:
        media = surgery.put(meta.box.end, meta.box.end, pack(b"mdat", packet))
        surgery.place(item.number, media, 8, len(packet))
        return
    others = [
        each for other in meta.items if other.number != item.number for each in _all(meta, other)
    ]
    first = None
    for start, end in ranges:
        if any(start < stop and begin < end for begin, stop in others):
            raise ReadError("malformed", "items that share data")
        edit = surgery.put(start, end, b"" if first else packet, _around(meta, start, end))
        first = first or edit
    if first:
        surgery.place(item.number, first, 0, len(packet))


def _all(meta: _Meta, item: Item) -> list[tuple[int, int]]:
    try:
        return meta.ranges(item)
    except ReadError:
        return []


def _around(meta: _Meta, start: int, end: int) -> tuple[Box, ...]:
    """The boxes around a range of data."""
    if meta.idat and meta.idat.body <= start and end <= meta.idat.end:
        return (meta.box, meta.idat)
    for box in meta.top:
        if box.kind == b"mdat" and box.body <= start and end <= box.end:
            return (box,)
    raise ReadError("malformed", "XMP in no box of data")


def _without(body: Box, packets: list[tuple[int, int]]) -> Iterator[Keep]:
    at = body.body
    for start, end in packets:
        if body.body <= start and end <= body.end:
            yield Keep(at, max(at, start))
            at = max(at, end)
    yield Keep(at, body.end)
