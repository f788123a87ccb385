import struct

import pytest

import recordings
from hegui.labels import verify, write_bytes
from hegui.labels.carriers import amf
from hegui.labels.carriers.amf import Walk
from hegui.labels.source import ReadError
from hegui.language import Problem
from recordings import LABEL, OTHER, VALUE, film, labelled, needs_ffmpeg, packets, round_trip, tags

INDEXED = ("-c:v", "flv1", "-c:a", "mp3", "-ar", "44100", "-flvflags", "add_keyframe_index")
END = b"\0\0\x09"


def number(value: float) -> bytes:
    return b"\0" + struct.pack(">d", value)


def prop(name: str, value: bytes) -> bytes:
    return amf.string(name) + value


def script(
    *properties: bytes, name: str = "onMetaData", count: int | None = None, end: bytes = END
) -> bytes:
    count = len(properties) if count is None else count
    value = bytes([amf.ARRAY]) + struct.pack(">I", count)
    return tag(18, b"\2" + amf.string(name) + value + b"".join(properties) + end)


def tag(kind: int, data: bytes) -> bytes:
    head = bytes([kind]) + len(data).to_bytes(3) + bytes(7)
    return head + data + struct.pack(">I", len(data) + 11)


FRAME = tag(9, b"\x12" + bytes(40))


def flv(*parts: bytes) -> bytes:
    return b"FLV\1\1\0\0\0\x09" + bytes(4) + b"".join(parts) + FRAME * 3


def strings(data: bytes) -> dict[str, object]:
    """The metadata as a reader of AMF sees it: strings, numbers and the index of key frames."""
    size = int.from_bytes(data[14:17])
    walk = Walk(data[24 : 24 + size])
    start = walk.end_of(0)
    assert walk.end_of(start) == size
    seen: dict[str, object] = {}
    for each in walk.properties(start):
        if each.kind == amf.NUMBER:
            seen[each.name] = struct.unpack_from(">d", walk.data, each.value + 1)[0]
        elif each.name == "keyframes":
            for inner in walk.properties(each.value):
                places = [
                    struct.unpack_from(">d", walk.data, at)[0] for at in walk.numbers(inner.value)
                ]
                seen[inner.name] = places
        else:
            seen[each.name] = walk.text(each.value)
    return seen


@needs_ffmpeg
@pytest.mark.parametrize(
    "options", [("-c:v", "flv1", "-ar", "44100"), ("-c:v", "libx264"), INDEXED]
)
def test_a_film_is_labelled(tmp_path, options):
    old = film(".flv", *options, "-ar", "44100")
    new = round_trip(old, tmp_path, "film.flv")
    assert tags(new, ".flv")["aigc"] == LABEL.json()
    assert tags(new, ".flv")["title"] == "Kept"
    assert packets(new, ".flv") == packets(old, ".flv")
    assert packets(new, ".flv", "1.6") == packets(old, ".flv", "1.6")
    assert VALUE.decode() in recordings.exiftool(new, ".flv")
    assert strings(new)["filesize"] == len(new)


@needs_ffmpeg
def test_the_index_of_key_frames_points_to_the_same_tags():
    old = film(".flv", *INDEXED)
    new = labelled(labelled(old, OTHER))
    before, after = strings(old)["filepositions"], strings(new)["filepositions"]
    assert len(before) == len(after) > 3
    for was, will_be in zip(map(int, before), map(int, after), strict=True):
        assert old[was : was + 40] == new[will_be : will_be + 40]
        assert will_be - was == len(new) - len(old)


def test_every_offset_is_moved_along_and_nothing_else():
    at = len(flv()) + 40
    old = flv(
        script(
            prop("filesize", number(at)), prop("lastkeyframelocation", number(20.0)),
            prop("datasize", number(17)), prop("duration", number(float("nan"))),
            prop("lastvideoframelocation", number(float("inf"))),
        )
    )  # fmt: skip
    new = labelled(old)
    grown = len(new) - len(old)
    seen = strings(new)
    assert seen["filesize"] == at + (grown if at >= len(old) - 3 * len(FRAME) else 0)
    assert (seen["lastkeyframelocation"], seen["datasize"]) == (20.0, 17)
    assert new.endswith(FRAME * 3)


