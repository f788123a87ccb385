"""PDF (ISO 32000-2): the label is the key AIGC of the document's information dictionary.

It is written as an incremental update: not one byte of the file changes, so that signatures hold.
Read besides: an XMP packet, where the catalogue has one.
"""

import struct
from collections.abc import Sequence
from typing import Final

from hegui.labels import xmp
from hegui.labels.carriers.carrier import Carrier, Found, Site
from hegui.labels.carriers.pdfobjects import Dict, Object, Ref, string, text
from hegui.labels.carriers.pdfxref import Section, Xref, last_start
from hegui.labels.label import Defect
from hegui.labels.source import ReadError, Source
from hegui.labels.splice import Keep, Plan
from hegui.language import Problem, Text

_KEY: Final = b"AIGC"
_PACKED: Final = (b"Type", b"W", b"Index", b"Length", b"Filter", b"DecodeParms")
_AGAIN: Final = (b"Size", b"Prev", b"XRefStm", b"Info", *_PACKED)  # of a trailer, said anew
_NUMBERS: Final = 1000  # beyond the number of objects that the file says, until one is free
_MOST: Final = 4  # objects of a revision that is about the document only


class Pdf(Carrier):
    name = "pdf"
    title = Text(zh="PDF 文档", en="PDF document")
    suffixes = (".pdf",)
    place = "Info dictionary, key AIGC"
    source = "TC260-PG-20258A, 6.3 (M)"

    def matches(self, head: bytes, name: str) -> bool:  # noqa: ARG002 (the signature says it)
        return b"%PDF-" in head[:1024]

    def read(self, source: Source) -> Found:
        found = Found()
        try:
            _read(Xref(source), found)
        except ReadError as error:
            found.faults.append(Defect(error.code, error.detail))
        return found

    def plan(self, source: Source, value: str) -> Plan:
        xref = Xref(source)
        _refuse(xref)
        size = _unused(xref)
        info = xref.trailer.get(b"Info")
        ref = info if isinstance(info, Ref) else Ref(size, 0)
        body = b"<< " + _info(xref).without(_KEY) + b" /AIGC " + string(value) + b" >>"
        objects = {ref: body}
        held, packet = _packet(xref)
        if packet and xmp.read(packet):
            objects[held] = _stream(xref.load(held), xmp.clear(packet))
        return [Keep(0, source.size), _revision(xref, objects, ref, size)]

    def media(self, source: Source) -> Sequence[Keep]:
        """All that stands before the last revisions that are about the document only."""
        xref, end = Xref(source), source.size
        for section in xref.sections:
            start = _about_only(xref, section)
            if start < 0:
                break
            end = start
        return [Keep(0, last_start(source, end)[1])]


def _read(xref: Xref, found: Found) -> None:
    if xref.trailer.get(b"Encrypt") is not None:
        raise ReadError("encrypted")
    found.sites += [Site("Info /AIGC", value) for value in _values(_info(xref))]
    if packet := _packet(xref)[1]:
        found.sites += [Site("XMP", value, "met") for value in xmp.read(packet)]


def _info(xref: Xref) -> Dict:
    value = xref.load(xref.trailer.get(b"Info")).value
    if value is None:
        return Dict()
    if not isinstance(value, Dict):
        raise ReadError("malformed", "PDF Info")
    return value


def _values(info: Dict) -> list[str]:
    found = [pair.value for pair in info.pairs if pair.key == _KEY]
    return [text(value) if type(value) is bytes else "" for value in found]


def _catalogue(xref: Xref) -> Dict:
    value = xref.load(xref.trailer.get(b"Root")).value
    if not isinstance(value, Dict):
        raise ReadError("malformed", "PDF catalogue")
    return value


def _packet(xref: Xref) -> tuple[Ref, bytes]:
    """The document's XMP packet if it may have a label, and its reference; b"" if not."""
    ref = _catalogue(xref).get(b"Metadata")
    held = xref.load(ref)
    if not isinstance(ref, Ref) or held.stream < 0:
        return Ref(0, 0), b""
    packet = xref.stream(held)
    return ref, packet if b"AIGC" in packet.replace(b"\0", b"") else b""


