"""Erasure: the end of a person's keys, said in the ledger, survivable at every step.

1. The vault condemns the keys and forgets the name: from now on no process is handed such a key.
2. The ledger says `key.erased`, with the ids; every process drops what it has cached.
3. The vault destroys the keys and overwrites where they stood.

What stops between the steps is completed by `reconcile`, at start-up and at every tick. So are the
consequences of a restored backup: a store that does not know of an erasure any more is told again,
a vault that still has erased keys destroys them again.
"""

from contextlib import suppress
from typing import Final

import msgspec
from sqlalchemy import LargeBinary, cast, func, select
from sqlalchemy.exc import IntegrityError

from hegui.evidence.archive import Archive
from hegui.evidence.ledger import ERASED, now, read_head
from hegui.language import Problem
from hegui.store.tables import entries, erasures
from hegui.store.writer import Entry

CARRIES: Final = ("IM-11.2",)
RESTORED: Final = "restored"
OPERATOR: Final = "operator"
_MANY: Final = 1_000  # ids in one entry: keeps its head far below the limit


class Erasure(msgspec.Struct, frozen=True):
    """What was erased: the first id is the person's mark, the others were their keys."""

    ids: tuple[str, ...]
    seq: int
    at: str


def erase(archive: Archive, person: str, reason: str, approver: str = OPERATOR) -> Erasure:
    """Destroy everything that can open what was kept about `person` (Interim Measures, Art. 11(2)).

    `reason` is a code of at most 24 letters; `approver` a staff id, or "operator".

    Raises:
        Problem: `person_unknown`, or `person_erased` when it was done before.
    """
    ids = archive.vault.condemn(person, now(), reason)
    batch = _entries(ids, reason, approver)
    try:
        archive.writer.commit_now(*batch)
    except IntegrityError as error:
        raise Problem("person_erased_before", "This person has been erased before.") from error
    archive.vault.destroy(ids)
    return Erasure(tuple(ids), batch[0].seq, batch[0].at)


def reconcile(archive: Archive) -> int:
    """Complete erasures that stopped half-way, and repeat those that a restored backup forgot.

    Returns how many ids were settled. Cheap when there is nothing to do: three counts.
    """
    if _settled(archive):
        return 0
    settled = sum(_finish(archive, person) for person in sorted(archive.vault.condemned()))
    recorded, buried = recorded_erasures(archive), archive.vault.buried()
    untold = sorted(buried.keys() - recorded.keys())
    _record(archive, _entries(untold, RESTORED, OPERATOR))
    undone = {id_: grave for id_, grave in recorded.items() if id_ not in buried}
    if undone:
        archive.vault.bury(undone)
    return settled + len(untold) + len(undone)


def recorded_erasures(archive: Archive) -> dict[str, tuple[str, str]]:
    """What the ledger says was erased: id → (time, reason)."""
    query = select(cast(entries.c.head, LargeBinary)).join(
        erasures, erasures.c.seq == entries.c.seq
    )
    with archive.store.read() as connection:
        heads = [read_head(head) for head in connection.execute(query).scalars()]
    ends = [head for head in heads if head.kind == ERASED]
    return {id_: (head.time, head.facts["reason"]) for head in ends for id_ in head.facts["keys"]}


def _settled(archive: Archive) -> bool:
    """Whether ledger and vault name equally many ends, and none is still to be carried out."""
    with archive.store.read() as connection:
        named = connection.execute(select(func.coalesce(func.sum(erasures.c.count), 0))).scalar()
    return named == archive.vault.graves() and not archive.vault.condemned()


def _finish(archive: Archive, person: str) -> int:
    """Complete the erasure of a person whose keys were condemned before something stopped it."""
    ids = archive.vault.condemn(person, now(), "")
    _, reason = archive.vault.buried()[ids[0]]
    _record(archive, _entries(ids, reason, OPERATOR))
    archive.vault.destroy(ids)
    return len(ids)


def _record(archive: Archive, batch: list[Entry]) -> None:
    """Write each entry that the ledger does not have yet."""
    for entry in batch:
        with suppress(IntegrityError):
            archive.writer.commit_now(entry)


def _entries(ids: list[str], reason: str, approver: str) -> list[Entry]:
    return [
        _entry(ids[start : start + _MANY], reason, approver) for start in range(0, len(ids), _MANY)
    ]


def _entry(ids: list[str], reason: str, approver: str) -> Entry:
    facts = {
        "erasure": ids[0],
        "count": len(ids),
        "keys": ids,
        "reason": reason,
        "approver": approver,
    }
    return Entry(ERASED, CARRIES, ids[0], facts, erasures)
