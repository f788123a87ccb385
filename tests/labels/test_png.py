import struct
import zlib
from io import BytesIO
from pathlib import Path

import pytest

import pictures
from hegui.labels import verify, write_bytes
from hegui.labels.xmp import write as packet
from hegui.language import Problem
from pictures import BARE, FOREIGN, LABEL, OTHER, WRAPPED, check_hostile, check_met, check_round

REAL = Path("/work/shared/vectors")
KEYWORD = b"XML:com.adobe.xmp\0"
HEAD = 8 + 25  # the signature and the header chunk


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def xmp(data: bytes, *, packed: bool = False) -> bytes:
    text = zlib.compress(data) if packed else data
    return chunk(b"iTXt", KEYWORD + bytes([packed]) + b"\0\0\0" + text)


def with_chunks(*chunks: bytes, late: bool = False) -> bytes:
    """A picture with these chunks behind its header, or behind its data."""
    data = pictures.picture("PNG")
    at = len(data) - 12 if late else HEAD
    return data[:at] + b"".join(chunks) + data[at:]


def check_sums(data: bytes) -> None:
    """Every chunk's sum is right."""
    at = 8
    while at < len(data):
        size = int.from_bytes(data[at : at + 4])
        body = data[at + 4 : at + 8 + size]
        assert zlib.crc32(body) == int.from_bytes(data[at + 8 + size : at + 12 + size])
        at += 12 + size


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P", "L"])
def test_a_picture_is_labelled_and_keeps_its_data(mode, tmp_path):
    first = check_round(pictures.picture("PNG", mode=mode))
    check_sums(first)
    assert first[HEAD + 8 :].startswith(KEYWORD)
    assert pictures.seen(pictures.exiftool(first, ".png", tmp_path)) == LABEL.fields()


def test_frames_stay_as_they_are(tmp_path):
    image = pytest.importorskip("PIL.Image")
    out = BytesIO()
    frames = [image.new("RGB", (20, 20), colour) for colour in ("red", "blue", "green")]
    frames[0].save(out, "PNG", save_all=True, append_images=frames[1:], duration=40)
    first = check_round(out.getvalue())
    assert len(pictures.pixels(first)) == 3
    tags = pictures.exiftool(first, ".png", tmp_path)
    assert tags["PNG:AnimationFrames"] == 3


def test_foreign_xmp_is_merged_and_other_texts_stay(tmp_path):
    text = chunk(b"tEXt", b"Description\0a cat")
    text += chunk(b"tEXt", b"parameters\0" + OTHER.json().encode())
    first = check_round(with_chunks(xmp(FOREIGN), text))
    assert text in first
    assert first.count(KEYWORD) == 1
    tags = pictures.exiftool(first, ".png", tmp_path)
    assert tags["XMP-dc:Source"] == "山水"


@pytest.mark.parametrize(
    ("label", "place"),
    [
        (chunk(b"tEXt", b"AIGC\0" + BARE.encode()), "tEXt AIGC"),
        (chunk(b"tEXt", b"AIGC\0" + WRAPPED.encode()), "tEXt AIGC"),
        (chunk(b"zTXt", b"AIGC\0\0" + zlib.compress(BARE.encode())), "zTXt AIGC"),
        (chunk(b"iTXt", b"AIGC\0\0\0\0\0" + BARE.encode()), "iTXt AIGC"),
        (chunk(b"tEXt", b"Description\0" + WRAPPED.encode()), "tEXt Description"),
        (xmp(packet(FOREIGN, BARE), packed=True), "XMP, iTXt, packed"),
        (chunk(b"tEXt", KEYWORD + packet(FOREIGN, BARE)), "XMP, tEXt"),
        (chunk(b"zTXt", KEYWORD + b"\0" + zlib.compress(packet(FOREIGN, BARE))), "XMP, zTXt, packed"),
    ],
)  # fmt: skip
def test_labels_of_the_wild_are_read_and_make_way(label, place):
    moved = check_met(with_chunks(label), place)
    check_sums(moved)
    assert ("山水".encode() in moved) == place.startswith("XMP")


def test_a_label_behind_the_picture_is_in_the_wrong_place():
    moved = check_met(
        with_chunks(xmp(packet(FOREIGN, BARE)), late=True), "XMP, iTXt, behind the picture"
    )
    assert moved[HEAD + 8 :].startswith(KEYWORD)
    assert moved.endswith(with_chunks()[HEAD:])
    # Foreign XMP may stand there, and moves when a label joins it.
    data = with_chunks(xmp(FOREIGN), late=True)
    assert verify(data).verdict == "not_found"
    assert "山水".encode() in check_round(data)


def test_a_label_in_exif_is_read_and_makes_way(tmp_path):
    block = pictures.exif(">", make=b"maker\0", comment=b"ASCII\0\0\0" + WRAPPED.encode())
    for late in (False, True):
        moved = check_met(with_chunks(chunk(b"eXIf", block), late=late), "EXIF UserComment")
        check_sums(moved)
        tags = pictures.exiftool(moved, ".png", tmp_path)
        assert tags["IFD0:Make"] == "maker"


