import struct

import pytest

from hegui.labels.carriers import exif
from hegui.labels.carriers.carrier import Site
from hegui.labels.source import ReadError, opened
from recordings import VALUE

ORIENTATION = (0x0112, 3, 1, struct.pack("<HH", 6, 0))


def block(*entries: tuple[int, int, int, bytes]) -> bytes:
    """An EXIF block of one directory; a value of more than four bytes stands behind it."""
    end = 8 + 2 + 12 * len(entries) + 4
    directory, values = struct.pack("<H", len(entries)), b""
    for tag, kind, count, value in entries:
        place = struct.pack("<I", end + len(values)) if len(value) > 4 else value.ljust(4, b"\0")
        directory += struct.pack("<HHI", tag, kind, count) + place
        values += value if len(value) > 4 else b""
    return exif.HEADER + b"II*\0" + struct.pack("<I", 8) + directory + bytes(4) + values


def text(tag: int, value: bytes) -> tuple[int, int, int, bytes]:
    return tag, 2, len(value), value


def entries(data: bytes) -> list[int]:
    with opened(data.removeprefix(exif.HEADER)) as source:
        return [each.tag for one in exif.Tiff(source).directories() for each in one.entries]


@pytest.mark.parametrize(
    ("tag", "before", "place"),
    [
        (exif.IMAGE_DESCRIPTION, b"", "EXIF ImageDescription"),
        (exif.USER_COMMENT, b"ASCII\0\0\0", "EXIF UserComment"),
    ],
)
def test_a_label_is_read_and_taken_out_alone(tag, before, place):
    data = block(ORIENTATION, text(tag, before + VALUE + b"\0"))
    assert exif.read(data) == [Site(place, VALUE.decode(), "met")]
    rest = exif.without(data)
    assert len(rest) == len(data)
    assert VALUE not in rest
    assert entries(rest) == [0x0112]


def test_nothing_is_left_of_a_block_with_a_label_alone():
    assert exif.without(block(text(exif.IMAGE_DESCRIPTION, VALUE))) == b""


def test_words_of_a_person_are_no_label_and_stay():
    data = block(ORIENTATION, text(exif.IMAGE_DESCRIPTION, b"my cat, AIGC or not"))
    assert exif.read(data) == []
    assert exif.without(data) == data


def test_damage_counts_only_where_a_label_may_be():
    for data in (b"II*\0\xff\xff\xff\xff", block(ORIENTATION)[:20], b"rubbish"):
        assert exif.read(data) == []
        assert exif.without(data) == data
    cut = block(ORIENTATION, text(exif.IMAGE_DESCRIPTION, VALUE))[:-3]
    for work in (exif.read, exif.without):
        with pytest.raises(ReadError):
            work(cut)


def test_a_value_that_lies_on_what_stays_is_not_blanked():
    data = bytearray(block(ORIENTATION, text(exif.IMAGE_DESCRIPTION, VALUE), text(0x010F, VALUE)))
    first = 6 + 8 + 2 + 12 + 8  # where the description's offset stands
    data[first + 12 : first + 16] = data[first : first + 4]
    with pytest.raises(ReadError, match="malformed"):
        exif.without(bytes(data))
