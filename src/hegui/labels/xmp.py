"""XMP packets (ISO 16684-1): the AIGC property in them, read and set without touching the rest.

Real packets are slightly off the specification (an XML declaration before the packet's own header,
an empty `begin`), so nothing but well-formed XML is asked of them. Entities and document types are
refused: a packet needs none, and they are how a small file becomes a large one.
"""

import re
from typing import Final
from xml.parsers import expat
from xml.sax.saxutils import escape

from hegui.labels.source import ReadError

NAMESPACE: Final = "http://www.tc260.org.cn/ns/AIGC/1.0/"
PROPERTY: Final = "AIGC"
LARGEST: Final = 4 * 1024 * 1024  # bytes of a packet that we look at
_RDF: Final = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_DEPTH: Final = 64
_NODES: Final = 100_000
_SEPARATOR: Final = " "  # between namespace and name, as expat hands them out
_NAME: Final = f"{NAMESPACE}{_SEPARATOR}{PROPERTY}"
_RDF_NAME: Final = f"{_RDF}{_SEPARATOR}RDF"
_EMPTY: Final = (
    '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
    '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    "</rdf:RDF></x:xmpmeta>"
    '<?xpacket end="w"?>'
).encode()


class _Reader:
    """Walks through a packet once and notes where the property stands."""

    def __init__(self, packet: bytes) -> None:
        self.values: list[str] = []
        self.elements: list[tuple[int, int]] = []  # byte ranges of the property as an element
        self.tags: list[tuple[int, int]] = []  # of start tags that bear it as an attribute
        self.rdf_end = -1  # where the RDF element ends: the start of its end tag
        self.rdf_tags: list[tuple[int, int]] = []  # its start tag
        self._packet = packet
        self._depth = self._nodes = 0
        self._inside = 0  # levels inside the property's element
        self._text: list[str] = []
        self._began = 0
        self._open: list[
            tuple[list[tuple[int, int]], int]
        ] = []  # ranges whose end is the next event
        self._parser = parser = expat.ParserCreate(namespace_separator=_SEPARATOR)
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._characters
        parser.DefaultHandler = self._other
        parser.StartDoctypeDeclHandler = self._refuse
        parser.EntityDeclHandler = self._refuse
        parser.SetParamEntityParsing(expat.XML_PARAM_ENTITY_PARSING_NEVER)

    def run(self) -> "_Reader":
        try:
            self._parser.Parse(self._packet, True)
        except (expat.ExpatError, ValueError, UnicodeError, LookupError) as error:
            raise ReadError("malformed", "XMP") from error
        self._tick(len(self._packet))
        return self

    def _tick(self, at: int | None = None) -> None:
        """An event begins: what waited for the end of its own tag has found it."""
        here = self._parser.CurrentByteIndex if at is None else at
        for ranges, began in self._open:
            ranges.append((began, here))
        self._open.clear()

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._tick()
        self._depth += 1
        self._nodes += 1 + len(attributes)
        if self._depth > _DEPTH or self._nodes > _NODES:
            raise ReadError("over_limit", "XMP")
        if self._inside:
            self._inside += 1
        elif name == _NAME:
            self._inside, self._began, self._text = 1, self._parser.CurrentByteIndex, []
        if name == _RDF_NAME:
            self._open.append((self.rdf_tags, self._parser.CurrentByteIndex))
        if _NAME in attributes:
            self.values.append(attributes[_NAME])
            self._open.append((self.tags, self._parser.CurrentByteIndex))

    def _end(self, name: str) -> None:
        self._tick()
        self._depth -= 1
        if self._inside:
            self._inside -= 1
            if not self._inside:
                self.values.append("".join(self._text).strip())
                self._open.append((self.elements, self._began))
        if name == _RDF_NAME:
            self.rdf_end = self._parser.CurrentByteIndex

    def _characters(self, text: str) -> None:
        self._tick()
        if self._inside:
            self._text.append(text)

    def _other(self, _data: str) -> None:
        self._tick()

    def _refuse(self, *_: object) -> None:
        raise ReadError("malformed", "XMP with a document type")


def read(packet: bytes) -> list[str]:
    """Every value of the property, as an element or as an attribute; "" for one that is empty.

    Raises:
        ReadError: `malformed`, `over_limit`.
    """
    return _Reader(_utf8(packet)).run().values


def write(packet: bytes | None, value: str) -> bytes:
    """The packet with this value as its only AIGC property; a new one for None.

    Everything else in it stays as it is, to the byte. Raises as `read`.
    """
    old = _utf8(packet) if packet and packet.strip() else _EMPTY
    found = _Reader(old).run()
    if not found.rdf_tags:
        raise ReadError("malformed", "XMP without RDF")
    described = (
        f'<rdf:Description xmlns:rdf="{_RDF}" rdf:about="" xmlns:TC260="{NAMESPACE}">'
        f"<TC260:AIGC>{escape(value, {chr(34): '&quot;'})}</TC260:AIGC></rdf:Description>"
    ).encode()
    return _edited(old, [*_removals(old, found), _at_the_end_of_rdf(old, found, described)])


def _at_the_end_of_rdf(old: bytes, found: _Reader, put: bytes) -> tuple[int, int, bytes]:
    start, end = found.rdf_tags[-1]
    if found.rdf_end > end or not old.endswith(b"/>", start, end):
        return found.rdf_end, found.rdf_end, put
    name = old[start + 1 : end - 2].split(None, 1)[0]
    return end - 2, end, b">" + put + b"</" + name + b">"  # it was one tag that closes itself


def without(packet: bytes) -> bytes:
    """The packet without the property, for a format whose label stands elsewhere; raises as `read`."""
    old = _utf8(packet)
    return _edited(old, _removals(old, _Reader(old).run()))


def _removals(old: bytes, found: _Reader) -> list[tuple[int, int, bytes]]:
    edits = [(start, end, b"") for start, end in found.elements]
    return edits + [(start, end, _without(old[start:end])) for start, end in found.tags]


def _edited(old: bytes, edits: list[tuple[int, int, bytes]]) -> bytes:
    new = bytearray(old)
    for start, end, data in sorted(edits, reverse=True):
        new[start:end] = data
    return bytes(new)


def _without(tag: bytes) -> bytes:
    """A start tag without its AIGC attribute, whatever the prefix: no other can bear that name."""
    return re.sub(rb"""\s[^\s=<>"']*:AIGC\s*=\s*("[^"]*"|'[^']*')""", b"", tag)


def _utf8(packet: bytes) -> bytes:
    """The packet in UTF-8: other encodings are allowed, and rare."""
    if len(packet) > LARGEST:
        raise ReadError("over_limit", "XMP")
    encoding = next((name for mark, name in _MARKS if packet.startswith(mark)), "")
    if encoding:
        try:
            text = packet.decode(encoding)
        except UnicodeDecodeError as error:
            raise ReadError("malformed", "XMP") from error
        packet = re.sub(r"^\s*<\?xml[^>]*\?>", "", text.lstrip("\ufeff")).encode()
    return packet.removeprefix(b"\xef\xbb\xbf").strip(b"\0").strip()


_MARKS: Final = (
    (b"\xff\xfe\0\0", "utf-32"), (b"\0\0\xfe\xff", "utf-32"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"),
    (b"<\0?\0", "utf-16-le"), (b"\0<\0?", "utf-16-be"),
)  # fmt: skip
