import json
import random
import shutil
import struct
import subprocess

import pytest

from hegui.labels.carriers import find
from hegui.labels.source import ReadError, Source, opened
from hegui.labels.splice import length
from hegui.labels.verify import Report, verify
from hegui.labels.write import write, write_bytes
from hegui.language import Problem
from labels.films import (
    EXPECTED,
    FTYP,
    LABEL,
    OLD,
    XMP_UUID,
    box,
    chunk,
    endless,
    every,
    fragmented,
    freeform,
    full,
    labelled,
    mdir,
    mdta,
    movie,
    packet,
    parts,
    played,
    wide,
)

QT = box(b"ftyp", b"qt  ", bytes(4), b"qt  ")


def udta(*content):
    return box(b"udta", *content)


LAYOUTS = {
    "moov first": {},
    "moov last": {"layout": "last"},
    "moov last, more behind it": {"layout": "last", "tail": box(b"free", bytes(9))},
    "co64": {"kind": b"co64"},
    "mdat of 64 bits": {"mdat": wide},
    "mdat without a size": {"mdat": endless},
    "moov of 64 bits": {"moov": wide},
    "moov of 64 bits, last": {"moov": wide, "layout": "last"},
    "moov without a size": {"moov": endless, "layout": "last"},
    "padding": {"gap": box(b"free", bytes(4000))},
    "too little padding": {"gap": box(b"free", bytes(40))},
    "padding behind something": {"gap": box(b"wide") + box(b"skip", bytes(4000))},
    "zeros at the end": {"tail": bytes(64)},
    "empty udta": {"udta": udta()},
    "QuickTime's udta, ended by zeros": {"udta": udta(box(b"\xa9nam", b"\0\1\0\0x"), bytes(4))},
    "QuickTime": {"ftyp": QT, "more": mdta(("com.apple.quicktime.make", "M"), word=b"")},
    "no ftyp": {"ftyp": b"", "gap": b""},
    "iTunes' tags": {"udta": udta(mdir((b"\xa9nam", "Title")))},
    "keys": {"udta": udta(mdta(("title", "Title"), ("encoder", "E")))},
    "keys without values": {"udta": udta(box(b"meta", bytes(4), box(b"hdlr", bytes(8), b"mdta")))},
    "user data that is no boxes": {"udta": udta(b"\x10\0\0\0CAMERA vendor data")},
}  # fmt: skip


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_film_is_labelled_and_plays_the_same(name):
    old = movie(**LAYOUTS[name])
    assert played(old) == EXPECTED
    new = labelled(old)
    report = verify(new)
    odd = name == "user data that is no boxes"
    assert report.verdict == ("inconclusive" if odd else "compliant")
    assert report.codes() == ({"malformed"} if odd else set())
    assert report.label == LABEL
    assert report.carrier == ("mov" if name in {"QuickTime", "no ftyp"} else "mp4")
    assert report.sites[0].place == "moov/udta/meta (mdta), AIGC"
    assert played(new) == EXPECTED
    ends = [stop for *_, stop in parts(new)]
    assert ends[-1] == len(new) or name == "zeros at the end"


def test_padding_behind_moov_is_used_up_so_that_nothing_else_moves():
    old = movie(gap=box(b"free", bytes(4000)))
    assert len(labelled(old)) == len(old)
    grown = len(labelled(movie())) - len(movie())
    exact = movie(gap=box(b"free", bytes(grown - 8)))
    assert len(labelled(exact)) == len(exact)
    assert b"free" not in [kind for kind, *_ in parts(labelled(exact))]


def test_what_else_is_in_the_film_stays():
    tags = mdta(("title", "Title"), ("AIGC", OLD.json()), ("artist", "Me"))
    songs = mdir((b"\xa9nam", "Song"))
    old = movie(udta=udta(songs, tags, box(b"chpl", b"chapters")))
    new = labelled(old)
    for kept in (songs, box(b"chpl", b"chapters")):
        assert kept in new
    names = [new[b:e] for kind, _, b, e in every(new) if kind == b"keys"]
    assert [name for name in (b"title", b"artist", b"AIGC") if name in names[0]] == [
        b"title", b"artist", b"AIGC",
    ]  # fmt: skip
    listed = [
        (new[at + 4 : at + 8], new[body + 16 : stop])
        for kind, at, body, stop in every(new)
        if kind in {struct.pack(">I", n) for n in (1, 2, 3)}
    ]
    assert listed == [
        (struct.pack(">I", 1), b"Title"), (struct.pack(">I", 2), b"Me"),
        (struct.pack(">I", 3), LABEL.json().encode()),
    ]  # fmt: skip
    assert OLD.json().encode() not in new