def test_a_film_without_metadata_gets_some():
    new = labelled(flv())
    assert strings(new) == {"AIGC": LABEL.json()}
    assert new.endswith(FRAME * 3)


@pytest.mark.parametrize("end", [END, b""])
@pytest.mark.parametrize("count", [0, 2, 99])
def test_a_wrong_count_and_a_missing_end_do_not_matter(count, end):
    new = labelled(flv(script(prop("a", number(1)), prop("b", b"\x01\x01"), count=count, end=end)))
    assert struct.unpack_from(">I", new, 24 + 14)[0] == count + 1
    assert strings(new)["a"] == 1


def test_every_kind_of_value_is_walked_over():
    inner = b"\x03" + prop("x", number(1)) + END
    every = [
        number(1), b"\x01\x01", b"\2" + amf.string("s"), inner, b"\x05", b"\x06", b"\x07\0\1",
        b"\x08\0\0\0\1" + prop("x", inner) + END, b"\x0a\0\0\0\2" + number(1) + inner,
        b"\x0b" + bytes(10), b"\x0c\0\0\0\2ok",
    ]  # fmt: skip
    old = flv(script(*(prop(f"p{n}", value) for n, value in enumerate(every))))
    new = labelled(old)
    for value in every:
        assert value in new


def test_other_forms_of_the_script_tag():
    framed = tag(
        18,
        b"\2"
        + amf.string("@setDataFrame")
        + b"\2"
        + amf.string("onMetaData")
        + b"\x03"
        + prop("filesize", number(900))
        + END,
    )
    new = labelled(flv(framed))
    assert amf.named("AIGC", LABEL.json()) in new
    cue = script(prop("AIGC", b"\2" + amf.string(LABEL.json())), name="onCuePoint")
    assert verify(flv(cue)).verdict == "not_found"
    assert cue in labelled(flv(cue))


def labels(*given: str, name: str = "AIGC") -> bytes:
    return script(*(amf.named(name, value) for value in given))


def test_labels_elsewhere_duplicates_and_wiped():
    other = OTHER.json()
    assert verify(flv(labels(LABEL.json(), name="aigc"))).codes() == {"wrong_slot"}
    assert verify(flv(labels(LABEL.json(), LABEL.json()))).codes() == {"duplicate"}
    assert verify(flv(labels(LABEL.json()), FRAME, labels(other))).codes() == {"disagreement"}
    assert verify(flv(labels(""))).codes() == {"wiped"}
    for old in (labels(LABEL.json(), name="aigc"), labels(LABEL.json()) * 2):
        assert VALUE not in labelled(flv(old), OTHER)
    assert verify(labelled(flv(labels(LABEL.json()), FRAME, labels(other)))).verdict == "compliant"


def test_a_label_in_an_xmp_packet_is_read_and_refused():
    packet = (
        '<r:RDF xmlns:r="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns:T="http://www.tc260.org.cn/ns/AIGC/1.0/">'
        f"<r:Description><T:AIGC>{LABEL.json()}</T:AIGC></r:Description></r:RDF>"
    )
    old = flv(script(amf.named("liveXML", packet), name="onXMPData"))
    assert verify(old).label == LABEL
    assert verify(old).codes() == {"wrong_slot"}
    with pytest.raises(Problem) as refused:
        write_bytes(old, OTHER, on_existing="replace")
    assert refused.value.code == "labels.elsewhere"


@needs_ffmpeg
def test_damage_does_no_harm():
    recordings.survives(labelled(film(".flv", *INDEXED)), head=1200)


def test_hostile_values_are_refused():
    deep = b"\x03" + amf.string("a")
    for value in (
        deep * 40,
        b"\x0a\xff\xff\xff\xff" + b"\x05" * 300_000,
        b"\x11",
        b"\2\xff\xffa",
        b"",
    ):
        with pytest.raises(ReadError):
            Walk(value).end_of(0)
        assert (
            verify(
                flv(tag(18, b"\2" + amf.string("onMetaData") + b"\x03" + amf.string("x") + value))
            ).verdict
            == "inconclusive"
        )
