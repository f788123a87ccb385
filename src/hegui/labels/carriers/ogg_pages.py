"""Ogg (RFC 3533): pages, the packets in them, and packets laid out in pages anew."""

import struct
import zlib
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from hegui.labels.source import ReadError, Source

CONTINUED: Final = 1
FIRST: Final = 2
_LONGEST: Final = 27 + 255 + 255 * 255  # bytes of a page
_HEAD: Final = struct.Struct("<4sBBQIII")
_NOTHING_ENDS: Final = (1 << 64) - 1  # the granule position of a page on which no packet ends
_MIRRORED: Final = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


class Page(NamedTuple):
    start: int
    flags: int
    serial: int
    sequence: int
    checksum: int
    lacing: bytes  # lengths of the pieces of packets; 255 goes on in the next

    @property
    def data(self) -> int:
        return self.start + 27 + len(self.lacing)

    @property
    def end(self) -> int:
        return self.data + sum(self.lacing)


def page_at(source: Source, start: int) -> Page:
    source.step()
    head = source.read(start, min(27 + 255, max(source.size - start, 27)))
    mark, version, flags, _, serial, sequence, checksum = _HEAD.unpack_from(head)
    if mark != b"OggS" or version:
        raise ReadError("malformed", "no page")
    page = Page(start, flags, serial, sequence, checksum, head[27 : 27 + head[26]])
    if len(page.lacing) != head[26] or page.end > source.size:
        raise ReadError("truncated", "page")
    return page


def pages(source: Source, start: int) -> Iterator[Page]:
    while start < source.size:
        page = page_at(source, start)
        yield page
        start = page.end


def last_page(source: Source) -> Page | None:
    """The last page of the file, without a walk; None where rubbish follows."""
    start = max(0, source.size - _LONGEST)
    tail = source.read(start, source.size - start)
    at = tail.rfind(b"OggS")
    while at >= 0:
        try:
            page = page_at(source, start + at)
        except ReadError:
            page = None
        if page and page.end == source.size:
            return page
        at = tail.rfind(b"OggS", 0, at)
    return None


def paged(packets: Sequence[bytes], serial: int, count: int) -> list[bytes]:
    """Header packets in pages numbered from 1: `count` of them if that can be, else as few as can be."""
    lacing: list[int] = []
    for packet in packets:
        lacing += [255] * (len(packet) // 255) + [len(packet) % 255]
    if not -(-len(lacing) // 255) <= count <= len(lacing):
        count = -(-len(lacing) // 255)
    data, made, done, sent = b"".join(packets), [], 0, 0
    for number in range(count):
        take = min(255, len(lacing) - done - (count - number - 1))
        part = bytes(lacing[done : done + take])
        ends = any(piece < 255 for piece in part)
        goes_on = CONTINUED if done and lacing[done - 1] == 255 else 0
        granule = 0 if ends else _NOTHING_ENDS
        head = _HEAD.pack(b"OggS", 0, goes_on, granule, serial, number + 1, 0)
        page = head + bytes([len(part)]) + part + data[sent : sent + sum(part)]
        made.append(page[:22] + struct.pack("<I", _checksum(page)) + page[26:])
        done, sent = done + take, sent + sum(part)
    return made


def renumbered(page: Page, by: int) -> tuple[int, int, bytes]:
    """The edit that changes a page's number and its checksum, whose data need not be read.

    The checksum is linear: it changes by the checksum of what changes in the page.
    """
    sequence = (page.sequence + by) & 0xFFFFFFFF
    change = struct.pack("<I", sequence ^ page.sequence) + bytes(page.end - page.start - 22)
    checksum = page.checksum ^ _checksum(change)
    return page.start + 18, page.start + 26, struct.pack("<II", sequence, checksum)


def _checksum(data: bytes) -> int:
    """Ogg's CRC-32 (polynomial 04C11DB7, nothing mirrored or inverted) by way of zlib's."""
    mirrored = zlib.crc32(data.translate(_MIRRORED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int(f"{mirrored:032b}"[::-1], 2)
