import pytest
from hypothesis import given
from hypothesis import strategies as st

from hegui.labels.carriers.bmff import boxes, children, pack, path, walk
from hegui.labels.carriers.bmff_edit import Surgery
from hegui.labels.carriers.bmff_items import Extent, Location, Locations, items, numbers
from hegui.labels.carriers.bmff_offsets import Edit, Moves
from hegui.labels.carriers.bmff_places import Places
from hegui.labels.carriers.bmff_tags import is_label, labels, rewrite, tags
from hegui.labels.source import ReadError, Source
from hegui.labels.splice import pieces
from labels.films import FTYP, box, full, hdlr, mdta, movie, played, value, wide


def source(data):
    return Source(len(data), lambda count, start: data[start : start + count])


def made(data, surgery):
    return b"".join(pieces(source(data), surgery.plan()))


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"\0\0\0\7free", "malformed"),
        (b"\0\0\0\1free", "malformed"),
        (b"\0\0\0\x10uuid" + bytes(8), "malformed"),
        (b"\0\0\0\x20free", "truncated"),
        (box(b"moov", b"\0\0\0\x20free") + FTYP, "malformed"),
        (box(b"moov", b"\0\0\0\0free") + FTYP, "malformed"),
    ],
)
def test_a_box_that_cannot_be_is_refused(data, code):
    with pytest.raises(ReadError) as caught:
        list(walk(source(data), {b"moov"}))
    assert caught.value.code == code


def test_boxes_in_boxes_end_somewhere():
    data = b""
    for _ in range(100):
        data = box(b"moov", data)
    with pytest.raises(ReadError) as caught:
        list(walk(source(data), {b"moov"}))
    assert caught.value.code == "over_limit"


def test_a_meta_box_has_its_word_of_flags_or_not():
    for word in (b"", bytes(4)):
        data = box(b"meta", word, hdlr(b"mdta"))
        (meta,) = boxes(source(data), 0, len(data))
        assert [each.kind for each in children(source(data), meta)] == [b"hdlr"]


def test_an_edit_is_seen_by_every_box_around_it():
    data = wide(b"moov", box(b"udta", b"old")) + box(b"free")
    (moov, _), (udta, inside), _ = walk(source(data), {b"moov"})
    assert path(udta, inside) == "moov/udta"
    surgery = Surgery(source(data))
    surgery.put(udta.body, udta.body + 3, b"something new", (moov, udta))
    assert made(data, surgery) == wide(b"moov", box(b"udta", b"something new")) + box(b"free")
    assert pack(b"udta", b"a", b"b") == box(b"udta", b"ab")


def test_edits_that_overlap_are_refused():
    surgery = Surgery(source(movie()))
    surgery.put(40, 60, b"")
    surgery.put(50, 70, b"")
    with pytest.raises(ReadError):
        surgery.plan()


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9), st.binary(max_size=9)), max_size=8))
def test_every_byte_is_found_where_the_moves_say(steps):
    old, edits, at = bytes(range(200)), [], 0
    for gap, gone, data in steps:
        edits.append(Edit(at + gap, at + gap + gone, data))
        at += gap + gone
    edits.sort(key=lambda edit: (edit.start, edit.end))
    new, at = b"", 0
    for edit in edits:
        new += old[at : edit.start] + edit.data
        at = edit.end
    new += old[at:]
    moves = Moves(edits)
    cut = {n for edit in edits for n in range(edit.start, edit.end)}
    kept = [n for n in range(200) if n not in cut]
    assert [new[moves.to(n)] for n in kept] == kept
    assert moves.all(kept) == [moves.to(n) for n in kept]
    for edit in edits:
        start = moves.start(edit)
        assert new[start : start + len(edit.data)] == edit.data


words = st.integers(0, (1 << 64) - 1)
extents = st.lists(st.builds(Extent, words, words, st.just(0)), max_size=3)


@given(
    version=st.integers(0, 2),
    widths=st.tuples(*[st.sampled_from([0, 4, 8])] * 3),
    places=st.dictionaries(st.integers(1, 65535), st.tuples(words, extents), max_size=4),
)
def test_locations_are_packed_as_they_are_read(version, widths, places):
    found = {n: Location(0, 0, base, listed) for n, (base, listed) in places.items()}
    table = Locations(version, b"\0\0\0", (*widths, 0), found)
    again = Locations.of(table.pack())
    assert again.items == found
    assert again.version == version
    assert all(new >= old for new, old in zip(again.widths, widths, strict=False))


@given(
    st.integers(0, 1000),
    st.lists(st.integers(0, 1000), min_size=1, max_size=4),
    st.integers(0, 2000),
)
def test_a_location_moves_with_its_data(base, places, limit):
    def to(place):
        return place + 7 if place >= limit else max(0, place - 900)

    location = Location(0, 0, base, [Extent(place, 3) for place in places])
    moved = location.moved(to)
    assert [start for start, _ in moved.ranges()] == [to(start) for start, _ in location.ranges()]
    assert moved.base >= 0
    assert all(extent.place >= 0 for extent in moved.extents)


def test_items_of_every_version_are_described():
    infe = [
        full(b"infe", 0, 0, b"\0\1\0\0name\0application/rdf+xml\0"),
        full(b"infe", 2, 0, b"\0\2\0\0mimename\0application/rdf+xml\0gzip\0"),
        full(b"infe", 3, 0, b"\0\1\0\0\0\0hvc1\0"),
    ]
    for version, count in ((0, b"\0\3"), (1, b"\0\0\0\3")):
        data = full(b"iinf", version, 0, count, *infe)
        (iinf,) = boxes(source(data), 0, len(data))
        assert [(*each,) for each in items(source(data), iinf)] == [
            (1, b"mime", b"application/rdf+xml", b""),
            (2, b"mime", b"application/rdf+xml", b"gzip"),
            (65536, b"hvc1", b"", b""),
        ]
    assert numbers(b"\0\1\0\2\0", wide=False) == (1, 2)
    assert numbers(b"\0\1\0\2", wide=True) == (65538,)


def test_keys_that_share_a_name_or_a_value_survive_the_others():
    meta = mdta(("AIGC", "{}"), ("a", "1"), ("AIGC", '{"x": 1}'), ("b", "2"))
    data = box(b"moov", box(b"udta", meta))
    places = Places(source(data))
    assert [text for _, text in labels(places.tags[0])] == ["{}", '{"x": 1}']
    assert [site.place for site in places.sites()] == ["moov/udta/meta (mdta), AIGC"] * 2
    surgery = Surgery(source(data))
    rewrite(surgery, places.tags[0])
    new = made(data, surgery)
    assert new == box(b"moov", box(b"udta", mdta(("a", "1"), ("b", "2"))))
    (moov,) = boxes(source(new), 0, len(new))
    (udta,) = children(source(new), moov)
    (left,) = children(source(new), udta)
    found = tags(source(new), left, (moov, udta))
    assert [(each.name, each.texts) for each in found.values] == [(b"a", ("1",)), (b"b", ("2",))]


def test_a_value_that_is_no_text_is_no_label():
    art = box(b"covr", value('{"AIGC": 1}', kind=13))
    meta = box(b"meta", bytes(4), hdlr(b"mdir"), box(b"ilst", art))
    places = Places(source(movie(udta=box(b"udta", meta))))
    assert places.sites() == []
    assert is_label(' {"AIGC": {}}')
    assert not is_label('see {"AIGC": {}}')
    assert len(played(movie())) == 2
