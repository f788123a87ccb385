"""Markdown: the label is the key AIGC of the YAML front matter at the head of the file.

The front matter is edited as text, so that everything else in it stays as it was written. Read
besides: a comment with the JSON, and a block at the end of the file.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

import msgspec
import yaml

from hegui.labels.carriers.carrier import Carrier, Found, Site
from hegui.labels.carriers.comments import Piece, comments, whole
from hegui.labels.label import LONGEST
from hegui.labels.source import ReadError, Source
from hegui.labels.splice import Keep, Plan, replace
from hegui.language import Problem, Text

_BOM: Final = b"\xef\xbb\xbf"
_LARGEST: Final = 64 * 1024  # bytes of a front matter
_OPENING: Final = re.compile(rb"---[ \t]*\r?\n")
_CLOSING: Final = re.compile(rb"^(?:---|\.\.\.)[ \t]*\r?$", re.MULTILINE)
# A key, the rest of its line, and the lines that are indented below it.
_BLOCK: Final = re.compile(
    rb"""^(?:AIGC|"AIGC"|'AIGC')[ \t]*:(?=[ \t\r\n]|\Z)[^\n]*(?:\n|\Z)(?:(?:[ \t]*\r?\n)*+[ \t]+[^ \t\r\n][^\n]*(?:\n|\Z))*+""",
    re.MULTILINE,
)
_LAST: Final = re.compile(rb"(?:^---[ \t]*\r?\n)?^AIGC[ \t]*:", re.MULTILINE)
_FIELDS: Final = 64  # events of a block that are looked at: seven fields make 19


class _Front(NamedTuple):
    """Where a front matter stands: its lines are from `start` to `end`, the text goes on at `body`."""

    start: int
    end: int
    body: int


class Markdown(Carrier):
    name = "markdown"
    title = Text(zh="Markdown 文本", en="Markdown text")
    suffixes = (".md", ".markdown")
    place = "front matter, key AIGC"
    source = "TC260-PG-20258A, 6.5 (M)"

    def matches(self, head: bytes, name: str) -> bool:
        if b"\0" in head:
            return False
        return name.endswith(self.suffixes) or bool(
            (front := _front(head)) and _BLOCK.search(head, front.start, front.end)
        )

    def read(self, source: Source) -> Found:
        data, faults = whole(source)
        front, found = _front(data), Found(faults=faults)
        for block in _blocks(data, front) if front else ():
            found.sites.append(Site("front matter", block.value))
        for piece in _elsewhere(source, data, front):
            found.sites.append(Site("comment, or block at the end", piece.value, "met"))
        return found

    def plan(self, source: Source, value: str) -> Plan:
        data, faults = whole(source)
        if faults:
            raise ReadError(faults[0].code, faults[0].detail)
        start = len(_BOM) if data.startswith(_BOM) else 0
        line = b"\r\n" if b"\r\n" in data[: data.find(b"\n") + 1] else b"\n"
        fresh = _written(value, line)
        front = _front(data)
        cuts = [(each.start, each.end, b"") for each in _elsewhere(source, data, front)]
        if front is None:
            _refuse_other(data[start:])
            return replace(
                source.size, (start, start, b"---" + line + fresh + b"---" + line), *cuts
            )
        inner = [(each.start, each.end, b"") for each in _blocks(data, front)]
        edits = [(front.start, front.start, fresh), *inner]
        _check(data, edits, front)
        return replace(source.size, *edits, *cuts)

    def media(self, source: Source) -> Sequence[Keep]:
        data, _ = whole(source)
        front = _front(data)
        start = front.body if front else len(_BOM) if data.startswith(_BOM) else 0
        gaps = [(piece.start, piece.end) for piece in _elsewhere(source, data, front)]
        edges = [start, *(edge for gap in gaps for edge in gap), source.size]
        return [Keep(a, b) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def _front(data: bytes) -> _Front | None:
    """The front matter, which stands in the first bytes or not at all."""
    opening = _OPENING.match(data, len(_BOM) if data.startswith(_BOM) else 0)
    if opening is None:
        return None
    closing = _CLOSING.search(data, opening.end(), opening.end() + _LARGEST)
    if closing is None:
        if len(data) > opening.end() + _LARGEST:
            raise ReadError("over_limit", "front matter")
        return None
    after = data.find(b"\n", closing.end())
    return _Front(opening.end(), closing.start(), after + 1 if after >= 0 else len(data))


def _blocks(data: bytes, front: _Front) -> list[Piece]:
    found = _BLOCK.finditer(data[: front.end], front.start)
    return [Piece(each.start(), each.end(), _value(each[0])) for each in found]


def _value(block: bytes) -> str:
    """What a block says, as JSON; its own text where it is nothing that could be a label."""
    text = block.decode("utf-8", "replace")
    if len(text) > LONGEST:
        return text
    try:
        events: list[Any] = [
            event for event, _ in zip(yaml.parse(text), range(_FIELDS), strict=False)
        ]
        # A stream, a document, a mapping and its one key; then what is looked for.
        held = events[4]
        if isinstance(held, yaml.ScalarEvent):
            return str(held.value)
        scalars = events[5:-4]
        if not isinstance(held, yaml.MappingStartEvent) or not _are_scalars(scalars):
            return text
        pairs = zip(scalars[::2], scalars[1::2], strict=True)
        return msgspec.json.encode({key.value: _scalar(each) for key, each in pairs}).decode()
    except (yaml.YAMLError, ValueError, IndexError, RecursionError):
        return text


def _are_scalars(events: Iterable[Any]) -> bool:
    return all(isinstance(event, yaml.ScalarEvent) for event in events)


def _scalar(event: Any) -> Any:
    """A value by its type in YAML: without quotation marks, 1 is a number."""
    if event.style is not None or not event.implicit[0]:
        return event.value
    value = yaml.safe_load(event.value)
    return value if isinstance(value, int | float | None) else event.value


def _written(value: str, line: bytes) -> bytes:
    """The block: JSON's strings are YAML's double-quoted ones."""
    fields = msgspec.json.decode(value, type=dict[str, str])
    rows = [
        b"    %b: %b" % (key.encode(), msgspec.json.encode(each)) for key, each in fields.items()
    ]
    return line.join([b"AIGC:", *rows]) + line


def _elsewhere(source: Source, data: bytes, front: _Front | None) -> list[Piece]:
    """The labels that are not in the front matter."""
    start = front.body if front else 0
    said = [piece for piece in comments(source, data) if piece.start >= start]
    blocks: list[Piece] = []
    end = len(data)
    for each in reversed(list(_LAST.finditer(data, max(start, end - 2 * LONGEST)))):
        block = _BLOCK.match(data[:end], data.index(b"AIGC", each.start()))
        rest = data[block.end() : end].strip() if block else b"more"
        if block is None or rest not in {b"", b"---", b"..."} or b"Label" not in block[0]:
            break
        blocks.insert(0, Piece(each.start(), end, _value(block[0])))
        end = each.start()
    return [*(piece for piece in said if piece.end <= end), *blocks]


def _refuse_other(data: bytes) -> None:
    """Front matter of another kind would no longer be in the first bytes."""
    if data.startswith(b"+++") or _OPENING.match(data):
        raise _no_place()


def _check(data: bytes, edits: list[tuple[int, int, bytes]], front: _Front) -> None:
    """Edited as text, the front matter must still say the same but for the label."""
    new, done = b"", front.start
    for start, end, put in sorted(edits, key=lambda edit: edit[0]):
        new += data[done:start] + put
        done = end
    new += data[done : front.end]
    if _others(data[front.start : front.end]) != _others(new):
        raise _no_place()


def _others(front: bytes) -> list[tuple[str, ...]]:
    """What a front matter says besides AIGC, as YAML events: aliases stay what they are."""
    said: list[tuple[str, ...]] = []
    depth = keys = 0
    skipping = False
    try:
        for event in yaml.parse(front.decode("utf-8", "surrogateescape")):
            depth -= isinstance(event, yaml.CollectionEndEvent)
            if depth == 1 and not isinstance(event, yaml.CollectionEndEvent):
                keys += 1
                if keys % 2:
                    skipping = getattr(event, "value", "") == "AIGC"
            elif depth == 0:
                skipping = False
            if not skipping and not isinstance(
                event, yaml.DocumentStartEvent | yaml.DocumentEndEvent
            ):
                said.append((type(event).__name__, str(getattr(event, "value", "")), str(getattr(event, "anchor", ""))))  # fmt: skip
            depth += isinstance(event, yaml.CollectionStartEvent)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise _no_place() from error
    if said[1][0] not in {"MappingStartEvent", "StreamEndEvent"}:
        raise _no_place()
    empty = [("MappingStartEvent", "", "None"), ("MappingEndEvent", "", "")]
    return said if said[1:-1] != empty else [said[0], said[-1]]


def _no_place() -> Problem:
    return Problem(
        "labels.front-matter",
        "The file begins with front matter that is no plain YAML mapping: turn it into one, from --- to "
        "---, or take it away.",
    )
