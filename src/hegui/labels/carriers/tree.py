"""XML of document formats: elements with the ranges of bytes they take, so that edits stay textual.

Bounded in depth, number and size. Document types and entities are refused: no label needs them.
"""

from collections.abc import Iterator
from typing import Final
from xml.parsers import expat

import msgspec

from hegui.labels.source import ReadError

_DEPTH: Final = 64
_NODES: Final = 100_000
_MARKS: Final = ((b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"), (b"<\0", "utf-16-le"), (b"\0<", "utf-16-be"))  # fmt: skip


class Element(msgspec.Struct):
    """`start` and `end` enclose the element, `inner` and `closing` what is between its tags.

    Names are without their namespace, which is in `space`; attributes are by their local names.
    """

    name: str
    space: str
    attributes: dict[str, str]
    start: int
    inner: int = -1
    closing: int = -1
    end: int = -1
    text: str = ""
    children: list["Element"] = []

    @property
    def empty(self) -> bool:
        """Whether it is one tag that closes itself."""
        return self.inner == self.end

    def all(self, name: str) -> Iterator["Element"]:
        """Itself and every element in it that bears this local name."""
        waiting = [self]
        while waiting:
            element = waiting.pop()
            if element.name == name:
                yield element
            waiting += reversed(element.children)

    def first(self, name: str) -> "Element | None":
        return next(self.all(name), None)


class _Builder:
    def __init__(self, data: bytes) -> None:
        self.root: Element | None = None
        self._data, self._nodes = data, 0
        self._open: list[Element] = []
        self._texts: list[list[str]] = []
        self._waiting: tuple[Element, str] | None = None  # whose range ends with the next event
        self._parser = parser = expat.ParserCreate(namespace_separator=" ")
        parser.buffer_text = False
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._characters
        parser.DefaultHandler = self._other
        parser.StartDoctypeDeclHandler = self._refuse
        parser.EntityDeclHandler = self._refuse
        parser.SetParamEntityParsing(expat.XML_PARAM_ENTITY_PARSING_NEVER)

    def run(self) -> Element:
        try:
            self._parser.Parse(self._data, True)
        except (expat.ExpatError, ValueError, LookupError) as error:
            raise ReadError("malformed", "XML") from error
        self._tick(len(self._data))
        if self.root is None:
            raise ReadError("malformed", "XML")
        return self.root

    def _tick(self, at: int = -1) -> None:
        if self._waiting:
            element, field = self._waiting
            setattr(element, field, self._parser.CurrentByteIndex if at < 0 else at)
            self._waiting = None

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._tick()
        self._nodes += 1 + len(attributes)
        if len(self._open) >= _DEPTH or self._nodes > _NODES:
            raise ReadError("over_limit", "XML")
        space, _, local = name.rpartition(" ")
        known = {key.rpartition(" ")[2]: value for key, value in attributes.items()}
        element = Element(local, space, known, self._parser.CurrentByteIndex)
        if self._open:
            self._open[-1].children.append(element)
        else:
            self.root = element
        self._open.append(element)
        self._texts.append([])
        self._waiting = element, "inner"

    def _end(self, _name: str) -> None:
        self._tick()
        element = self._open.pop()
        here = self._parser.CurrentByteIndex
        element.closing, element.text = here, "".join(self._texts.pop())
        if element.inner == here and self._data[:here].endswith(b"/>"):
            element.end = here
        else:
            self._waiting = element, "end"

    def _characters(self, text: str) -> None:
        self._tick()
        if self._texts:
            self._texts[-1].append(text)

    def _other(self, _data: str) -> None:
        self._tick()

    def _refuse(self, *_: object) -> None:
        raise ReadError("malformed", "XML with a document type")


def utf8(data: bytes) -> bytes:
    """A document in UTF-8, or in the eight-bit encoding that it declares.

    Raises:
        ReadError: `malformed`.
    """
    encoding = next((name for mark, name in _MARKS if data.startswith(mark)), "")
    if not encoding:
        return data
    try:
        text = data.decode(encoding).lstrip("\ufeff")
        return (text.partition("?>")[2] if text.startswith("<?xml") else text).encode()
    except UnicodeError as error:
        raise ReadError("malformed", "XML") from error


def parse(data: bytes) -> Element:
    """The root element of a document that `utf8` has returned.

    Raises:
        ReadError: `malformed`, `over_limit`.
    """
    return _Builder(data).run()


def splice(data: bytes, *edits: tuple[int, int, bytes]) -> bytes:
    """The document with bytes in the place of ranges; at one place, in the order given."""
    new, done = [], 0
    for start, end, put in sorted(edits, key=lambda edit: edit[0]):
        new += [data[done:start], put]
        done = max(done, end)
    return b"".join([*new, data[done:]])


def append(data: bytes, parent: Element, put: bytes) -> tuple[int, int, bytes]:
    """The edit that makes `put` the last thing in an element, opening it where it closes itself."""
    if not parent.empty:
        return parent.closing, parent.closing, put
    name = prefix(data, parent) + parent.name
    return parent.end - 2, parent.end, b">" + put + f"</{name}>".encode()


def prefix(data: bytes, element: Element) -> str:
    """What stands before an element's name in its tag ("ofd:"), for new ones in its namespace."""
    tag = data[element.start + 1 : element.inner].split(None, 1)[0].rstrip(b"/>")
    before, colon, _ = tag.rpartition(b":")
    return (before + colon).decode("utf-8", "replace")
