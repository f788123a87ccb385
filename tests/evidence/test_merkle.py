"""The tree against a naive implementation that follows RFC 6962, section 2.1, word for word."""

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evidence.make_export import leaf, path, root
from hegui.evidence.merkle import (
    EMPTY_ROOT,
    Edge,
    completed_by,
    inclusion_proof,
    leaf_hash,
    node_hash,
    root_at,
    root_from_inclusion,
)
from hegui.evidence.verifier import root_of_path

sizes = st.integers(1, 300)


def leaves_of(size: int) -> list[bytes]:
    return [leaf(bytes([n % 256, n // 256])) for n in range(size)]


class Kept:
    """Nodes as the ledger keeps them: each leaf with the nodes that it completes."""

    def __init__(self, size: int) -> None:
        self.leaves, self.edge = leaves_of(size), Edge()
        self.nodes = [self.edge.append(each) for each in self.leaves]
        self.asked: list[int] = []

    def fetch(self, wanted):
        self.asked.append(len(wanted))
        found = {}
        for level, index in wanted:
            at = completed_by((level, index))
            held = self.nodes[at][(level - 1) * 32 : level * 32]
            found[level, index] = held if level else self.leaves[at]
        return found


def test_hashes_are_those_of_the_standard():
    assert leaf_hash(b"x") == sha256(b"\0x").digest()
    assert node_hash(b"l" * 32, b"r" * 32) == sha256(b"\1" + b"l" * 32 + b"r" * 32).digest()
    assert Edge().root() == EMPTY_ROOT == sha256(b"").digest()


@given(sizes)
def test_the_edge_leads_to_the_root_and_survives_packing(size):
    kept = Kept(size)
    assert kept.edge.root() == root(kept.leaves)
    again = Edge(size, kept.edge.pack())
    assert (again.root(), again.append(leaf(b"more"))) == (
        kept.edge.root(),
        kept.edge.append(leaf(b"more")),
    )


@given(st.data(), sizes)
def test_inclusion_proofs_are_the_paths_of_the_standard_and_verify(data, size):
    kept, index = Kept(size), data.draw(st.integers(0, size - 1))
    proof = inclusion_proof(index, size, kept.fetch)
    assert proof == path(index, kept.leaves)
    assert root_from_inclusion(kept.leaves[index], index, size, proof) == root(kept.leaves)
    entry = bytes([index % 256, index // 256])
    assert root_of_path(entry, index, size, proof) == root(kept.leaves)
    assert len(kept.asked) == 1  # all nodes in one question


@given(st.data(), sizes)
def test_older_trees_are_found_in_the_newer(data, size):
    kept, old = Kept(size), data.draw(st.integers(0, size))
    assert root_at(old, kept.fetch) == root(kept.leaves[:old])


@given(st.data(), sizes)
def test_a_changed_proof_leads_elsewhere(data, size):
    kept, index = Kept(size), data.draw(st.integers(0, size - 1))
    proof = inclusion_proof(index, size, kept.fetch)
    assert root_from_inclusion(leaf(b"other"), index, size, proof) != root(kept.leaves)
    assert root_from_inclusion(kept.leaves[index], index, size, [*proof, bytes(32)]) is None
    assert root_from_inclusion(kept.leaves[index], size, size, proof) is None
    if proof:
        assert root_from_inclusion(kept.leaves[index], index, size, proof[:-1]) is None
        at = data.draw(st.integers(0, len(proof) - 1))
        changed = [*proof[:at], bytes(32), *proof[at + 1 :]]
        assert root_from_inclusion(kept.leaves[index], index, size, changed) != root(kept.leaves)


@pytest.mark.parametrize("node", [(0, 5), (1, 2), (3, 0), (4, 7)])
def test_a_node_is_kept_beside_the_last_leaf_it_covers(node):
    kept = Kept(130)
    level, index = node
    below = kept.leaves[index << level : (index + 1) << level]
    assert kept.fetch([node])[node] == root(below)
