import struct

import pytest

import recordings
from hegui.labels import verify, write_bytes
from hegui.labels.carriers.riff import pack
from hegui.language import Problem
from recordings import LABEL, OTHER, VALUE, film, labelled, needs_ffmpeg, packets, round_trip, tags

STREAM_HEAD = pack(b"strh", b"vidsMJPG" + bytes(48))
FRAMES = [pack(b"00dc", bytes([n]) * (20 + n)) for n in range(5)]


def parts(data: bytes) -> list[tuple[bytes, int, int]]:
    """The chunks of the first RIFF by a walker of our own: name or kind of list, start, end."""
    end = 8 + struct.unpack_from("<I", data, 4)[0]
    at, found = 12, []
    while at < end:
        kind, size = struct.unpack_from("<4sI", data, at)
        name = data[at + 8 : at + 12] if kind == b"LIST" else kind
        found.append((name, at, at + 8 + size))
        at += 8 + size + size % 2
    assert at == end
    return found


def where(data: bytes, name: bytes) -> int:
    return next(start for kind, start, _ in parts(data) if kind == name)


def info(*items: tuple[bytes, bytes]) -> bytes:
    return pack(b"LIST", b"INFO" + b"".join(pack(kind, data) for kind, data in items))


def avi(*before: bytes, behind: bytes = b"", absolute: bool = False, second: bool = False) -> bytes:
    """A film of OpenDML in pure Python: an index of indexes, one in the list of frames, an old index."""
    entries = 2 if second else 1
    place = 12 + 12 + 12 + len(STREAM_HEAD) + 8 + 24 + 16 * entries + sum(map(len, before))
    frames, offsets = b"", []
    for each in FRAMES:
        offsets.append(4 + len(frames))
        frames += each
    index_at = place + 12 + len(frames)
    index = pack(b"ix00", struct.pack("<HBBI4sQI", 2, 0, 1, 5, b"00dc", place + 8, 0) + bytes(40))
    movi = pack(b"LIST", b"movi" + frames + index)
    base = place + 8 if absolute else 0
    old = pack(b"idx1", b"".join(struct.pack("<4sIII", b"00dc", 16, base + o, 20) for o in offsets))
    next_riff = place + len(movi) + len(old) + len(behind)
    head = struct.pack("<HBBI4s12x", 4, 0, 0, entries, b"00dc") + struct.pack(
        "<QII", index_at, len(index), 5
    )
    if second:
        head += struct.pack("<QII", next_riff + 24 + len(frames), len(index), 5)
    stream = pack(b"LIST", b"strl" + STREAM_HEAD + pack(b"indx", head))
    first = b"AVI " + pack(b"LIST", b"hdrl" + stream) + b"".join(before) + movi + old + behind
    more = b""
    if second:
        index = pack(
            b"ix00", struct.pack("<HBBI4sQI", 2, 0, 1, 5, b"00dc", next_riff + 20, 0) + bytes(40)
        )
        more = pack(b"RIFF", b"AVIX" + pack(b"LIST", b"movi" + frames + index))
    return pack(b"RIFF", first) + more


def checked(data: bytes) -> bytes:
    """Every index points to a frame of the length and kind that it says, every base to its list."""
    movi = where(data, b"movi")
    at = data.index(b"indx")
    entries = struct.unpack_from("<I", data, at + 12)[0]
    for number in range(entries):
        offset = struct.unpack_from("<Q", data, at + 32 + 16 * number)[0]
        assert data[offset : offset + 4] == b"ix00"
        base = struct.unpack_from("<Q", data, offset + 20)[0]
        assert data[base : base + 4] == b"movi"
    old = where(data, b"idx1")
    for entry in range(old + 8, old + 8 + 16 * len(FRAMES), 16):
        offset = struct.unpack_from("<I", data, entry + 8)[0]
        assert b"00dc" in (data[offset : offset + 4], data[movi + 8 + offset :][:4])
    return data


@needs_ffmpeg
def test_a_film_is_labelled_in_free_space_so_that_nothing_moves(tmp_path):
    old = film(".avi")
    new = round_trip(old, tmp_path, "film.avi")
    assert len(new) == len(old)
    assert where(new, b"movi") == where(old, b"movi")
    assert tags(new, ".avi")["aigc"] == LABEL.json()
    assert tags(new, ".avi")["title"] == "Kept"
    assert packets(new, ".avi") == packets(old, ".avi")
    assert "Kept" in recordings.exiftool(new, ".avi")


