"""Tags of QuickTime and MP4: a meta box with a list of values (ilst).

Of kind mdta its values are named by a list of keys (QuickTime File Format, "Metadata"); of kind mdir,
which iTunes writes, by the type of each value's box.
"""

from collections.abc import Collection, Iterator
from typing import Final, NamedTuple

from hegui.labels.carriers.bmff import Box, Inside, boxes, children, content, pack
from hegui.labels.carriers.bmff_edit import Surgery
from hegui.labels.label import LONGEST
from hegui.labels.source import ReadError, Source

KEY: Final = b"AIGC"
_MOST_KEYS: Final = 1024 * 1024  # bytes of a list of keys
_LONGEST: Final = 4 * LONGEST  # bytes of a value that can be a label
_TEXTS: Final = {0: "utf-8", 1: "utf-8", 2: "utf-16-be"}  # well-known types of values


class Value(NamedTuple):
    """One value: `key` is where its name stands in the list of keys, from 1; 0 for none."""

    box: Box
    name: bytes
    key: int
    texts: tuple[str, ...]


class Tags(NamedTuple):
    """A meta box with tags, and the boxes that it stands in."""

    box: Box
    inside: Inside
    kind: bytes  # mdta, mdir
    keys: Box | None
    names: tuple[tuple[bytes, bytes], ...]  # namespace and name of each key
    ilst: Box | None
    values: tuple[Value, ...]

    @property
    def around(self) -> Inside:
        return (*self.inside, self.box)


def tags(source: Source, meta: Box, inside: Inside) -> Tags:
    """The tags of a meta box; raises `ReadError`."""
    kind, keys, ilst = b"", None, None
    for box in children(source, meta):
        if box.kind == b"hdlr":
            kind = source.read(box.body, min(12, box.size))[8:]
        elif box.kind == b"keys":
            keys = keys or box
        elif box.kind == b"ilst":
            ilst = ilst or box
    names = tuple(_names(content(source, keys, _MOST_KEYS))) if keys else ()
    values = tuple(_values(source, ilst, [name for _, name in names])) if ilst else ()
    return Tags(meta, inside, kind, keys, names, ilst, values)


def _names(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 8
    while at + 8 <= len(data):
        size = int.from_bytes(data[at : at + 4])
        if size < 8 or at + size > len(data):
            raise ReadError("malformed", "keys")
        yield data[at + 4 : at + 8], data[at + 8 : at + size]
        at += size


def _values(source: Source, ilst: Box, names: list[bytes]) -> Iterator[Value]:
    for box in boxes(source, ilst.body, ilst.end):
        number = int.from_bytes(box.kind)
        key = number if number <= len(names) else 0
        name = names[key - 1] if key else box.kind
        texts: list[str] = []
        for part in boxes(source, box.body, box.end):
            if part.kind == b"name" and box.kind == b"----":
                name = content(source, part, _MOST_KEYS)[4:]
            elif part.kind == b"data" and part.size >= 8:
                texts += _value(source, part, named=KEY in name.upper())
        yield Value(box, name, key, tuple(texts))


def _value(source: Source, data: Box, *, named: bool) -> list[str]:
    """The text of a value; what can be no label, a picture say, is not read."""
    encoding = _TEXTS.get(int.from_bytes(source.read(data.body, 4)))
    if encoding is None and not named:
        return []
    if data.size > _LONGEST:
        if named:
            raise ReadError("over_limit", "AIGC")
        return []
    return [source.read(data.body + 8, data.size - 8).decode(encoding or "utf-8", "replace")]


def is_label(text: str) -> bool:
    """Whether a text is a label though nothing names it so."""
    return text.lstrip().startswith("{") and (
        '"AIGC"' in text or ('"Label"' in text and '"ProduceID"' in text)
    )


def labels(found: Tags) -> Iterator[tuple[Value, str]]:
    """The values that are labels, by their name or what they say."""
    for value in found.values:
        named = KEY in value.name.upper()
        for text in value.texts or ("",):
            if named or is_label(text):
                yield value, text


def is_wiped(found: Tags) -> bool:
    """Whether the key of a label is there, but nothing under it."""
    used = {value.key for value in found.values}
    return any(KEY in name.upper() and n not in used for n, (_, name) in enumerate(found.names, 1))


def new(label: str) -> bytes:
    """A meta box of kind mdta with the label alone, as FFmpeg writes it."""
    handler = pack(b"hdlr", bytes(8), b"mdta", bytes(13))
    keys = pack(b"keys", bytes(4), (1).to_bytes(4), pack(b"mdta", KEY))
    return pack(b"meta", bytes(4), handler, keys, pack(b"ilst", _entry(1, label)))


def _entry(key: int, label: str) -> bytes:
    data = pack(b"data", (1).to_bytes(4), bytes(4), label.encode())
    return pack(key.to_bytes(4), data)


def rewrite(surgery: Surgery, found: Tags, label: str = "") -> None:
    """Take out the labels of these tags and, given one, put in the new; all other tags stay."""
    drop = {value.box for value, _ in labels(found)}
    gone = {value.key for value in found.values if value.box in drop and value.key}
    gone |= {n for n, (_, name) in enumerate(found.names, 1) if KEY in name.upper()}
    gone -= {value.key for value in found.values if value.box not in drop}
    kept = [each for n, each in enumerate(found.names, 1) if n not in gone]
    if label:
        kept.append((b"mdta", KEY))
    if kept != list(found.names):
        keys = pack(
            b"keys", bytes(4), len(kept).to_bytes(4), *(pack(space, name) for space, name in kept)
        )
        _put(surgery, found, found.keys, keys)
    for value in found.values:
        if value.box in drop:
            surgery.put(value.box.start, value.box.end, b"", _inside(found))
        elif value.key:
            _renumber(surgery, value, gone)
    if label:
        entry = _entry(len(kept), label)
        if found.ilst:
            surgery.put(found.ilst.end, found.ilst.end, entry, _inside(found))
        else:
            _put(surgery, found, None, pack(b"ilst", entry))


def _inside(found: Tags) -> Inside:
    return (*found.around, found.ilst) if found.ilst else found.around


def _put(surgery: Surgery, found: Tags, box: Box | None, data: bytes) -> None:
    start, end = (box.start, box.end) if box else (found.box.end, found.box.end)
    surgery.put(start, end, data, found.around)


def _renumber(surgery: Surgery, value: Value, gone: Collection[int]) -> None:
    """A value's box is named by the place of its key: those before it that went away count."""
    key = value.key - sum(1 for each in gone if each < value.key)
    if key != value.key:
        surgery.put(value.box.start + 4, value.box.start + 8, key.to_bytes(4))
