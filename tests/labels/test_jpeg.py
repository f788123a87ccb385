import hashlib
import struct
from io import BytesIO

import pytest

import pictures
from hegui.labels import verify, write_bytes
from hegui.labels.carriers.jpeg import LONGEST
from hegui.labels.xmp import write as packet
from hegui.language import Problem
from pictures import BARE, FOREIGN, LABEL, OTHER, WRAPPED, check_hostile, check_met, check_round

XMP = b"http://ns.adobe.com/xap/1.0/\0"
EXTENDED = b"http://ns.adobe.com/xmp/extension/\0"


def segment(marker: int, data: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(data) + 2) + data


def with_segments(*segments: bytes, behind: int = 20) -> bytes:
    """A picture with these segments behind its JFIF header, which is 20 bytes long."""
    data = pictures.picture("JPEG")
    return data[:behind] + b"".join(segments) + data[behind:]


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"comment": b"by hand"}])
def test_a_picture_is_labelled_and_keeps_its_scans(options, tmp_path):
    first = check_round(pictures.picture("JPEG", **options))
    tags = pictures.exiftool(first, ".jpg", tmp_path)
    assert pictures.seen(tags) == LABEL.fields()
    assert tags.get("File:Comment") == ("by hand" if options.get("comment") else None)


def test_the_packet_stands_behind_jfif_and_exif():
    block = segment(0xE1, b"Exif\0\0" + pictures.exif(make=b"maker\0"))
    first = check_round(with_segments(block, segment(0xFE, b"a comment")))
    assert first[20 : 20 + len(block)] == block
    assert first[20 + len(block) :][4:].startswith(XMP)


def test_foreign_xmp_is_merged_and_never_doubled(tmp_path):
    first = check_round(with_segments(segment(0xE1, XMP + FOREIGN)))
    assert first.count(XMP) == 1
    tags = pictures.exiftool(first, ".jpg", tmp_path)
    assert tags["XMP-dc:Source"] == "山水"
    assert pictures.seen(tags) == LABEL.fields()


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(
    "comment",
    [
        b"ASCII\0\0\0" + WRAPPED.encode(),
        bytes(8) + BARE.encode() + b"\0\0",
        WRAPPED.encode(),
        b"UNICODE\0" + WRAPPED.encode("utf-16"),
        None,
    ],
)
def test_a_label_in_exif_is_read_and_makes_way(order, comment, tmp_path):
    if comment is None:
        charset = "utf-16-le" if order == "<" else "utf-16-be"
        comment = b"UNICODE\0" + WRAPPED.encode(charset)
    block = pictures.exif(order, make=b"maker\0", comment=comment)
    moved = check_met(with_segments(segment(0xE1, b"Exif\0\0" + block)), "EXIF UserComment")
    tags = pictures.exiftool(moved, ".jpg", tmp_path)
    assert tags["IFD0:Make"] == "maker"
    assert "ExifIFD:UserComment" not in tags
    assert pictures.seen(tags) == OTHER.fields()


def test_exif_that_held_nothing_else_goes_with_its_label():
    block = pictures.exif(comment=b"ASCII\0\0\0" + WRAPPED.encode())
    moved = check_met(with_segments(segment(0xE1, b"Exif\0\0" + block)), "EXIF UserComment")
    assert b"Exif\0\0" not in moved


def test_a_description_is_a_label_only_if_it_looks_like_one(tmp_path):
    block = pictures.exif(description=WRAPPED.encode() + b"\0", make=b"maker\0")
    check_met(with_segments(segment(0xE1, b"Exif\0\0" + block)), "EXIF ImageDescription")
    block = pictures.exif(description=b"a cat that says AIGC\0")
    data = with_segments(segment(0xE1, b"Exif\0\0" + block))
    assert verify(data).verdict == "not_found"
    tags = pictures.exiftool(check_round(data), ".jpg", tmp_path)
    assert tags["IFD0:ImageDescription"] == "a cat that says AIGC"


def test_another_schema_in_a_description_is_read_and_breaks_the_rules():
    text = b'{"AIGC":{"ServiceProvider":"x","ServiceUser":"y","Time":"1","ContentId":"z"}}\0'
    report = verify(with_segments(segment(0xE1, b"Exif\0\0" + pictures.exif(description=text))))
    assert report.verdict == "noncompliant"
    assert {"wrong_slot", "unknown_field", "missing_field"} <= report.codes()


@pytest.mark.parametrize(
    ("marker", "text", "place"),
    [
        (0xEB, b"AIGC" + BARE.encode(), "APP11"),
        (0xE9, b"AIGC\0" + WRAPPED.encode(), "APP9"),
        (0xFE, WRAPPED.encode(), "COM"),
        (0xFE, BARE.encode(), "COM"),
    ],
)
def test_segments_of_the_wild_are_read_and_make_way(marker, text, place):
    check_met(with_segments(segment(marker, text), segment(0xFE, b"stays")), place)


