import random
import time
from contextlib import suppress

import pytest

from hegui.labels import xmp
from hegui.labels.source import ReadError

VALUE = '{"Label":"1","ContentProducer":"a<b>&c","ProduceID":"it\'s"}'
RDF = 'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"'
OURS = f'xmlns:TC260="{xmp.NAMESPACE}"'
DC = 'xmlns:dc="http://purl.org/dc/elements/1.1/"'


def packet(inside: str, root: str = "") -> bytes:
    """A packet around what stands in RDF; `root` instead of RDF as a whole."""
    root = root or f"<rdf:RDF {RDF}>{inside}</rdf:RDF>"
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
        f'<x:xmpmeta xmlns:x="adobe:ns:meta/">{root}</x:xmpmeta><?xpacket end="w"?>'
    ).encode()


FOREIGN = packet(f'<rdf:Description rdf:about="uuid:7" {DC}><dc:title>山水 &amp; more</dc:title></rdf:Description>')  # fmt: skip


def test_a_new_packet_holds_the_value_alone():
    data = xmp.write(None, VALUE)
    assert xmp.read(data) == [VALUE]
    assert xmp.read(xmp.write(b"\0\0 \n", VALUE)) == [VALUE]
    assert xmp.clear(data) == b""


@pytest.mark.parametrize(
    "inside",
    [
        f"<rdf:Description {OURS}><TC260:AIGC>VALUE</TC260:AIGC></rdf:Description>",
        f'<rdf:Description {OURS} TC260:AIGC="VALUE"/>',
        f"<rdf:Description {OURS} TC260:AIGC='VALUE' rdf:about=''></rdf:Description>",
        f'<rdf:Description xmlns:any="{xmp.NAMESPACE}"><any:AIGC>VALUE</any:AIGC></rdf:Description>',
        f'<rdf:Description><x:AIGC xmlns:x="{xmp.NAMESPACE}">VALUE</x:AIGC></rdf:Description>',
        f'<rdf:Description><AIGC xmlns="{xmp.NAMESPACE}">\n VALUE\n</AIGC ></rdf:Description>',
        f"<rdf:Description {OURS}><TC260:AIGC><rdf:Alt><rdf:li>VALUE</rdf:li></rdf:Alt></TC260:AIGC></rdf:Description>",
        f"<rdf:Description {OURS}><TC260:AIGC><![CDATA[RAW]]></TC260:AIGC></rdf:Description>",
    ],
)  # fmt: skip
def test_every_form_of_the_property_is_read_and_set_in_its_place(inside):
    escaped = VALUE.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")
    escaped = escaped.replace("'", "&#39;")
    data = packet(inside.replace("VALUE", escaped).replace("RAW", VALUE))
    assert xmp.read(data) == [VALUE]
    new = xmp.write(data, "other <value>")
    assert xmp.read(new) == ["other <value>"]
    assert new.count(b"Description") == data.count(b"Description")
    assert xmp.write(xmp.write(new, VALUE), "other <value>") == new
    assert xmp.clear(data) == b""


@pytest.mark.parametrize(
    "inside",
    [
        f"<rdf:Description {OURS}><TC260:AIGC></TC260:AIGC></rdf:Description>",
        f"<rdf:Description {OURS}><TC260:AIGC/></rdf:Description>",
        f'<rdf:Description {OURS} TC260:AIGC=""/>',
    ],
)
def test_an_emptied_property_is_told_from_none(inside):
    assert xmp.read(packet(inside)) == [""]
    assert xmp.read(xmp.write(packet(inside), VALUE)) == [VALUE]
    assert xmp.read(FOREIGN) == []


@pytest.mark.parametrize(
    "root",
    [f"<rdf:RDF {RDF}/>", f"<rdf:RDF {RDF} />", f"<r:RDF {RDF.replace('rdf=', 'r=')}/>", f"<rdf:RDF {RDF}></rdf:RDF>"],
)  # fmt: skip
def test_an_empty_root_is_opened(root):
    new = xmp.write(packet("", root), VALUE)
    assert xmp.read(new) == [VALUE]
    assert xmp.read(xmp.write(new, "x")) == ["x"]


def test_a_foreign_packet_is_kept_to_the_byte():
    new = xmp.write(FOREIGN, VALUE)
    start, end = FOREIGN.split(b"</rdf:RDF>")
    assert new.startswith(start)
    assert new.endswith(end)
    # All descriptions are of the same thing: another name would make it two.
    assert new.count(b'rdf:about="uuid:7"') == 2
    assert xmp.clear(new) != b""
    assert xmp.read(xmp.clear(new)) == []
    assert xmp.clear(FOREIGN) == FOREIGN


def test_of_several_one_remains_and_nothing_else_is_touched():
    data = packet(
        f'<rdf:Description {OURS} {DC} xmlns:o="urn:o" o:AIGC=" TC260:AIGC=&quot;no&quot;" TC260:AIGC="a"\n dc:format="b"/>\n  '
        f"<rdf:Description {OURS}>\n <TC260:AIGC>c</TC260:AIGC>\n</rdf:Description>"
    )
    assert xmp.read(data) == ["a", "c"]
    new = xmp.write(data, "z")
    assert new == data.replace(b' TC260:AIGC="a"', b' TC260:AIGC="z"').replace(
        b"<TC260:AIGC>c</TC260:AIGC>", b""
    )


