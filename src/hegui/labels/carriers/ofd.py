"""OFD (GB/T 33190-2016): the label among the custom data of the document's information.

Our convention: the guide on text files is said to cover OFD, but the place it gives is not known.
"""

from collections.abc import Sequence
from typing import Final
from xml.sax.saxutils import escape

from hegui.labels.carriers import zips
from hegui.labels.carriers.carrier import Carrier, Found, Site
from hegui.labels.carriers.tree import Element, append, parse, prefix, splice, utf8
from hegui.labels.label import Defect
from hegui.labels.source import ReadError, Source
from hegui.labels.splice import Keep, Plan
from hegui.language import Problem, Text

_MAIN: Final = "OFD.xml"


class Ofd(Carrier):
    name = "ofd"
    title = Text(zh="OFD 版式文档", en="OFD document")
    suffixes = (".ofd",)
    place = 'OFD.xml, <CustomData Name="AIGC">'
    source = "-"
    own = True

    def matches(self, head: bytes, name: str) -> bool:
        known = name.endswith(self.suffixes) or head[30:37] == _MAIN.encode()
        return head.startswith(zips.LOCAL_MARK) and known

    def read(self, source: Source) -> Found:
        found = Found()
        try:
            _, data = _open(source)
            values = [each.text for each in _labels(parse(data))]
            found.sites += [Site(self.place, value, "own") for value in values]
        except ReadError as error:
            found.faults.append(Defect(error.code, error.detail))
        return found

    def plan(self, source: Source, value: str) -> Plan:
        archive, data = _open(source)
        root = parse(data)
        if root.first("Signatures"):
            raise Problem(
                "labels.signed",
                "The document is signed, and a label would break the signature: label it before it is signed.",
            )
        info = root.first("DocInfo")
        if info is None:
            raise ReadError("malformed", "OFD without DocInfo")
        own = prefix(data, info)
        fresh = f'<{own}CustomData Name="AIGC">{escape(value)}</{own}CustomData>'
        parent = next((each for each in info.children if each.name == "CustomDatas"), None)
        if parent is None:
            fresh = f"<{own}CustomDatas>{fresh}</{own}CustomDatas>"
        cuts = [(each.start, each.end, b"") for each in _labels(root)]
        new = splice(data, *cuts, append(data, parent or info, fresh.encode()))
        return zips.rewrite(source, archive, {_MAIN: new})

    def media(self, source: Source) -> Sequence[Keep]:
        return zips.kept(zips.directory(source), frozenset({_MAIN}))


def _open(source: Source) -> tuple[zips.Zip, bytes]:
    archive = zips.directory(source)
    entry = archive.named(_MAIN)
    if entry is None or entry.name != _MAIN:
        raise ReadError("malformed", f"no {_MAIN}")
    return archive, utf8(zips.part(source, entry))


def _labels(root: Element) -> list[Element]:
    return [each for each in root.all("CustomData") if each.attributes.get("Name") == "AIGC"]
