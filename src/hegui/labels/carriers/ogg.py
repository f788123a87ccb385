"""Ogg Vorbis (Vorbis I, 5) and Opus (RFC 7845): the label as a comment AIGC in the second packet.

Other codecs, streams side by side and streams one after another are read, and refused for writing.
"""

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

import msgspec

from hegui.labels.carriers.carrier import Carrier, Found
from hegui.labels.carriers.keyed import LARGEST
from hegui.labels.carriers.ogg_pages import (
    CONTINUED,
    FIRST,
    Page,
    last_page,
    paged,
    pages,
    renumbered,
)
from hegui.labels.carriers.vorbis import Comments
from hegui.labels.label import Defect
from hegui.labels.source import ReadError, Source
from hegui.labels.splice import Keep, Plan, replace
from hegui.language import Problem, Text


class _Codec(NamedTuple):
    name: str
    first: bytes  # with which the first packet begins
    second: bytes  # and the packet of comments
    headers: int  # packets before the media
    written: bool = False


_CODECS: Final = (
    _Codec("Vorbis", b"\1vorbis", b"\3vorbis", 3, written=True),
    _Codec("Opus", b"OpusHead", b"OpusTags", 2, written=True),
    _Codec("Theora", b"\x80theora", b"\x81theora", 3),
    _Codec("FLAC", b"\x7fFLAC", b"", 2),
    _Codec("Speex", b"Speex   ", b"", 2),
)


class _Stream(msgspec.Struct):
    """One logical stream: its codec, and the header packets in it."""

    serial: int
    codec: _Codec | None = None
    packets: list[bytes] = []
    pieces: list[bytes] = []  # of the packet that has not ended
    size: int = 0
    done: bool = False

    def take(self, page: Page, data: bytes) -> bool:
        """Take up a page; returns whether the headers end in the middle of it, which they must not."""
        if bool(page.flags & CONTINUED) != bool(self.pieces):
            raise ReadError("malformed", "packet across pages")
        at = 0
        for number, length in enumerate(page.lacing):
            self.pieces.append(data[at : at + length])
            at, self.size = at + length, self.size + length
            if self.size > LARGEST:
                raise ReadError("over_limit", "header packets")
            if length < 255:
                self._ended()
            if self.done:
                return number + 1 < len(page.lacing)
        return False

    def _ended(self) -> None:
        packet = b"".join(self.pieces)
        self.pieces = []
        if not self.packets:
            self.codec = next((c for c in _CODECS if packet.startswith(c.first)), None)
        self.packets.append(packet)
        self.done = self.codec is None or len(self.packets) == self.codec.headers

    def comments(self) -> Comments | None:
        """The comments, if the codec is one that has them where we know."""
        if not self.codec or len(self.packets) < 2:
            return None
        packet, mark = self.packets[1], self.codec.second
        if not packet.startswith(mark):
            raise ReadError("malformed", f"{self.codec.name} comments")
        return Comments.parse(packet[4 if self.codec.name == "FLAC" else len(mark) :])


class _Link(NamedTuple):
    """Streams that begin together: their headers, and the pages that hold these."""

    streams: dict[int, _Stream]
    pages: list[Page]
    clean: bool  # whether media begins on a page of its own


class Ogg(Carrier):
    name = "ogg"
    title = Text(zh="OGG 音频（Vorbis、Opus）", en="Ogg sound (Vorbis, Opus)")
    suffixes = (".ogg", ".oga", ".opus")
    place = "comment header AIGC"
    source = "TC260-PG-202510A (M)"

    def matches(self, head: bytes, name: str) -> bool:  # noqa: ARG002 (the signature says it)
        return head.startswith(b"OggS")

    def read(self, source: Source) -> Found:
        found = Found()
        try:
            guide = True
            for link in _links(source):
                for stream in link.streams.values():
                    if comments := stream.comments():
                        right = guide and bool(stream.codec and stream.codec.written)
                        found.sites += comments.sites(self.place, guide=right)
                        guide = False
        except ReadError as error:
            found.faults.append(Defect(error.code, error.detail))
        return found

    def plan(self, source: Source, value: str) -> Plan:
        link, stream, codec = _only(source)
        comments = stream.comments()
        if comments is None:
            raise ReadError("malformed", "comments")
        packet = codec.second + comments.labelled(value).pack()
        if len(packet) > LARGEST:
            raise ReadError("over_limit", "comments")
        old = link.pages[1:]
        fresh = paged([packet, *stream.packets[2:]], stream.serial, len(old))
        end = old[-1].end
        edits = [(old[0].start, end, b"".join(fresh))]
        if by := len(fresh) - len(old):
            edits += [renumbered(page, by) for page in pages(source, end)]
        return replace(source.size, *edits)

    def media(self, source: Source) -> Sequence[Keep]:
        link, _, _ = _only(source)
        return [Keep(page.data, page.end) for page in pages(source, link.pages[-1].end)]


def _links(source: Source) -> Iterator[_Link]:
    """The links of a chain; a file whose last page is of a first stream has only one."""
    link = _link(source, 0)
    yield link
    last = last_page(source)
    if last and last.serial in link.streams:
        return
    began = False
    for page in pages(source, link.pages[-1].end):
        begins = bool(page.flags & FIRST)
        if begins and not began:
            yield _link(source, page.start)
        began = begins


def _link(source: Source, start: int) -> _Link:
    """The headers of the streams that begin here, or as much of them as there is."""
    link = _Link({}, [], clean=True)
    for page in pages(source, start):
        if page.flags & FIRST:
            link.streams[page.serial] = _Stream(page.serial)
        stream = link.streams.get(page.serial)
        if stream is None:
            raise ReadError("malformed", "stream without a beginning")
        link.pages.append(page)
        if not stream.done and stream.take(page, source.read(page.data, page.end - page.data)):
            link = link._replace(clean=False)
        if not page.flags & FIRST and all(each.done for each in link.streams.values()):
            break
    if not link.pages:
        raise ReadError("malformed", "no page")
    if not all(each.done for each in link.streams.values()):
        raise ReadError("truncated", "headers")
    return link


def _only(source: Source) -> tuple[_Link, _Stream, _Codec]:
    """The one stream of Vorbis or Opus that the file must hold to be written."""
    link = _link(source, 0)
    streams = list(link.streams.values())
    last = last_page(source)
    codec = streams[0].codec
    if len(streams) > 1 or not codec or not codec.written or _is_chained(source, link, last):
        raise Problem(
            "labels.streams",
            "The file holds several Ogg streams, or one that is neither Vorbis nor Opus: save its sound as one stream (ffmpeg -map 0:a:0), then label that.",
        )
    first = link.pages[0].lacing  # which holds the first packet, and nothing else
    if not link.clean or len(link.pages) < 2 or [length < 255 for length in first].count(True) != 1:
        raise ReadError("malformed", "header packets")
    if first[-1] == 255:
        raise ReadError("malformed", "header packets")
    return link, streams[0], codec


def _is_chained(source: Source, link: _Link, last: Page | None) -> bool:
    if last:
        return last.serial not in link.streams
    return any(page.flags & FIRST for page in pages(source, link.pages[-1].end))
