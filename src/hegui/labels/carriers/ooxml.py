"""Office Open XML (ECMA-376): DOCX, XLSX, PPTX, their templates and macro-enabled kin.

The label is a custom property of the document. Read besides: a customXml part that holds one.
Macros stay as they are: their signature covers the macros alone.
"""

import re
from collections.abc import Sequence
from typing import Final, NamedTuple
from xml.sax.saxutils import escape

import msgspec

from hegui.labels.carriers import zips
from hegui.labels.carriers.carrier import Carrier, Found, Site
from hegui.labels.carriers.tree import Element, append, parse, prefix, splice, utf8
from hegui.labels.label import FIELDS, Defect
from hegui.labels.source import ReadError, Source
from hegui.labels.splice import Keep, Plan
from hegui.language import Problem, Text

_TYPES: Final = "[Content_Types].xml"
_ROOT: Final = "_rels/.rels"
_CUSTOM: Final = "docProps/custom.xml"
_FORMAT: Final = "{D5CDD505-2E9C-101B-9397-08002B2CF9AE}"
_RELATION: Final = (
    "http://schemas.openxmlformats.org/officeDocument/2006/relationships/custom-properties"
)
_CONTENT: Final = "application/vnd.openxmlformats-officedocument.custom-properties+xml"
_PROPERTIES: Final = "http://schemas.openxmlformats.org/officeDocument/2006/custom-properties"
_VALUES: Final = "http://schemas.openxmlformats.org/officeDocument/2006/docPropsVTypes"
_COMPOUND: Final = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"  # of an encrypted document, not a ZIP
_DECLARED: Final = b'<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_MOST_PARTS: Final = 64  # customXml parts that are looked into
_MARKS: Final = (b"[Content_Types].xml", b"_rels/.rels", b"docProps/")  # without a known name
# Parts that say something about the document, and may change; all others are content.
_ABOUT: Final = frozenset({_TYPES, "_rels", "docProps", "customXml"})


class _Document(NamedTuple):
    """The parts that matter here. `custom` is where the properties are, or would be."""

    archive: zips.Zip
    custom: str
    properties: bytes  # b"" where there are none yet
    relations: bytes


class Ooxml(Carrier):
    name = "ooxml"
    title = Text(zh="Word、Excel、PowerPoint 文档", en="Word, Excel and PowerPoint document")
    suffixes = tuple(
        f".{kind}{last}" for kind in ("doc", "dot", "xls", "xlt", "ppt", "pot", "pps") for last in "xm"
    )  # fmt: skip
    place = "docProps/custom.xml, property AIGC"
    source = "TC260-PG-20258A, 6.1 (M)"

    def matches(self, head: bytes, name: str) -> bool:
        if name.endswith(self.suffixes):
            return head.startswith((zips.LOCAL_MARK, _COMPOUND))
        return head.startswith(zips.LOCAL_MARK) and any(mark in head for mark in _MARKS)

    def read(self, source: Source) -> Found:
        found = Found()
        try:
            document = _open(source)
            if document.properties:
                for each in _of_name(parse(document.properties)):
                    found.sites.append(_site(each))
            for entry in _custom_parts(document.archive):
                values = [value for _, value in _labels(_part(source, entry))]
                found.sites += [Site(entry.name, value, "met") for value in values]
        except ReadError as error:
            found.faults.append(Defect(error.code, error.detail))
        return found

    def plan(self, source: Source, value: str) -> Plan:
        _refuse(source)
        document = _open(source)
        parts = {document.custom: _with_label(document.properties, value)}
        types = _needed(source, document.archive, _TYPES)
        parts |= _declared(document, types)
        for entry in _custom_parts(document.archive):
            data = _part(source, entry)
            if found := [element for element, _ in _labels(data)]:
                parts[entry.name] = _without(data, found)
        return zips.rewrite(source, document.archive, parts)

    def media(self, source: Source) -> Sequence[Keep]:
        return zips.kept(zips.directory(source), _ABOUT)


def _refuse(source: Source) -> None:
    """Refuse what cannot be labelled."""
    if source.head(len(_COMPOUND)) == _COMPOUND:
        raise Problem(
            "labels.encrypted",
            "The document is encrypted: take the password off, label it, and set the password again.",
        )
    names = [entry.name.lower() for entry in zips.directory(source.fresh()).entries]
    if any(name.startswith("_xmlsignatures/") for name in names):
        raise Problem(
            "labels.signed",
            "The document is signed, and a label would break the signature: label it before it is signed.",
        )


def _open(source: Source) -> _Document:
    if source.head(len(_COMPOUND)) == _COMPOUND:
        raise ReadError("encrypted")
    archive = zips.directory(source)
    relations = _needed(source, archive, _ROOT)
    custom, kind = _CUSTOM, ""
    for each in parse(relations).all("Relationship"):
        last = each.attributes.get("Type", "").rpartition("/")[2]
        if last in {"custom-properties", "customProperties"}:
            custom = each.attributes.get("Target", _CUSTOM).lstrip("/")
        elif last == "officeDocument":
            kind = last
    if not kind:
        raise ReadError("unknown_format", "no document in the package")
    entry = archive.named(custom)
    properties = _part(source, entry) if entry else b""
    return _Document(archive, entry.name if entry else custom, properties, relations)


