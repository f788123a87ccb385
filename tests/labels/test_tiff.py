import struct
from io import BytesIO

import pytest

import pictures
from hegui.labels import verify, write_bytes
from hegui.labels.xmp import write as packet
from hegui.language import Problem
from pictures import BARE, FOREIGN, LABEL, OTHER, WRAPPED, check_hostile, check_met, check_round


def tiff(order: str = "<", *, big: bool = False, pages: int = 1, later=None, **named) -> bytes:
    """A grey picture a page, 8 x 8.

    Tags of the first page by `t<number>` as (type, bytes), those of the second in `later`.
    """
    tags = {int(name[1:]): value for name, value in named.items()}
    mark = b"II" if order == "<" else b"MM"
    offset, entry, count = ("Q", "HHQ", "Q") if big else ("I", "HHI", "H")
    width = struct.calcsize(f"{order}{offset}")
    head = mark + struct.pack(f"{order}H", 43 if big else 42)
    head += struct.pack(f"{order}HH", 8, 0) if big else b""
    out = head + struct.pack(f"{order}{offset}", len(head) + width)
    for page in range(pages):
        given = {0: tags, 1: later or {}}.get(page, {})
        short = {256: 8, 257: 8, 258: 8, 259: 1, 262: 1, 277: 1, 278: 8, 279: 64, 273: 0}
        rows = {tag: (3, struct.pack(f"{order}H", value)) for tag, value in short.items()}
        rows |= given
        start = len(out) + struct.calcsize(f"{order}{count}") + len(rows) * struct.calcsize(
            f"{order}{entry}{offset}"
        ) + width  # fmt: skip
        rows[273] = (4, struct.pack(f"{order}I", start))
        data = bytes(range(64))
        body = struct.pack(f"{order}{count}", len(rows))
        for tag, (kind, value) in sorted(rows.items()):
            number = len(value) // {3: 2, 4: 4}.get(kind, 1)
            place = value.ljust(width, b"\0")
            if len(value) > width:
                place = struct.pack(f"{order}{offset}", start + len(data))
                data += value + bytes(len(value) % 2)
            body += struct.pack(f"{order}{entry}", tag, kind, number) + place
        last = page == pages - 1
        out += body + struct.pack(f"{order}{offset}", 0 if last else start + len(data)) + data
    return out


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("order", ["<", ">"])
def test_a_picture_is_labelled_and_nothing_in_it_moves(order, big, tmp_path):
    data = tiff(order, big=big, pages=3, t270=(2, b"a cat\0"))
    # Pillow cannot read the fourth of these forms.
    first = pictures.labelled(data) if big and order == ">" else check_round(data)
    pointer = slice(8, 16) if big else slice(4, 8)
    assert first[pointer.stop : len(data)] == data[pointer.stop :]
    tags = pictures.exiftool(first, ".tif", tmp_path)
    assert pictures.seen(tags) == LABEL.fields()
    assert tags["IFD0:ImageDescription"] == "a cat"
    assert tags["IFD2:ImageWidth"] == 8


@pytest.mark.parametrize(
    "options", [{}, {"compression": "tiff_lzw"}, {"tile_width": 64}, {"big_tiff": True}]
)
def test_files_of_pillow_are_labelled(options, tmp_path):
    data = pictures.picture("TIFF", (300, 200), **options)
    tags = pictures.exiftool(check_round(data), ".tif", tmp_path)
    assert pictures.seen(tags) == LABEL.fields()


def test_several_pages_stay_as_they_are():
    image = pytest.importorskip("PIL.Image")
    out = BytesIO()
    frames = [image.new("RGB", (30, 20), colour) for colour in ("red", "blue", "green")]
    frames[0].save(out, "TIFF", save_all=True, append_images=frames[1:])
    assert len(pictures.pixels(check_round(out.getvalue()))) == 3


