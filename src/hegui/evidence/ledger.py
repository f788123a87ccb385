"""The ledger: what the writer appends, in one transaction with the rows it describes.

An entry's *head* is public and hashed into the tree (leaf = SHA-256(0x00 ‖ head)); the exact bytes
are kept. It holds the SHA-256 of the sealed body, so the body may be dropped or become unreadable
and every proof still stands.
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
from hashlib import sha256
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, Table

from hegui.evidence.merkle import Edge, leaf_hash
from hegui.evidence.vault import Vault
from hegui.store.periods import period_of
from hegui.store.statements import insert_rows
from hegui.store.tables import body_table, body_table_name, entries
from hegui.store.writer import Entry

HEAD_VERSION: Final = 1
MAX_HEAD_BYTES: Final = 65_535  # a C2SP entry bundle prefixes each entry with a uint16
ERASED: Final = "key.erased"
PERIOD_DROPPED: Final = "period.dropped"  # facts: {"table": the name of the period table}

Rows = defaultdict[Table, list[tuple[Any, ...]]]


class Head(msgspec.Struct, gc=False, omit_defaults=True):
    """What is public of an entry. Names no person: `key` is a random id, `commit` binds the key.

    `row` names the table that holds the entry's projection, so that a row that is missing shows.
    """

    v: int
    time: str
    kind: str
    carries: tuple[str, ...]
    subject: str
    body: str
    key: str
    commit: str
    facts: dict[str, Any]
    row: str = ""


_encode = msgspec.json.Encoder().encode
read_head = msgspec.json.Decoder(Head).decode


def now() -> str:
    """The time as it stands in the ledger: UTC, RFC 3339, always with microseconds."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


class Ledger:
    """The `Book` of the writer: appends entries under the database's lock.

    Several processes may append to one database: the head row is locked for each batch and the
    right edge read again whenever another process has moved it.
    """

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self._edge = Edge()
        self._erasures = -1
        self._erasing = False
        self._bodies: dict[str, Table] = {}

    def open(self, connection: Connection) -> None:
        lock = "" if connection.dialect.name == "sqlite" else " FOR UPDATE"
        cursor = connection.connection.cursor()
        cursor.execute(f"SELECT size, edge, erasures FROM ledger_head{lock}")  # noqa: S608 (no input)
        size, edge, erasures = cursor.fetchone() or (0, b"", 0)
        if self._edge.size != size:
            self._edge = Edge(size, bytes(edge))
        if self._erasures != erasures:
            self._vault.forget()
            self._erasures = erasures
        self._erasing = False

    def forget(self) -> None:
        self._edge = Edge()
        # Only an erasure that was rolled back leaves us in doubt. The keys in memory are needed: with
        # them the outbox seals while no database answers.
        if self._erasing:
            self._erasures = -1

    def write(self, connection: Connection, batch: Sequence[Entry]) -> None:
        if not batch:
            return
        rows: Rows = defaultdict(list)
        at = now()
        for entry in batch:
            entry.at, entry.seq = at, self._edge.size
            self._append(entry, rows)
        dialect = connection.dialect.name
        cursor = connection.connection.cursor()
        for table, values in rows.items():
            insert_rows(cursor, table, dialect, values)
        mark = "?" if dialect == "sqlite" else "%s"
        cursor.execute(
            f"UPDATE ledger_head SET size = {mark}, edge = {mark}, erasures = {mark}",  # noqa: S608 (no input)
            (self._edge.size, self._edge.pack(), self._erasures),
        )

    def _append(self, entry: Entry, rows: Rows) -> None:
        """Seal, hash and append one entry; add its rows to those that will be inserted."""
        digest = commit = ""
        if entry.person:
            digest, commit = self._seal(entry, rows)
        head = _encode(
            Head(HEAD_VERSION, entry.at, entry.kind, entry.carries, entry.subject, digest,
                 entry.key_id, commit, entry.facts, _name(entry.table))
        )  # fmt: skip
        if len(head) > MAX_HEAD_BYTES:
            raise ValueError(f"an entry of kind {entry.kind} has a head of {len(head)} bytes")
        entry.head = head
        rows[entries].append((entry.seq, head, self._edge.append(leaf_hash(head))))
        if entry.table is not None:
            rows[entry.table].append(_row(entry, entry.table))
        if entry.kind == ERASED:
            # The vault has condemned the keys before: asked again, it hands them out no more.
            self._vault.forget()
            self._erasures += 1
            self._erasing = True

    def _seal(self, entry: Entry, rows: Rows) -> tuple[str, str]:
        """Seal the body under its person's key; its digest and the key's commitment go public."""
        period = period_of(entry.retention, entry.at)
        key = self._vault.key_for(entry.person, entry.retention, period)
        entry.key_id = key.key_id
        if entry.body is None:
            return "", key.commit
        sealed = key.seal(entry.body, entry.subject)
        name = body_table_name(entry.retention, period)
        if name not in self._bodies:
            self._bodies[name] = body_table(name)
        rows[self._bodies[name]].append((entry.seq, sealed))
        return sha256(sealed).hexdigest(), key.commit


@cache
def _name(table: Table | None) -> str:
    return "" if table is None else str(table.name)


@cache
def _columns(table: Table) -> tuple[str, ...]:
    """The table's columns without the three that every record has, which stand last."""
    return tuple(table.columns.keys()[:-3])


def _row(entry: Entry, table: Table) -> tuple[Any, ...]:
    """The row that is this entry's projection, in the order of the table's columns."""
    facts = entry.facts
    return (*[facts[name] for name in _columns(table)], entry.seq, entry.at, entry.key_id)
