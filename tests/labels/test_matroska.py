import struct
import zlib

import pytest

import recordings
from hegui.labels import verify, write_bytes
from hegui.labels.carriers import ebml
from hegui.labels.carriers.ebml import Node
from hegui.labels.carriers.matroska_layout import Layout
from hegui.labels.carriers.matroska_parts import parts, segments
from hegui.labels.source import ReadError, opened
from hegui.language import Problem
from recordings import LABEL, OTHER, VALUE, film, labelled, needs_ffmpeg, packets, round_trip, tags

H264 = ("-c:v", "libx264", "-c:a", "aac")
FRONT = (*H264, "-cues_to_front", "1")
SPACE = (*H264, "-reserve_index_space", "4096")
STREAM = (*H264, "-live", "1")
SEEK, SEEK_ID, SEEK_POSITION = 0x4DBB, 0x53AB, 0x53AC
TOP = {
    "SeekHead": 0x114D9B74, "Info": 0x1549A966, "Tracks": 0x1654AE6B, "Tags": 0x1254C367,
    "Cues": 0x1C53BB6B, "Cluster": 0x1F43B675, "Void": 0xEC,
}  # fmt: skip
MASTERS = frozenset({TOP["SeekHead"], SEEK, TOP["Cues"], 0xBB, 0xB7})


def top(data: bytes) -> tuple[int, list[tuple[int, int, int]]]:
    """A walker of our own: where the segment's data begins, and its parts (id, start, end)."""

    def head(at: int) -> tuple[int, int, int | None]:
        length = 9 - data[at].bit_length()
        width = 9 - data[at + length].bit_length()
        size = int.from_bytes(data[at + length : at + length + width]) & (1 << 7 * width) - 1
        known = None if size == (1 << 7 * width) - 1 else size
        return int.from_bytes(data[at : at + length]), at + length + width, known

    _, at, size = head(0)
    segment, base, size = head(at + size)
    assert segment == 0x18538067
    end = len(data) if size is None else base + size
    assert end == len(data)
    found, at = [], base
    while at < end:
        number, start, size = head(at)
        found.append((number, at, start + size))
        at = start + size
    assert at == end
    return base, found


def checked(data: bytes) -> bytes:
    """Every position in SeekHead and Cues must point to what it says; every checksum must be right."""
    base, found = top(data)
    starts = {start - base: number for number, start, _ in found}
    for number, start, end in found:
        if number in (TOP["SeekHead"], TOP["Cues"]):
            tree = ebml.tree(data[start:end], MASTERS)
            for seek in tree.find(SEEK):
                (what,), (where,) = seek.find(SEEK_ID), seek.find(SEEK_POSITION)
                assert starts[where.number()] == what.number()
            for position in tree.find(0xBB, 0xB7, 0xF1):
                assert starts[position.number()] == TOP["Cluster"]
        if number not in (TOP["Cluster"], TOP["Void"]):
            body = data[start:end]
            head = body.find(b"\xbf\x84")
            if 0 < head <= 12:
                said = struct.unpack("<I", body[head + 2 : head + 6])[0]
                assert said == zlib.crc32(body[head + 6 :])
    return data


@needs_ffmpeg
@pytest.mark.parametrize(
    "options", [H264, FRONT, SPACE, (*H264, "-bitexact")], ids=["plain", "front", "space", "bare"]
)
def test_a_film_is_labelled_and_every_position_stays_right(tmp_path, options):
    old = checked(film(".mkv", *options))
    new = checked(round_trip(old, tmp_path, "film.mkv"))
    assert tags(new, ".mkv")["aigc"] == LABEL.json()
    assert tags(new, ".mkv")["title"] == "Kept"
    assert packets(new, ".mkv") == packets(old, ".mkv")
    for start in ("0.9", "1.6", "2.4"):
        assert packets(new, ".mkv", start) == packets(old, ".mkv", start)
    checked(labelled(new, OTHER))


@needs_ffmpeg
def test_webm_too_and_exiftool_sees_it(tmp_path):
    new = checked(round_trip(film(".webm"), tmp_path, "film.webm"))
    assert VALUE.decode() in recordings.exiftool(new, ".webm")


