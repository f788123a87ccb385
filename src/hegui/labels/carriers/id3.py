"""ID3v2 tags (2.2, 2.3, 2.4): the label in a frame TXXX whose description is AIGC.

Frames are walked by their headers; only those that may hold a label are loaded. A tag under
unsynchronisation (2.2, 2.3) is decoded whole, edited and encoded again.
"""

import re
import zlib
from collections.abc import Iterator
from typing import Final, NamedTuple

from hegui.labels import xmp
from hegui.labels.carriers.carrier import Site
from hegui.labels.carriers.keyed import KEY, elsewhere, is_label, site
from hegui.labels.source import ReadError, Source
from hegui.labels.splice import replace
from hegui.language import Problem

Edit = tuple[int, int, bytes]

_MOST_TAGS: Final = 8
_LARGEST_TEXT: Final = 1024 * 1024  # bytes of one frame of text
_NAME: Final = {2: re.compile(rb"[A-Z0-9]{3}"), 3: re.compile(rb"[A-Z0-9 ]{4}")}
_OLD: Final = {b"TXX": b"TXXX", b"COM": b"COMM"}  # names of 2.2
_ENCODINGS: Final = ("latin-1", "utf-16", "utf-16-be", "utf-8")
_ID3V1: Final = (
    (b"TIT2", 3, 33), (b"TPE1", 33, 63), (b"TALB", 63, 93), (b"TYER", 93, 97), (b"COMM", 97, 127),
)  # fmt: skip
_UNSYNCHRONISED: Final = 0x80  # of the tag
_EXTENDED: Final = 0x40
_FOOTER: Final = 0x10


class Tag(NamedTuple):
    start: int
    version: int  # 2, 3 or 4
    flags: int
    size: int  # of its body

    @property
    def body(self) -> int:
        return self.start + 10

    @property
    def end(self) -> int:
        return self.body + self.size + 10 * bool(self.flags & _FOOTER)


class _Frame(NamedTuple):
    start: int
    name: bytes  # of four letters, also in 2.2
    flags: int
    data: int
    end: int


class Labelled(NamedTuple):
    """A frame that holds a label."""

    frame: _Frame
    place: str
    name: str
    value: str

    def site(self, *, guide: bool = True) -> Site:
        return site(self.place, self.name, self.value, guide=guide and self.place == "ID3v2 TXXX")


class _Body(NamedTuple):
    """A tag's body to be walked: where it is in which source, unsynchronisation undone."""

    source: Source
    start: int
    end: int
    decoded: bool


def after(head: bytes) -> int:
    """Where the tag at the very beginning ends, 0 without one, as these first bytes say."""
    if head[:3] != b"ID3" or len(head) < 10:
        return 0
    return 10 + _safe(head[6:10]) + 10 * bool(head[5] & _FOOTER)


def tag_at(source: Source, start: int) -> Tag | None:
    if start + 10 > source.size:
        return None
    head = source.read(start, 10)
    if head[:3] != b"ID3" or head[3] not in (2, 3, 4) or max(head[6:10]) > 0x7F:
        return None
    tag = Tag(start, head[3], head[5], _safe(head[6:10]))
    if tag.end > source.size:
        raise ReadError("truncated", "ID3v2")
    return tag


def leading(source: Source) -> tuple[list[Tag], int]:
    """The tags at the beginning of a file, and where the last of them ends."""
    tags: list[Tag] = []
    at = 0
    while len(tags) < _MOST_TAGS and (tag := tag_at(source, at)):
        tags.append(tag)
        at = tag.end
    return tags, at


def labels(source: Source, tag: Tag) -> list[Labelled]:
    """The labels of a tag."""
    return _labels(_body(source, tag), tag)


def _labels(body: _Body, tag: Tag) -> list[Labelled]:
    found = []
    for frame in _frames(body, tag)[0]:
        if frame.name in (b"TXXX", b"COMM"):
            name, value = _texts(frame, _content(body, tag, frame))
            if is_label(name, value):
                short = frame.name.decode() if tag.version > 2 else "TXX, version 2.2"
                found.append(Labelled(frame, f"ID3v2 {short}", name, value))
        elif frame.name == b"PRIV" and _is_xmp(body, frame):
            packet = _content(body, tag, frame)[4:]
            found += [Labelled(frame, "XMP", "ID3v2 PRIV", v) for v in xmp.read(packet)]
    return found


def _is_xmp(body: _Body, frame: _Frame) -> bool:
    return frame.end - frame.data > 4 and body.source.read(frame.data, 4) == b"XMP\0"


