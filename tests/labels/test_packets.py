import xml.etree.ElementTree as ET

import pytest

from hegui.labels import xmp
from hegui.labels.carriers.tree import append, parse, splice, utf8

RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
META = '<x:xmpmeta xmlns:x="adobe:ns:meta/">%s</x:xmpmeta>'
SPACES = f'xmlns:rdf="{RDF}" xmlns:T="{xmp.NAMESPACE}"'


@pytest.mark.parametrize(
    "rdf",
    [
        f"<rdf:RDF {SPACES}/>",
        f"<rdf:RDF {SPACES}></rdf:RDF>",
        f"<rdf:RDF {SPACES}><rdf:Description/></rdf:RDF>",
    ],
)
def test_the_property_stands_inside_of_rdf(rdf):
    packet = xmp.write((META % rdf).encode(), "value")
    root = ET.fromstring(packet)
    assert root.find(f"{{{RDF}}}RDF/{{{RDF}}}Description/{{{xmp.NAMESPACE}}}AIGC").text == "value"
    assert xmp.read(packet) == ["value"]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            "<rdf:Description><T:AIGC>a</T:AIGC>\n <b>c</b></rdf:Description>",
            "<rdf:Description>\n <b>c</b></rdf:Description>",
        ),
        (
            "<rdf:Description T:AIGC='a'> T:AIGC='b' <b>c</b></rdf:Description>",
            "<rdf:Description> T:AIGC='b' <b>c</b></rdf:Description>",
        ),
        ("<rdf:Description T:AIGC='a' b='&lt;'/>", "<rdf:Description b='&lt;'/>"),
    ],
)
def test_nothing_but_the_property_goes(before, after):
    whole = META % f"<rdf:RDF {SPACES}>%s</rdf:RDF>"
    assert xmp.clear((whole % before).encode()) == (whole % after).encode()


@pytest.mark.parametrize(
    ("text", "new"),
    [
        (b'<a><b c="/"/></a>', b'<a><b c="/">+</b></a>'),
        (b"<a><b/><b/></a>", b"<a><b>+</b><b/></a>"),
        (b'<x:a xmlns:x="y"><x:b /></x:a>', b'<x:a xmlns:x="y"><x:b >+</x:b></x:a>'),
        (b"<a><b>\n<!-- > -->t</b>\n</a>", b"<a><b>\n<!-- > -->t+</b>\n</a>"),
        (b"<a><b></b></a>", b"<a><b>+</b></a>"),
        (b"<?xml version='1.0'?><b/>", b"<?xml version='1.0'?><b>+</b>"),
    ],
)
def test_an_element_opens_for_what_is_put_into_it(text, new):
    element = parse(text).first("b")
    assert splice(text, append(text, element, b"+")) == new
    assert splice(text, (element.start, element.end, b"")) + b"" != text
    whole = text[element.start : element.end]
    assert whole.endswith((b"/>", b"b>"))
    assert parse(utf8(text.decode().encode("utf-16"))).first("b") is not None