def test_two_labels_are_a_duplicate_and_two_voices_a_disagreement():
    one = segment(0xE1, XMP + packet(None, BARE))
    same = with_segments(one, segment(0xEB, b"AIGC" + BARE.encode()))
    assert verify(same).codes() == {"duplicate"}
    other = with_segments(one, segment(0xEB, b"AIGC" + OTHER.json().encode()))
    assert verify(other).codes() == {"disagreement"}
    assert pictures.labelled(other, LABEL, "replace") == pictures.labelled(same, LABEL, "replace")


def test_of_a_second_packet_only_the_label_goes():
    data = with_segments(
        segment(0xE1, XMP + packet(None, BARE)), segment(0xE1, XMP + packet(FOREIGN, BARE))
    )
    assert verify(data).codes() == {"duplicate"}
    assert "山水".encode() in pictures.labelled(data, OTHER, "replace")
    alone = segment(0xE1, XMP + packet(None, BARE))
    assert pictures.labelled(with_segments(alone, alone), OTHER, "replace").count(XMP) == 1


def test_extended_xmp_is_read_and_not_touched():
    body = packet(FOREIGN, BARE)
    name = hashlib.md5(body).hexdigest().encode()
    halves = [(at, body[at : at + 300]) for at in range(0, len(body), 300)]
    parts = [
        segment(0xE1, EXTENDED + name + struct.pack(">II", len(body), at) + half)
        for at, half in reversed(halves)
    ]
    data = with_segments(*parts)
    assert verify(data).codes() == {"wrong_slot"}
    with pytest.raises(Problem, match="extended XMP") as caught:
        write_bytes(data, OTHER, on_existing="replace")
    assert caught.value.code == "labels.elsewhere"


def test_a_packet_too_long_loses_its_padding_or_is_refused():
    padded = FOREIGN.replace(b"<?xpacket end", b" " * (LONGEST - len(FOREIGN)) + b"<?xpacket end")
    check_round(with_segments(segment(0xE1, XMP + padded)))
    full = FOREIGN.replace("山水".encode(), b"x" * (LONGEST - len(FOREIGN)))
    with pytest.raises(Problem) as caught:
        write_bytes(with_segments(segment(0xE1, XMP + full)), LABEL)
    assert caught.value.code == "labels.too-large"


def several() -> bytes:
    """Three pictures in a file, with a table that says where they are (CIPA DC-007)."""
    image = pytest.importorskip("PIL.Image")
    out = BytesIO()
    frames = [image.new("RGB", (40, 40), colour) for colour in ("red", "blue", "green")]
    frames[0].save(out, "MPO", save_all=True, append_images=frames[1:])
    return out.getvalue()


def table(data: bytes) -> list[tuple[int, int]]:
    """Sizes and offsets of the pictures, as Pillow reads them."""
    image = pytest.importorskip("PIL.Image")
    with image.open(BytesIO(data)) as opened_image:
        return [(row["Size"], row["DataOffset"]) for row in opened_image.mpinfo[0xB002]]


def test_further_pictures_are_still_found():
    data = several()
    first = check_round(data)
    assert len(pictures.pixels(first)) == 3
    assert table(first) == [(table(data)[0][0] + len(first) - len(data), 0), *table(data)[1:]]


def test_further_pictures_are_found_when_a_packet_behind_their_table_moves():
    data = several()
    label = segment(0xE1, XMP + packet(FOREIGN, BARE))
    at = data.index(b"MPF\0") - 4
    end = at + 2 + int.from_bytes(data[at + 2 : at + 4])
    moved = data[:end] + label + data[end:]
    for _, offset in table(data)[1:]:
        old, new = struct.pack("<I", offset), struct.pack("<I", offset + len(label))
        assert moved[at:end].count(old) == 1
        moved = moved[:at] + moved[at:end].replace(old, new) + moved[end:]
    assert pictures.pixels(moved) == pictures.pixels(data)
    assert verify(moved).verdict == "compliant"
    replaced = pictures.labelled(moved, OTHER, "replace")
    assert replaced.index(XMP) < replaced.index(b"MPF\0")
    assert pictures.pixels(replaced) == pictures.pixels(data)


def test_an_emptied_place_is_told_from_none():
    emptied = with_segments(segment(0xE1, XMP + packet(None, "")))
    report = verify(emptied)
    assert (report.verdict, report.codes()) == ("inconclusive", {"wiped"})
    assert verify(pictures.picture("JPEG")).verdict == "not_found"


def test_padding_before_a_marker_is_passed_over():
    data = with_segments(b"\xff\xff\xff" + segment(0xE1, XMP + packet(None, BARE)))
    assert verify(data).verdict == "compliant"
    pictures.labelled(data, OTHER, "replace")


def test_the_picture_itself_is_never_read():
    data = pictures.picture("JPEG", (900, 900), quality=100)
    assert pictures.bytes_read(data) < 8192
    assert len(data) > 500_000


def test_a_hostile_file_gives_a_report():
    block = pictures.exif(make=b"maker\0", comment=b"ASCII\0\0\0" + WRAPPED.encode())
    check_hostile(
        with_segments(
            segment(0xE1, b"Exif\0\0" + block),
            segment(0xE1, XMP + packet(FOREIGN, BARE)),
            segment(0xEB, b"AIGC" + BARE.encode()),
        )
    )