@needs_ffmpeg
def test_free_space_behind_the_tags_is_used_so_that_nothing_moves():
    old = film(".mkv", *SPACE)  # ffmpeg reserves it behind the tags, for an index
    _, found = top(old)
    where = next(number for number, part in enumerate(found) if part[0] == TOP["Tags"])
    assert TOP["Void"] in (found[where + 1][0], found[1][0])
    once = labelled(old, OTHER)
    assert len(labelled(once)) == len(once)  # less than before: what is left becomes free space


def rebuilt(data: bytes, *, drop: str = "", size: int | None = None) -> bytes:
    """The segment without SeekHead, Cues, Tags or whatever is named, as a stream has it."""
    _, found = top(data)
    gone = [TOP[name] for name in drop.split()]
    body = b"".join(data[start:end] for number, start, end in found if number not in gone)
    head = data[: data.index(b"\x18\x53\x80\x67")] + b"\x18\x53\x80\x67"
    return head + (ebml.size_of(len(body), 8) if size is None else b"\x01" + b"\xff" * 7) + body


@needs_ffmpeg
def test_a_stream_of_unknown_size_is_labelled_before_its_clusters():
    known = rebuilt(film(".mkv", *H264), drop="SeekHead Cues Tags Void", size=-1)
    live = known
    for number, start, end in reversed(top(known)[1]):
        if number == TOP["Cluster"]:
            head = live[start:end].index(live[start + 4 : start + 5], 4)
            width = 9 - live[start + head].bit_length()
            live = live[: start + 4] + b"\x01" + b"\xff" * 7 + live[start + 4 + width :]
    for old in (known, live, film(".mkv", *STREAM)):
        new = labelled(old)
        assert new.index(VALUE) < new.index(b"\x1f\x43\xb6\x75")
        assert tags(new, ".mkv")["aigc"] == LABEL.json()
        assert packets(new, ".mkv") == packets(old, ".mkv")


def tagged(*simple: Node, uid: int = 0) -> bytes:
    targets = [Node(0x63C5, bytes([uid]))] if uid else []
    tag = Node(0x7373, children=[Node(0x63C0, children=targets), *simple])
    return Node(TOP["Tags"], children=[Node(ebml.CRC, bytes(4)), tag]).pack()


def simple(name: bytes, value: bytes, *inner: Node) -> Node:
    return Node(0x67C8, children=[Node(0x45A3, name), Node(0x4487, value), *inner])


def small(*segment: bytes) -> bytes:
    """A film of two clusters, in pure Python: the second says where it stands."""
    head = Node(0x1A45DFA3, children=[Node(0x4282, b"matroska")]).pack()
    blocks = [Node(0xA3, b"\x81\0\0\x80" + bytes(40)) for _ in range(3)]
    first = Node(TOP["Cluster"], children=[Node(0xE7, b"\0"), *blocks]).pack()
    before = sum(map(len, segment)) + len(first)
    said = [Node(ebml.CRC, bytes(4)), Node(0xE7, b"\1"), Node(0xA7, before.to_bytes(2))]
    second = Node(TOP["Cluster"], children=[*said, *blocks]).pack()
    cue = Node(
        0xBB,
        children=[
            Node(0xB3, b"\1"),
            Node(0xB7, children=[Node(0xF7, b"\1"), Node(0xF1, before.to_bytes(2))]),
        ],
    )
    cues = Node(TOP["Cues"], children=[Node(ebml.CRC, bytes(4)), cue]).pack()
    body = b"".join(segment) + first + second + cues
    return head + b"\x18\x53\x80\x67" + ebml.size_of(len(body), 2) + body


def test_a_cluster_that_says_where_it_stands_is_moved_along():
    new = checked(labelled(checked(small())))
    base, found = top(new)
    *_, (_, start, end) = [part for part in found if part[0] == TOP["Cluster"]]
    at = new.index(b"\xa7\x82", start)
    assert int.from_bytes(new[at + 2 : at + 4]) == start - base
    assert b"\xbf\x84" not in new[start:end]  # its checksum has become free space


@pytest.mark.parametrize("space", [2, 40, 4000])
def test_free_space_of_any_size_before_the_clusters(space):
    old = checked(small(ebml.void(space)))
    new = checked(labelled(old))
    assert (len(new) == len(old)) == (space == 4000)
    checked(labelled(new, OTHER))


