"""Matroska (RFC 9559) and WebM: the label as a SimpleTag AIGC of a Tag that is about the whole file."""

from collections.abc import Iterator, Sequence
from typing import Final

from hegui.labels.carriers import ebml
from hegui.labels.carriers.carrier import Carrier, Found, Site
from hegui.labels.carriers.ebml import Node
from hegui.labels.carriers.keyed import KEY, LARGEST, elsewhere, is_label, site
from hegui.labels.carriers.matroska_layout import Layout
from hegui.labels.carriers.matroska_parts import CLUSTER, TAGS, Part, frames, parts, segments
from hegui.labels.label import Defect
from hegui.labels.source import ReadError, Source
from hegui.labels.splice import Keep, Plan
from hegui.language import Text

_TAG: Final = 0x7373
_TARGETS: Final = 0x63C0
_UIDS: Final = (0x63C5, 0x63C9, 0x63C4, 0x63C6)  # of a track, an edition, a chapter, an attachment
_SIMPLE: Final = 0x67C8
_NAME: Final = 0x45A3
_STRING: Final = 0x4487
_MASTERS: Final = frozenset({TAGS, _TAG, _TARGETS, _SIMPLE})


class Matroska(Carrier):
    name = "matroska"
    title = Text(zh="MKV、WebM 视频", en="Matroska and WebM film")
    suffixes = (".mkv", ".webm", ".mka")
    place = "Tags SimpleTag AIGC"
    source = "TC260-PG-20257A (M)"

    def matches(self, head: bytes, name: str) -> bool:  # noqa: ARG002 (the signature says it)
        return head.startswith(b"\x1a\x45\xdf\xa3")

    def read(self, source: Source) -> Found:
        found = Found()
        try:
            for number, segment in enumerate(segments(source)):
                for part in parts(source, segment, lambda: found.sites):
                    found.sites += self._sites(source, part, guide=not number)
        except ReadError as error:
            found.faults.append(Defect(error.code, error.detail))
        return found

    def _sites(self, source: Source, part: Part, *, guide: bool) -> list[Site]:
        if part.id != TAGS:
            return []
        return [
            site(self.place, name, value, guide=guide and whole)
            for name, value, whole in _labels(_load(source, part))
        ]

    def plan(self, source: Source, value: str) -> Plan:
        first, *others = segments(source)
        for segment in others:
            if any(self._sites(source, part, guide=False) for part in parts(source, segment)):
                raise elsewhere("a second segment")
        layout = Layout(source, first)
        tags = [(part, _load(source, part)) for part in layout.parts if part.id == TAGS]
        main = tags[0][1] if tags else Node(TAGS, children=[])
        _strip(main)
        main.children = [*(main.children or ()), _tag(value)]
        layout.put(tags[0][0] if tags else None, main.pack())
        for part, node in tags[1:]:
            if _strip(node):
                layout.shrink(part, node.pack() if any(node.find(_TAG)) else b"")
        return layout.plan()

    def media(self, source: Source) -> Sequence[Keep]:
        return [
            keep
            for segment in segments(source)
            for part in parts(source, segment)
            if part.id == CLUSTER
            for keep in frames(source, part)
        ]


def _load(source: Source, part: Part) -> Node:
    if part.end - part.start > LARGEST:
        raise ReadError("over_limit", "Tags")
    return ebml.tree(source.read(part.start, part.end - part.start), _MASTERS)


def _labels(tags: Node) -> Iterator[tuple[str, str, bool]]:
    """Name and value of every label, and whether it is about the whole file and stands for itself."""
    for tag in tags.find(_TAG):
        uids = [uid for kind in _UIDS for uid in tag.find(_TARGETS, kind)]
        whole = not any(uid.number() for uid in uids)
        for simple in tag.find(_SIMPLE):
            if label := _label(simple):
                yield *label, whole
            yield from ((*label, False) for label in _nested(simple))


def _nested(simple: Node) -> Iterator[tuple[str, str]]:
    for inner in simple.find(_SIMPLE):
        if label := _label(inner):
            yield label
        yield from _nested(inner)


def _label(simple: Node) -> tuple[str, str] | None:
    name = next((node.text() for node in simple.find(_NAME)), "")
    value = next((node.text() for node in simple.find(_STRING)), "")
    return (name, value) if is_label(name, value) else None


def _strip(node: Node) -> bool:
    """Take the labels out of tags, and a Tag that then says nothing; returns whether there were any."""
    kept = []
    any_gone = False
    for child in node.children or ():
        gone = _strip(child)
        any_gone |= gone
        if child.id == _SIMPLE and _label(child):
            any_gone = True
        elif child.id != _TAG or not gone or any(child.find(_SIMPLE)):
            kept.append(child)
    if node.children is not None:
        node.children = kept
    return any_gone


def _tag(value: str) -> Node:
    name, text = Node(_NAME, KEY.encode()), Node(_STRING, value.encode("ascii"))
    simple = Node(_SIMPLE, children=[name, text])
    return Node(_TAG, children=[Node(_TARGETS, children=[]), simple])
