"""Putting tags into a Matroska segment so that every position in it stays right.

Positions count from the start of the segment's data and stand in SeekHead, in Cues and, rarely, in
clusters. Free space (Void) is used where there is some, so that nothing moves; otherwise the
positions are moved along, with the checksums of their elements.
"""

from typing import Final

from hegui.labels.carriers import ebml
from hegui.labels.carriers.ebml import CRC, VOID, Element, Node
from hegui.labels.carriers.keyed import LARGEST
from hegui.labels.carriers.matroska_parts import (
    CLUSTER,
    CUES,
    POSITION,
    SEEK_HEAD,
    Part,
    head,
    parts,
)
from hegui.labels.source import ReadError, Source
from hegui.labels.splice import Plan, replace

Edit = tuple[int, int, bytes]

_POSITIONS: Final = {0x53AC, 0xF1, 0xEA, 0x97}  # of Seek; of CueTrackPositions and CueReference
_INDEXES: Final = frozenset({SEEK_HEAD, 0x4DBB, CUES, 0xBB, 0xB7, 0xDB})  # that hold others
_ROUNDS: Final = 8
_ROOM: Final = 128  # bytes of free space behind SeekHead that are left to it


class Layout:
    """A segment's parts, and what is to become of them."""

    def __init__(self, source: Source, segment: Element) -> None:
        self._source, self._segment = source, segment
        self.parts = list(parts(source, segment))
        clusters = [part for part in self.parts if part.id == CLUSTER]
        ends = [part.end for part in self.parts] or [segment.data]
        self._front = clusters[0].start if clusters else ends[-1]
        self._behind = clusters[-1].start if clusters else source.size
        self._edits: list[Edit] = []
        self._homes: dict[
            int, tuple[int, int]
        ] = {}  # of what goes elsewhere: an edit, and where in it
        self._indexes = [
            (part, self._tree(part)) for part in self.parts if part.id in (SEEK_HEAD, CUES)
        ]

    def _tree(self, part: Part) -> Node:
        if part.end - part.start > LARGEST:
            raise ReadError("over_limit", "index")
        data = self._source.read(part.start, part.end - part.start)
        return ebml.tree(data, _INDEXES)

    def put(self, old: Part | None, fresh: bytes) -> None:
        """Put these tags in the place of the old ones, or where there is room for them."""
        if old:
            end = self._room_of(old)
            behind = old.start > self._behind and self._is_known(old)
            if _fits(end - old.start, fresh):
                self._edits.append(
                    (old.start, end, fresh + ebml.void(end - old.start - len(fresh)))
                )
                return
            if behind:
                self._edits.append((old.start, old.end, fresh))
                return
        room = self._free(fresh)
        if room:
            spare = room.end - room.start - len(fresh)
            self._move(old, room.start, spare)
            self._edits.append((room.start, room.end, ebml.void(spare) + fresh))
        elif old and old.start < self._front:
            self._edits.append((old.start, old.end, fresh))
        else:
            self._move(old, self._front, 0)
            self._edits.append((self._front, self._front, fresh))

    def shrink(self, part: Part, fresh: bytes) -> None:
        """Put less in the place of a part, and free space behind it."""
        self._edits.append(
            (part.start, part.end, fresh + ebml.void(part.end - part.start - len(fresh)))
        )

    def _move(self, old: Part | None, start: int, offset: int) -> None:
        if old:
            self._homes[old.start] = start, offset
            self.shrink(old, b"")

    def _room_of(self, part: Part) -> int:
        """Where a part ends, and the free space behind it."""
        number = self.parts.index(part) + 1
        following = self.parts[number] if number < len(self.parts) else None
        return following.end if following and following.id == VOID else part.end

    def _is_known(self, part: Part) -> bool:
        """Whether SeekHead says where it is; behind the clusters, a player finds it by that alone."""
        place = part.start - self._segment.data
        return any(
            position.number() == place
            for index, node in self._indexes
            if index.id == SEEK_HEAD
            for position in node.find(0x4DBB, 0x53AC)
        )

    def _free(self, fresh: bytes) -> Part | None:
        """Free space before the clusters; a little of it stays behind SeekHead, which may grow."""
        before = 0
        for part in self.parts:
            if part.start >= self._front:
                break
            room = part.end - part.start - (_ROOM if before == SEEK_HEAD else 0)
            if part.id == VOID and _fits(room, fresh):
                return part
            before = part.id
        return None

    def plan(self) -> Plan:
        edits = self._settled()
        if self._place(self._front, edits) != self._front:
            edits += self._clusters(edits)
        return replace(self._source.size, *edits, *self._sized(edits))

    def _settled(self) -> list[Edit]:
        """The edits with those of the indexes, which may grow and so move things themselves."""
        indexes: list[Edit] = []
        for _ in range(_ROUNDS):
            edits = [*self._edits, *indexes]
            again = [
                edit for part, node in self._indexes if (edit := self._index(part, node, edits))
            ]
            if again == indexes:
                return edits
            indexes = again
        raise ReadError("malformed", "index")

    def _index(self, part: Part, node: Node, edits: list[Edit]) -> Edit | None:
        """The edit of an index, if a position in it changes."""
        moved = self._moved(node, edits)
        if moved == node:
            return None
        fresh = moved.pack()
        end = self._room_of(part)
        taken = any(start < end and stop > part.end for start, stop, _ in self._edits)
        if not taken and _fits(end - part.start, fresh):
            return part.start, end, fresh + ebml.void(end - part.start - len(fresh))
        return part.start, part.end, fresh

    def _moved(self, node: Node, edits: list[Edit]) -> Node:
        """The same index with every position where things will be; 0 is "none" in some of them."""
        if node.id in _POSITIONS and (number := node.number()):
            base = self._segment.data
            place = self._place(base + number, edits) - base
            return Node(node.id, ebml.uint(place, len(node.data)), width=node.width)
        if node.children is None:
            return node
        children = [self._moved(child, edits) for child in node.children]
        return Node(node.id, children=children, width=node.width)

    def _place(self, old: int, edits: list[Edit]) -> int:
        """Where what began at `old` will begin."""
        if old in self._homes:
            start, offset = self._homes[old]
            return start + offset + sum(_growth(edit) for edit in edits if edit[0] < start)
        return old + sum(
            _growth(edit) for edit in edits if edit[0] < old or (edit[0] == edit[1] == old)
        )

    def _clusters(self, edits: list[Edit]) -> list[Edit]:
        """The edits of clusters that say where they are; a checksum over that becomes free space."""
        base = self._segment.data
        found: list[Edit] = []
        for cluster in self.parts:
            before, _ = head(self._source, cluster) if cluster.id == CLUSTER else ([], 0)
            position = next((each for each in before if each.id == POSITION), None)
            if position is None:
                continue
            place = self._place(cluster.start, edits) - base
            width = position.end - position.data
            if place >> 8 * width:
                found.append((position.start, position.start + 1, bytes([VOID])))
            else:
                found.append((position.data, position.end, place.to_bytes(width)))
            found += [(e.start, e.start + 1, bytes([VOID])) for e in before if e.id == CRC]
        return found

    def _sized(self, edits: list[Edit]) -> list[Edit]:
        """The edit of the segment's own size, if it has one; no position counts from before it."""
        segment, grown = self._segment, sum(map(_growth, edits))
        if segment.end is None or not grown:
            return []
        at = segment.start + 4
        size = ebml.size_of(segment.end - segment.data + grown, segment.data - at)
        return [(at, segment.data, size)]


def _fits(room: int, fresh: bytes) -> bool:
    return room == len(fresh) or room >= len(fresh) + 2


def _growth(edit: Edit) -> int:
    start, end, data = edit
    return len(data) - (end - start)
