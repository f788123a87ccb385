"""PDF objects (ISO 32000-2, 7.3): what a parser of a few of them needs, bounded in depth."""

import re
from typing import Any, Final, NamedTuple

from hegui.labels.source import ReadError, Source

_DEPTH: Final = 32
_WINDOW: Final = 2048  # bytes read first for an object; more where it does not end in them
_LARGEST: Final = 1024 * 1024  # bytes of an object, without the data of its stream
_SPACE: Final = re.compile(rb"(?:[\0\t\n\f\r ]|%[^\r\n]*)*+")
_REF: Final = re.compile(
    rb"(\d{1,10})[\0\t\n\f\r ]+(\d{1,5})[\0\t\n\f\r ]+R(?![^\0\t\n\f\r ()<>\[\]{}/%])"
)
_NUMBER: Final = re.compile(rb"[+-]?(?:\d{1,32}(?:\.\d{0,32})?|\.\d{1,32})")
_NAME: Final = re.compile(rb"/[^\0\t\n\f\r ()<>\[\]{}/%]*")
_WORD: Final = re.compile(rb"[a-zA-Z]{1,16}")
_HEX: Final = re.compile(rb"<([0-9A-Fa-f\0\t\n\f\r ]*)>")
_BRACKET: Final = re.compile(rb"[()\\]")
_HEAD: Final = re.compile(rb"(\d{1,10})[\0\t\n\f\r ]+(\d{1,5})[\0\t\n\f\r ]+obj")
_ESCAPED: Final = re.compile(rb"\\([nrtbf()\\]|[0-7]{1,3}|\r\n|[\r\n]|.|$)", re.DOTALL)
_ESCAPES: Final = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"b": b"\b", b"f": b"\f"}
_WORDS: Final = {b"true": True, b"false": False, b"null": None}


class Name(bytes):
    """A name, without its slash and its escapes."""


class Ref(NamedTuple):
    """A reference to an indirect object."""

    number: int
    generation: int


class Pair(NamedTuple):
    """A key of a dictionary and its value, and both as they stand in the file."""

    key: Name
    value: Any
    raw: bytes


class Dict(NamedTuple):
    """A dictionary; keys may be there twice, as nothing but the standard prevents it."""

    pairs: tuple[Pair, ...] = ()

    def get(self, key: bytes) -> Any:
        return next((pair.value for pair in self.pairs if pair.key == key), None)

    def without(self, *keys: bytes) -> bytes:
        """What is between its brackets, without these keys."""
        return b" ".join(pair.raw for pair in self.pairs if pair.key not in keys)


class Object(NamedTuple):
    """An indirect object: its value, and where the data of its stream begins (-1 without)."""

    value: Any
    stream: int = -1


class _Cut(Exception):  # noqa: N818 (it is no error)
    """The window ends before the object does."""


class Parser:
    """Reads objects from bytes; `at` is where it stands."""

    def __init__(self, data: bytes, at: int = 0) -> None:
        self.data, self.at = data, at

    def skip(self) -> None:
        found = _SPACE.match(self.data, self.at)
        self.at = found.end() if found else self.at

    def take(self, pattern: re.Pattern[bytes]) -> re.Match[bytes] | None:
        """What matches here, after white space."""
        self.skip()
        found = pattern.match(self.data, self.at)
        self.at = found.end() if found else self.at
        return found

    def value(self, depth: int = 0) -> Any:
        """The next object: Name, Ref, Dict, bytes for a string, list, number, bool or None.

        Raises:
            ReadError: `malformed`, `over_limit`.
        """
        self.skip()
        if self.at >= len(self.data):
            raise _Cut
        if depth > _DEPTH:
            raise ReadError("over_limit", "PDF object")
        first = self.data[self.at : self.at + 2]
        if first == b"<<":
            return self._dict(depth)
        if first[:1] == b"[":
            return self._list(depth)
        if first[:1] == b"(":
            return self._literal()
        return self._simple()

    def _simple(self) -> Any:
        if found := self.take(_NAME):
            return Name(_unescaped_name(found[0][1:]))
        if found := self.take(_REF):
            return Ref(int(found[1]), int(found[2]))
        if found := self.take(_NUMBER):
            return float(found[0]) if b"." in found[0] else int(found[0])
        if found := self.take(_HEX):
            digits = re.sub(rb"[\0\t\n\f\r ]", b"", found[1])
            return bytes.fromhex((digits + b"0" * (len(digits) % 2)).decode())
        found = self.take(_WORD)
        if found and found[0] in _WORDS:
            return _WORDS[found[0]]
        raise self._wrong()

    def _wrong(self) -> Exception:
        """What does not fit is a fault of the file, or of the window that ends too early."""
        if self.at + 64 > len(self.data) or self.data.find(b">", self.at) < 0:
            return _Cut()
        return ReadError("malformed", "PDF object")

    def _list(self, depth: int) -> list[Any]:
        self.at += 1
        items: list[Any] = []
        while not self._closes(b"]"):
            items.append(self.value(depth + 1))
        return items

    def _dict(self, depth: int) -> Dict:
        self.at += 2
        pairs: list[Pair] = []
        while not self._closes(b">>"):
            start = self.at
            key = self.value(depth + 1)
            if not isinstance(key, Name):
                raise self._wrong()
            value = self.value(depth + 1)
            pairs.append(Pair(key, value, self.data[start : self.at]))
        return Dict(tuple(pairs))

    def _closes(self, mark: bytes) -> bool:
        self.skip()
        if self.data[self.at : self.at + len(mark)] != mark:
            return False
        self.at += len(mark)
        return True

    def _literal(self) -> bytes:
        """A string in parentheses, which may nest."""
        start, open_ = self.at + 1, 1
        at = start
        while open_:
            found = _BRACKET.search(self.data, at)
            if found is None:
                raise _Cut
            at = found.end() + (found[0] == b"\\")
            open_ += {b"(": 1, b")": -1}.get(found[0], 0)
        self.at = at
        return _ESCAPED.sub(_unescape, self.data[start : at - 1])