@needs_ffmpeg
@pytest.mark.parametrize("info_too", [False, True])
def test_a_film_without_free_space_is_moved(info_too):
    data = film(".avi")
    gone = (b"JUNK",) if info_too else (b"JUNK", b"INFO")
    kept = b"".join(data[s : e + (e - s) % 2] for name, s, e in parts(data) if name not in gone)
    old = pack(b"RIFF", b"AVI " + kept)
    new = labelled(old)
    assert len(new) > len(old)
    assert tags(new, ".avi")["aigc"] == LABEL.json()
    for start in ("", "1.6"):
        assert packets(new, ".avi", start) == packets(old, ".avi", start)


@pytest.mark.parametrize("second", [False, True])
@pytest.mark.parametrize("absolute", [False, True])
@pytest.mark.parametrize(
    "before",
    [(), (pack(b"JUNK", bytes(20)),), (pack(b"JUNK", bytes(2000)),), (info((b"INAM", b"Kept\0")),),
     (info((b"INAM", b"Kept\0")), pack(b"JUNK", bytes(2000)))],
)  # fmt: skip
def test_every_index_stays_right(before, absolute, second):
    old = checked(avi(*before, absolute=absolute, second=second))
    new = checked(labelled(old))
    assert (len(new) == len(old)) == any(len(part) > 2000 for part in before)
    checked(labelled(new, OTHER))
    offsets = where(new, b"idx1") + 16
    first = struct.unpack_from("<I", new, offsets)[0]
    assert first == (where(new, b"movi") + 12 if absolute else 4)
    assert (b"Kept" in new) == (b"Kept" in old)


def test_rubbish_behind_the_film_is_kept():
    assert labelled(avi() + b"rubbish behind the film").endswith(b"rubbish behind the film")


WILD = {
    "top": pack(b"AIGC", VALUE),
    "small letters": info((b"aigc", VALUE)),
    "comment": info((b"ICMT", VALUE)),
}


@pytest.mark.parametrize("behind", [False, True])
@pytest.mark.parametrize("kind", WILD)
def test_labels_elsewhere_are_read_and_make_way(kind, behind):
    old = avi(behind=WILD[kind]) if behind else avi(WILD[kind])
    report = verify(old)
    assert (report.codes(), report.label) == ({"wrong_slot"}, LABEL)
    new = checked(labelled(old, OTHER))
    assert VALUE not in new


def test_duplicates_disagreement_and_wiped():
    other = OTHER.json().encode()
    assert verify(avi(info((b"AIGC", VALUE), (b"AIGC", VALUE)))).codes() == {"duplicate"}
    two = avi(info((b"AIGC", other)), behind=info((b"AIGC", VALUE), (b"INAM", b"Kept")))
    assert verify(two).codes() == {"disagreement"}
    new = checked(labelled(two, OTHER))
    assert VALUE not in new
    assert b"Kept" in new
    assert verify(avi(info((b"AIGC", b"\0")))).codes() == {"wiped"}


def test_what_cannot_be_labelled_is_refused():
    packet = (
        b'<r:RDF xmlns:r="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns:T="http://www.tc260.org.cn/ns/AIGC/1.0/">'
        b"<r:Description><T:AIGC>" + VALUE + b"</T:AIGC></r:Description></r:RDF>"
    )
    empty = pack(b"RIFF", b"AVI " + pack(b"JUNK", b"ab"))
    for data, code in (
        (avi(pack(b"_PMX", packet)), "labels.elsewhere"),
        (empty, "labels.unreadable"),
    ):
        with pytest.raises(Problem) as refused:
            write_bytes(data, OTHER, on_existing="replace")
        assert refused.value.code == code
    assert verify(avi(pack(b"_PMX", packet))).label == LABEL


@needs_ffmpeg
def test_damage_does_no_harm():
    recordings.survives(labelled(film(".avi")), head=400)
    recordings.survives(labelled(avi(WILD["top"], second=True)), head=400)
    recordings.survives(avi(absolute=True, behind=WILD["comment"]))
