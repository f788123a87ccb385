import struct

import pytest

import recordings
from hegui.labels import Label, verify, write_bytes
from hegui.labels.carriers.ogg_pages import FIRST, last_page, page_at, paged, pages
from hegui.labels.carriers.vorbis import Comments
from hegui.labels.source import opened
from hegui.language import Problem
from recordings import LABEL, OTHER, VALUE, labelled, needs_ffmpeg, packets, round_trip, sound, tags

HEAD = b"OpusHead\1\1\0\0\x80\xbb\0\0\0\0\0"
COVER = b"METADATA_BLOCK_PICTURE=" + b"x" * 64_300


def slow_checksum(data: bytes) -> int:
    """Ogg's checksum bit by bit, as RFC 3533 has it."""
    value = 0
    for byte in data:
        value ^= byte << 24
        for _ in range(8):
            value = (value << 1 ^ 0x04C11DB7 * (value >> 31)) & 0xFFFFFFFF
    return value


def checked(data: bytes) -> bytes:
    """Every page's checksum is right, and each stream's pages are numbered from 0 on."""
    numbers: dict[int, int] = {}
    with opened(data) as source:
        for page in pages(source, 0):
            whole = data[page.start : page.end]
            assert slow_checksum(whole[:22] + bytes(4) + whole[26:]) == page.checksum
            assert page.sequence == numbers.get(page.serial, 0)
            numbers[page.serial] = page.sequence + 1
    return data


def page(sequence: int, *packets: bytes, flags: int = 0, serial: int = 7) -> bytes:
    whole = paged(packets, serial, 1)[0]
    head = whole[:5] + bytes([flags]) + whole[6:18] + struct.pack("<II", sequence, 0) + whole[26:]
    return head[:22] + struct.pack("<I", slow_checksum(head)) + head[26:]


def opus(*items: bytes, serial: int = 7, more: int = 3, rest: bytes = b"") -> bytes:
    comments = b"OpusTags" + Comments(b"v", items, rest).pack()
    headers = paged([comments], serial, 1)
    after = len(headers) + 1
    sounds = [page(after + n, bytes([n]) * 50, bytes(30), serial=serial) for n in range(more)]
    return b"".join([page(0, HEAD, flags=FIRST, serial=serial), *headers, *sounds])


@needs_ffmpeg
@pytest.mark.parametrize("suffix", [".ogg", ".opus"])
def test_a_sound_is_labelled(tmp_path, suffix):
    old = sound(suffix)
    new = checked(round_trip(old, tmp_path, f"sound{suffix}"))
    assert tags(new, suffix)["aigc"] == LABEL.json()
    assert tags(new, suffix)["title"] == "Kept"
    assert packets(new, suffix) == packets(old, suffix)
    assert VALUE.decode() in recordings.exiftool(new, suffix)
    assert len(old) < len(checked(labelled(new, OTHER)))


@needs_ffmpeg
@pytest.mark.parametrize(("suffix", "length"), [(".ogg", 58_000), (".opus", 64_500)])
def test_comments_that_need_another_page_renumber_all_that_follow(suffix, length):
    old = sound(suffix, "-metadata", f"cover={'x' * length}")
    large = Label.new(LABEL.producer, "n" * 2000, reserved1="z" * 2000)
    new = checked(labelled(checked(old), large))
    assert tags(new, suffix)["aigc"] == large.json()
    assert packets(new, suffix) == packets(old, suffix)
    with opened(old) as before, opened(new) as after:
        assert len(list(pages(after, 0))) == len(list(pages(before, 0))) + 1
    # A much shorter label, and the pages are as many as they were.
    checked(labelled(new, LABEL))


@pytest.mark.parametrize("length", [*range(0, 520, 51), 254, 255, 256, 509, 510, 511])
def test_packets_of_every_length_are_paged(length):
    checked(labelled(opus(b"A=" + b"a" * length)))
    grown = checked(labelled(checked(opus(COVER, b"B=" + b"b" * length))))
    assert verify(grown).verdict == "compliant"


def test_padding_after_the_comments_stays():
    assert b"\1padding" in labelled(opus(rest=b"\1padding"))


def test_other_names_and_duplicates():
    assert verify(opus(b"comment=" + VALUE)).codes() == {"wrong_slot"}
    assert VALUE not in labelled(opus(b"comment=" + VALUE), OTHER)
    assert verify(opus(b"AIGC=" + VALUE, b"aigc=" + VALUE)).codes() == {"duplicate"}
    assert verify(opus(b"AIGC=")).codes() == {"wiped"}


def refused(data: bytes) -> str:
    with pytest.raises(Problem) as problem:
        write_bytes(data, OTHER, on_existing="replace")
    return problem.value.code


def test_chained_streams_are_read_and_refused():
    chain = labelled(opus()) + opus(b"AIGC=" + OTHER.json().encode(), serial=8)
    assert "disagreement" in verify(chain).codes()
    assert refused(chain) == "labels.streams"
    assert refused(opus() + opus(serial=9)) == "labels.streams"
    assert refused(opus() + opus(serial=9) + b"rubbish at the end") != ""


@needs_ffmpeg
def test_streams_side_by_side_are_read_and_refused():
    both = recordings.ffmpeg(
        ".ogg", *recordings.LISTEN, *recordings.LISTEN, "-map", "0", "-map", "1",
        "-c:a:0", "libvorbis", "-c:a:1", "libopus", "-metadata:s:1", f"AIGC={LABEL.json()}",
    )  # fmt: skip
    assert verify(both).codes() == {"wrong_slot"}
    assert refused(both) == "labels.streams"


@needs_ffmpeg
@pytest.mark.parametrize("codec", ["flac", "libspeex"])
def test_other_codecs_are_read_and_refused(codec):
    other = sound(".ogg", "-c:a", codec, "-metadata", f"AIGC={LABEL.json()}")
    assert verify(other).codes() == {"wrong_slot"}
    assert refused(other) == "labels.streams"
    assert verify(sound(".ogg", "-c:a", codec)).verdict == "not_found"


def test_malformed_streams_are_inconclusive():
    assert verify(page(0, HEAD, flags=FIRST)).verdict == "inconclusive"
    assert verify(opus()[:40]).verdict == "inconclusive"
    assert verify(page(0, HEAD, flags=FIRST) + page(1, b"OpusNone")).verdict == "inconclusive"
    assert (
        verify(page(0, HEAD, flags=FIRST) + page(1, b"OpusTags", flags=1)).verdict == "inconclusive"
    )
    assert refused(page(0, HEAD, b"OpusTags" + bytes(8), flags=FIRST)) == "labels.unreadable"
    late = page(0, HEAD, flags=FIRST) + page(1, b"OpusTags" + bytes(8), b"sound on the same page")
    assert refused(late) == "labels.unreadable"


def test_the_last_page_is_found_without_a_walk():
    data = opus(more=5)
    with opened(data) as source:
        last = last_page(source)
        assert last == list(pages(source, 0))[-1]
        assert page_at(source, last.start) == last
    with opened(data + b"x") as source:
        assert last_page(source) is None


@needs_ffmpeg
def test_damage_does_no_harm():
    recordings.survives(labelled(sound(".ogg")))
    recordings.survives(labelled(opus(b"A=B")) + opus(serial=8))
