"""EPUB: the label as a `<meta>` of the package document. Our convention; no guide gives a place."""

import re
from collections.abc import Sequence
from typing import Final, NamedTuple
from xml.sax.saxutils import escape, quoteattr

from hegui.labels import xmp
from hegui.labels.carriers import zips
from hegui.labels.carriers.carrier import Carrier, Found, Site
from hegui.labels.carriers.tree import Element, append, parse, prefix, splice, utf8
from hegui.labels.label import Defect
from hegui.labels.source import ReadError, Source
from hegui.labels.splice import Keep, Plan
from hegui.language import Problem, Text

_CONTAINER: Final = "META-INF/container.xml"
_PROPERTY: Final = "TC260:AIGC"
_PREFIX: Final = f"TC260: {xmp.NAMESPACE}"


class _Book(NamedTuple):
    archive: zips.Zip
    path: str  # of the package document
    package: bytes


class Epub(Carrier):
    name = "epub"
    title = Text(zh="EPUB 电子书", en="EPUB book")
    suffixes = (".epub",)
    place = f'package document, <meta property="{_PROPERTY}">'
    source = "-"
    own = True

    def matches(self, head: bytes, name: str) -> bool:
        known = b"application/epub+zip" in head[:128] or name.endswith(self.suffixes)
        return head.startswith(zips.LOCAL_MARK) and known

    def read(self, source: Source) -> Found:
        found = Found()
        try:
            book = _open(source)
            for each in _labels(parse(book.package)):
                value = each.attributes.get("content", "") or each.text
                found.sites.append(Site(self.place, value, "own"))
        except ReadError as error:
            found.faults.append(Defect(error.code, error.detail))
        return found

    def plan(self, source: Source, value: str) -> Plan:
        book = _open(source)
        if book.archive.named("META-INF/signatures.xml"):
            raise Problem(
                "labels.signed",
                "The document is signed, and a label would break the signature: label it before it is signed.",
            )
        root = parse(book.package)
        metadata = root.first("metadata")
        if metadata is None:
            raise ReadError("malformed", "EPUB without metadata")
        edits = [(each.start, each.end, b"") for each in _labels(root)]
        own = prefix(book.package, metadata)
        if root.attributes.get("version", "").startswith("2"):
            fresh = f"<{own}meta name={quoteattr('AIGC')} content={quoteattr(value)}/>"
        else:
            fresh = f'<{own}meta property="{_PROPERTY}">{escape(value)}</{own}meta>'
            edits += _with_prefix(book.package, root)
        edits.append(append(book.package, metadata, fresh.encode()))
        return zips.rewrite(source, book.archive, {book.path: splice(book.package, *edits)})

    def media(self, source: Source) -> Sequence[Keep]:
        book = _open(source)
        return zips.kept(book.archive, frozenset({book.path}))


def _open(source: Source) -> _Book:
    archive = zips.directory(source)
    entry = archive.named(_CONTAINER)
    if entry is None:
        raise ReadError("malformed", "EPUB without a container")
    file = parse(utf8(zips.part(source, entry))).first("rootfile")
    path = file.attributes.get("full-path", "") if file else ""
    entry = archive.named(path)
    if entry is None:
        raise ReadError("malformed", "EPUB without a package document")
    return _Book(archive, entry.name, utf8(zips.part(source, entry)))


def _labels(root: Element) -> list[Element]:
    named = ("property", "name")
    return [
        each
        for each in root.all("meta")
        if any(each.attributes.get(key, "").rpartition(":")[2] == "AIGC" for key in named)
    ]


def _with_prefix(data: bytes, root: Element) -> list[tuple[int, int, bytes]]:
    """The edit that declares the property's vocabulary (EPUB 3, package `prefix`), if it is not."""
    known = root.attributes.get("prefix")
    if known is not None and xmp.NAMESPACE in known:
        return []
    tag = data[root.start : root.inner]
    if known is None:
        at = root.inner - (2 if root.empty else 1)
        return [(at, at, f' prefix="{_PREFIX}"'.encode())]
    found = re.search(rb"""\sprefix\s*=\s*["']""", tag)
    if found is None:
        raise ReadError("malformed", "EPUB package")
    at = root.start + found.end()
    return [(at, at, f"{_PREFIX} ".encode())]