def test_an_old_label_is_rejected_merged_or_replaced():
    old = labelled(movie(), OLD)
    with pytest.raises(Problem) as caught:
        write_bytes(old, LABEL)
    assert caught.value.code == "labels.existing"
    merged = verify(labelled(old, LABEL, "merge")).label
    assert (merged.produce_id, merged.propagate_id) == ("old", "0123abcd")
    again = labelled(labelled(old))
    assert verify(again).label == LABEL
    assert len(again) == len(labelled(movie()))
    assert again.count(b"AIGC") == 1


J = OLD.json()
MET = {
    "keys of moov": {"more": mdta(("AIGC", J), word=b"")},
    "keys of moov, ISO": {"more": mdta(("make", "M"), ("AIGC", J))},
    "ExifTool": {"more": mdta(("com.apple.quicktime.AIGC", J), word=b"")},
    "keyless mdir": {"udta": udta(mdir((b"\0\0\0\1", J)))},
    "keyless mdir, other tags": {"udta": udta(mdir((b"\xa9nam", "Song"), (b"AIGC", J)))},
    "iTunes comment": {"udta": udta(mdir((b"\xa9cmt", J)))},
    "iTunes comment, UTF-16": {"udta": udta(mdir((b"\xa9cmt", J), encoding=2))},
    "iTunes freeform": {"udta": udta(freeform(b"AIGC", J))},
    "keys, another name": {"udta": udta(mdta(("comment", J)))},
    "keys, lower case": {"udta": udta(mdta(("aigc", J)))},
    "keys of a track": {"inside": udta(mdta(("AIGC", J)))},
    "keys of the file": {"tail": mdta(("AIGC", J))},
    "QuickTime text": {"udta": udta(box(b"\xa9cmt", struct.pack(">HH", len(J), 0), J.encode()))},
    "XMP": {"tail": box(b"uuid", XMP_UUID, packet(J))},
    "XMP before moov": {"ftyp": FTYP + box(b"uuid", XMP_UUID, packet(J))},
    "XMP in udta": {"udta": udta(box(b"XMP_", packet(J)))},
    "aigc": {"tail": box(b"aigc", J.encode())},
    "AIGC in udta": {"udta": udta(box(b"AIGC", bytes(4), J.encode()))},
    "wrapped": {"more": mdta(("AIGC", f'{{"AIGC":{J}}}'))},
}  # fmt: skip


@pytest.mark.parametrize("name", MET)
def test_a_label_in_another_place_is_read_and_makes_way(name):
    old = movie(**MET[name])
    report = verify(old)
    assert (report.verdict, report.codes(), report.label) == ("noncompliant", {"wrong_slot"}, OLD)
    assert [site.slot for site in report.sites] == ["met"]
    new = labelled(old)
    assert verify(new).verdict == "compliant"
    assert b'"old"' not in new
    assert b"&quot;old&quot;" not in new
    assert played(new) == played(old)
    for kept in (b"Song", b'dc:format="kept"', b"make"):
        assert (kept in new) == (kept in old)


@pytest.mark.parametrize("name", MET)
def test_two_labels_are_one_too_many(name):
    places = {"udta": udta(), **MET[name]}
    places["udta"] = udta(mdta(("AIGC", J)), places["udta"][8:])
    assert verify(movie(**places)).codes() == {"duplicate"}
    places["udta"] = places["udta"].replace(b'"old"', b'"new"', 1).replace(b'"old"', b'"new"', 1)
    both = movie(**places)
    assert verify(both).codes() == {"disagreement"}
    new = labelled(both)
    assert verify(new).verdict == "compliant"
    assert played(new) == EXPECTED