def _unescape(found: re.Match[bytes]) -> bytes:
    what = found[1]
    if what[:1].isdigit() and what[:1] < b"8":
        return bytes([int(what, 8) & 0xFF])
    return b"" if what in {b"\r\n", b"\r", b"\n"} else _ESCAPES.get(what, what)


def _unescaped_name(raw: bytes) -> bytes:
    return re.sub(rb"#([0-9A-Fa-f]{2})", lambda found: bytes.fromhex(found[1].decode()), raw)


def object_at(source: Source, at: int, number: int = -1) -> Object:
    """The indirect object at a place of the file, which must be of this number.

    Raises:
        ReadError: `malformed`, `over_limit`, `truncated`.
    """
    count = _WINDOW
    while True:
        have = min(count, max(0, source.size - at))
        source.step(1 + have // 40)  # as many as there could be in it
        try:
            return _object(source.read(at, have), at, number, last=have < count)
        except _Cut:
            if have < count:
                raise ReadError("truncated", "PDF object") from None
            if count >= _LARGEST:
                raise ReadError("over_limit", "PDF object") from None
            count *= 4


def _object(data: bytes, at: int, number: int, *, last: bool) -> Object:
    parser = Parser(data)
    head = parser.take(_HEAD)
    if head is None or (number >= 0 and int(head[1]) != number):
        raise ReadError("malformed", f"no object at {at}")
    value = parser.value()
    parser.skip()
    if parser.at + 16 > len(data) and not last:
        raise _Cut
    if not isinstance(value, Dict) or data[parser.at : parser.at + 6] != b"stream":
        return Object(value)
    begin = parser.at + 6
    begin += 2 if data[begin : begin + 2] == b"\r\n" else 1
    return Object(value, at + begin)


def value_in(data: bytes, at: int = 0) -> tuple[Any, int]:
    """One object in bytes that are here already, and where it ends."""
    parser = Parser(data, at)
    try:
        return parser.value(), parser.at
    except _Cut:
        raise ReadError("truncated", "PDF object") from None


def text(raw: bytes) -> str:
    """A text string (7.9.2.2): UTF-16, UTF-8 or PDFDocEncoding, of which ASCII is what labels use."""
    for mark, encoding in (
        (b"\xfe\xff", "utf-16-be"),
        (b"\xff\xfe", "utf-16-le"),
        (b"\xef\xbb\xbf", "utf-8"),
    ):
        if raw.startswith(mark):
            return raw[len(mark) :].decode(encoding, "replace")
    return raw.decode("latin-1")


def string(value: str) -> bytes:
    """The same the other way: a literal string, or UTF-16 where it is not ASCII."""
    if not value.isascii():
        return b"<" + (b"\xfe\xff" + value.encode("utf-16-be")).hex().encode() + b">"
    escaped = re.sub(rb"[()\\]", rb"\\\g<0>", value.encode())
    return b"(" + escaped.replace(b"\r", b"\\r").replace(b"\n", b"\\n") + b")"