@pytest.mark.parametrize("kind", [1, 7])
def test_foreign_xmp_is_merged(kind, tmp_path):
    first = check_round(tiff(t700=(kind, FOREIGN), t271=(2, b"maker\0")))
    tags = pictures.exiftool(first, ".tif", tmp_path)
    assert tags["XMP-dc:Source"] == "山水"
    assert tags["IFD0:Make"] == "maker"
    assert first.count("山水".encode()) == 1


@pytest.mark.parametrize("kind", [1, 2, 7])
def test_a_packet_of_any_of_the_types_met_is_right(kind):
    data = tiff(t700=(kind, packet(None, BARE)))
    assert verify(data).verdict == "compliant"
    pictures.labelled(data, OTHER, "replace")


def test_labels_elsewhere_are_read_and_make_way():
    data = tiff(">", t270=(2, WRAPPED.encode() + b"\0"), t271=(2, b"maker\0"))
    assert b"maker" in check_met(data, "EXIF ImageDescription")
    check_met(tiff(t37510=(7, b"ASCII\0\0\0" + WRAPPED.encode())), "EXIF UserComment")
    check_met(tiff(pages=2, later={700: (1, packet(None, BARE))}), "XMP, directory 2")
    moved = check_met(tiff(pages=2, later={700: (1, packet(FOREIGN, BARE))}), "XMP, directory 2")
    assert "山水".encode() in moved


def test_two_labels_are_a_duplicate_and_two_voices_a_disagreement():
    right = (7, packet(None, BARE))
    assert verify(tiff(t700=right, t270=(2, WRAPPED.encode()))).codes() == {"duplicate"}
    data = tiff(t700=right, t270=(2, OTHER.json().encode()))
    assert verify(data).codes() == {"disagreement"}
    assert b"picture-2" not in pictures.labelled(data, LABEL, "replace")


def test_an_emptied_place_is_told_from_none():
    report = verify(tiff(t700=(7, packet(None, ""))))
    assert (report.verdict, report.codes()) == ("inconclusive", {"wiped"})
    assert verify(tiff()).verdict == "not_found"


def test_a_label_that_shares_its_bytes_with_the_picture_is_left_alone():
    data = bytearray(tiff(t270=(2, WRAPPED.encode() + b"\0")))
    at = data.index(struct.pack("<HHI", 273, 4, 1))
    struct.pack_into("<I", data, at + 8, data.index(WRAPPED.encode()))
    assert verify(bytes(data)).codes() == {"wrong_slot"}
    with pytest.raises(Problem) as caught:
        write_bytes(bytes(data), LABEL, on_existing="replace")
    assert caught.value.code == "labels.unreadable"


def test_directories_in_a_circle_are_each_read_once():
    data = bytearray(tiff(pages=2))
    first = struct.unpack_from("<I", data, 4)[0]
    link = data.rindex(bytes(range(64))) - 4
    struct.pack_into("<I", data, link, first)
    assert verify(bytes(data)).verdict == "not_found"
    with pytest.raises(Problem, match="circle"):
        write_bytes(bytes(data), LABEL)


def test_a_bomb_of_directories_ends():
    # Every one of 4,000 pointers begins a directory of 4,096 entries, which overlaps with the next.
    count = 4000
    pointers = struct.pack(f"<{count}I", *range(19_998, 19_998 + 12 * count, 12))
    head = b"II*\0" + struct.pack("<IHHHIII", 8, 1, 0x014A, 4, count, 26, 0)
    data = head + pointers + struct.pack("<H10x", 4096) * 20_000
    report = verify(data)
    assert report.verdict == "inconclusive"
    assert report.codes() == {"over_limit"}


def test_the_picture_itself_is_never_read():
    data = pictures.picture("TIFF", (900, 900))
    assert pictures.bytes_read(data) < 8192
    assert len(data) > 500_000


def test_a_hostile_file_gives_a_report():
    first = {"t700": (7, packet(FOREIGN, BARE)), "t270": (2, WRAPPED.encode())}
    check_hostile(tiff(pages=2, later={700: (1, packet(FOREIGN, BARE))}, **first))
    check_hostile(tiff(">", big=True, **first))
