"""MP4, MOV, M4A (ISO/IEC 14496-12, QuickTime): the label under the key AIGC of moov/udta/meta.

That meta box is of kind mdta, as FFmpeg's `-movflags use_metadata_tags` makes it. iTunes' tags, a
meta box of kind mdir in the same place, stay as they are: the label's box stands behind them, because
players look at the first one alone, while FFmpeg and ExifTool read both (measured).

Read besides: mdta tags of moov, of tracks and of the file; iTunes' values and old QuickTime texts
that are labels; XMP; boxes named aigc.
"""

from collections.abc import Sequence
from typing import ClassVar, Final

from hegui.labels.carriers import bmff_tags
from hegui.labels.carriers.bmff import Box, children, pack, walk
from hegui.labels.carriers.bmff_edit import Surgery
from hegui.labels.carriers.bmff_places import Places
from hegui.labels.carriers.carrier import Carrier, Found
from hegui.labels.source import ReadError, Source
from hegui.labels.splice import Keep, Plan
from hegui.language import Problem, Text

_OTHERS: Final = frozenset({b"crx ", b"jp2 ", b"jpx ", b"jpm ", b"jxl "})  # pictures


class Mp4(Carrier):
    name = "mp4"
    title = Text(zh="MP4 视频", en="MP4 video")
    suffixes: ClassVar[tuple[str, ...]] = (".mp4", ".m4v", ".3gp", ".3g2", ".f4v")
    place = "moov/udta/meta (mdta), AIGC"
    source = "TC260-PG-20257A (M)"

    def matches(self, head: bytes, name: str) -> bool:  # noqa: ARG002 (the signature says it)
        return head[4:8] in {b"ftyp", b"styp"} and head[8:12] not in _OTHERS

    def read(self, source: Source) -> Found:
        places = Places(source)
        return Found(places.sites(), places.faults)

    def plan(self, source: Source, value: str) -> Plan:
        places = Places(source)
        places.check()
        moov = _moov(places)
        surgery = Surgery(source.fresh())
        places.clear(surgery, value)
        if places.guide is None:
            _add(source, surgery, moov, value)
        surgery.absorb(moov)
        return surgery.plan()

    def media(self, source: Source) -> Sequence[Keep]:
        return [Keep(box.body, box.end) for box, _ in walk(source, ()) if box.kind == b"mdat"]


class Mov(Mp4):
    name = "mov"
    title = Text(zh="MOV 视频", en="MOV video")
    suffixes: ClassVar[tuple[str, ...]] = (".mov", ".qt")

    def matches(self, head: bytes, name: str) -> bool:
        if head[4:8] == b"ftyp":
            return head[8:12] == b"qt  "
        # QuickTime before 2001 has no signature but its first box.
        return head[4:8] in {b"moov", b"mdat", b"wide", b"pnot"} or (
            head[4:8] in {b"free", b"skip"} and name.endswith((*self.suffixes, *Mp4.suffixes))
        )


class M4a(Mp4):
    name = "m4a"
    title = Text(zh="M4A 音频", en="M4A audio")
    suffixes: ClassVar[tuple[str, ...]] = (".m4a", ".m4b")
    source = "TC260-PG-202510A (M)"

    def matches(self, head: bytes, name: str) -> bool:  # noqa: ARG002 (the signature says it)
        return head[4:8] == b"ftyp" and head[8:11] in {b"M4A", b"M4B"}


def _moov(places: Places) -> Box:
    found = [box for box in places.top if box.kind == b"moov"]
    if not found:
        raise Problem(
            "labels.segment",
            "This is a segment of a stream without its header (moov): label the initialization segment, or the whole file.",
        )
    if len(found) > 1:
        raise ReadError("malformed", "more than one moov")
    return found[0]


def _add(source: Source, surgery: Surgery, moov: Box, value: str) -> None:
    """Put in a new meta box: behind iTunes' in udta, at the start of udta, or in a udta of its own."""
    meta = bmff_tags.new(value)
    udta = next((box for box in children(source, moov) if box.kind == b"udta"), None)
    if udta is None:
        surgery.put(moov.end, moov.end, pack(b"udta", meta), (moov,))
        return
    place = udta.body
    try:
        for box in children(source, udta):
            place = box.end if box.kind == b"meta" else place
    except ReadError:
        pass  # what is odd in user data stays behind the label
    surgery.put(place, place, meta, (moov, udta))