def test_a_property_below_another_is_moved_to_where_it_belongs():
    data = packet(
        f"<rdf:Description {OURS} {DC}><dc:source><rdf:Description><TC260:AIGC>a</TC260:AIGC>"
        "</rdf:Description></dc:source></rdf:Description>"
    )
    new = xmp.write(data, "z")
    assert xmp.read(new) == ["z"]
    assert new.index(b"z</TC260:AIGC>") > new.index(b"</dc:source>")


def test_packets_of_the_wild_are_read():
    inside = f"<rdf:Description {OURS}><TC260:AIGC>v</TC260:AIGC></rdf:Description>"
    data = b'<?xml version="1.0" encoding="UTF-8"?>\n' + packet(inside)
    data = data.replace(b'<?xpacket end="w"?>', b'<?xpacket end="w"??>')
    assert xmp.read(data) == ["v"]
    assert xmp.read(xmp.write(data, "w")) == ["w"]
    # One prefix declared, another used.
    assert xmp.read(packet(inside.replace("xmlns:TC260", "xmlns:C260"))) == ["v"]
    assert xmp.read(packet(inside.replace("xmlns:TC260", "xmlns:B"))[:0] + b"<a/>") == []


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-8-sig"])
@pytest.mark.parametrize("declared", ["", '<?xml version="1.0" encoding="UTF-16"?>'])
def test_other_encodings_are_read_and_written_as_utf_8(encoding, declared):
    text = declared + xmp.write(FOREIGN, VALUE).decode()
    data = text.encode(encoding)
    assert xmp.read(data) == [VALUE]
    new = xmp.write(data, "w")
    assert xmp.read(new) == ["w"]
    assert "山水".encode() in new
    if encoding != "utf-8-sig":
        assert b"UTF-16" not in new


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"not xml", "malformed"),
        (b"<a>", "malformed"),
        (b"\xff\xfe<", "malformed"),
        (b"<u:a/>", "malformed"),
        (b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', "malformed"),
        (b'<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>', "malformed"),
        (b"<a>" * 100 + b"</a>" * 100, "over_limit"),
        (b"<a>" + b"<b/>" * 100_001 + b"</a>", "over_limit"),
        (b"<a/>" + b" " * xmp.LARGEST, "over_limit"),
    ],
)
def test_what_is_no_packet_is_refused(data, code):
    for use in (xmp.read, xmp.clear, lambda given: xmp.write(given, "v")):
        with pytest.raises(ReadError) as caught:
            use(data)
        assert caught.value.code == code


def test_a_packet_without_rdf_cannot_be_written_to():
    assert xmp.read(b"<a/>") == []
    with pytest.raises(ReadError):
        xmp.write(b"<a/>", VALUE)


def test_a_billion_laughs_are_not_heard():
    lol = "".join(f'<!ENTITY l{i + 1} "{f"&l{i};" * 10}">' for i in range(9))
    data = f'<!DOCTYPE a [<!ENTITY l0 "lol">{lol}]>'.encode() + packet(
        f"<rdf:Description {OURS}><TC260:AIGC>&l9;</TC260:AIGC></rdf:Description>"
    )
    began = time.monotonic()
    with pytest.raises(ReadError):
        xmp.read(data)
    assert time.monotonic() - began < 1


@pytest.mark.parametrize("fill", [b" ", b"\n", b'a="', b"<", b"a:b='c' "])
def test_a_packet_of_megabytes_takes_no_time(fill):
    many = fill * (1_000_000 // len(fill))
    tag = f"<rdf:Description {OURS} TC260:AIGC='v'".encode()
    for data in (packet("").replace(b"</rdf", tag + many + b"/></rdf"), packet("") + many):
        began = time.monotonic()
        with suppress(ReadError):
            xmp.shrink(xmp.write(data, VALUE))
        assert time.monotonic() - began < 5


def test_padding_goes_where_there_is_no_room_for_it():
    padded = FOREIGN.replace(b"<?xpacket end", b"\n" + b" " * 2000 + b"\n<?xpacket end")
    assert xmp.shrink(padded) == FOREIGN
    assert xmp.shrink(b"<a/>") == b"<a/>"


def test_a_damaged_packet_gives_an_answer_or_a_read_error():
    chance = random.Random(3)
    data = xmp.write(FOREIGN, VALUE)
    answers = 0
    for _ in range(1500):
        changed = bytearray(data)
        for _ in range(chance.choice((1, 2, 5))):
            changed[chance.randrange(len(changed))] = chance.choice(b"<>/=\"' :a\0\xff&")
        try:
            values = xmp.read(bytes(changed))
            new = xmp.write(bytes(changed), VALUE)
        except ReadError:
            continue
        answers += 1
        assert all(isinstance(value, str) for value in values)
        assert xmp.read(new) == [VALUE]
    assert answers
