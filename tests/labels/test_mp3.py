import struct
import zlib

import pytest

import recordings
from hegui.labels import verify, write_bytes
from hegui.labels.carriers import find, id3
from hegui.labels.carriers.raw import Adts
from hegui.labels.source import opened
from hegui.language import Problem
from recordings import LABEL, OTHER, VALUE, labelled, needs_ffmpeg, packets, round_trip, sound, tags

SOUND = (b"\xff\xfb\x50\xc4" + bytes(300)) * 3
PLAIN = b"\0AIGC\0" + VALUE
PACKET = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><r:RDF xmlns:r="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b'<r:Description xmlns:T="http://www.tc260.org.cn/ns/AIGC/1.0/"><T:AIGC>{}</T:AIGC></r:Description>'
    b"</r:RDF></x:xmpmeta>"
)


def safe(size: int) -> bytes:
    return bytes(size >> shift & 0x7F for shift in (21, 14, 7, 0))


def frame(
    name: bytes, data: bytes, version: int = 3, flags: int = 0, *, plain: bool = False
) -> bytes:
    if version == 2:
        return name + len(data).to_bytes(3) + data
    size = safe(len(data)) if version == 4 and not plain else len(data).to_bytes(4)
    return name + size + flags.to_bytes(2) + data


def tag(body: bytes, version: int = 3, flags: int = 0, padding: int = 0) -> bytes:
    body += bytes(padding)
    foot = b"3DI" + bytes([version, 0, flags]) + safe(len(body)) if flags & 0x10 else b""
    return b"ID3" + bytes([version, 0, flags]) + safe(len(body)) + body + foot


def title(version: int = 3) -> bytes:
    return frame(b"TIT2" if version > 2 else b"TT2", b"\0Kept", version)


def ape(*items: tuple[bytes, bytes], headed: bool = True) -> bytes:
    body = b"".join(struct.pack("<II", len(v), 0) + n + b"\0" + v for n, v in items)
    flags = (1 << 31) * headed
    ends = [
        b"APETAGEX" + struct.pack("<IIII", 2000, len(body) + 32, len(items), flags | top) + bytes(8)
        for top in (1 << 29, 0)
    ]
    return (ends[0] if headed else b"") + body + ends[1]


@needs_ffmpeg
@pytest.mark.parametrize(
    "options", [(), ("-id3v2_version", "3"), ("-id3v2_version", "4", "-write_id3v1", "1")]
)
def test_a_sound_is_labelled(tmp_path, options):
    old = sound(".mp3", *options)
    new = round_trip(old, tmp_path, "sound.mp3")
    assert tags(new, ".mp3")["aigc"] == LABEL.json()
    assert tags(new, ".mp3")["title"] == "Kept"
    assert packets(new, ".mp3") == packets(old, ".mp3")
    assert VALUE.decode() in recordings.exiftool(new, ".mp3")
    assert new.endswith(old[-200:])


@needs_ffmpeg
def test_other_programs_see_no_less_than_before():
    old = sound(".mp3", "-id3v2_version", "0") + b"TAG" + b"Kept".ljust(125, b"\0")
    assert tags(old, ".mp3")["title"] == "Kept"
    assert tags(labelled(old), ".mp3")["title"] == "Kept"


def test_what_an_old_tag_said_is_said_again_in_the_new_one():
    old = (
        b"TAG"
        + b"Kept".ljust(30, b"\0")
        + b"Who".ljust(30)
        + bytes(30)
        + b"2026"
        + b"Note".ljust(28, b"\0")
    )
    new = labelled(SOUND + old + b"\0\x05\x11")
    assert new.endswith(old + b"\0\x05\x11")
    for each in (
        title(),
        frame(b"TPE1", b"\0Who"),
        frame(b"COMM", b"\0XXX\0Note"),
        frame(b"TRCK", b"\x005"),
    ):
        assert each in new
    assert frame(b"TCON", b"\0(17)") in new
    assert b"TALB" not in new


@pytest.mark.parametrize("version", [3, 4])
def test_padding_is_used_up_and_given_back(version):
    for padding in (0, 5, 4000):
        old = tag(title(version), version, padding=padding) + SOUND
        new = labelled(old)
        assert (len(new) == len(old)) == (padding == 4000)
        assert title(version) in new
        assert len(labelled(new, OTHER)) >= len(new)
        shrunk = labelled(labelled(new, OTHER))
        assert len(shrunk) == len(labelled(new, OTHER))


