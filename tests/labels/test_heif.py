import json
import random
import shutil
import struct
import subprocess
from io import BytesIO

import pytest

from hegui.labels.carriers import find
from hegui.labels.source import ReadError, opened
from hegui.labels.splice import length
from hegui.labels.verify import Report, verify
from hegui.labels.write import write, write_bytes
from hegui.language import Problem
from labels.films import (
    LABEL,
    OLD,
    XMP_UUID,
    box,
    every,
    full,
    items_of,
    labelled,
    mdta,
    packet,
    parts,
    picture,
)

CODED = {1: b"first picture...", 2: b"second picture.."}
GRID = b"GRIDGRID"


def same_items(old, new):
    before, after = items_of(old), items_of(new)
    return all(after[n] == before[n] for n in (1, 2, 3) if n in before)


KINDS = {
    "iloc 0": {"version": 0},
    "iloc 1": {},
    "iloc 2": {"version": 2},
    "iinf 1": {"iinf": 1},
    "places of 64 bits": {"sizes": (8, 8, 8, 0)},
    "places from a base": {"sizes": (4, 4, 4, 0), "base": 60},
    "an index field": {"version": 1, "sizes": (4, 4, 0, 4)},
    "no references": {"iref": False},
    "something between": {"extra": box(b"free", bytes(20))},
    "something behind": {"tail": box(b"mpvd", bytes(20))},
    "a group": {"groups": box(b"grpl", full(b"altr", 0, 0, struct.pack(">IIII", 4, 2, 1, 2)))},
    "AVIF": {"brand": b"avif"},
}


def test_the_files_of_these_tests_are_what_they_say():
    for name, how in KINDS.items():
        items = items_of(picture(**how))
        assert {n: items[n] for n in (1, 2)} == CODED, name
        assert items.get(3, GRID) == GRID


@pytest.mark.parametrize("name", KINDS)
def test_a_picture_without_xmp_gets_an_item_of_it(name):
    old = picture(**KINDS[name])
    new = labelled(old)
    report = verify(new)
    assert (report.verdict, report.label) == ("compliant", LABEL)
    assert report.carrier == ("avif" if name == "AVIF" else "heic")
    assert same_items(old, new)
    (number,) = set(items_of(new)) - set(items_of(old))
    assert number == (5 if name == "a group" else max(items_of(old)) + 1 if name != "iloc 0" else 4)
    assert items_of(new)[number].startswith(b"<?xpacket")
    ((_, _, body, stop),) = [each for each in every(new) if each[0] == b"iref"]
    reference = struct.pack(">HHH", number, 1, 1)
    assert new[body + 4 : stop].endswith(box(b"cdsc", reference))
    assert [kind for kind, *_ in parts(new)][-1] in {b"mdat", b"mpvd"}
    again = labelled(new, OLD)
    assert (verify(again).verdict, verify(again).label) == ("compliant", OLD)
    assert same_items(old, again)
    assert set(items_of(again)) == set(items_of(new))


@pytest.mark.parametrize("where", ["mdat", "idat"])
@pytest.mark.parametrize("label", [None, OLD.json(), OLD.json() + " " * 2000])
@pytest.mark.parametrize(
    "name", [name for name in KINDS if name not in {"iloc 0", "no references"}]
)
def test_xmp_that_is_there_is_merged(name, label, where):
    old = picture(xmp=packet(label), where=where, **KINDS[name])
    assert same_items(picture(), old)
    assert verify(old).verdict == ("compliant" if label else "not_found")
    new = labelled(old)
    assert (verify(new).verdict, verify(new).label) == ("compliant", LABEL)
    assert same_items(old, new)
    assert set(items_of(new)) == set(items_of(old))
    assert b'dc:format="kept"' in items_of(new)[4]
    assert len(verify(new).sites) == 1
    assert b"&quot;old&quot;" not in new
    again = labelled(new, OLD)
    assert (verify(again).verdict, verify(again).label) == ("compliant", OLD)
    assert same_items(old, again)
    assert set(items_of(again)) == set(items_of(new))


def test_xmp_in_two_parts_becomes_one():
    old = picture(xmp=packet(OLD.json()), split=True)
    assert items_of(old)[4] == packet(OLD.json())
    assert verify(old).label == OLD
    new = labelled(old)
    assert verify(new).label == LABEL
    assert same_items(old, new)


def test_an_old_label_is_rejected_merged_or_replaced():
    old = picture(xmp=packet(OLD.json()))
    with pytest.raises(Problem) as caught:
        write_bytes(old, LABEL)
    assert caught.value.code == "labels.existing"
    merged = verify(labelled(old, LABEL, "merge")).label
    assert (merged.produce_id, merged.propagate_id) == ("old", "0123abcd")


MET = {
    "XMP box": {"tail": box(b"uuid", XMP_UUID, packet(OLD.json()))},
    "keys": {"tail": box(b"moov", box(b"udta", mdta(("AIGC", OLD.json()))))},
    "aigc": {"tail": box(b"aigc", OLD.json().encode())},
}


@pytest.mark.parametrize("name", MET)
def test_a_label_in_another_place_is_read_and_makes_way(name):
    old = picture(**MET[name])
    assert verify(old).label == OLD
    assert name == "keys" or verify(old).codes() == {"wrong_slot"}
    both = picture(xmp=packet(OLD.json()), **MET[name])
    assert verify(both).codes() == {"duplicate"}
    assert verify(picture(xmp=packet(LABEL.json()), **MET[name])).codes() == {"disagreement"}
    for data in (old, both):
        new = labelled(data)
        assert (verify(new).verdict, len(verify(new).sites)) == ("compliant", 1)
        assert same_items(data, new)
        assert b"old&quot;" not in new
        assert b'"old"' not in new