WILD = {
    "of a track": tagged(simple(b"AIGC", VALUE), uid=1),
    "in small letters": tagged(simple(b"aigc", VALUE)),
    "inside another": tagged(simple(b"PART", b"x", simple(b"AIGC", VALUE))),
    "under another name": tagged(simple(b"COMMENT", VALUE)),
}


@pytest.mark.parametrize("kind", WILD)
def test_labels_elsewhere_are_read_and_make_way(kind):
    old = small(WILD[kind])
    report = verify(old)
    assert (report.codes(), report.label) == ({"wrong_slot"}, LABEL)
    assert OTHER.produce_id.encode() in labelled(old, OTHER)
    both = small(
        tagged(simple(b"AIGC", OTHER.json().encode()), simple(b"TITLE", b"Kept")), WILD[kind]
    )
    assert "disagreement" in verify(both).codes()
    new = checked(labelled(both, OTHER))
    assert VALUE not in new
    assert b"Kept" in new


def test_two_of_the_same_and_an_empty_one():
    twice = small(tagged(simple(b"AIGC", VALUE), simple(b"AIGC", VALUE)))
    assert verify(twice).codes() == {"duplicate"}
    assert verify(small(tagged(simple(b"AIGC", b"")))).codes() == {"wiped"}
    assert len(verify(labelled(twice)).sites) == 1


def test_a_label_in_a_second_segment_is_found_and_not_touched():
    two = labelled(small()) + small(tagged(simple(b"AIGC", VALUE)))
    assert "duplicate" in verify(two).codes()
    with pytest.raises(Problem) as refused:
        write_bytes(two, OTHER, on_existing="replace")
    assert refused.value.code == "labels.elsewhere"


@needs_ffmpeg
def test_tags_behind_the_clusters_stay_where_seekhead_knows_them():
    base, found = top(film(".mkv", *H264))
    data = film(".mkv", *H264)
    seek, voids = (next(p for p in found if p[0] == TOP[name]) for name in ("SeekHead", "Void"))
    tagged_part = next(p for p in found if p[0] == TOP["Tags"])
    gone = [TOP[name] for name in ("SeekHead", "Void", "Tags", "Cues")]
    moved = [part for part in found if part[0] not in gone]
    room = voids[2] - seek[1]
    places, at = {}, room
    for part in [*moved, tagged_part]:
        places.setdefault(part[0], at)
        at += part[2] - part[1]
    entries = [
        Node(
            SEEK,
            children=[
                Node(SEEK_ID, number.to_bytes(4)),
                Node(SEEK_POSITION, places[number].to_bytes(4)),
            ],
        )
        for number in (TOP["Info"], TOP["Tracks"], TOP["Tags"])
    ]
    for known in (True, False):
        index = Node(TOP["SeekHead"], children=entries if known else entries[:2]).pack()
        body = index + ebml.void(room - len(index))
        body += b"".join(data[s:e] for number, s, e in [*moved, tagged_part])
        old = data[: base - 8] + ebml.size_of(len(body), 8) + body
        new = labelled(old)
        assert (new.index(VALUE) > new.rindex(b"\x1f\x43\xb6\x75")) == known
        assert tags(new, ".mkv")["aigc"] == LABEL.json()


@needs_ffmpeg
def test_damage_does_no_harm():
    recordings.survives(labelled(film(".mkv", *H264)), head=1500)
    recordings.survives(labelled(small(tagged(simple(b"A", b"b")))))


def test_hostile_elements_are_refused():
    deep = b"\x67\xc8\x80"
    for _ in range(40):
        deep = b"\x67\xc8" + ebml.size_of(len(deep), 2) + deep
    bomb = small(
        Node(TOP["Tags"], children=[Node(0x7373, b"")]).pack()[:-3]
        + b"\x73\x73"
        + ebml.size_of(len(deep), 2)
        + deep
    )
    assert verify(bomb).verdict == "inconclusive"
    assert verify(small(tagged(simple(b"AIGC", b"{" * 40000)))).codes() == {"over_limit"}
    with pytest.raises(ReadError):
        ebml.tree(b"\xec\x85abc", frozenset())


def test_free_space_has_every_length_but_one():
    for length in (0, *range(2, 300), 5000):
        assert len(ebml.void(length)) == length
    with opened(small(ebml.void(9))) as source:
        (segment,) = segments(source)
        assert len(Layout(source, segment).parts) == len(list(parts(source, segment))) == 4
