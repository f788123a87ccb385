"""Where labels stand in an ISO media file besides a meta box of items: tags, XMP boxes, texts."""

from typing import Final, NamedTuple

from hegui.labels import xmp
from hegui.labels.carriers import bmff_tags
from hegui.labels.carriers.bmff import Box, Inside, children, content, pack, path, walk
from hegui.labels.carriers.bmff_edit import Surgery
from hegui.labels.carriers.bmff_tags import Tags, is_label
from hegui.labels.carriers.carrier import Site
from hegui.labels.label import LONGEST, Defect
from hegui.labels.source import ReadError, Source
from hegui.language import Problem

_XMP: Final = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")
_GUIDE: Final = (b"moov", b"udta")
_TEXT: Final = 4 * LONGEST  # bytes of a text in udta that can be a label


class _Text(NamedTuple):
    """A box whose text is a label, or an XMP packet and the labels in it."""

    box: Box
    inside: Inside
    values: tuple[str, ...]
    packet: bytes = b""


class Places:
    """Everything that may hold a label, as far as the file can be read; `faults` say what cannot."""

    def __init__(self, source: Source) -> None:
        self.top: list[Box] = []  # the boxes of the file itself
        self.tags: list[Tags] = []
        self.faults: list[Defect] = []
        self._broken: ReadError | None = None  # the boxes of the file, or of moov, are not whole
        self._unread = ""  # a place that may hold a label, and cannot be read
        self._texts: list[_Text] = []
        self._source = source
        try:
            for box, _ in walk(source, ()):
                self.top.append(box)
                self._look(box)
        except ReadError as error:
            self._broken = error
            self._fault(error)

    def check(self) -> None:
        """Raise what keeps the file from being labelled: `ReadError`, or `Problem` `labels.elsewhere`."""
        if self._broken:
            raise self._broken
        if self._unread:
            raise Problem(
                "labels.elsewhere",
                "A part of the file that may hold another label cannot be read ({place}): write the file anew without it, then label it.",
                place=self._unread,
            )

    @property
    def guide(self) -> Tags | None:
        """The tags where the label belongs."""
        return next((each for each in self.tags if _is_guide(each)), None)

    def sites(self) -> list[Site]:
        """The labels, those at the guides' place first."""
        sites = [site for each in self.tags for site in _sites(each)]
        for text in self._texts:
            place = path(text.box, text.inside) + (" XMP" if text.packet else "")
            sites += [Site(place, value, "met") for value in text.values]
        return sorted(sites, key=lambda site: site.slot != "guide")

    def clear(self, surgery: Surgery, label: str = "") -> None:
        """Take all labels out; given one, put it into the tags where it belongs, if there are any."""
        for text in self._texts:
            if text.packet and text.values:
                packet = xmp.clear(text.packet).ljust(text.box.size)
                inside = (*text.inside, text.box)
                surgery.put(text.box.body, text.box.end, packet, inside)
            elif text.values:
                _clear(surgery, text)
        guide = self.guide
        for tags in self.tags:
            bmff_tags.rewrite(surgery, tags, label if tags is guide else "")

    def _fault(self, error: ReadError) -> None:
        self.faults.append(Defect(error.code, error.detail))

    def _look(self, box: Box, inside: Inside = ()) -> None:
        """Find what may hold a label. Odd user data, as cameras write it, is a fault and no more."""
        if box.kind in {b"moov", b"trak"} and len(inside) < 2:
            for each in children(self._source, box):
                self._look(each, (*inside, box))
        elif box.kind == b"cmov":
            raise ReadError("malformed", "compressed moov")
        elif box.kind == b"udta":
            try:
                for each in children(self._source, box):
                    self._look_at(each, (*inside, box))
            except ReadError as error:
                self._fault(error)
        elif box.kind != b"mdat":
            self._look_at(box, inside)

    def _look_at(self, box: Box, inside: Inside) -> None:
        try:
            self._hold(box, inside, in_udta=bool(inside) and inside[-1].kind == b"udta")
        except ReadError as error:
            self._fault(error)
            self._unread = path(box, inside)

    def _hold(self, box: Box, inside: Inside, *, in_udta: bool) -> None:
        named = box.kind.lower() == b"aigc"
        if box.kind == b"meta":
            self.tags.append(bmff_tags.tags(self._source, box, inside))
        elif box.uuid == _XMP or (in_udta and box.kind == b"XMP_"):
            packet = content(self._source, box, xmp.LARGEST)
            self._texts.append(_Text(box, inside, tuple(xmp.read(packet)), packet))
        elif named or (in_udta and box.size <= _TEXT):
            text = _json(content(self._source, box, _TEXT))
            if named or is_label(text):
                self._texts.append(_Text(box, inside, (text,)))


def _json(data: bytes) -> str:
    """The object in a box's text, whatever words of length, language or flags stand before it."""
    start, end = data.find(b"{"), data.rfind(b"}") + 1
    return data[start:end].decode("utf-8", "replace") if 0 <= start < end else ""


def _is_guide(tags: Tags) -> bool:
    return tags.kind == b"mdta" and tuple(box.kind for box in tags.inside) == _GUIDE


def _sites(tags: Tags) -> list[Site]:
    kind = tags.kind.decode("latin-1")
    place = f"{path(tags.box, tags.inside)} ({kind}), "
    sites: list[Site] = []
    for value, text in bmff_tags.labels(tags):
        space = tags.names[value.key - 1][0] if value.key else b""
        right = _is_guide(tags) and value.name == bmff_tags.KEY and space == b"mdta"
        where = place + value.name.decode("utf-8", "replace")
        sites.append(Site(where, text, "guide" if right else "met"))
    if bmff_tags.is_wiped(tags):
        sites.append(Site(f"{place}AIGC", ""))
    return sites


def _clear(surgery: Surgery, text: _Text) -> None:
    box = text.box
    if text.inside:
        surgery.put(box.start, box.end, b"", text.inside)
    else:  # between fragments: nothing may move
        surgery.put(box.start, box.end, pack(b"free", bytes(box.end - box.start - 8)))
