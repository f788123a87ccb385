import struct

import pytest

from hegui.labels.carriers.mp4 import Mp4
from hegui.labels.source import Source
from hegui.labels.splice import Keep, length
from hegui.labels.verify import verify
from labels.films import (
    FTYP,
    LABEL,
    box,
    chunk,
    every,
    fragmented,
    full,
    index,
    labelled,
    movie,
    trak,
)


@pytest.mark.parametrize("base", [True, False])
@pytest.mark.parametrize("sidx_first", [True, False])
@pytest.mark.parametrize("wide_tfra", [True, False])
def test_a_fragmented_film_is_found_by_its_indexes(base, sidx_first, wide_tfra):
    old = fragmented(base=base, sidx_first=sidx_first, wide_tfra=wide_tfra, saio=True)
    new = labelled(old)
    assert verify(new).verdict == "compliant"
    moofs = [at for at, *_ in index(new, b"moof")]
    assert moofs[0] == index(old, b"moof")[0][0] + len(new) - len(old)
    ((_, body, _),) = index(new, b"tfra")
    form = struct.Struct(">QQBBB" if wide_tfra else ">IIBBB")
    rows = [form.unpack_from(new, body + 16 + form.size * n) for n in range(3)]
    assert [row[1] for row in rows] == moofs
    if base:
        assert [
            int.from_bytes(new[body + 8 : body + 16]) for _, body, _ in index(new, b"tfhd")
        ] == moofs
    ((_, body, stop),) = index(new, b"sidx")
    assert stop + int.from_bytes(new[body + 16 : body + 20]) == moofs[0]
    sizes = [int.from_bytes(new[body + 24 + 12 * n :][:4]) for n in range(3)]
    assert moofs == [moofs[0] + sum(sizes[:n]) for n in range(3)]
    assert [new[b:e] for _, b, e in index(new, b"saio")] == [
        old[b:e] for _, b, e in index(old, b"saio")
    ]
    assert [new[b:e] for _, b, e in index(new, b"mdat")] == [chunk(n) for n in range(3)]


def test_auxiliary_data_of_a_whole_film_moves_and_items_of_moov_too():
    place = 5000

    def saio(at):
        return box(b"stbl", full(b"saio", 0, 1, b"cenc", bytes(4), struct.pack(">II", 1, at)))

    def items(at):
        entry = struct.pack(">HHHHII", 1, 7, 0, 1, at, 16)
        return full(b"meta", 0, 0, box(b"hdlr", bytes(8), b"data"),
                    full(b"iloc", 0, 0, b"\x44\0", entry))  # fmt: skip

    old = movie(inside=saio(place), more=items(place), gap=box(b"wide"))
    new = labelled(old)
    by = len(new) - len(old)
    ((_, _, stop),) = index(new, b"saio")
    assert int.from_bytes(new[stop - 4 : stop]) == place + by
    ((_, _, stop),) = index(new, b"iloc")
    assert struct.unpack(">II", new[stop - 8 : stop]) == (place + by, 16)


class Vast:
    """A film of more than 4 GiB, of which only the start and a few chunks are more than zeros."""

    def __init__(self, size, *ranges):
        self.size, self.ranges, self.was_read = size, ranges, 0

    def pread(self, count, start):
        self.was_read += count
        data = bytearray(count)
        for at, content in self.ranges:
            low, high = max(at, start), min(at + len(content), start + count)
            if low < high:
                data[low - start : high - start] = content[low - at : high - at]
        return bytes(data)


def vast(last):
    """A film whose first track ends at this place, its second before 2 GiB."""
    head = FTYP + box(b"moov", trak([1000, last]), trak([2000, 1 << 31]))
    mdat = struct.pack(">I4sQ", 1, b"mdat", last + 64 - len(head))
    return Vast(last + 64, (0, head + mdat), (1000, chunk(1)), (2000, chunk(2)), (last, chunk(9)))


def test_offsets_that_outgrow_32_bits_become_co64_where_they_must():
    file = vast(0xFFFF_FF80)
    plan = Mp4().plan(Source(file.size, file.pread), LABEL.json())
    assert file.was_read < 10_000
    head, at, moved = b"", 0, {}
    for part in plan:
        if isinstance(part, Keep):
            moved[part.start, part.end] = at
            head += file.pread(min(part.end - part.start, 10_000), part.start)
            at += part.end - part.start
        else:
            head += part
            at += len(part)
    assert at == length(plan)
    by = at - file.size
    tables = [
        (kind, struct.unpack(">2Q" if kind == b"co64" else ">2I", head[body + 8 : stop]))
        for kind, _, body, stop in every(head[:2000])
        if kind in (b"stco", b"co64")
    ]
    assert tables == [
        (b"co64", (1000 + by, 0xFFFF_FF80 + by)), (b"stco", (2000 + by, (1 << 31) + by)),
    ]  # fmt: skip
    assert by == 8 + len(labelled(movie())) - len(movie())


def test_offsets_that_outgrow_it_by_the_growth_of_the_table_alone_do_so_too():
    grown = len(labelled(movie())) - len(movie())
    # The first table must widen, 8 bytes more, which carries the second one beyond as well.
    places = (0xFFFF_FFFF - grown + 1, 0xFFFF_FFFF - grown - 7)
    head = FTYP + box(b"moov", trak([1000, places[0]]), trak([2000, places[1] + 8]))
    file = Vast(
        places[0] + 64, (0, head + struct.pack(">I4sQ", 1, b"mdat", places[0] + 64 - len(head)))
    )
    plan = Mp4().plan(Source(file.size, file.pread), LABEL.json())
    assert b"".join(part for part in plan if isinstance(part, bytes)).count(b"co64") == 2


def test_reading_takes_a_few_small_reads_of_a_vast_film():
    file = vast(0xFFFF_FF80)
    found = Mp4().read(Source(file.size, file.pread))
    assert not found.sites
    assert file.was_read < 1500
