"""The Merkle tree of RFC 6962, section 2.1: hashes, the right edge, proofs.

A *node* (level, index) is the root of the complete subtree over the leaves
[index << level, (index + 1) << level); level 0 is a leaf. Nothing here touches a database: callers
hand in the nodes, so the same functions serve the writer, the prover and the tests.
"""

from collections.abc import Callable
from hashlib import sha256

Node = tuple[int, int]
Fetch = Callable[[list[Node]], dict[Node, bytes]]

EMPTY_ROOT = sha256(b"").digest()


def leaf_hash(data: bytes) -> bytes:
    return sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return sha256(b"\x01" + left + right).digest()


class Edge:
    """The right edge of a growing tree: the roots of its complete subtrees, largest first."""

    __slots__ = ("hashes", "size")

    def __init__(self, size: int = 0, packed: bytes = b"") -> None:
        self.size = size
        self.hashes = [packed[at : at + 32] for at in range(0, len(packed), 32)]

    def append(self, leaf: bytes) -> bytes:
        """Add a leaf hash; return the nodes that it completes, from level 1 up, joined."""
        index, current, completed = self.size, leaf, b""
        while index & 1:
            current = node_hash(self.hashes.pop(), current)
            index >>= 1
            completed += current
        self.hashes.append(current)
        self.size += 1
        return completed

    def pack(self) -> bytes:
        return b"".join(self.hashes)

    def root(self) -> bytes:
        if not self.hashes:
            return EMPTY_ROOT
        current = self.hashes[-1]
        for left in reversed(self.hashes[:-1]):
            current = node_hash(left, current)
        return current


def completed_by(node: Node) -> int:
    """The leaf whose append completed this node, and beside which it is therefore kept."""
    level, index = node
    return ((index + 1) << level) - 1


def _split(size: int) -> int:
    """The largest power of two smaller than `size` (the k of RFC 6962)."""
    return 1 << ((size - 1).bit_length() - 1)


def _cover(low: int, high: int) -> list[Node]:
    """The nodes whose leaves are [low, high), for a range that starts on a subtree border."""
    nodes = []
    while low < high:
        level = (high - low).bit_length() - 1
        nodes.append((level, low >> level))
        low += 1 << level
    return nodes


def _fold(hashes: list[bytes]) -> bytes:
    current = hashes[-1]
    for left in reversed(hashes[:-1]):
        current = node_hash(left, current)
    return current


def _resolve(ranges: list[tuple[int, int]], fetch: Fetch) -> list[bytes]:
    covers = [_cover(low, high) for low, high in ranges]
    found = fetch([node for cover in covers for node in cover])
    return [_fold([found[node] for node in cover]) for cover in covers]


def root_at(size: int, fetch: Fetch) -> bytes:
    """The root of the tree's first `size` leaves."""
    return _resolve([(0, size)], fetch)[0] if size else EMPTY_ROOT


def inclusion_proof(index: int, size: int, fetch: Fetch) -> list[bytes]:
    """The audit path of leaf `index` in the tree of `size` leaves, leaf's sibling first."""
    ranges, low, high = [], 0, size
    while high - low > 1:
        middle = low + _split(high - low)
        if index < middle:
            ranges.append((middle, high))
            high = middle
        else:
            ranges.append((low, middle))
            low = middle
    return _resolve(ranges[::-1], fetch)


def root_from_inclusion(leaf: bytes, index: int, size: int, proof: list[bytes]) -> bytes | None:
    """The root that `proof` leads to, or None when its length does not fit the tree."""
    if not 0 <= index < size:
        return None
    current, last, steps = leaf, size - 1, iter(proof)
    for sibling in steps:
        if last == 0:
            return None
        if index & 1 or index == last:
            current = node_hash(sibling, current)
            while not index & 1 and index:
                index, last = index >> 1, last >> 1
        else:
            current = node_hash(current, sibling)
        index, last = index >> 1, last >> 1
    return current if last == 0 else None
