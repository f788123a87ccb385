import random
from io import BytesIO

import pytest

import pictures
from hegui.labels import verify
from hegui.labels.xmp import write as packet
from pictures import BARE, FOREIGN, LABEL, OTHER, WRAPPED, check_hostile, check_met, check_round

XMP = b"\x21\xff\x0bXMP DataXMP"
TRAILER = b"\x01" + bytes(range(255, -1, -1)) + b"\0"


def blocks(data: bytes) -> bytes:
    """Data in sub-blocks."""
    pieces = [data[at : at + 255] for at in range(0, len(data), 255)]
    return b"".join(bytes([len(piece)]) + piece for piece in pieces) + b"\0"


def with_blocks(*extensions: bytes, late: bool = False) -> bytes:
    """A picture with these extensions before its first frame, or behind its last one."""
    data = pictures.picture("GIF", mode="L")
    at = len(data) - 1 if late else 13 + 3 * 256
    assert data[at] == (0x3B if late else 0x21 if data[at] == 0x21 else 0x2C)
    return b"GIF89a" + data[6:at] + b"".join(extensions) + data[at:]


def animated(**options) -> bytes:
    image = pytest.importorskip("PIL.Image")
    out = BytesIO()
    frames = [image.new("RGB", (30, 20), colour) for colour in ("red", "blue", "green")]
    frames[0].save(out, "GIF", save_all=True, append_images=frames[1:], duration=50, **options)
    return out.getvalue()


def test_a_picture_of_the_older_version_is_labelled_and_becomes_one_of_the_newer(tmp_path):
    data = pictures.picture("GIF", (200, 150), "L")
    data = b"GIF87a" + data[6:]
    first = check_round(data)
    assert first[:6] == b"GIF89a"
    assert pictures.seen(pictures.exiftool(first, ".gif", tmp_path)) == LABEL.fields()


def test_frames_and_loops_stay_as_they_are(tmp_path):
    first = check_round(animated(loop=0, comment=b"by hand"))
    assert len(pictures.pixels(first)) == 3
    assert first.index(b"NETSCAPE2.0") < first.index(XMP) < first.index(b"\x2c")
    tags = pictures.exiftool(first, ".gif", tmp_path)
    assert tags["GIF:FrameCount"] == 3
    assert tags["File:Comment"] == "by hand"
    assert pictures.seen(tags) == LABEL.fields()


def test_foreign_xmp_is_merged_wherever_it_stands(tmp_path):
    for late in (False, True):
        first = check_round(with_blocks(XMP + FOREIGN + TRAILER, late=late))
        assert first.count(XMP) == 1
        tags = pictures.exiftool(first, ".gif", tmp_path)
        assert tags["XMP-dc:Source"] == "山水"


def test_labels_of_the_wild_are_read_and_make_way():
    check_met(with_blocks(XMP + blocks(packet(FOREIGN, BARE))), "XMP, in sub-blocks")
    check_met(with_blocks(b"\x21\xfe" + blocks(WRAPPED.encode())), "comment")
    stays = with_blocks(b"\x21\xfe" + blocks(b"a comment"))
    assert verify(stays).verdict == "not_found"
    assert b"a comment" in check_round(stays)


def test_two_labels_are_a_duplicate_and_two_voices_a_disagreement():
    one, two = (XMP + packet(None, each.json()) + TRAILER for each in (LABEL, OTHER))
    assert verify(with_blocks(one, one)).codes() == {"duplicate"}
    data = with_blocks(one, two)
    assert verify(data).codes() == {"disagreement"}
    assert pictures.labelled(data, OTHER, "replace").count(XMP) == 1


def test_an_emptied_place_is_told_from_none():
    report = verify(with_blocks(XMP + packet(None, "") + TRAILER))
    assert (report.verdict, report.codes()) == ("inconclusive", {"wiped"})


def test_a_picture_longer_than_a_window_is_passed_over():
    data = pictures.picture("GIF", (900, 700), "L")
    assert len(data) > 600_000
    label = XMP + packet(None, BARE) + TRAILER
    assert verify(data[:-1] + label + b"\x3b").verdict == "compliant"
    assert verify(data[:-1]).codes() == {"truncated"}


def test_blocks_of_every_length_are_passed_over():
    chance = random.Random(5)
    data = pictures.picture("GIF", mode="L")
    frame = b"\x2c" + bytes(4) + b"\1\0\1\0\0\2"
    label = XMP + packet(None, BARE) + TRAILER
    for _ in range(50):
        sizes = [chance.choice((255, 255, 255, 254, 1, 77)) for _ in range(chance.randrange(40))]
        sub = b"".join(bytes([size]) + chance.randbytes(size) for size in sizes) + b"\0"
        made = data[:-1] + frame + sub + label + b"\x3b"
        assert verify(made).verdict == "compliant"
        assert pictures.media(made) == pictures.media(data[:-1] + frame + sub + b"\x3b")
        assert verify(made[: len(data) + len(frame) + len(sub) - 2]).codes() == {"truncated"}


def test_a_hostile_file_gives_a_report():
    comment = b"\x21\xfe" + blocks(WRAPPED.encode())
    check_hostile(with_blocks(XMP + packet(FOREIGN, BARE) + TRAILER, comment))