def _part(source: Source, entry: zips.Entry) -> bytes:
    return utf8(zips.part(source, entry))


def _needed(source: Source, archive: zips.Zip, name: str) -> bytes:
    entry = archive.named(name)
    if entry is None:
        raise ReadError("malformed", f"no {name}")
    return _part(source, entry)


def _of_name(root: Element) -> list[Element]:
    """The properties that bear the name; Office tells names apart by more than case."""
    return [each for each in root.children if each.attributes.get("name", "").upper() == "AIGC"]


def _site(each: Element) -> Site:
    """A property as it stands; a label in another type or format than the guide's is only met."""
    held = each.children[0] if each.children else None
    known = each.attributes
    right = (
        held is not None
        and held.name == "lpwstr"
        and known["name"] == "AIGC"
        and known.get("fmtid", "").upper() == _FORMAT
    )
    place = f"{_CUSTOM}, property {known['name']}"
    return Site(place, held.text if held else "", "guide" if right else "met")


def _with_label(data: bytes, value: str) -> bytes:
    """The properties with this one in place of any other of its name."""
    if not data:
        data = _DECLARED + f'<Properties xmlns="{_PROPERTIES}" xmlns:vt="{_VALUES}"/>'.encode()
    root = parse(data)
    cut, own = _of_name(root), prefix(data, root)
    given = [each.attributes.get("pid", "") for each in root.children if each not in cut]
    used = [int(pid) for pid in given if re.fullmatch("[0-9]{1,9}", pid)]
    held = next((each.children[0] for each in root.children if each.children), None)
    fresh = (
        f'<{own}property fmtid="{_FORMAT}" pid="{max([1, *used]) + 1}" name="AIGC">'
        f'<vt:lpwstr xmlns:vt="{held.space if held else _VALUES}">{escape(value)}</vt:lpwstr></{own}property>'
    ).encode()
    cuts = [(each.start, each.end, b"") for each in cut]
    return splice(data, *cuts, append(data, root, fresh))


def _declared(document: _Document, types: bytes) -> dict[str, bytes]:
    """The content types and relations, where they do not name the properties yet."""
    changed: dict[str, bytes] = {}
    root = parse(types)
    name = f"/{document.custom}"
    known = {each.attributes.get("PartName", "").lower() for each in root.all("Override")}
    if name.lower() not in known:
        put = f'<{prefix(types, root)}Override PartName="{escape(name)}" ContentType="{_CONTENT}"/>'
        changed[_TYPES] = splice(types, append(types, root, put.encode()))
    root = parse(document.relations)
    relations = list(root.all("Relationship"))
    kinds = {each.attributes.get("Type", "").rpartition("/")[2] for each in relations}
    if not kinds & {"custom-properties", "customProperties"}:
        taken = {each.attributes.get("Id", "") for each in relations}
        number = next(n for n in range(1, len(taken) + 2) if f"rId{n}" not in taken)
        own = prefix(document.relations, root)
        put = f'<{own}Relationship Id="rId{number}" Type="{_RELATION}" Target="{document.custom}"/>'
        changed[_ROOT] = splice(document.relations, append(document.relations, root, put.encode()))
    return changed


def _custom_parts(archive: zips.Zip) -> list[zips.Entry]:
    found = [
        entry
        for entry in archive.entries
        if re.fullmatch(r"customXml/[^/]+\.xml", entry.name, re.IGNORECASE)
    ]
    if len(found) > _MOST_PARTS:
        raise ReadError("over_limit", "customXml parts")
    return found


def _labels(data: bytes) -> list[tuple[Element, str]]:
    """The elements of a customXml part that hold a label, as JSON or as elements of their own."""
    if not any(mark in data for mark in (b"AIGC", b"ProduceID")):
        return []
    found: list[tuple[Element, str]] = []
    waiting = [parse(data)]
    while waiting:
        element = waiting.pop()
        fields = {each.name: each.text for each in element.children if each.name in FIELDS}
        if "Label" in fields and "ProduceID" in fields:
            found.append((element, msgspec.json.encode(fields).decode()))
        elif '"Label"' in element.text and '"ProduceID"' in element.text:
            found.append((element, element.text.strip()))
        else:
            waiting += element.children
    return found


def _without(data: bytes, found: list[Element]) -> bytes:
    """The part without these elements; of a root, without what is in it."""
    cuts = [
        (each.start, each.end) if each.start > root.start else (each.inner, each.closing)
        for root in [parse(data)]
        for each in found
    ]
    return splice(data, *((start, end, b"") for start, end in cuts))
