"""Parts of a picture in which a label may stand, and what reading and writing do with them.

The formats differ in how parts are found and wrapped; what is in them is the same everywhere: XMP,
EXIF, or a text of its own.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Final, Literal, NamedTuple

from hegui.labels import xmp
from hegui.labels.carriers import exif
from hegui.labels.carriers.carrier import Found, Site, Slot
from hegui.labels.label import Defect
from hegui.labels.source import ReadError
from hegui.language import Problem

_ALL: Final = 8 * 1024 * 1024  # bytes of all parts of one file
_MOST: Final = {"xmp": 64, "exif": 4, "text": 256}
Edit = tuple[int, int, bytes]


class Part(NamedTuple):
    """A part of a file, from `start` up to `end`, and the `data` in it.

    `rebuild` makes the same part with other data; None where that cannot be done safely. A part of
    kind `text` is a label as a whole, and goes as a whole.
    """

    start: int
    end: int
    kind: Literal["xmp", "exif", "text"]
    data: bytes
    place: str
    slot: Slot = "met"
    rebuild: Callable[[bytes], bytes] | None = None


def read(parts: Iterable[Part]) -> Found:
    """Every label in the parts; what cannot be read is a fault, and does not hide the others."""
    found = Found()
    try:
        for part in _bounded(parts):
            try:
                found.sites += _sites(part)
            except ReadError as error:
                found.faults.append(Defect(error.code, error.detail))
    except ReadError as error:
        found.faults.append(Defect(error.code, error.detail))
    return found


def rewrite(parts: Iterable[Part], value: str) -> tuple[bytes, list[Edit]]:
    """The XMP packet with the label, for the guide's place, and the edits that leave it the only one.

    The packet that was there is merged into it; a second one, and EXIF, keep what else they hold.

    Raises:
        ReadError: a part cannot be understood.
        Problem: `labels.elsewhere`, for a label that cannot be taken out of its place.
    """
    every = list(_bounded(parts))
    packets = [part for part in every if part.kind == "xmp" and part.rebuild]
    first = min(packets, key=lambda part: part.slot != "guide", default=None)
    edits = [edit for part in every if part is not first for edit in _cleared(part)]
    if first:
        edits.append((first.start, first.end, b""))
    return xmp.write(first.data if first else None, value), edits


def _bounded(parts: Iterable[Part]) -> Iterator[Part]:
    left, room = dict(_MOST), _ALL
    for part in parts:
        left[part.kind] -= 1
        room -= len(part.data)
        if left[part.kind] < 0 or room < 0:
            raise ReadError("over_limit", part.place)
        yield part


def _sites(part: Part) -> list[Site]:
    if part.kind == "xmp":
        return [Site(part.place, value, part.slot) for value in xmp.read(part.data)]
    if part.kind == "exif":
        return exif.read(part.data)
    return [Site(part.place, part.data.decode("utf-8", "replace"), part.slot)]


def _cleared(part: Part) -> Iterator[Edit]:
    """The edit that takes a label out of a part, if one is in it."""
    if part.kind == "text":
        yield part.start, part.end, b""
    elif _sites(part):
        if part.rebuild is None:
            raise Problem(
                "labels.elsewhere",
                "A label stands in {place}, where it cannot be replaced safely: export the picture "
                "anew without its metadata, then label it.",
                place=part.place,
            )
        rest = xmp.clear(part.data) if part.kind == "xmp" else exif.without(part.data)
        yield part.start, part.end, part.rebuild(rest) if rest else b""
