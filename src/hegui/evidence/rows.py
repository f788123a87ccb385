"""Hold what lies beside the entries against them: records, texts, and the vault's keys."""

from collections.abc import Sequence
from functools import cache
from hashlib import sha256
from typing import Any, Final

import msgspec
from sqlalchemy import LargeBinary, Table, cast, select
from sqlalchemy.exc import DBAPIError

from hegui.evidence.archive import Archive
from hegui.evidence.erase import recorded_erasures
from hegui.evidence.findings import Report
from hegui.evidence.ledger import Head, read_head
from hegui.store.tables import (
    RECORDS,
    agreement_texts,
    agreements,
    entries,
    policies,
    policy_texts,
)

NUMBERS: Final = {table.name: number for number, table in enumerate(RECORDS, 1)}
_BATCH: Final = 2_000  # rows fetched at once


class Seen(msgspec.Struct):
    """What the entries say must be there.

    `owed` has a byte for each entry: the number of the table that must hold its row, 0 for none.
    """

    owed: bytearray
    keys: set[str] = msgspec.field(default_factory=set)


def check_records(archive: Archive, report: Report, seen: Seen) -> None:
    """Every row is what its entry says, and every entry that has a row finds it."""
    for table in RECORDS:
        try:
            _check_table(archive, table, report, seen)
        except DBAPIError as error:  # such as a text that is none any more
            report.add("unreadable", table.name, "", reason=str(error.orig))
    for seq, number in enumerate(seen.owed):
        if number:
            report.add("row-missing", RECORDS[number - 1].name, seq, seq=seq)


def _check_table(archive: Archive, table: Table, report: Report, seen: Seen) -> None:
    head = cast(entries.c.head, LargeBinary)  # bytes, even of a text put there by force
    query = select(*table.columns, head).join_from(
        table, entries, entries.c.seq == table.c.seq, isouter=True
    )
    with archive.store.read() as connection:
        result = connection.execution_options(yield_per=_BATCH).execute(query)
        for part in result.partitions():
            for row in part:
                _check_row(table, row, report, seen)


def _check_row(table: Table, row: Sequence[Any], report: Report, seen: Seen) -> None:
    head, values = _head(row[-1]), row[:-1]
    if head is None or head.row != table.name:
        report.add("row-extra", table.name, values[0])
        return
    report.rows += 1
    seq = values[-3]
    if seq < len(seen.owed):
        seen.owed[seq] = 0
    if values != (said := _said(table, seq, head)):
        _name_difference(report, table, values, said)


def _head(data: bytes | None) -> Head | None:
    try:
        return read_head(data) if data else None
    except msgspec.MsgspecError:
        return None


def _said(table: Table, seq: int, head: Head) -> tuple[Any, ...]:
    """The row as the entry says it, in the order of the table's columns."""
    facts = head.facts
    return (*[facts.get(name) for name in _names(table)], seq, head.time, head.key)


@cache
def _names(table: Table) -> tuple[str, ...]:
    return tuple(table.columns.keys()[:-3])


def _name_difference(
    report: Report, table: Table, values: Sequence[Any], said: Sequence[Any]
) -> None:
    for column, found, entry in zip(table.columns.keys(), values, said, strict=True):
        if found != entry:
            about = {"column": column, "found": found, "said": entry, "seq": said[-3]}
            report.add("row-changed", table.name, values[0], **about)


def check_texts(archive: Archive, report: Report) -> None:
    """Every agreement and policy that was put on record still has its text, byte for byte."""
    for table, texts in ((agreements, agreement_texts), (policies, policy_texts)):
        query = select(table.c.version, texts.c.version, texts.c.body)
        joined = query.join_from(table, texts, table.c.version == texts.c.version, full=True)
        with archive.store.read() as connection:
            for version, text_version, body in connection.execute(joined):
                if text_version is None:
                    report.add("text-missing", texts.name, version)
                elif sha256(body).hexdigest() != text_version:
                    report.add("text-changed", texts.name, text_version)


def check_keys(archive: Archive, report: Report, seen: Seen) -> None:
    """Every key that the ledger uses is alive, or its end is told in ledger and vault alike."""
    recorded, vault = recorded_erasures(archive), archive.vault
    alive, buried = vault.alive(), vault.buried()
    report.keys = len(seen.keys)
    for key in sorted(seen.keys - alive - buried.keys() - recorded.keys()):
        report.add("key-lost", "keys", key)
    for id_ in sorted(buried.keys() - recorded.keys()):
        report.add("erasure-untold", "tombstones", id_)
    for id_ in sorted(recorded.keys() - (buried.keys() - alive)):
        report.add("key-alive", "tombstones", id_)
