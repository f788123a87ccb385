import struct

import pytest

import recordings
from hegui.labels import verify
from hegui.labels.carriers import id3
from hegui.labels.carriers.vorbis import Comments
from hegui.labels.source import ReadError
from recordings import LABEL, OTHER, VALUE, labelled, needs_ffmpeg, packets, round_trip, sound, tags

FRAMES = b"\xff\xf8" + bytes(range(200))


def comment(*items: bytes, vendor: bytes = b"v") -> bytes:
    return Comments(vendor, items, b"").pack()


def flac(*blocks: tuple[int, bytes]) -> bytes:
    every = [(0, bytes(34)), *blocks]
    packed = [
        bytes([kind | 0x80 * (number == len(every))]) + len(data).to_bytes(3) + data
        for number, (kind, data) in enumerate(every, 1)
    ]
    return b"".join([b"fLaC", *packed, FRAMES])


@needs_ffmpeg
def test_a_sound_is_labelled(tmp_path):
    old = sound(".flac")
    new = round_trip(old, tmp_path, "sound.flac")
    assert tags(new, ".flac")["aigc"] == LABEL.json()
    assert tags(new, ".flac")["title"] == "Kept"
    assert packets(new, ".flac") == packets(old, ".flac")
    assert VALUE.decode() in recordings.exiftool(new, ".flac")


@pytest.mark.parametrize(
    "blocks",
    [
        (),
        ((1, bytes(50)),),
        ((4, comment(b"TITLE=Kept")), (6, b"picture")),
        ((3, bytes(18)), (4, comment())),
    ],
)
def test_blocks_of_every_order_are_kept(blocks):
    new = labelled(flac(*blocks))
    assert new.endswith(FRAMES)
    for kind, data in blocks:
        assert data in new or kind == 4
    assert (b"TITLE=Kept" in new) == (b"TITLE=Kept" in flac(*blocks))


def test_names_have_no_case_and_other_places_are_met():
    assert verify(flac((4, comment(b"aigc=" + VALUE)))).verdict == "compliant"
    met = flac((4, comment(b"DESCRIPTION=" + VALUE)))
    assert verify(met).codes() == {"wrong_slot"}
    assert VALUE not in labelled(met, OTHER)


def test_duplicates_disagreement_and_wiped():
    assert verify(flac((4, comment(b"AIGC=" + VALUE, b"AIGC=" + VALUE)))).codes() == {"duplicate"}
    two = flac((4, comment(b"AIGC=" + VALUE)), (4, comment(b"AIGC=" + OTHER.json().encode())))
    assert verify(two).codes() == {"disagreement"}
    labelled(two)
    assert verify(flac((4, comment(b"AIGC=")))).codes() == {"wiped"}


@pytest.mark.parametrize("length", [0, 5000])
def test_a_label_in_an_id3_tag_before_the_stream_makes_way(length):
    tag = id3.new(LABEL.json())
    before = tag[:6] + bytes([0, 0, (len(tag) - 10 + length) >> 7, (len(tag) - 10 + length) & 127])
    old = before + tag[10:] + bytes(length) + flac((4, comment()))
    report = verify(old)
    assert (report.codes(), report.label) == ({"wrong_slot"}, LABEL)
    new = labelled(old, OTHER)
    assert VALUE not in new
    assert new[: len(before)] == old[: len(before)]


def test_comments_that_lie_about_themselves_are_refused():
    for data in (
        b"",
        struct.pack("<I", 99),
        struct.pack("<II", 0, 7),
        struct.pack("<II", 0, 1 << 31),
    ):
        with pytest.raises(ReadError):
            Comments.parse(data)
        assert verify(flac((4, data))).verdict == "inconclusive"
    assert verify(b"fLaC\x84\0\0\0").verdict == "inconclusive"  # no STREAMINFO


@needs_ffmpeg
def test_damage_does_no_harm():
    recordings.survives(labelled(sound(".flac")))
    recordings.survives(id3.new(VALUE.decode()) + flac((4, comment(b"A=B"))))