def test_a_place_that_was_emptied_is_told():
    for empty in (mdta(("AIGC", "")), mdta(("title", "T"), ("AIGC", None))):
        report = verify(movie(udta=udta(empty)))
        assert (report.verdict, report.codes()) == ("inconclusive", {"wiped"})
        new = labelled(movie(udta=udta(empty)))
        assert verify(new).verdict == "compliant"
        assert new.count(b"AIGC") == 1


def test_an_unlabelled_film_has_none():
    report = verify(movie(udta=udta(mdir((b"\xa9nam", '{"a": 1}')))))
    assert (report.verdict, report.codes()) == ("not_found", {"missing"})


def test_what_cannot_be_labelled_says_why():
    segment = box(b"styp", b"msdh", bytes(4)) + box(b"moof") + box(b"mdat", chunk(1))
    elsewhere = full(b"dref", 0, 0, struct.pack(">I", 1), full(b"url ", 0, 0, b"http://a/b.mp4\0"))
    for data, code in (
        (segment, "labels.segment"),
        (movie(dref=elsewhere), "labels.external"),
        (movie(tail=box(b"uuid", XMP_UUID, b"<x:xmpmeta")), "labels.elsewhere"),
        (movie(udta=udta(mdta(("AIGC", "x" * 70_000)))), "labels.elsewhere"),
        (movie() + box(b"moov"), "labels.unreadable"),
        (movie()[:-1], "labels.unreadable"),
        (FTYP + box(b"moov", box(b"cmov", bytes(8))), "labels.unreadable"),
    ):
        with pytest.raises(Problem) as caught:
            labelled(data)
        assert caught.value.code == code


def test_what_hides_a_label_leaves_the_verdict_open():
    for data in (
        FTYP + box(b"moov", box(b"cmov", bytes(8))),
        movie(tail=box(b"uuid", XMP_UUID, b"<x:xmpmeta")),
        movie(udta=udta(mdta(("AIGC", "x" * 70_000)))),
        movie()[:-1],
    ):
        assert verify(data).verdict == "inconclusive"
    nested = b""
    for _ in range(2000):
        nested = box(b"udta", nested)
    assert verify(movie(udta=nested)).verdict == "not_found"
    many = FTYP + box(b"free") * 250_000
    assert verify(many).codes() == {"over_limit"}


@pytest.mark.parametrize(
    ("head", "name", "carrier"),
    [
        (box(b"ftyp", b"M4A ", bytes(4)), "", "m4a"),
        (box(b"ftyp", b"M4B ", bytes(4)), "", "m4a"),
        (box(b"ftyp", b"qt  ", bytes(4)), "", "mov"),
        (box(b"wide"), "", "mov"),
        (box(b"free"), "a.MOV", "mov"),
        (box(b"ftyp", b"3gp5", bytes(4)), "", "mp4"),
        (box(b"styp", b"msdh", bytes(4)), "", "mp4"),
        (box(b"ftyp", b"heic", bytes(4)), "", "heic"),
        (box(b"ftyp", b"mif1", bytes(4), b"mif1heic"), "", "heic"),
        (box(b"ftyp", b"mif1", bytes(4), b"mif1avif"), "", "avif"),
        (box(b"ftyp", b"avis", bytes(4), b"mif1avis"), "", "avif"),
        (box(b"ftyp", b"crx ", bytes(4)), "", None),
        (box(b"free"), "a.bin", None),
    ],
)
def test_files_are_known_by_their_brand(head, name, carrier):
    found = find(Source(len(head), lambda count, start: head[start : start + count], name))
    assert (found and found.name) == carrier


RICH = movie(
    ftyp=QT, udta=udta(mdir((b"\xa9nam", "Song")), mdta(("AIGC", J), ("a", "b")), bytes(4)),
    more=mdta(("com.apple.quicktime.AIGC", J), word=b""), inside=udta(box(b"XMP_", packet(J))),
    tail=box(b"uuid", XMP_UUID, packet(J)),
)  # fmt: skip


def survives(data):
    report = verify(data)
    assert isinstance(report, Report)
    with opened(data) as source:
        carrier = find(source)
        if carrier is None:
            return
        try:
            carrier.media(source.fresh())
            plan = carrier.plan(source.fresh(), LABEL.json())
        except (ReadError, Problem):
            return
        assert length(plan) > 0