def without(source: Source, tag: Tag) -> list[Edit]:
    """The edits that take every label out of a tag, whose length they keep."""
    if not (found := labels(source, tag)):
        return []
    if tag.flags & _FOOTER or any(label.place == "XMP" for label in found):
        raise elsewhere(found[0].place)
    return _rewrite(source, tag, b"", found)


def labelled(source: Source, tag: Tag, value: str) -> list[Edit]:
    """The edits that make `value` the only label of a tag; padding is used up first.

    Raises:
        Problem: `labels.id3` for version 2.2, `labels.elsewhere` for XMP inside.
    """
    if tag.version == 2:
        raise Problem(
            "labels.id3",
            "The file's ID3 tag is of the old version 2.2: save it as ID3v2.3 or 2.4 with a tag editor, then label it.",
        )
    found = labels(source, tag)
    if any(label.place == "XMP" for label in found):
        raise elsewhere("XMP, ID3v2 PRIV")
    every = tag.version == 4 and tag.flags & _UNSYNCHRONISED
    return _rewrite(source, tag, _frame(value, tag.version, 2 if every else 0), found)


def new(value: str, old: bytes = b"") -> bytes:
    """A tag of version 2.3, which every player knows, with the label.

    It says again what an ID3v1 tag (`old`, of 128 bytes) says: a player that finds a new tag does not
    look at the old one.
    """
    frames = _frame(value, 3, 0)
    for name, start, end in _ID3V1 if old else ():
        if text := old[start:end].partition(b"\0")[0].rstrip():
            data = (b"\0XXX\0" if name == b"COMM" else b"\0") + text
            frames += name + len(data).to_bytes(4) + bytes(2) + data
    for name, number in _numbers(old):
        data = b"\0" + number.encode()
        frames += name + len(data).to_bytes(4) + bytes(2) + data
    return b"ID3\3\0\0" + _to_safe(len(frames)) + frames


def _numbers(old: bytes) -> Iterator[tuple[bytes, str]]:
    """The track and the genre of an ID3v1 tag."""
    if old and not old[125] and old[126]:
        yield b"TRCK", str(old[126])
    if old and old[127] != 255:
        yield b"TCON", f"({old[127]})"


def _frame(value: str, version: int, flags: int) -> bytes:
    data = b"\0" + KEY.encode() + b"\0" + value.encode("ascii")
    size = _to_safe(len(data)) if version == 4 else len(data).to_bytes(4)
    return b"TXXX" + size + flags.to_bytes(2) + data


def _rewrite(source: Source, tag: Tag, frame: bytes, gone: list[Labelled]) -> list[Edit]:
    """The new frame stands first; an extended header (a checksum, a restriction) goes."""
    body = _body(source, tag)
    _, frames, padding = _frames(body, tag)
    edits = [(body.start, frames, frame)]
    edits += [(label.frame.start, label.frame.end, b"") for label in gone]
    grown = sum(len(data) - (end - start) for start, end, data in edits)
    footed = bool(tag.flags & _FOOTER)
    spare = 0 if footed else _zeros(body, padding)
    take = min(spare, max(grown, 0))
    fill = b"" if footed else bytes(max(-grown, 0))
    edits.append((body.end - take, body.end, fill))
    size = body.end - body.start + grown - take + len(fill)
    if body.decoded:
        data = _unsynchronised(_applied(body.source.read(0, body.end), edits))
        edits, size = [(tag.body, tag.body + tag.size, data)], len(data)
    ends = _to_safe(size)
    flags = bytes([tag.flags & ~_EXTENDED if tag.version > 2 else tag.flags])
    edits.append((tag.start + 5, tag.body, flags + ends))
    if footed:
        edits.append((tag.end - 5, tag.end, flags + ends))
    return edits


def _body(source: Source, tag: Tag) -> _Body:
    if not (tag.flags & _UNSYNCHRONISED and tag.version < 4):
        return _Body(source, tag.body, tag.body + tag.size, decoded=False)
    data = source.read(tag.body, tag.size).replace(b"\xff\0", b"\xff")
    plain = Source(len(data), lambda count, start: data[start : start + count])
    return _Body(plain, 0, len(data), decoded=True)


