import pytest

from hegui.labels import xmp
from hegui.labels.carriers.parts import Part, read, rewrite
from hegui.language import Problem
from recordings import OTHER, VALUE

PACKET = xmp.write(None, VALUE.decode())
NEW = OTHER.json()


def same(data: bytes) -> bytes:
    return data


def test_every_label_is_found_beside_a_part_that_cannot_be_read():
    found = read([
        Part(0, 5, "xmp", b"<broken", "first"),
        Part(5, 9, "text", VALUE, "second"),
        Part(9, 12, "xmp", PACKET, "third", "guide"),
    ])  # fmt: skip
    assert [(site.place, site.value, site.slot) for site in found.sites] == [
        ("second", VALUE.decode(), "met"),
        ("third", VALUE.decode(), "guide"),
    ]
    assert [fault.code for fault in found.faults] == ["malformed"]


def test_the_label_goes_into_the_guides_packet_and_out_of_all_others():
    kept = PACKET.replace(b"<TC260:AIGC>", b"<TC260:Other>o</TC260:Other><TC260:AIGC>")
    packet, edits = rewrite([
        Part(0, 5, "xmp", kept, "first", "met", same),
        Part(5, 9, "text", VALUE, "second"),
        Part(9, 12, "xmp", PACKET, "third", "guide", same),
    ], NEW)  # fmt: skip
    assert xmp.read(packet) == [NEW]
    assert {(start, end) for start, end, _ in edits} == {(0, 5), (5, 9), (9, 12)}
    left = {start: data for start, _, data in edits}
    assert (left[5], left[9]) == (b"", b"")
    assert b"Other" in left[0]
    assert xmp.read(left[0]) == []


def test_a_label_that_cannot_be_taken_out_stops_the_work():
    parts = [Part(0, 5, "xmp", PACKET, "stuck"), Part(5, 9, "xmp", PACKET, "x", "guide", same)]
    with pytest.raises(Problem, match="stuck"):
        rewrite(parts, NEW)


def test_parts_without_end_are_a_fault():
    found = read([Part(0, 1, "text", VALUE, "text")] * 300)
    assert len(found.sites) == 256
    assert [fault.code for fault in found.faults] == ["over_limit"]
