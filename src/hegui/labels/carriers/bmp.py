"""BMP: a format without any place for a label, which is refused with advice."""

from collections.abc import Sequence
from typing import Final

from hegui.labels.carriers.carrier import Carrier, Found
from hegui.labels.label import Defect
from hegui.labels.source import Source
from hegui.labels.splice import Keep, Plan
from hegui.language import Problem, Text

# Lengths of the second header, by which the two letters of the first are told from a text.
_HEADERS: Final = frozenset({12, 16, 40, 52, 56, 64, 108, 124})


class Bmp(Carrier):
    name = "bmp"
    title = Text(zh="BMP 图片（无标识位置）", en="BMP picture (no place for a label)")
    suffixes = (".bmp", ".dib")
    place = "-"
    source = "-"

    def matches(self, head: bytes, name: str) -> bool:  # noqa: ARG002 (the signature says it)
        return head[:2] == b"BM" and int.from_bytes(head[14:18], "little") in _HEADERS

    def read(self, source: Source) -> Found:  # noqa: ARG002 (there is nowhere to look)
        return Found(faults=[Defect("no_slot")])

    def plan(self, source: Source, value: str) -> Plan:  # noqa: ARG002 (as above)
        raise Problem(
            "labels.no-slot",
            "BMP has no place for a label: export the picture as PNG, which loses nothing, and label that.",
        )

    def media(self, source: Source) -> Sequence[Keep]:
        return [Keep(0, source.size)]
