import struct
from io import BytesIO

import pytest

import pictures
from hegui.labels import verify, write_bytes
from hegui.labels.xmp import write as packet
from hegui.language import Problem
from pictures import BARE, FOREIGN, LABEL, OTHER, WRAPPED, check_hostile, check_met, check_round


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack("<4sI", kind, len(data)) + data + bytes(len(data) % 2)


def with_chunks(data: bytes, *chunks: bytes, flags: int = 0) -> bytes:
    """The same file with chunks at its end, and flags set in the header that it has."""
    body = bytearray(data[8:] + b"".join(chunks))
    if flags:
        assert body[4:8] == b"VP8X"
        body[12] |= flags
    return b"RIFF" + struct.pack("<I", len(body)) + bytes(body)


def profile() -> bytes:
    cms = pytest.importorskip("PIL.ImageCms")
    return cms.ImageCmsProfile(cms.createProfile("sRGB")).tobytes()


def extended() -> bytes:
    """A file with the header chunk that metadata asks for, and none yet."""
    return pictures.picture("WEBP", icc_profile=profile())


@pytest.mark.parametrize(
    ("mode", "options"),
    [
        ("RGB", {}),
        ("RGB", {"lossless": True}),
        ("RGBA", {"lossless": True}),
        ("RGBA", {"quality": 50}),
    ],
)
def test_a_picture_is_labelled_and_keeps_its_data(mode, options, tmp_path):
    data = pictures.picture("WEBP", (47, 33), mode, **options)
    first = check_round(data)
    tags = pictures.exiftool(first, ".webp", tmp_path)
    assert pictures.seen(tags) == LABEL.fields()
    assert tags["RIFF:ImageWidth"] == 47
    assert tags["RIFF:ImageHeight"] == 33
    assert int.from_bytes(first[4:8], "little") == len(first) - 8


def test_a_simple_file_says_whether_it_is_transparent():
    image = pytest.importorskip("PIL.Image")
    out = BytesIO()
    image.new("RGBA", (9, 7), (255, 0, 0, 100)).save(out, "WEBP", lossless=True)
    data = out.getvalue()
    assert data[12:16] == b"VP8L"
    first = check_round(data)
    assert first[12:16] == b"VP8X"
    assert first[20] == 0x14
    with image.open(BytesIO(first)) as opened_image:
        assert (opened_image.mode, opened_image.size) == ("RGBA", (9, 7))


def test_frames_stay_as_they_are():
    image = pytest.importorskip("PIL.Image")
    out = BytesIO()
    frames = [image.new("RGB", (20, 20), colour) for colour in ("red", "blue", "green")]
    frames[0].save(out, "WEBP", save_all=True, append_images=frames[1:], duration=40)
    first = check_round(out.getvalue())
    assert len(pictures.pixels(first)) == 3


def test_profile_and_exif_stay_and_foreign_xmp_is_merged(tmp_path):
    data = pictures.picture(
        "WEBP",
        icc_profile=profile(),
        exif=b"Exif\0\0" + pictures.exif(make=b"maker\0"),
        xmp=FOREIGN,
    )
    first = check_round(data)
    assert first.count(b"XMP ") == 1
    assert profile() in first
    tags = pictures.exiftool(first, ".webp", tmp_path)
    assert tags["IFD0:Make"] == "maker"
    assert tags["XMP-dc:Source"] == "山水"


@pytest.mark.parametrize("lead", [b"", b"Exif\0\0"])
def test_a_label_in_exif_is_read_and_makes_way(lead):
    comment = b"ASCII\0\0\0" + WRAPPED.encode()
    block = lead + pictures.exif(make=b"maker\0", comment=comment)
    data = with_chunks(extended(), chunk(b"EXIF", block), flags=0x08)
    moved = check_met(data, "EXIF UserComment")
    assert b"maker" in moved
    assert moved[20] & 0x0C == 0x0C
    alone = chunk(b"EXIF", lead + pictures.exif(comment=comment))
    moved = check_met(with_chunks(extended(), alone, flags=0x08), "EXIF UserComment")
    assert b"EXIF" not in moved
    assert moved[20] & 0x0C == 0x04


def test_a_packet_that_is_not_announced_is_in_the_wrong_place():
    label = packet(None, BARE)
    check_met(with_chunks(extended(), chunk(b"XMP ", label)), "XMP, not announced")
    check_met(with_chunks(extended(), chunk(b"XMP\0", label), flags=4), "XMP, misspelt")
    assert verify(with_chunks(extended(), chunk(b"XMP ", label), flags=4)).verdict == "compliant"


def test_two_labels_are_a_duplicate_and_two_voices_a_disagreement():
    one, two = (chunk(b"XMP ", packet(None, each.json())) for each in (LABEL, OTHER))
    assert verify(with_chunks(extended(), one, one, flags=4)).codes() == {"duplicate"}
    data = with_chunks(extended(), one, two, flags=4)
    assert verify(data).codes() == {"disagreement"}
    assert pictures.labelled(data, OTHER, "replace").count(b"XMP ") == 1


def test_an_emptied_place_is_told_from_none():
    report = verify(with_chunks(extended(), chunk(b"XMP ", packet(None, "")), flags=4))
    assert (report.verdict, report.codes()) == ("inconclusive", {"wiped"})
    assert verify(extended()).verdict == "not_found"


def test_what_follows_the_picture_stays():
    data = pictures.picture("WEBP") + b"behind"
    assert pictures.labelled(data).endswith(b"behind")


@pytest.mark.parametrize(
    "body", [b"XMP \0\0\0\0", b"VP8X\2\0\0\0\0\0", b"VP8 \2\0\0\0\0\0", b"VP8L\6\0\0\0\1\0\0\0\0\0"]
)
def test_a_file_without_a_picture_is_not_labelled(body):
    data = b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body
    with pytest.raises(Problem) as caught:
        write_bytes(data, LABEL)
    assert caught.value.code == "labels.unreadable"


def test_the_picture_itself_is_never_read():
    data = pictures.picture("WEBP", (900, 900), lossless=True)
    assert pictures.bytes_read(data) < 8192
    assert len(data) > 500_000


def test_a_hostile_file_gives_a_report():
    block = pictures.exif(make=b"maker\0", comment=b"ASCII\0\0\0" + WRAPPED.encode())
    label = chunk(b"XMP ", packet(FOREIGN, BARE))
    check_hostile(with_chunks(extended(), chunk(b"EXIF", block), label, flags=0x0C))
