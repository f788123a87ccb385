"""FLV (Adobe, version 10.1): the label as a string AIGC in the script tag onMetaData.

Offsets that the metadata holds (`filesize`, `keyframes.filepositions`, the last key frame's place) are
moved along. The metadata stands at the beginning: what comes after the first 256 tags is not looked at.
"""

import math
import struct
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from hegui.labels import xmp
from hegui.labels.carriers import amf
from hegui.labels.carriers.carrier import Carrier, Found, Site
from hegui.labels.carriers.keyed import KEY, LARGEST, elsewhere, is_label, site
from hegui.labels.label import Defect
from hegui.labels.source import ReadError, Source
from hegui.labels.splice import Keep, Plan, replace
from hegui.language import Text

_SCRIPT: Final = 18
_HEAD: Final = 11  # bytes before a tag's data
_LOOKED_AT: Final = 256  # tags
_OFFSETS: Final = ("lastkeyframelocation", "lastvideoframelocation")


class _Tag(NamedTuple):
    start: int
    kind: int
    data: int
    end: int  # of its data; its length follows in four bytes


class _Script(NamedTuple):
    """A script tag onMetaData: its data, and where the object in it begins."""

    tag: _Tag
    walk: amf.Walk
    object: int

    def labels(self) -> list[tuple[amf.Property, str]]:
        found = []
        for each in self.walk.properties(self.object):
            value = self.walk.text(each.value)
            if value is not None and is_label(each.name, value):
                found.append((each, value))
        return found


class Flv(Carrier):
    name = "flv"
    title = Text(zh="FLV 视频", en="FLV film")
    suffixes = (".flv",)
    place = "onMetaData AIGC"
    source = "TC260-PG-20257A (M)"

    def matches(self, head: bytes, name: str) -> bool:  # noqa: ARG002 (the signature says it)
        return head[:4] == b"FLV\1"

    def read(self, source: Source) -> Found:
        found = Found()
        try:
            for script in _scripts(source, found):
                found.sites += [
                    site(self.place, each.name, value.strip("\0"))
                    for each, value in script.labels()
                ]
        except ReadError as error:
            found.faults.append(Defect(error.code, error.detail))
        return found

    def plan(self, source: Source, value: str) -> Plan:
        other = Found()
        scripts = list(_scripts(source, other))
        if other.sites:
            raise elsewhere(other.sites[0].place)
        edits: list[tuple[int, int, bytes]] = []
        if not scripts:
            data = bytes([amf.STRING]) + amf.string("onMetaData") + bytes([amf.ARRAY])
            data += struct.pack(">I", 1) + amf.named(KEY, value) + b"\0\0\x09"
            at = _first(source)
            return replace(source.size, (at, at, _packed(b"\x12" + bytes(10), data)))
        grown = 0
        for number, script in enumerate(scripts):
            data = _relabelled(script, "" if number else value)
            grown += len(data) - (script.tag.end - script.tag.data)
            edits.append((script.tag.start, script.tag.end + 4, data))
        whole = []
        for (start, end, data), script in zip(edits, scripts, strict=True):
            moved = _moved(data, edits, source.size) if grown else data
            whole.append((start, end, _packed(source.read(script.tag.start, _HEAD), moved)))
        return replace(source.size, *whole)

    def media(self, source: Source) -> Sequence[Keep]:
        """All that is not metadata."""
        ranges, start = [], _first(source)
        for tag in _tags(source):
            if tag.kind == _SCRIPT:
                ranges.append(Keep(start, tag.start))
                start = tag.end + 4
        return [*ranges, Keep(start, source.size)]


def _first(source: Source) -> int:
    """Where the first tag stands: after the header and the length of no tag."""
    (size,) = struct.unpack(">I", source.read(5, 4))
    if size < 9 or size + 4 > source.size:
        raise ReadError("malformed", "header")
    return int(size) + 4


def _tags(source: Source) -> Iterator[_Tag]:
    """The first tags; their lengths after them are not believed."""
    at = _first(source)
    for _ in range(_LOOKED_AT):
        if at == source.size:
            return
        head = source.read(at, _HEAD)
        data = at + _HEAD
        tag = _Tag(at, head[0], data, data + int.from_bytes(head[1:4]))
        if tag.end + 4 > source.size:
            raise ReadError("truncated", "tag")
        yield tag
        at = tag.end + 4


def _scripts(source: Source, other: Found) -> Iterator[_Script]:
    """The tags onMetaData; a label in an XMP packet goes to `other`."""
    for tag in _tags(source):
        if tag.kind != _SCRIPT or tag.end == tag.data:
            continue
        if tag.end - tag.data > LARGEST:
            raise ReadError("over_limit", "script")
        walk = amf.Walk(source.read(tag.data, tag.end - tag.data))
        name, at = walk.text(0), walk.end_of(0)
        if name == "@setDataFrame":
            name, at = walk.text(at), walk.end_of(at)
        if walk.data[at : at + 1] not in (bytes([amf.OBJECT]), bytes([amf.ARRAY])):
            continue
        if name == "onMetaData":
            yield _Script(tag, walk, at)
        elif name == "onXMPData":
            for each in walk.properties(at):
                packet = (walk.text(each.value) or "").strip("\0")
                if each.name == "liveXML" and packet.strip():
                    values = xmp.read(packet.encode())
                    other.sites += [Site("XMP", value, "met") for value in values]


def _relabelled(script: _Script, value: str) -> bytes:
    """The data of the tag with `value` as its only label, or with none."""
    walk, start = script.walk, script.object
    old = [each for each, _ in script.labels()]
    *_, end = (walk.first(start), *(each.end for each in walk.properties(start)))
    fresh = amf.named(KEY, value) if value else b""
    parts, done = [walk.data[:start]], start
    kept = walk.data[start : walk.first(start)]
    if kept[0] == amf.ARRAY:
        count = max(walk.take(">I", start + 1) - len(old), 0) + bool(value)
        kept = kept[:1] + struct.pack(">I", count & 0xFFFFFFFF)
    parts.append(kept)
    done = walk.first(start)
    for each in old:
        parts.append(walk.data[done : each.start])
        done = each.end
    return b"".join([*parts, walk.data[done:end], fresh, walk.data[end:]])


def _moved(data: bytes, edits: list[tuple[int, int, bytes]], size: int) -> bytes:
    """The metadata with its offsets where things will be."""
    new, walk = bytearray(data), amf.Walk(data)
    at = walk.end_of(0)
    if walk.text(0) == "@setDataFrame":
        at = walk.end_of(at)
    places: list[int] = []
    for each in walk.properties(at):
        if each.kind == amf.NUMBER and each.name in (*_OFFSETS, "filesize"):
            places.append(each.value + 1)
        elif each.name == "keyframes" and each.kind in (amf.OBJECT, amf.ARRAY):
            for inner in walk.properties(each.value):
                if inner.name == "filepositions":
                    places += walk.numbers(inner.value)
    for place in places:
        (offset,) = struct.unpack_from(">d", data, place)
        if math.isfinite(offset) and offset <= size:
            by = sum(
                len(fresh) + _HEAD + 4 - (end - start)
                for start, end, fresh in edits
                if end <= offset
            )
            struct.pack_into(">d", new, place, offset + by)
    return bytes(new)


def _packed(head: bytes, data: bytes) -> bytes:
    """A tag with this data, the rest of its head as it was, and its length behind it."""
    if len(data) >= 1 << 24:
        raise ReadError("over_limit", "script")
    tag = head[:1] + len(data).to_bytes(3) + head[4:] + data
    return tag + struct.pack(">I", len(tag))
