"""MP3: the label in an ID3v2 frame TXXX with the description AIGC.

What stands at the end (ID3v1, Lyrics3, APE) is kept; a label in an APE tag there is read, and makes way.
"""

import struct
from collections.abc import Sequence
from typing import Final, NamedTuple

from hegui.labels.carriers import id3
from hegui.labels.carriers.carrier import HEAD, Carrier, Found
from hegui.labels.carriers.flac import Flac
from hegui.labels.carriers.keyed import KEY, LARGEST, elsewhere, is_label, site, text
from hegui.labels.carriers.raw import Adts, is_adts
from hegui.labels.label import Defect
from hegui.labels.source import ReadError, Source
from hegui.labels.splice import Keep, Plan, replace
from hegui.language import Text

_APE: Final = b"APETAGEX"
_APE_HEADED: Final = 1 << 31
_MOST_ITEMS: Final = 10_000
_LYRICS: Final = b"LYRICS200"


class _Tail(NamedTuple):
    """What follows the sound: where it begins, and the tags in it that may hold a label."""

    start: int
    ape: tuple[int, int] | None  # from its header, if it has one, to the end of its footer
    id3: id3.Tag | None


class _Item(NamedTuple):
    start: int
    end: int
    name: str
    value: str


class Mp3(Carrier):
    name = "mp3"
    title = Text(zh="MP3 音频", en="MP3 sound")
    suffixes = (".mp3",)
    place = "ID3v2 TXXX AIGC"
    source = "TC260-PG-202510A (M)"

    def matches(self, head: bytes, name: str) -> bool:
        return head[:3] == b"ID3" or _is_frame(head) or name.endswith(self.suffixes)

    def read(self, source: Source) -> Found:
        found = Found()
        try:
            tags, start = id3.leading(source)
            if other := _other(source, start):
                return other.read(source.fresh())
            for tag in tags:
                found.sites += [label.site() for label in id3.labels(source, tag)]
            tail = _tail(source, start)
            if tail.ape:
                items = _ape_labels(source, *tail.ape)
                found.sites += [site("APE", i.name, i.value, guide=False) for i in items]
            if tail.id3:
                at_end = id3.labels(source, tail.id3)
                found.sites += [label.site(guide=False) for label in at_end]
            if not tags and not _sounds(source, start):
                found.faults.append(Defect("malformed", "no frame of sound"))
        except ReadError as error:
            found.faults.append(Defect(error.code, error.detail))
        return found

    def plan(self, source: Source, value: str) -> Plan:
        tags, start = id3.leading(source)
        if other := _other(source, start):
            return other.plan(source.fresh(), value)
        if not _sounds(source, start):
            raise ReadError("malformed", "no frame of sound")
        tail = _tail(source, start)
        edits: list[id3.Edit] = []
        if tags:
            edits += id3.labelled(source, tags[0], value)
            edits += [edit for tag in tags[1:] for edit in id3.without(source, tag)]
        else:
            edits.append((0, 0, id3.new(value, _id3v1(source))))
        if tail.ape:
            edits += _ape_without(source, *tail.ape)
        if tail.id3 and id3.labels(source, tail.id3):
            raise elsewhere("ID3v2 at the end")
        return replace(source.size, *edits)

    def media(self, source: Source) -> Sequence[Keep]:
        start = id3.leading(source)[1]
        if other := _other(source, start):
            return other.media(source.fresh())
        return [Keep(start, _tail(source, start).start)]


def _other(source: Source, start: int) -> Carrier | None:
    """Whose file it is, if what follows a long ID3 tag is no MP3."""
    head = source.read(start, min(8, source.size - start))
    if start and head[:4] == b"fLaC":
        return Flac()
    return Adts() if start and is_adts(head) else None