def _refuse(xref: Xref) -> None:
    """Refuse what cannot be labelled, or what a label would spoil."""
    if xref.trailer.get(b"Encrypt") is not None:
        raise Problem(
            "labels.encrypted",
            "The document is encrypted: take the password off, label it, and set the password again.",
        )
    # Signatures hold through an update. One that certifies allows certain changes only, and what
    # Info says is not among them (12.8.2.2).
    permissions = xref.load(_catalogue(xref).get(b"Perms")).value
    if isinstance(permissions, Dict) and permissions.get(b"DocMDP") is not None:
        raise Problem(
            "labels.signed",
            "The document is signed, and a label would break the signature: label it before it is signed.",
        )


def _stream(old: Object, data: bytes) -> bytes:
    head = old.value.without(b"Length", b"Filter", b"DecodeParms")
    return b"<< %b /Length %d >>\nstream\n%b\nendstream" % (head, len(data), data)


def _unused(xref: Xref) -> int:
    """The first number that no object has."""
    size = xref.trailer.get(b"Size")
    if not isinstance(size, int) or not 0 < size < 1 << 31:
        raise ReadError("malformed", "PDF trailer")
    free = (n for n in range(size, size + _NUMBERS) if xref.place(n) is None)
    if (found := next(free, None)) is None:
        raise ReadError("malformed", "PDF trailer")
    return found


def _revision(xref: Xref, objects: dict[Ref, bytes], info: Ref, unused: int) -> bytes:
    """An incremental update with these objects, its cross-reference in the form of the last one."""
    at = xref.source.size
    new, places = bytearray(b"\n"), {}
    for ref, body in sorted(objects.items()):
        places[ref] = at + len(new)
        new += b"%d %d obj\n%b\nendobj\n" % (*ref, body)
    start = at + len(new)
    size = max(unused, info.number + 1)
    said = b"%b /Info %d %d R /Prev %d" % (xref.trailer.without(*_AGAIN), *info, xref.start)
    if xref.sections[0].rows is None:
        new += _as_table(places, size, said)
    else:
        new += _as_stream(places, Ref(size, 0), start, said)
    return bytes(new) + b"startxref\n%d\n%%%%EOF\n" % start


def _as_table(places: dict[Ref, int], size: int, said: bytes) -> bytes:
    rows = b"".join(
        b"%d 1\n%010d %05d n \n" % (ref.number, at, ref.generation) for ref, at in places.items()
    )
    return b"xref\n%btrailer\n<< %b /Size %d >>\n" % (rows, said, size)


def _as_stream(places: dict[Ref, int], own: Ref, start: int, said: bytes) -> bytes:
    all_ = places | {own: start}
    rows = b"".join(struct.pack(">BQH", 1, at, ref.generation) for ref, at in all_.items())
    index = b" ".join(b"%d 1" % ref.number for ref in all_)
    head = b"%b /Type /XRef /W [1 8 2] /Index [%b] /Size %d /Length %d" % (said, index, own.number + 1, len(rows))  # fmt: skip
    return b"%d 0 obj\n<< %b >>\nstream\n%b\nendstream\nendobj\n" % (own.number, head, rows)


def _about_only(xref: Xref, section: Section) -> int:
    """Where a revision starts that changes but Info and the XMP packet; -1 for any other."""
    if not isinstance(section.trailer.get(b"Prev"), int):
        return -1
    about = {ref.number for ref in (section.trailer.get(b"Info"), _catalogue(xref).get(b"Metadata")) if isinstance(ref, Ref)}  # fmt: skip
    starts: list[int] = []
    for _, number in zip(range(_MOST), section.numbers(), strict=False):
        place = section.find(xref.source, number)
        if place is None or place.kind != 1 or not (number in about or place.where == section.at):
            return -1
        starts.append(place.where)
    return min(starts) if 0 < len(starts) < _MOST else -1