def _frames(body: _Body, tag: Tag) -> tuple[list[_Frame], int, int]:
    """The frames, where the first of them begins, and where they end."""
    first = at = _extended(body, tag)
    head = 6 if tag.version == 2 else 10
    name = _NAME[min(tag.version, 3)]
    frames: list[_Frame] = []
    while at + head < body.end:
        body.source.step()
        data = body.source.read(at, head)
        size = _frame_size(body, tag, at, data)
        if not name.match(data) or at + head + size > body.end:
            break
        short = data[: head // 2 if tag.version == 2 else 4]
        flags = 0 if tag.version == 2 else int.from_bytes(data[8:10])
        frames.append(_Frame(at, _OLD.get(short, short), flags, at + head, at + head + size))
        at = frames[-1].end
    return frames, first, at


def _extended(body: _Body, tag: Tag) -> int:
    """Where the frames begin: after the extended header, which 2.2 has not."""
    if tag.version == 2 or not tag.flags & _EXTENDED:
        return body.start
    head = body.source.read(body.start, 4)
    size = _safe(head) if tag.version == 4 else 4 + int.from_bytes(head)
    if body.start + size > body.end:
        raise ReadError("malformed", "ID3v2 extended header")
    return body.start + size


def _frame_size(body: _Body, tag: Tag, at: int, head: bytes) -> int:
    """The size as the version says; some tags of 2.4 hold plain numbers, which shows behind them."""
    if tag.version == 2:
        return int.from_bytes(head[3:6])
    plain = int.from_bytes(head[4:8])
    if tag.version == 3:
        return plain
    safe = _safe(head[4:8])
    if max(head[4:8]) > 0x7F or (plain != safe and not _goes_on(body, at + 10 + safe)):
        return plain if _goes_on(body, at + 10 + plain) else safe
    return safe


def _goes_on(body: _Body, at: int) -> bool:
    if at == body.end:
        return True
    if at + 10 > body.end:
        return at < body.end and not any(body.source.read(at, body.end - at))
    data = body.source.read(at, 4)
    return data == b"\0\0\0\0" or bool(_NAME[3].fullmatch(data))


def _content(body: _Body, tag: Tag, frame: _Frame) -> bytes:
    """What a frame holds, after its own encodings were undone."""
    if frame.end - frame.data > _LARGEST_TEXT:
        raise ReadError("over_limit", "ID3v2 frame")
    data = body.source.read(frame.data, frame.end - frame.data)
    if tag.version == 4:
        packed, locked, unsynchronised = frame.flags & 8, frame.flags & 4, frame.flags & 2
        data = data[(1 if frame.flags & 0x40 else 0) + (4 if frame.flags & 1 else 0) :]
        if unsynchronised or tag.flags & _UNSYNCHRONISED:
            data = data.replace(b"\xff\0", b"\xff")
    else:
        packed, locked = frame.flags & 0x80, frame.flags & 0x40
        data = data[(4 if packed else 0) + (1 if frame.flags & 0x20 else 0) :]
    if locked:
        raise ReadError("encrypted", "ID3v2 frame")
    return _inflated(data) if packed else data


def _inflated(data: bytes) -> bytes:
    try:
        return zlib.decompressobj().decompress(data, _LARGEST_TEXT)
    except zlib.error as error:
        raise ReadError("malformed", "ID3v2 frame") from error


def _texts(frame: _Frame, data: bytes) -> tuple[str, str]:
    """The description and the text of a TXXX or COMM frame."""
    if not data or data[0] > 3:
        return "", ""
    encoding = _ENCODINGS[data[0]]
    rest = data[4 if frame.name == b"COMM" else 1 :]
    wide = 2 if data[0] in (1, 2) else 1
    end = next((i for i in range(0, len(rest), wide) if not any(rest[i : i + wide])), len(rest))
    mark = rest[:2] if data[0] == 1 and rest[:2] in (b"\xff\xfe", b"\xfe\xff") else b""
    value = rest[end + wide :]
    if mark and value[:2] not in (b"\xff\xfe", b"\xfe\xff"):
        value = mark + value  # some writers mark the description alone
    return rest[:end].decode(encoding, "replace"), value.decode(encoding, "replace").strip("\0")


def _zeros(body: _Body, start: int) -> int:
    """How much padding there is, if it is nothing but padding."""
    tail = body.source.read(start, body.end - start)
    return 0 if any(tail) else len(tail)


def _applied(data: bytes, edits: list[Edit]) -> bytes:
    return b"".join(
        part if isinstance(part, bytes) else data[part.start : part.end]
        for part in replace(len(data), *edits)
    )


def _unsynchronised(data: bytes) -> bytes:
    """No byte pair in it looks like the start of a frame of sound (ID3v2.3, 5)."""
    return re.sub(rb"\xff(?=[\xe0-\xff\x00]|$)", b"\xff\0", data)


def _safe(data: bytes) -> int:
    return data[0] << 21 | data[1] << 14 | data[2] << 7 | data[3]


def _to_safe(size: int) -> bytes:
    if size >= 1 << 28:
        raise ReadError("over_limit", "ID3v2")
    return bytes(size >> shift & 0x7F for shift in (21, 14, 7, 0))