def test_two_labels_are_a_duplicate_and_two_voices_a_disagreement():
    one = xmp(packet(None, BARE))
    assert verify(with_chunks(one, one)).codes() == {"duplicate"}
    data = with_chunks(one, chunk(b"tEXt", b"AIGC\0" + OTHER.json().encode()))
    assert verify(data).codes() == {"disagreement"}
    assert pictures.labelled(data, LABEL, "replace") == with_chunks(one)


def test_emptied_places_are_told_from_none():
    for place in (chunk(b"tEXt", b"AIGC\0"), xmp(packet(None, ""))):
        report = verify(with_chunks(place))
        assert (report.verdict, report.codes()) == ("inconclusive", {"wiped"})
    assert verify(with_chunks()).verdict == "not_found"


def test_bombs_do_not_go_off():
    bomb = zlib.compress(bytes(64 * 1024 * 1024), 9)
    for data in (
        with_chunks(chunk(b"zTXt", b"AIGC\0\0" + bomb)),
        with_chunks(chunk(b"iTXt", KEYWORD + b"\1\0\0\0" + bomb)),
        with_chunks(*[chunk(b"zTXt", b"AIGC\0\0" + zlib.compress(BARE.encode()))] * 300),
    ):
        assert verify(data).codes() >= {"over_limit"}
        with pytest.raises(Problem):
            write_bytes(data, LABEL, on_existing="replace")
    # Whatever is in no place of a label is not unpacked at all.
    pictures.labelled(with_chunks(chunk(b"zTXt", b"story\0\0" + bomb)))


def test_a_file_without_a_header_is_not_labelled():
    data = pictures.picture("PNG")
    for broken in (data[:8] + data[HEAD:], data[:8] + chunk(b"tEXt", b"a\0b") + data[8:]):
        with pytest.raises(Problem) as caught:
            write_bytes(broken, LABEL)
        assert caught.value.code == "labels.unreadable"


def test_small_chunks_are_walked_in_windows_and_large_ones_one_by_one():
    data = pictures.picture("PNG", (400, 400), compress_level=0)
    start = data.index(b"IDAT") - 4
    end = len(data) - 12
    body = b"".join(
        data[at + 8 : at + 8 + int.from_bytes(data[at : at + 4])]
        for at in _heads(data, start, end)
    )  # fmt: skip
    for size in (1, 100, 8192, 70_000):
        if size == 1:
            pieces = [body[at : at + 1] for at in range(3000)] + [body[3000:]]
        else:
            pieces = [body[at : at + size] for at in range(0, len(body), size)]
        many = data[:start] + b"".join(chunk(b"IDAT", piece) for piece in pieces) + data[end:]
        late = many[:-12] + xmp(packet(None, BARE)) + many[-12:]
        assert verify(many).verdict == "not_found"
        assert verify(late).codes() == {"wrong_slot"}
        assert verify(late[:-1]).codes() >= {"truncated"}
        check_round(many)


def _heads(data: bytes, at: int, end: int) -> list[int]:
    found = []
    while at < end:
        found.append(at)
        at += 12 + int.from_bytes(data[at : at + 4])
    return found


def test_the_picture_itself_is_never_read():
    data = pictures.picture("PNG", (900, 900), compress_level=0)
    assert pictures.bytes_read(data) < 8192
    assert len(data) > 2_000_000


@pytest.mark.skipif(not REAL.exists(), reason="the real files are not here")
@pytest.mark.parametrize(
    ("name", "producer", "propagator"),
    [
        ("doubao_black_1x1_1", "001191110102MACQD9K64010000", ""),
        ("doubao_gray_1x1_1", "001191110102MACQD9K64010000", ""),
        ("jimeng_cap_A", "00119144030008867405X210001", "00119144030008867405X220001"),
        ("jimeng_cap_C", "00119144030008867405X210001", "00119144030008867405X220001"),
    ],
)
def test_real_files_are_compliant_and_can_be_passed_on(name, producer, propagator):
    data = (REAL / f"{name}.png").read_bytes()
    report = verify(data)
    assert report.verdict == "compliant", report
    assert report.label.producer == producer
    assert report.label.propagator == propagator
    passed = verify(pictures.labelled(data, OTHER, "merge")).label
    assert passed == report.label.propagated(OTHER.propagator, OTHER.propagate_id)


def test_a_hostile_file_gives_a_report():
    block = pictures.exif(make=b"maker\0", comment=b"ASCII\0\0\0" + WRAPPED.encode())
    check_hostile(
        with_chunks(
            xmp(packet(FOREIGN, BARE)),
            xmp(packet(FOREIGN, BARE), packed=True),
            chunk(b"eXIf", block),
            chunk(b"tEXt", b"AIGC\0" + BARE.encode()),
        )
    )