@pytest.mark.parametrize("file", [RICH, fragmented(saio=True), fragmented(sidx_first=True)])
def test_a_file_cut_anywhere_is_no_surprise(file):
    for end in range(len(file)):
        survives(file[:end])
    assert verify(RICH[:900]).verdict in {"inconclusive", "noncompliant"}


@pytest.mark.parametrize("file", [RICH, fragmented(saio=True), fragmented(sidx_first=True)])
def test_damaged_bytes_are_no_surprise(file):
    chance = random.Random(7)
    for _ in range(600):
        data = bytearray(file)
        for _ in range(chance.choice((1, 1, 2, 5, 20))):
            data[chance.randrange(len(data))] = chance.choice(
                (0, 1, 0x7F, 0xFF, chance.randrange(256))
            )
        survives(bytes(data))


needs_tools = pytest.mark.skipif(
    not (shutil.which("ffmpeg") and shutil.which("ffprobe") and shutil.which("exiftool")),
    reason="FFmpeg and ExifTool are the readers of another hand",
)


def run(*command):
    done = subprocess.run([*map(str, command)], capture_output=True, check=True, timeout=60)
    return done.stdout


TAGS = ("-metadata", "title=Song", "-metadata", "artist=Me", "-metadata", "comment=hello")
REAL = {
    "moov last": ("mp4",),
    "moov first": ("mp4", "-movflags", "faststart"),
    "keys": ("mp4", "-movflags", "use_metadata_tags"),
    "fragments with offsets": ("mp4", "-movflags", "frag_keyframe+empty_moov"),
    "fragments": ("mp4", "-movflags", "frag_keyframe+empty_moov+default_base_moof+global_sidx"),
    "QuickTime": ("mov", "-movflags", "faststart"),
    "sound": ("m4a", "-movflags", "faststart", "-vn"),
}


@needs_tools
@pytest.mark.parametrize("name", REAL)
def test_other_hands_read_the_label_the_tags_and_the_same_frames(tmp_path, name):
    suffix, *options = REAL[name]
    old, new = tmp_path / f"old.{suffix}", tmp_path / f"new.{suffix}"
    run(
        "ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc=d=2:s=96x64:r=10",
        "-f", "lavfi", "-i", "sine=d=2", "-c:v", "mpeg4", "-g", "5", "-c:a", "aac", *TAGS, *options, old,
    )  # fmt: skip
    written = write(old, LABEL, new, paranoid=True)
    assert written.report.verdict == "compliant"
    frames = [
        run("ffmpeg", "-v", "error", "-i", file, "-c", "copy", "-f", "framemd5", "-")
        for file in (old, new)
    ]
    assert frames[0] == frames[1]
    assert len(frames[0].splitlines()) > 20
    assert not run("ffmpeg", "-v", "warning", "-xerror", "-i", new, "-f", "null", "-")
    before, after = (
        json.loads(run("ffprobe", "-v", "error", "-show_format", "-of", "json", file))["format"][
            "tags"
        ]
        for file in (old, new)
    )
    assert after.pop("AIGC") == LABEL.json()
    assert after == before
    assert after["title"] == "Song"
    seen = json.loads(
        run("exiftool", "-j", "-G1", "-a", "-warning", "-AIGC", "-Title", "-Artist", new)
    )[0]
    assert json.loads(LABEL.json()) == (
        seen["Keys:AIGC"] if isinstance(seen["Keys:AIGC"], dict) else json.loads(seen["Keys:AIGC"])
    )
    assert "Song" in seen.values()
    assert not [key for key in seen if key.endswith("Warning")]


@needs_tools
def test_what_ffmpeg_writes_as_a_label_is_read(tmp_path):
    file = tmp_path / "a.mp4"
    run(
        "ffmpeg", "-v", "error", "-f", "lavfi", "-i", "sine=d=1", "-metadata", f"AIGC={J}", *TAGS,
        "-movflags", "use_metadata_tags", file,
    )  # fmt: skip
    assert (verify(file).verdict, verify(file).label) == ("compliant", OLD)
    write(file, LABEL, on_existing="merge")
    assert verify(file).label.produce_id == "old"
    assert b"hello" in file.read_bytes()
