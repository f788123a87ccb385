"""Edits of an ISO media file: what is around them, and what points past them, is kept right."""

from hegui.labels.carriers.bmff import WORD, Box, Inside, boxes
from hegui.labels.carriers.bmff_offsets import Edit, Moves, Patches, Placed
from hegui.labels.source import ReadError, Source
from hegui.labels.splice import Plan, replace


class Surgery:
    """Collects edits, then makes the plan of the new file."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._edits: list[Edit] = []
        self._placed: dict[int, Placed] = {}

    def put(self, start: int, end: int, data: bytes, inside: Inside = ()) -> Edit:
        """New bytes for a range, in these boxes, whose sizes follow. Ranges may not overlap."""
        edit = Edit(start, end, data, inside)
        self._edits.append(edit)
        return edit

    def place(self, item: int, edit: Edit, skip: int, length: int) -> None:
        """The data of an item of the file's meta box is in what an edit brings."""
        self._placed[item] = Placed(edit, skip, length)

    def absorb(self, moov: Box) -> None:
        """Let the padding behind a box give way to what it has grown, so that nothing else moves."""
        grown = sum(edit.grows for edit in self._edits if moov in edit.inside)
        free = next(boxes(self._source, moov.end, self._source.size), None)
        if free is None or free.kind not in {b"free", b"skip"} or free.endless or free.wide:
            return
        room = free.end - free.start
        if grown == room:
            self.put(free.start, free.end, b"")
        elif 0 < grown <= room - 8:
            header = (room - grown).to_bytes(4) + free.kind
            self.put(free.start, free.start + grown + 8, header)

    def plan(self) -> Plan:
        """The new file. Raises as `Patches`, and `ReadError` `over_limit` for a box grown too large."""
        widen: set[int] = set()
        edits = _sorted(self._edits)
        while True:
            patches = Patches(self._source.fresh(), Moves(edits), widen, self._placed)
            grown = _sorted([*self._edits, *(edit for edit in patches.edits if edit.grows)])
            # A table that grows moves what is behind it once more: until nothing does.
            if not patches.too_far and _shape(grown) == _shape(edits):
                break
            widen |= patches.too_far
            edits = grown
        every = [*self._edits, *patches.edits]
        every = _sorted([*every, *_sizes(every)])
        ends = [0, *(edit.end for edit in every)]
        if ends[-1] > self._source.size or any(
            edit.start < end for edit, end in zip(every, ends, strict=False)
        ):
            raise ReadError("malformed", "parts that overlap")
        return replace(self._source.size, *((edit.start, edit.end, edit.data) for edit in every))


def _shape(edits: list[Edit]) -> list[tuple[int, int, int]]:
    return [(edit.start, edit.end, len(edit.data)) for edit in edits]


def _sorted(edits: list[Edit]) -> list[Edit]:
    """In the order of the file; an insertion before what is changed at the same place."""
    return sorted(edits, key=lambda edit: (edit.start, edit.end))


def _sizes(edits: list[Edit]) -> list[Edit]:
    """The size fields of the boxes around the edits."""
    grown: dict[Box, int] = {}
    for edit in edits:
        for box in edit.inside:
            grown[box] = grown.get(box, 0) + edit.grows
    return [_size(box, by) for box, by in grown.items() if by and not box.endless]


def _size(box: Box, by: int) -> Edit:
    size = box.end - box.start + by
    if box.wide:
        return Edit(box.start + 8, box.start + 16, size.to_bytes(8))
    if size > WORD:
        raise ReadError("over_limit", box.kind.decode("latin-1"))
    return Edit(box.start, box.start + 4, size.to_bytes(4))
