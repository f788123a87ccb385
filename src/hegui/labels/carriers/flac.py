"""FLAC: the label as a Vorbis comment AIGC (block type 4).

Read besides: a second comment block, and an ID3v2 tag before the stream, which some tools write.
"""

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from hegui.labels.carriers import id3
from hegui.labels.carriers.carrier import Carrier, Found
from hegui.labels.carriers.keyed import LARGEST
from hegui.labels.carriers.vorbis import Comments
from hegui.labels.label import Defect
from hegui.labels.source import ReadError, Source
from hegui.labels.splice import Keep, Plan, replace
from hegui.language import Text

_MARK: Final = b"fLaC"
_STREAMINFO: Final = 0
_COMMENT: Final = 4
_LAST: Final = 0x80


class _Block(NamedTuple):
    start: int
    kind: int
    last: bool
    end: int


class Flac(Carrier):
    name = "flac"
    title = Text(zh="FLAC 音频", en="FLAC sound")
    suffixes = (".flac",)
    place = "VORBIS_COMMENT AIGC"
    source = "TC260-PG-202510A (M)"

    def matches(self, head: bytes, name: str) -> bool:
        after = id3.after(head)
        return head[after : after + 4] == _MARK or (after > 0 and name.endswith(".flac"))

    def read(self, source: Source) -> Found:
        found = Found()
        try:
            tags, start = id3.leading(source)
            for tag in tags:
                found.sites += [label.site(guide=False) for label in id3.labels(source, tag)]
            first = True
            for block in _blocks(source, start):
                if block.kind == _COMMENT:
                    found.sites += _comments(source, block).sites(self.place, guide=first)
                    first = False
        except ReadError as error:
            found.faults.append(Defect(error.code, error.detail))
        return found

    def plan(self, source: Source, value: str) -> Plan:
        tags, start = id3.leading(source)
        edits = [edit for tag in tags for edit in id3.without(source, tag)]
        blocks = list(_blocks(source, start))
        comments = [block for block in blocks if block.kind == _COMMENT]
        for number, block in enumerate(comments):
            fresh = _comments(source, block).labelled(None if number else value)
            edits.append((block.start, block.end, _packed(fresh, last=block.last)))
        if not comments:
            info = blocks[0]
            fresh = Comments(b"hegui", (), b"").labelled(value)
            edits += [
                (info.start, info.start + 1, bytes([_STREAMINFO])),
                (info.end, info.end, _packed(fresh, last=info.last)),
            ]
        return replace(source.size, *edits)

    def media(self, source: Source) -> Sequence[Keep]:
        _, start = id3.leading(source)
        blocks = list(_blocks(source, start))
        info = Keep(blocks[0].start + 4, blocks[0].end)
        return [info, Keep(blocks[-1].end, source.size)]


def _blocks(source: Source, start: int) -> Iterator[_Block]:
    """The blocks of metadata; the first is STREAMINFO."""
    if source.read(start, 4) != _MARK:
        raise ReadError("malformed", "no fLaC")
    at, first = start + 4, True
    while True:
        source.step()
        head = source.read(at, 4)
        kind, last = head[0] & ~_LAST, bool(head[0] & _LAST)
        block = _Block(at, kind, last, at + 4 + int.from_bytes(head[1:]))
        if block.end > source.size:
            raise ReadError("truncated", "metadata")
        if first != (kind == _STREAMINFO):
            raise ReadError("malformed", "STREAMINFO")
        yield block
        if last:
            return
        at, first = block.end, False


def _comments(source: Source, block: _Block) -> Comments:
    return Comments.parse(source.read(block.start + 4, block.end - block.start - 4))


def _packed(comments: Comments, *, last: bool) -> bytes:
    data = comments.pack()
    if len(data) > LARGEST:
        raise ReadError("over_limit", "comments")
    return bytes([_COMMENT | _LAST * last]) + len(data).to_bytes(3) + data
