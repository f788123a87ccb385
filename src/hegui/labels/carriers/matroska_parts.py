"""What a Matroska file consists of: segments, their parts, and the heads of clusters."""

from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from hegui.labels.carriers.ebml import CRC, VOID, Element, element_at
from hegui.labels.source import ReadError, Source
from hegui.labels.splice import Keep

EBML: Final = 0x1A45DFA3
SEGMENT: Final = 0x18538067
SEEK_HEAD: Final = 0x114D9B74
CLUSTER: Final = 0x1F43B675
CUES: Final = 0x1C53BB6B
TAGS: Final = 0x1254C367
POSITION: Final = 0xA7  # of a cluster
_INFO: Final = 0x1549A966
_TRACKS: Final = 0x1654AE6B
_CHAPTERS: Final = 0x1043A770
_ATTACHMENTS: Final = 0x1941A469
_BLOCKS: Final = (0xA3, 0xA0, 0xAF)
_TOP: Final = {EBML, SEGMENT, SEEK_HEAD, CLUSTER, CUES, TAGS, _INFO, _TRACKS, _CHAPTERS, _ATTACHMENTS}  # fmt: skip
_BEFORE_BLOCKS: Final = 8  # elements of a cluster that we expect before its first block


class Part(NamedTuple):
    """An element of a segment, with its end."""

    start: int
    id: int
    data: int
    end: int


def segments(source: Source) -> Iterator[Element]:
    """The segments; what follows them and is no EBML is not looked at."""
    at, any_yet = 0, False
    while at < source.size:
        try:
            part = element_at(source, at, source.size)
        except ReadError:
            if any_yet:
                return
            raise
        if part.id == SEGMENT:
            yield part
            any_yet = True
        elif part.id not in (EBML, VOID):
            break
        if part.end is None:
            break
        at = part.end
    if not any_yet:
        raise ReadError("malformed", "no segment")


def parts(source: Source, segment: Element, enough: Callable[[], object] = bool) -> Iterator[Part]:
    """The parts of a segment; the end of a cluster of unknown size is looked for.

    Unless that is `enough`: in what was recorded as a stream there may be very many.
    """
    at, end = segment.data, source.size if segment.end is None else segment.end
    while at < end:
        found = element_at(source, at, end)
        if found.id in (EBML, SEGMENT):
            return
        if found.end is None:
            if found.id != CLUSTER:
                raise ReadError("malformed", "size")
            if enough():
                return
        part = Part(at, found.id, found.data, found.end or _end_of(source, found.data, end))
        yield part
        at = part.end


def _end_of(source: Source, at: int, end: int) -> int:
    """Where a cluster of unknown size ends: at the next element of a higher level."""
    while at < end:
        child = element_at(source, at, end)
        if child.id in _TOP:
            return at
        if child.end is None:
            raise ReadError("malformed", "size")
        at = child.end
    return end


def head(source: Source, cluster: Part) -> tuple[list[Part], int]:
    """The elements of a cluster before its first block, and where that begins."""
    found: list[Part] = []
    at = cluster.data
    while at < cluster.end and len(found) < _BEFORE_BLOCKS:
        child = element_at(source, at, cluster.end)
        if child.id in _BLOCKS or child.end is None:
            break
        found.append(Part(at, child.id, child.data, child.end))
        at = child.end
    return found, at


def frames(source: Source, cluster: Part) -> list[Keep]:
    """The media of a cluster: all of it but its own position, a checksum, and free space."""
    before, at = head(source, cluster)
    times = [Keep(e.start, e.end) for e in before if e.id not in (POSITION, CRC, VOID)]
    return [*times, Keep(at, cluster.end)]
