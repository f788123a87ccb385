"""Proofs: that one entry stands in the ledger that a checkpoint signs (C2SP tlog-proof)."""

import base64
from functools import lru_cache

from sqlalchemy import Connection, select

from hegui.evidence import checkpoints
from hegui.evidence.archive import Archive
from hegui.evidence.merkle import inclusion_proof
from hegui.evidence.notes import Checkpoint, Signer
from hegui.language import Problem
from hegui.store.tables import entries


def prove(archive: Archive, seq: int) -> str:
    """The proof of entry `seq` under the newest checkpoint; signs one when the entry is newer.

    Raises:
        Problem: `no_entry` when the ledger does not reach that far.
    """
    with archive.store.read() as connection:
        note = checkpoints.latest_in(connection)
        if note and seq < _opened(archive.signer, note).size:
            return proof_text(connection, seq, _opened(archive.signer, note).size, note)
    note = checkpoints.sign(archive) or checkpoints.latest(archive)
    if note is None or seq >= (size := _opened(archive.signer, note).size):
        raise no_entry(seq)
    with archive.store.read() as connection:
        return proof_text(connection, seq, size, note)


@lru_cache(maxsize=8)
def _opened(signer: Signer, note: str) -> Checkpoint:
    """Checking the signature costs more than the rest of a proof; the same note needs it once."""
    return signer.open(note)


def proof_text(connection: Connection, seq: int, size: int, note: str) -> str:
    """The proof of entry `seq` under the checkpoint `note` of a ledger of `size` entries.

    Raises:
        Problem: `no_entry`.
    """
    if not 0 <= seq < size:
        raise no_entry(seq)
    steps = inclusion_proof(seq, size, checkpoints.fetch_nodes(connection))
    path = "".join(f"{base64.b64encode(step).decode()}\n" for step in steps)
    return f"c2sp.org/tlog-proof@v1\nindex {seq}\n{path}\n{note}"


def entry_bytes(connection: Connection, seq: int) -> bytes:
    """The exact bytes of an entry: what a proof is about.

    Raises:
        Problem: `no_entry`.
    """
    head = connection.execute(select(entries.c.head).where(entries.c.seq == seq)).scalar()
    if head is None:
        raise no_entry(seq)
    return bytes(head)


def no_entry(seq: int) -> Problem:
    return Problem(
        "no_entry",
        "The ledger has no entry {seq}: numbers start at 0, `hegui ledger verify` shows the size.",
        seq=seq,
    )
