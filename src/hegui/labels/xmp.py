"""XMP packets (ISO 16684-1): the AIGC property in them, read and set without touching the rest.

Real packets are slightly off the specification (an XML declaration before the packet's own header,
an empty `begin`), so nothing but well-formed XML is asked of them. Entities and document types are
refused: a packet needs none, and they are how a small file becomes a large one.
"""

import re
from typing import Final, NamedTuple
from xml.parsers import expat
from xml.sax.saxutils import escape

from hegui.labels.source import ReadError

NAMESPACE: Final = "http://www.tc260.org.cn/ns/AIGC/1.0/"
PROPERTY: Final = "AIGC"
LARGEST: Final = 4 * 1024 * 1024  # bytes of a packet that we look at
_RDF: Final = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_DEPTH: Final = 64
_NODES: Final = 100_000
_SEPARATOR: Final = " "  # between namespace, name and prefix, as expat hands them out
_NAME: Final = f"{NAMESPACE}{_SEPARATOR}{PROPERTY}"
_ROOT: Final = f"{_RDF}{_SEPARATOR}RDF"
_ABOUT: Final = f"{_RDF}{_SEPARATOR}about"
_FRAME: Final = (_RDF, "adobe:ns:meta/")  # namespaces that hold a packet together and say nothing
_EMPTY: Final = (
    '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
    '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    "</rdf:RDF></x:xmpmeta>"
    '<?xpacket end="w"?>'
).encode()
# Possessive, and matched one behind the other: a tag may be megabytes of spaces.
_OPENED: Final = re.compile(rb"""<[^\s/<>"'=]++""")
_ATTRIBUTE: Final = re.compile(rb"""\s++([^\s=/<>"']++)\s*+=\s*+("[^"]*+"|'[^']*+')""")
_CLOSED: Final = re.compile(rb"\s*+(/?)>")
_DECLARED: Final = re.compile(r"^\s*<\?xml\s[^>]*\?>")  # names an encoding, and would be wrong then
_MARKS: Final = (
    (b"\xff\xfe\0\0", "utf-32"), (b"\0\0\xfe\xff", "utf-32"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"),
    (b"<\0?\0", "utf-16-le"), (b"\0<\0?", "utf-16-be"), (b"<\0x\0", "utf-16-le"), (b"\0<\0x", "utf-16-be"),
)  # fmt: skip

Edit = tuple[int, int, bytes]


class _Slot(NamedTuple):
    """A property of a description: the edit that takes it away, and what stands around its value."""

    edit: Edit
    before: bytes
    after: bytes


class _Tag(NamedTuple):
    """A start tag: the names of its attributes and where each is, and where it ends itself."""

    attributes: list[tuple[bytes, int, int]]
    end: int
    empty: bool


class _Reader:
    """Walks through a packet once and notes where the property stands."""

    def __init__(self, packet: bytes) -> None:
        self.values: list[str] = []
        self.edits: list[Edit] = []  # which take every occurrence of the property away
        self.slot: _Slot | None = None  # one that can take a new value where it is
        self.root: tuple[int, bytes] | None = None  # where RDF ends, and its name if it is empty
        self.about = ""
        self.others = 0  # properties that are not ours
        self._packet = packet
        self._depth = self._nodes = 0
        self._described = 0  # at which depth descriptions stand: below RDF
        self._inside = 0  # levels inside the property's element
        self._text: list[str] = []
        self._began = self._root_began = 0
        self._parser = parser = expat.ParserCreate("utf-8", _SEPARATOR)
        parser.namespace_prefixes = True
        parser.buffer_text = True
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._characters
        parser.StartDoctypeDeclHandler = self._refuse
        parser.EntityDeclHandler = self._refuse
        parser.SetParamEntityParsing(expat.XML_PARAM_ENTITY_PARSING_NEVER)

    def run(self) -> "_Reader":
        try:
            self._parser.Parse(self._packet, True)
        except (expat.ExpatError, ValueError, UnicodeError, LookupError) as error:
            raise ReadError("malformed", "XMP") from error
        return self

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        self._nodes += 1 + len(attributes)
        if self._depth > _DEPTH or self._nodes > _NODES:
            raise ReadError("over_limit", "XMP")
        if self._inside:
            self._inside += 1
            return
        if _bare(name) == _NAME:
            self._inside, self._began, self._text = 1, self._parser.CurrentByteIndex, []
            return
        if _bare(name) == _ROOT and not self._described:
            self._described, self._root_began = self._depth + 1, self._parser.CurrentByteIndex
        self.others += not name.startswith(_FRAME)
        for attribute, value in attributes.items():
            if _bare(attribute) == _NAME:
                self._take(attribute, value)
            elif _bare(attribute) == _ABOUT:
                self.about = self.about or value
            else:
                self.others += not attribute.startswith(_FRAME)

    def _take(self, attribute: str, value: str) -> None:
        """Note the property as an attribute of the tag that begins here."""
        self.values.append(value)
        start = self._parser.CurrentByteIndex
        raw = _raw(attribute)
        for name, begin, end in self._tag(start).attributes:
            if name == raw:
                self._note((begin, end, b""), b" " + raw + b'="', b'"')

    def _end(self, name: str) -> None:
        at = self._parser.CurrentByteIndex
        if self._inside:
            self._inside -= 1
            if not self._inside:
                self.values.append("".join(self._text).strip())
                tag = self._tag(self._began)
                edit = self._began, self._behind(tag, at), b""
                # The tag may be where its own prefix is declared.
                declared = [(b, e) for n, b, e in tag.attributes if n.startswith(b"xmlns")]
                inner = b"".join([_raw(name), *(self._packet[b:e] for b, e in declared)])
                self._note(edit, b"<" + inner + b">", b"</" + _raw(name) + b">")
        elif self._depth == self._described - 1 and self.root is None:
            tag = self._tag(self._root_began)
            self.root = (tag.end, _raw(name)) if tag.empty else (at, b"")
        self._depth -= 1

    def _behind(self, tag: _Tag, at: int) -> int:
        """Where an element ends that began with this tag, and whose end is met at `at`."""
        return tag.end if tag.empty else self._packet.index(b">", at) + 1

    def _note(self, edit: Edit, before: bytes, after: bytes) -> None:
        self.edits.append(edit)
        level = self._described + (before[:1] == b"<")
        if self._depth == level and self.slot is None:
            self.slot = _Slot(edit, before, after)

    def _tag(self, start: int) -> _Tag:
        """The start tag that begins there."""
        opened = _OPENED.match(self._packet, start)
        at = opened.end() if opened else start
        attributes = []
        while found := _ATTRIBUTE.match(self._packet, at):
            at = found.end()
            attributes.append((found.group(1), found.start(), at))
        closed = _CLOSED.match(self._packet, at)
        if not opened or not closed:
            raise ReadError("malformed", "XMP")
        return _Tag(attributes, closed.end(), bool(closed.group(1)))

    def _characters(self, text: str) -> None:
        if self._inside:
            self._text.append(text)

    def _refuse(self, *_: object) -> None:
        raise ReadError("malformed", "XMP with a document type")


def read(packet: bytes) -> list[str]:
    """Every value of the property, as an element or as an attribute; "" for one that is empty.

    Raises:
        ReadError: `malformed`, `over_limit`.
    """
    return _read(packet)[0].values


def write(packet: bytes | None, value: str) -> bytes:
    """The packet with this value as its only AIGC property; a new one for None.

    Everything else in it stays as it is, to the byte. Raises as `read`.
    """
    found, old = _read(packet if packet and packet.strip(b"\0 \t\r\n") else _EMPTY)
    if found.root is None:
        raise ReadError("malformed", "XMP without RDF")
    if slot := found.slot:
        fresh = slot.before + _escaped(value).encode() + slot.after
        edits = [edit for edit in found.edits if edit != slot.edit]
        return _edited(old, [*edits, (*slot.edit[:2], fresh)])
    described = (
        f'<rdf:Description xmlns:rdf="{_RDF}" rdf:about="{_escaped(found.about)}" xmlns:TC260="{NAMESPACE}">'
        f"<TC260:AIGC>{_escaped(value)}</TC260:AIGC></rdf:Description>"
    ).encode()
    at, name = found.root
    if name:  # <rdf:RDF/>, which is opened
        slash = old.rindex(b"/", 0, at)
        return _edited(old, [*found.edits, (slash, at, b">" + described + b"</" + name + b">")])
    return _edited(old, [*found.edits, (at, at, described)])


def clear(packet: bytes) -> bytes:
    """The packet without the property, or b"" where nothing else is in it. Raises as `read`.

    For a second packet, and one in the wrong place, when the label is written to the right one.
    """
    found, old = _read(packet)
    return _edited(old, found.edits) if found.others else b""


def shrink(packet: bytes) -> bytes:
    """The packet without its padding, for a place where it would be too long."""
    end = packet.rfind(b"<?xpacket end")
    return packet[:end].rstrip() + packet[end:] if end > 0 else packet


def _read(packet: bytes) -> tuple[_Reader, bytes]:
    text = _utf8(packet)
    try:
        return _Reader(text).run(), text
    except ReadError:
        # Met in the wild: the prefix TC260 used, C260 declared.
        mended = text.replace(b"xmlns:C260=", b"xmlns:TC260=")
        if mended == text:
            raise
        return _Reader(mended).run(), mended


def _edited(packet: bytes, edits: list[Edit]) -> bytes:
    new = bytearray(packet)
    for start, end, data in sorted(edits, reverse=True):
        new[start:end] = data
    return bytes(new)


def _escaped(value: str) -> str:
    return escape(value, {'"': "&quot;"})


def _bare(name: str) -> str:
    """A name of expat's without its prefix."""
    return _SEPARATOR.join(name.split(_SEPARATOR)[:2])


def _raw(name: str) -> bytes:
    """A name of expat's as it stands in the packet."""
    parts = name.split(_SEPARATOR)
    return ":".join([*parts[2:], parts[1]]).encode()


def _utf8(packet: bytes) -> bytes:
    """The packet in UTF-8: other encodings are allowed, and rare."""
    if len(packet) > LARGEST:
        raise ReadError("over_limit", "XMP")
    encoding = next((name for mark, name in _MARKS if packet.startswith(mark)), "")
    if encoding:
        try:
            text = packet.decode(encoding)
        except UnicodeError as error:
            raise ReadError("malformed", "XMP") from error
        packet = _DECLARED.sub("", text.lstrip("\ufeff")).encode()
    return packet.removeprefix(b"\xef\xbb\xbf").strip(b"\0 \t\r\n")
