"""Verify a whole ledger in place: every entry, every row it describes, every key it names.

The entries are read in order and in batches, each batch with the sealed bodies that belong to it;
then `rows` holds the tables of records, and the vault, against them. All of it is bounded by the
size at the start, so a service may go on writing meanwhile.
"""

from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import msgspec
from cryptography.exceptions import InvalidTag
from sqlalchemy import Connection, Table, inspect, or_, select

from hegui.evidence.archive import Archive
from hegui.evidence.findings import Report
from hegui.evidence.ledger import ERASED, PERIOD_DROPPED, Head, read_head
from hegui.evidence.merkle import EMPTY_ROOT, Edge, leaf_hash
from hegui.evidence.rows import NUMBERS, Seen, check_keys, check_records, check_texts
from hegui.evidence.vault import DataKey
from hegui.language import Problem
from hegui.store.periods import period_of
from hegui.store.statements import select_range
from hegui.store.tables import (
    body_table,
    body_table_name,
    checkpoints,
    entries,
    ledger_head,
    periods,
)

Progress = Callable[[int, int], object]  # done, in all

_BATCH: Final = 4_096  # entries read at once
_KEYS: Final = 10_000  # opened keys held at once


class Claim(msgspec.Struct, frozen=True):
    """A checkpoint that the entries must lead to; `place` says where it was found."""

    place: str
    size: int
    root: bytes


def verify(
    archive: Archive,
    on_progress: Progress,
    checkpoint_files: Sequence[Path] = (),
    *,
    unseal: bool = False,
) -> Report:
    """Check everything that the store and the vault say against the entries of the ledger.

    `checkpoint_files` are notes kept elsewhere. With `unseal`, every body whose key is alive is
    decrypted as well. A report without findings is a verified ledger.

    Raises:
        Problem: when a file or key that the check itself needs cannot be read.
    """
    report = Report()
    walk = _Walk(archive, report, unseal=unseal)
    walk.hear(checkpoint_files)
    walk.run(on_progress)
    check_records(archive, report, walk.seen)
    check_texts(archive, report)
    check_keys(archive, report, walk.seen)
    return report


