import xml.etree.ElementTree as ET

import pytest

from hegui.labels import xmp

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
            "<rdf:Description T:AIGC='a'> T:AIGC='b' </rdf:Description>",
            "<rdf:Description> T:AIGC='b' </rdf:Description>",
        ),
        ("<rdf:Description T:AIGC='a' b='&lt;'/>", "<rdf:Description b='&lt;'/>"),
    ],
)
def test_nothing_but_the_property_goes(before, after):
    whole = META % f"<rdf:RDF {SPACES}>%s</rdf:RDF>"
    assert xmp.without((whole % before).encode()) == (whole % after).encode()