@pytest.mark.parametrize(
    ("body", "flags"),
    [
        (b"\0\0\0\x06\0\0\0\0\0\0" + title(), 0x40),  # extended header of 2.3
        (b"\0\0\0\x0a\x80\0\0\0\0\0" + bytes(4) + title(), 0x40),  # with a checksum
    ],
)
def test_an_extended_header_goes_with_what_it_said(body, flags):
    new = labelled(tag(body, 3, flags, padding=20) + SOUND)
    assert new[5] == 0
    assert title() in new


def test_unsynchronisation_is_undone_and_done_again():
    picture = b"\0image/png\0\3\0" + b"\xff\xd8\xff\0\xff\xe0\xff" * 9
    body = (title() + frame(b"APIC", picture) + frame(b"TXXX", PLAIN)).replace(b"\xff", b"\xff\0")
    old = tag(body, 3, 0x80, padding=9) + SOUND
    assert verify(old).label == LABEL
    new = labelled(old, OTHER)
    size = id3.after(new)
    again = new[10:size]
    assert not any(again[i] == 0xFF and again[i + 1] >= 0xE0 for i in range(len(again) - 1))
    assert frame(b"APIC", picture) in again.replace(b"\xff\0", b"\xff")
    assert VALUE not in new


def test_frames_of_2_4_with_their_own_encodings():
    packed = len(PLAIN).to_bytes(4) + zlib.compress(PLAIN)
    cases = {
        "unsynchronised": frame(b"TXXX", PLAIN, 4, 2),
        "packed": frame(b"TXXX", safe(len(PLAIN)) + zlib.compress(PLAIN), 4, 8 | 1),
        "grouped": frame(b"TXXX", b"\5" + PLAIN, 4, 0x40),
        "size not safe": frame(b"TXXX", PLAIN + b"\0" * 90, 4, plain=True) + title(4),
        "UTF-8": frame(b"TXXX", b"\3" + PLAIN[1:], 4),
    }
    for body in cases.values():
        old = tag(body, 4) + SOUND
        assert verify(old).label == LABEL
        assert VALUE not in labelled(old, OTHER)
    assert verify(tag(frame(b"TXXX", packed, 3, 0x80)) + SOUND).label == LABEL
    every = labelled(tag(title(4), 4, 0x80) + SOUND)
    assert every[18:20] == b"\0\2"  # the tag says that every frame is unsynchronised
    assert verify(tag(frame(b"TXXX", PLAIN, 4, 4), 4) + SOUND).codes() == {"encrypted"}


def test_a_tag_with_a_footer_has_no_padding():
    old = tag(frame(b"TXXX", PLAIN, 4) + title(4), 4, 0x10) + SOUND
    new = labelled(old, OTHER)
    end = id3.after(new)
    assert new[end - 10 : end] == b"3DI" + new[3:10]
    assert new[end:] == SOUND


@pytest.mark.parametrize(
    "encoded",
    [
        b"\1" + "AIGC".encode("utf-16") + b"\0\0" + VALUE.decode().encode("utf-16"),
        b"\1" + "AIGC".encode("utf-16") + b"\0\0" + VALUE.decode().encode("utf-16-le"),
        b"\2" + "AIGC".encode("utf-16-be") + b"\0\0" + VALUE.decode().encode("utf-16-be") + b"\0\0",
    ],
)
def test_every_text_encoding_is_read(encoded):
    assert verify(tag(frame(b"TXXX", encoded)) + SOUND).label == LABEL


OLD = tag(frame(b"TXX", PLAIN, 2) + title(2), 2)
WILD = {
    "small letters": tag(frame(b"TXXX", b"\0aigc\0" + VALUE)) + SOUND,
    "comment": tag(frame(b"COMM", b"\0eng\0" + VALUE)) + SOUND,
    "APE": SOUND + ape((b"Title", b"Kept"), (b"AIGC", VALUE)) + b"TAG" + bytes(125),
    "APE without a header": SOUND + ape((b"AIGC", VALUE), headed=False),
}


@pytest.mark.parametrize("kind", WILD)
def test_labels_elsewhere_are_read_and_make_way(kind):
    report = verify(WILD[kind])
    assert (report.codes(), report.label) == ({"wrong_slot"}, LABEL)
    new = labelled(WILD[kind], OTHER)
    assert VALUE not in new
    assert (b"Kept" in new) == (b"Kept" in WILD[kind])