class _Walk:
    """Goes through all entries once, in order, and recomputes the tree from them."""

    def __init__(self, archive: Archive, report: Report, *, unseal: bool) -> None:
        self._archive, self._report, self._unseal = archive, report, unseal
        with archive.store.read() as connection:
            self._head = connection.execute(select(ledger_head)).one()
            self._tables = self._body_tables(connection)
        self._edge, self._whole = Edge(), True
        self._claims: list[Claim] = []
        self._bodies: dict[int, tuple[str, bytes]] = {}
        self._bodiless: list[tuple[int, str, str]] = []  # entry, month, key
        self._opened: dict[str, DataKey | None] = {}
        self._dropped: set[str] = set()
        self._erasures = 0
        self.seen = Seen(bytearray(self._head.size))

    def _body_tables(self, connection: Connection) -> dict[str, Table]:
        rows = connection.execute(select(periods)).all()
        self._listed = {row.name for row in rows}
        for row in rows:
            if row.name != body_table_name(row.retention, row.period):
                self._report.add("period-differs", "periods", row.name)
        there = {name for name in inspect(connection).get_table_names() if name[:5] == "body_"}
        for name in sorted(there - self._listed):
            self._report.add("period-unlisted", "periods", name)
        return {name: body_table(name) for name in sorted(there)}

    # -- checkpoints -------------------------------------------------------------------------------

    def hear(self, files: Sequence[Path]) -> None:
        """Take in every checkpoint: those of the store, and those kept elsewhere."""
        with self._archive.store.read() as connection:
            rows = connection.execute(select(checkpoints)).all()
            now = _size(connection)  # read last: what was signed meanwhile is no finding
        for row in rows:
            if row.size <= self._head.size or row.size > now:
                self._claim(str(row.size), row.note, row.size)
        for path in files:
            self._claim(str(path), _read(path), None)
        self._claims.sort(key=lambda claim: -claim.size)

    def _claim(self, place: str, note: str, size: int | None) -> None:
        self._report.checkpoints += 1
        try:
            found = self._archive.signer.open(note)
        except Problem as problem:
            self._report.add("checkpoint-unsigned", "checkpoints", place, reason=problem)
            return
        if size not in {None, found.size}:
            self._report.add("checkpoint-size", "checkpoints", place, size=found.size)
        if found.size > self._head.size:
            values = {"size": found.size, "have": self._head.size}
            self._report.add("shortened", "checkpoints", place, **values)
        else:
            self._claims.append(Claim(place, found.size, found.root))

    def _settle_claims(self) -> None:
        """Hold the claims about the present size against the root computed so far."""
        root = self._edge.root()
        while self._claims and self._claims[-1].size == self._edge.size:
            claim = self._claims.pop()
            if claim.root != root:
                self._report.add("rewritten", "checkpoints", claim.place, size=claim.size)

    # -- entries -----------------------------------------------------------------------------------

    def run(self, on_progress: Progress) -> None:
        size = self._head.size
        self._settle_claims()
        for low in range(0, size, _BATCH):
            high = min(low + _BATCH, size)
            self._read_bodies(low, high)
            self._read_entries(low, high)
            on_progress(high, size)
        self._finish()

    def _read_entries(self, low: int, high: int) -> None:
        with self._archive.store.read() as connection:
            rows = rows_between(connection, entries, low, high)
        expected = low
        for seq, head, nodes in rows:
            if seq != expected:
                self._gap(expected, seq)
            expected = seq + 1
            if self._whole:
                self._grow(seq, head, nodes)
            try:
                self._take(seq, read_head(head))
            except msgspec.MsgspecError:
                self._report.add("head-form", "entries", seq)
        if expected != high:
            self._gap(expected, high)

    def _gap(self, low: int, high: int) -> None:
        self._whole = False
        for seq in range(low, high):
            self._report.add("gap", "entries", seq, seq=seq)

    def _grow(self, seq: int, head: bytes, nodes: bytes) -> None:
        """Append to the tree; what is stored must be what the entries lead to."""
        edge = self._edge
        completed = edge.append(leaf_hash(head))
        if completed != nodes:
            self._name_tree(seq, completed, nodes)
        if self._claims and self._claims[-1].size == edge.size:
            self._settle_claims()

    def _name_tree(self, seq: int, completed: bytes, nodes: bytes) -> None:
        """Name the fewest entries that explain a difference; go on from what is stored.

        Going on from what is stored keeps one changed entry from accusing all that follow it.
        """
        level = 1
        while (
            completed[(level - 1) * 32 : level * 32] == nodes[(level - 1) * 32 : level * 32] != b""
        ):
            level += 1
        self._report.add("tree", "entries", f"{max(0, seq + 1 - (1 << level))}–{seq}")
        if len(nodes) == len(completed):
            self._edge.hashes[-1] = nodes[-32:]

    def _take(self, seq: int, head: Head) -> None:
        if head.row:
            self.seen.owed[seq] = NUMBERS.get(head.row, 0)
        if head.key:
            self.seen.keys.add(head.key)
        if head.body or seq in self._bodies:
            self._check_body(seq, head)
        if head.kind == ERASED:
            self._erasures += 1
        elif head.kind == PERIOD_DROPPED:
            self._dropped.add(head.facts["table"])

    # -- bodies ------------------------------------------------------------------------------------

    def _read_bodies(self, low: int, high: int) -> None:
        self._bodies = {}
        with self._archive.store.read() as connection:
            for name, table in self._tables.items():
                for seq, sealed in rows_between(connection, table, low, high):
                    if seq in self._bodies:
                        self._report.add("body-extra", name, seq, seq=seq)
                    self._bodies[seq] = name, sealed

    def _check_body(self, seq: int, head: Head) -> None:
        name, sealed = self._bodies.get(seq, ("", b""))
        if not name:
            self._bodiless.append((seq, head.time, head.key))
            return
        self._report.bodies += 1
        if not head.body:
            self._report.add("body-extra", name, seq, seq=seq)
        elif sha256(sealed).hexdigest() != head.body:
            self._report.add("body-changed", name, seq, seq=seq)
        elif self._unseal:
            self._open(name, seq, head, sealed)

    def _open(self, name: str, seq: int, head: Head, sealed: bytes) -> None:
        try:
            key = self._key(head.key)
        except Problem as problem:
            self._report.add("body-unreadable", name, seq, seq=seq, reason=problem)
            return
        if key is None:  # destroyed: what it sealed is meant to stay closed
            return
        try:
            key.unseal(sealed, head.subject)
        except InvalidTag:
            self._report.add("body-forged", name, seq, seq=seq)
        if key.commit != head.commit:
            self._report.add("key-changed", "keys", head.key, seq=seq)
        self._report.unsealed += 1

    def _key(self, key_id: str) -> DataKey | None:
        if key_id not in self._opened:
            if len(self._opened) >= _KEYS:
                self._opened.clear()
            self._opened[key_id] = self._archive.vault.open_key(key_id)
        return self._opened[key_id]

    # -- the end -----------------------------------------------------------------------------------

    def _finish(self) -> None:
        report, head = self._report, self._head
        if self._whole and self._edge.pack() != bytes(head.edge):
            report.add("edge", "ledger_head", head.id)
        if self._whole and self._erasures != head.erasures:
            values = {"stored": head.erasures, "found": self._erasures}
            report.add("erasure-count", "ledger_head", head.id, **values)
        for name in sorted(self._listed - self._tables.keys() - self._dropped):
            report.add("period-lost", "periods", name)
        self._name_missing_bodies()
        with self._archive.store.read() as connection:
            self._name_rows_beyond(connection)
        report.size, report.root = head.size, self._edge.root() if self._edge.size else EMPTY_ROOT

    def _name_missing_bodies(self) -> None:
        """A body may be missing when its key was destroyed, or its month dropped."""
        buried = self._archive.vault.buried()
        months = {name.rpartition("_")[2] for name in self._dropped}
        for seq, time, key in self._bodiless:
            if key not in buried and period_of("content", time) not in months:
                self._report.add("body-missing", "entries", seq, seq=seq)

    def _name_rows_beyond(self, connection: Connection) -> None:
        """Rows that no number of the ledger covers, in one consistent view."""
        size = _size(connection)
        for name, table in {"entries": entries, **self._tables}.items():
            query = select(table.c.seq).where(or_(table.c.seq < 0, table.c.seq >= size))
            for seq in connection.execute(query).scalars():
                self._report.add("beyond", name, seq, size=size)


def rows_between(connection: Connection, table: Table, low: int, high: int) -> list[Any]:
    """The rows with these numbers, in order, as plain tuples from the driver."""
    cursor = connection.connection.cursor()
    cursor.execute(select_range(table, connection.dialect.name), (low, high))
    return list(cursor.fetchall())


def _size(connection: Connection) -> int:
    size: int = connection.execute(select(ledger_head.c.size)).scalar_one()
    return size


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Problem(
            "checkpoint_unreadable",
            "The checkpoint {path} cannot be read: give a file of the form that "
            "`hegui ledger checkpoint` prints.",
            path=path,
        ) from error