def test_xmp_of_another_item_is_no_place_for_the_label():
    refs = full(b"iref", 0, 0, box(b"cdsc", struct.pack(">HHH", 4, 1, 2)))
    old = picture(xmp=packet(OLD.json()), iref=False, groups=refs)
    assert verify(old).codes() == {"wrong_slot"}
    new = labelled(old)
    assert verify(new).verdict == "compliant"
    assert same_items(old, new)
    assert b"old&quot;" not in new


def test_what_cannot_be_labelled_says_so():
    whole = picture(xmp=packet(OLD.json()))
    packed = whole.replace(b"rdf+xml\0", b"rdf+xml\0deflate\0")
    for data in (
        whole.replace(b"iinf", b"free"),
        whole.replace(b"meta", b"free", 1),
        whole[:-1],
        whole.replace(b"\0\4\0\0mime", b"\0\1\0\0mime"),
        packed,
    ):
        with pytest.raises(Problem) as caught:
            labelled(data)
        assert caught.value.code == "labels.unreadable"
        assert verify(data).verdict == "inconclusive"


def test_reading_takes_little_of_a_large_picture():
    data = picture(tail=box(b"mdat", bytes(40_000_000)))
    read = 0

    class Counting(BytesIO):
        def read(self, count=-1):
            nonlocal read
            read += count
            return super().read(count)

    assert verify(Counting(data)).verdict == "not_found"
    assert read < 6000


def survives(data):
    assert isinstance(verify(data), Report)
    with opened(data) as source:
        carrier = find(source)
        if carrier is None:
            return
        for act in (carrier.media, lambda each: carrier.plan(each, LABEL.json())):
            try:
                done = act(source.fresh())
            except (ReadError, Problem):
                continue
            assert act == carrier.media or length(done) > 0


FILES = [
    picture(),
    picture(xmp=packet(OLD.json()), split=True, tail=MET["XMP box"]["tail"]),
    picture(xmp=packet(OLD.json()), where="idat", version=2, groups=KINDS["a group"]["groups"]),
]


@pytest.mark.parametrize("file", FILES)
def test_a_file_cut_anywhere_is_no_surprise(file):
    for end in range(len(file)):
        survives(file[:end])


@pytest.mark.parametrize("file", FILES)
def test_damaged_bytes_are_no_surprise(file):
    chance = random.Random(11)
    for _ in range(600):
        data = bytearray(file)
        for _ in range(chance.choice((1, 1, 2, 5, 20))):
            data[chance.randrange(len(data))] = chance.choice(
                (0, 1, 0x7F, 0xFF, chance.randrange(256))
            )
        survives(bytes(data))


XMP = packet()


def saved(tmp_path, suffix, **how):
    image = pytest.importorskip("PIL.Image")
    pytest.importorskip("pillow_heif").register_heif_opener()
    file = tmp_path / f"old.{suffix}"
    image.radial_gradient("L").resize((64, 64)).convert("RGB").save(file, **how)
    return image, file


def run(*command):
    return subprocess.run([*map(str, command)], capture_output=True, check=True, timeout=60).stdout


def seen_by_exiftool(file, old):
    """What ExifTool says, which must be the label, all that it said of the old file, and no complaint."""
    if not shutil.which("exiftool"):
        return
    before, after = (
        json.loads(run("exiftool", "-j", "-G1", "-a", each))[0] for each in (old, file)
    )
    label = after["XMP-TC260:Aigc"]
    assert (label if isinstance(label, dict) else json.loads(label)) == LABEL.fields()
    told = ("IFD0", "XMP-dc", "ICC", "ExifIFD", "Composite")
    assert {k: v for k, v in after.items() if k.startswith(told)} == {
        k: v for k, v in before.items() if k.startswith(told)
    }
    assert not [key for key in after if "Warning" in key or "Error" in key]


@pytest.mark.parametrize("suffix", ["heic", "avif"])
@pytest.mark.parametrize("rich", [False, True])
def test_other_hands_read_the_label_and_the_same_pixels(tmp_path, suffix, rich):
    image, old = saved(tmp_path, suffix)
    if rich:
        exif = image.Exif()
        exif[0x010E] = "described"
        image, old = saved(tmp_path, suffix, xmp=XMP, exif=exif.tobytes())
    new = tmp_path / f"new.{suffix}"
    assert write(old, LABEL, new, paranoid=True).report.verdict == "compliant"
    before, after = image.open(old), image.open(new)
    assert before.tobytes() == after.tobytes()
    assert LABEL.json().replace('"', "&quot;").encode() in after.info["xmp"]
    if rich:
        assert b'dc:format="kept"' in after.info["xmp"]
        assert after.getexif()[0x010E] == "described"
    seen_by_exiftool(new, old)


@pytest.mark.skipif(not shutil.which("ffmpeg"), reason="FFmpeg makes the sequence")
def test_a_sequence_keeps_its_frames(tmp_path):
    old, new = tmp_path / "old.avif", tmp_path / "new.avif"
    encoders = run("ffmpeg", "-v", "error", "-encoders")
    if b"libaom-av1" not in encoders:
        pytest.skip("FFmpeg without an AV1 encoder")
    run(
        "ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc=d=1:s=64x64:r=5",
        "-c:v", "libaom-av1", "-cpu-used", "8", old,
    )  # fmt: skip
    assert write(old, LABEL, new, paranoid=True).report.verdict == "compliant"
    frames = [
        run("ffmpeg", "-v", "error", "-i", file, "-c", "copy", "-f", "framemd5", "-")
        for file in (old, new)
    ]
    assert frames[0] == frames[1]
    assert len(frames[0].splitlines()) > 5
    seen_by_exiftool(new, old)