def test_an_ape_tag_keeps_its_counts_right():
    new = labelled(WILD["APE"], OTHER)
    assert new.endswith(ape((b"Title", b"Kept")) + b"TAG" + bytes(125))
    lyrics = b"LYRICSBEGINLYR00002la" + b"000021LYRICS200"
    old = SOUND + ape((b"AIGC", VALUE)) + lyrics + b"TAG" + bytes(125)
    assert labelled(old, OTHER).endswith(lyrics + b"TAG" + bytes(125))


def test_an_ape_tag_that_lies_about_itself_is_refused():
    whole = ape((b"AIGC", VALUE))
    none = whole[:-16] + bytes(4) + whole[-12:]  # items: 0
    for lying in (none, b"X" + whole[1:], whole[:34] + b"\xff" + whole[35:]):
        assert refused(SOUND + lying) == "labels.unreadable"


def test_two_tags_duplicates_and_wiped():
    two = tag(frame(b"TXXX", PLAIN)) + tag(frame(b"TXXX", PLAIN) + title()) + SOUND
    assert verify(two).codes() == {"duplicate"}
    assert title() in labelled(two, OTHER)
    odd = tag(frame(b"TXXX", PLAIN)) + SOUND + ape((b"AIGC", OTHER.json().encode()))
    assert verify(odd).codes() == {"disagreement"}
    assert verify(tag(frame(b"TXXX", b"\0AIGC\0")) + SOUND).codes() == {"wiped"}


def refused(data: bytes, name: str = "") -> str:
    with pytest.raises(Problem) as problem:
        write_bytes(data, OTHER, on_existing="replace", name=name)
    return problem.value.code


def test_what_cannot_be_rewritten_safely_is_refused():
    assert verify(OLD + SOUND).codes() == {"wrong_slot"}
    assert refused(OLD + SOUND) == "labels.id3"
    packet = PACKET.replace(b"{}", VALUE)
    private = tag(frame(b"PRIV", b"XMP\0" + packet)) + SOUND
    assert verify(private).label == LABEL
    assert refused(private) == "labels.elsewhere"
    behind = SOUND + tag(frame(b"TXXX", PLAIN, 4), 4, 0x10)
    assert verify(behind).codes() == {"wrong_slot"}
    assert refused(behind) == "labels.elsewhere"


def test_what_only_looks_like_mp3():
    assert verify(b"\xff\xfe" + "text".encode("utf-16-le") * 9).codes() == {"unknown_format"}
    assert verify(b"hello", "x.mp3").verdict == "inconclusive"
    assert refused(b"hello", "x.mp3") == "labels.unreadable"
    assert verify(tag(b"", padding=10)).verdict == "not_found"
    assert refused(tag(b"", padding=10)) == "labels.unreadable"


def test_sound_without_a_container_is_refused_with_advice():
    adts = b"\xff\xf1\x50\x80\x02\x1f\xfc" + bytes(60)
    long = tag(frame(b"TXXX", PLAIN), padding=6000)
    assert (
        refused(adts) == refused(long + adts) == refused(long + adts, "x.aac") == "labels.no-slot"
    )
    assert verify(adts).codes() == {"no_slot", "missing"}
    assert verify(long + adts).label == LABEL
    assert "no_slot" in verify(long + adts).codes()
    assert refused(bytes(100), "sound.pcm") == "labels.no-slot"
    with pytest.raises(Problem, match="WAV"):
        write_bytes(bytes(100), OTHER, name="sound.PCM")
    with pytest.raises(Problem, match="M4A"):
        write_bytes(adts, OTHER)
    with opened(adts) as source:
        assert isinstance(find(source), Adts)


@needs_ffmpeg
def test_raw_aac_of_ffmpeg_is_known():
    assert refused(sound(".aac")) == "labels.no-slot"


@needs_ffmpeg
def test_damage_does_no_harm():
    recordings.survives(labelled(sound(".mp3")), "x.mp3")
    recordings.survives(WILD["APE"])
    recordings.survives(tag(frame(b"TXXX", PLAIN, 4) + title(4), 4, 0x10) + SOUND)
    unsynchronised = (frame(b"TXXX", PLAIN) + title()).replace(b"\xff", b"\xff\0")
    recordings.survives(tag(unsynchronised, 3, 0x80) + SOUND)