def _is_frame(data: bytes) -> bool:
    """A sync word, layer II or III, and neither a version nor a rate that does not exist."""
    if len(data) < 4 or data[0] != 0xFF or data[1] & 0xE0 != 0xE0:
        return False
    version, layer = data[1] >> 3 & 3, data[1] >> 1 & 3
    return version != 1 and layer in (1, 2) and data[2] >> 4 != 15 and data[2] >> 2 & 3 != 3


def _sounds(source: Source, start: int) -> bool:
    """Whether sound begins here, or after a little rubbish."""
    head = source.read(start, min(16 * HEAD, source.size - start))
    at = head.find(b"\xff")
    while at >= 0 and not _is_frame(head[at : at + 4]):
        at = head.find(b"\xff", at + 1)
    return at >= 0


def _id3v1(source: Source) -> bytes:
    old = source.read(source.size - 128, 128) if source.size >= 128 else b""
    return old if old[:3] == b"TAG" else b""


def _tail(source: Source, start: int) -> _Tail:
    """Walk backwards through the tags at the end of the file."""
    end, ape, at_end = source.size, None, None
    if end - start >= 128 and source.read(end - 128, 3) == b"TAG":
        end -= 128
    while end - start >= 32:
        source.step()
        foot = source.read(end - 32, 32)
        size = 0
        if foot[:8] == _APE:
            size = _ape_size(foot)
            ape = (end - size, end)
        elif foot[-9:] == _LYRICS and foot[-15:-9].isdigit():
            size = int(foot[-15:-9]) + 15
        elif foot[-10:-7] == b"3DI" and max(foot[-4:]) <= 0x7F:
            size = id3.after(b"ID3" + foot[-7:])
            at_end = id3.tag_at(source, end - size) if end - size >= start else None
        if not size:
            break
        if end - size < start:
            raise ReadError("malformed", "tags at the end")
        end -= size
    return _Tail(end, ape, at_end)


def _ape_size(foot: bytes) -> int:
    size, _, flags = struct.unpack_from("<III", foot, 12)
    if size < 32:
        raise ReadError("malformed", "APE")
    return int(size) + (32 if flags & _APE_HEADED else 0)


def _ape_body(source: Source, start: int, end: int) -> int:
    (flags,) = struct.unpack("<I", source.read(end - 12, 4))
    return start + 32 if flags & _APE_HEADED else start


def _ape_labels(source: Source, start: int, end: int) -> list[_Item]:
    """The labels in an APE tag, whose items are binary-safe; only texts are looked at."""
    if end - start > LARGEST:
        raise ReadError("over_limit", "APE")
    body = _ape_body(source, start, end)
    data = source.read(body, end - 32 - body)
    items: list[_Item] = []
    at = 0
    for _ in range(_MOST_ITEMS):
        if at + 9 > len(data):
            break
        size, flags = struct.unpack_from("<II", data, at)
        named = data.find(b"\0", at + 8)
        if named < 0 or named + 1 + size > len(data):
            raise ReadError("malformed", "APE")
        stop = named + 1 + size
        name, value = text(data[at + 8 : named]), text(data[named + 1 : stop])
        if (flags >> 1 & 3) == 0 and is_label(name, value):
            name = KEY if name.upper() == KEY else name
            items.append(_Item(body + at, body + stop, name, value))
        at = stop
    return items


def _ape_without(source: Source, start: int, end: int) -> list[id3.Edit]:
    """The edits that take labels out of an APE tag: items, and the counts at both ends."""
    items = _ape_labels(source, start, end)
    if not items:
        return []
    gone = sum(item.end - item.start for item in items)
    edits: list[id3.Edit] = [(item.start, item.end, b"") for item in items]
    ends = [end - 32, *([start] if _ape_body(source, start, end) > start else [])]
    size, count = struct.unpack("<II", source.read(end - 20, 8))
    if count < len(items) or any(source.read(at, 8) != _APE for at in ends):
        raise ReadError("malformed", "APE")
    told = struct.pack("<II", size - gone, count - len(items))
    return edits + [(at + 12, at + 20, told) for at in ends]
