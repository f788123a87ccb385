"""HTML: the label in the head, `<meta name="AIGC" content="…">`. Our convention, and that of others.

No guide gives a place. Read besides: a comment with the JSON.
"""

import re
from collections.abc import Iterator, Sequence
from html import escape, unescape
from typing import Final, NamedTuple

from hegui.labels.carriers.carrier import Carrier, Found, Site
from hegui.labels.carriers.comments import Piece, comments, whole
from hegui.labels.source import ReadError, Source
from hegui.labels.splice import Keep, Plan, replace
from hegui.language import Text

_BEGINNING: Final = re.compile(
    rb"(?:\xef\xbb\xbf)?\s*+(?:<\?xml[^>]*+>\s*+)?(?:(?><!--.{0,1000}?-->)\s*+){0,3}<(?:!doctype\s+html|html[\s>])",
    re.IGNORECASE | re.DOTALL,
)
_TAG: Final = re.compile(rb"""<(/?[a-zA-Z!?][^\s/>]*+)((?:[^>"']|"[^"]*+"|'[^']*+')*+)>""")
_ATTRIBUTE: Final = re.compile(rb"""([^\s=/"'>]++)\s*+(?:=\s*+("[^"]*+"|'[^']*+'|[^\s"'>]++))?""")
_RAW: Final = frozenset({b"script", b"style", b"title", b"noscript", b"template"})
_LEADING: Final = frozenset({b"!doctype", b"html", b"head", b"?xml"})


class _Tag(NamedTuple):
    name: bytes
    attributes: dict[bytes, bytes]
    start: int
    end: int


class Html(Carrier):
    name = "html"
    title = Text(zh="HTML 网页", en="HTML page")
    suffixes = (".html", ".htm", ".xhtml")
    place = '<meta name="AIGC">'
    source = "-"
    own = True

    def matches(self, head: bytes, name: str) -> bool:
        return b"\0" not in head and (name.endswith(self.suffixes) or bool(_BEGINNING.match(head)))

    def read(self, source: Source) -> Found:
        data, faults = whole(source)
        found = Found(faults=faults)
        for tag in _head(source, data):
            if _is_label(tag):
                value = unescape(tag.attributes.get(b"content", b"").decode("utf-8", "replace"))
                found.sites.append(Site(self.place, value, "own"))
        found.sites += [Site("comment", piece.value, "met") for piece in _comments(source, data)]
        return found

    def plan(self, source: Source, value: str) -> Plan:
        data, faults = whole(source)
        if faults:
            raise ReadError(faults[0].code, faults[0].detail)
        at = 3 if data.startswith(b"\xef\xbb\xbf") else 0
        edits: list[tuple[int, int, bytes]] = []
        for tag in _head(source, data):
            if _is_label(tag):
                edits.append((tag.start, tag.end, b""))
            elif tag.name in _LEADING or _says_encoding(tag):
                at = tag.end  # the encoding must stand in the first 1,024 bytes: not before it
        edits += [(piece.start, piece.end, b"") for piece in _comments(source, data)]
        meta = f'<meta name="AIGC" content="{escape(value)}"/>'.encode()
        return replace(source.size, (at, at, meta), *edits)

    def media(self, source: Source) -> Sequence[Keep]:
        data, _ = whole(source)
        gaps = [(tag.start, tag.end) for tag in _head(source, data) if _is_label(tag)]
        gaps += [(piece.start, piece.end) for piece in _comments(source, data)]
        edges = [0, *(edge for gap in sorted(gaps) for edge in gap), source.size]
        return [Keep(a, b) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def _comments(source: Source, data: bytes) -> list[Piece]:
    """The comments with a label, but for what only looks like one in an attribute."""
    tags = [tag for tag in _head(source, data) if _is_label(tag)]
    return [
        piece
        for piece in comments(source, data)
        if not any(tag.start < piece.end and piece.start < tag.end for tag in tags)
    ]


def _says_encoding(tag: _Tag) -> bool:
    http = tag.attributes.get(b"http-equiv", b"").lower() == b"content-type"
    return tag.name == b"meta" and (b"charset" in tag.attributes or http)


def _is_label(tag: _Tag) -> bool:
    named = tag.attributes.get(b"name") or tag.attributes.get(b"property") or b""
    return tag.name == b"meta" and named.strip().upper() == b"AIGC"


def _head(source: Source, data: bytes) -> Iterator[_Tag]:
    """The tags of the head: up to its end, or to the body."""
    at = 0
    while (at := data.find(b"<", at)) >= 0:
        source.step()
        if data.startswith(b"<!--", at):
            at = data.find(b"-->", at + 4) + 3
            if at < 3:
                return
            continue
        found = _TAG.match(data, at)
        if found is None:
            at += 1
            if _is_open(data, at):
                return
            continue
        name = found[1].lower()
        if name in {b"/head", b"body", b"/html", b"frameset"}:
            return
        yield _Tag(name, _attributes(found[2]), at, found.end())
        at = found.end()
        if name in _RAW:
            close = re.compile(b"</" + name, re.IGNORECASE).search(data, at)
            if close is None:
                return
            at = close.start()


def _is_open(data: bytes, at: int) -> bool:
    """Whether a tag begins here that never ends; a lone "<" is text."""
    return data[at : at + 1].isalpha() or data[at : at + 1] in {b"/", b"!", b"?"}


def _attributes(data: bytes) -> dict[bytes, bytes]:
    """The first of each name counts, as in browsers."""
    known: dict[bytes, bytes] = {}
    for found in _ATTRIBUTE.finditer(data):
        value = found[2] or b""
        known.setdefault(found[1].lower(), value[1:-1] if value[:1] in {b'"', b"'"} else value)
    return known
