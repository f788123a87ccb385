"""Change one thing at a time in the databases; the verification must find it and name the table."""

import pytest
from sqlalchemy import Boolean, Integer, delete, insert, select, update

from archive import CARRIES, admitted, codes, fill, nothing
from hegui.evidence import checkpoints
from hegui.evidence.erase import erase
from hegui.evidence.findings import MESSAGES
from hegui.evidence.ledger import PERIOD_DROPPED
from hegui.evidence.rows import NUMBERS
from hegui.evidence.verify import verify
from hegui.language import Problem
from hegui.store.tables import (
    RECORDS,
    agreement_texts,
    agreements,
    body_table,
    body_table_name,
    entries,
    erasures,
    keys,
    ledger_head,
    periods,
    policies,
    policy_texts,
    tombstones,
)
from hegui.store.tables import checkpoints as checkpoint_rows
from hegui.store.writer import Entry

TEXT = b"the agreement"


def value_for(column, number: int):
    if isinstance(column.type, Boolean):
        return False
    return number if isinstance(column.type, Integer) else f"{column.name[:5]}-{number}"


def record(table, number: int) -> Entry:
    columns = list(table.columns)[:-3]
    facts = {column.name: value_for(column, number) for column in columns}
    return Entry("test.record", CARRIES, f"s{number}", facts, table, b"body", "p0", "account")


def rich(archive) -> None:
    """Two rows of every record, an erased person, a checkpoint, then some more."""
    from hashlib import sha256

    version = sha256(TEXT).hexdigest()
    for table in RECORDS:
        if table not in {erasures, agreements, policies}:
            archive.writer.commit_now(record(table, 1), record(table, 2))
    archive.writer.commit_now(
        Entry("agreement.published", CARRIES, "a", {"version": version}, agreements),
        check=lambda c: c.execute(insert(agreement_texts), {"version": version, "body": TEXT}),
    )
    facts = {"version": version, "core": version, "author": "operator"}
    archive.writer.commit_now(
        Entry("policy.drafted", CARRIES, "p", facts, policies),
        check=lambda c: c.execute(insert(policy_texts), {"version": version, "body": TEXT}),
    )
    archive.writer.commit_now(admitted(77, "gone"))
    erase(archive, "gone", "request")
    checkpoints.sign(archive)
    fill(archive, 5, start=100)


def changed(value):
    """The value with one byte (or bit, or number) of it changed."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1
    if isinstance(value, bytes):
        return value[:-1] + bytes([value[-1] ^ 1])
    return value[:-1] + ("x" if value[-1] != "x" else "y") if value else "x"


def identity(table, row):
    """The condition that finds just this row: its primary key."""
    names = [column.name for column in table.primary_key]
    return [table.c[name] == row._mapping[name] for name in names]


class Tamper:
    """Changes rows behind the ledger's back, and puts everything back afterwards."""

    def __init__(self, archive) -> None:
        self.archive = archive
        self.missed: list[str] = []

    def check(self, database, table, what: str, act, undo, tables: set[str]) -> None:
        with database.maintain() as connection:
            act(connection)
        report = verify(self.archive, nothing, unseal=True)
        if not tables & {finding.table for finding in report.findings}:
            self.missed.append(f"{table.name}: {what}: {codes(report)}")
        for finding in report.findings:
            assert finding.say("zh")
        with database.maintain() as connection:
            undo(connection)

    def row(self, database, table):
        with database.maintain() as connection:
            rows = connection.execute(select(table)).all()
        return rows[len(rows) // 2]

    def change(self, database, table, column: str, row=None, named: set[str] | None = None) -> None:
        row = row or self.row(database, table)
        old = row._mapping[column]
        new = changed(old)
        after = {**row._mapping, column: new}
        where_new = [table.c[each.name] == after[each.name] for each in table.primary_key]
        self.check(
            database,
            table,
            f"change {column}",
            lambda c: c.execute(update(table).where(*identity(table, row)).values({column: new})),
            lambda c: c.execute(update(table).where(*where_new).values({column: old})),
            named or {table.name},
        )

    def remove(self, database, table, row=None, named: set[str] | None = None) -> None:
        row = row or self.row(database, table)
        self.check(
            database,
            table,
            "delete",
            lambda c: c.execute(delete(table).where(*identity(table, row))),
            lambda c: c.execute(insert(table), dict(row._mapping)),
            named or {table.name},
        )

    def add(self, database, table, values, named: set[str] | None = None) -> None:
        where = [table.c[each.name] == values[each.name] for each in table.primary_key]
        self.check(
            database,
            table,
            "insert",
            lambda c: c.execute(insert(table), values),
            lambda c: c.execute(delete(table).where(*where)),
            named or {table.name},
        )


def content_table(archive):
    with archive.store.read() as connection:
        names = connection.execute(select(periods.c.name).order_by(periods.c.name)).scalars().all()
    return body_table(next(name for name in names if name.startswith("body_content")))


def test_any_change_of_a_record_is_found_and_named(archive):
    rich(archive)
    assert verify(archive, nothing, unseal=True).findings == []
    tamper = Tamper(archive)
    for table in RECORDS:
        for column in table.columns:
            tamper.change(archive.store, table, column.name)
        tamper.remove(archive.store, table)
        row = dict(tamper.row(archive.store, table)._mapping)
        first = next(iter(table.primary_key))
        new = 99 if isinstance(first.type, Integer) else "inserted"
        tamper.add(archive.store, table, row | {first.name: new, **other_digest(row)})
    assert tamper.missed == []
    assert verify(archive, nothing, unseal=True).findings == []


def other_digest(row) -> dict[str, str]:
    return {"digest": "other"} if "digest" in row else {}


def test_any_change_of_the_ledgers_own_tables_is_found_and_named(archive):
    rich(archive)
    tamper, store = Tamper(archive), archive.store
    bodies = content_table(archive)
    with store.read() as connection:
        odd = connection.execute(select(entries).where(entries.c.seq == 7)).one()
        even = connection.execute(select(entries).order_by(entries.c.seq.desc())).first()
    for row in (odd, even):
        tamper.change(store, entries, "head", row)
        tamper.remove(store, entries, row)
    tamper.change(store, entries, "nodes", odd)
    tamper.change(store, ledger_head, "size", named={"entries"})
    tamper.change(store, ledger_head, "edge")
    tamper.change(store, ledger_head, "erasures")
    for column in ("size", "note"):
        tamper.change(store, checkpoint_rows, column)
    tamper.change(store, bodies, "sealed")
    tamper.remove(store, bodies, named={"entries"})
    for column in ("name", "retention", "period"):
        tamper.change(store, periods, column)
    tamper.remove(store, periods)
    for texts in (agreement_texts, policy_texts):
        tamper.change(store, texts, "body")
        tamper.change(store, texts, "version")
        tamper.remove(store, texts)
    last = even.seq
    tamper.add(store, entries, {"seq": last + 1, "head": odd.head, "nodes": b""})
    tamper.add(store, entries, {"seq": -1, "head": odd.head, "nodes": b""})
    tamper.add(store, bodies, {"seq": last + 9, "sealed": b"x"}, {bodies.name})
    tamper.add(store, bodies, {"seq": 0, "sealed": b"x"}, {bodies.name})
    note = archive.signer.sign(last + 50, bytes(32))
    tamper.add(store, checkpoint_rows, {"size": last + 50, "at": "", "note": note})
    note = archive.signer.sign(3, bytes(32))
    tamper.add(store, checkpoint_rows, {"size": 3, "at": "", "note": note})
    assert tamper.missed == []
    assert verify(archive, nothing, unseal=True).findings == []


def test_any_loss_in_the_vault_is_found_and_named(archive):
    rich(archive)
    tamper, vault = Tamper(archive), archive.vault_database
    tamper.remove(vault, keys)
    tamper.change(vault, keys, "key_id")
    content = content_table(archive).name
    tamper.change(vault, keys, "wrapped", named={content, "body_account_all"})
    tamper.remove(vault, tombstones)
    tamper.change(vault, tombstones, "key_id")
    tamper.add(vault, tombstones, {"key_id": "f" * 32, "at": "", "reason": ""})
    assert tamper.missed == []
    assert verify(archive, nothing, unseal=True).findings == []


def test_a_key_that_is_gone_without_an_erasure_is_named(archive):
    fill(archive, 2)
    with archive.vault_database.maintain() as connection:
        gone = connection.execute(select(keys.c.key_id)).scalars().first()
        connection.execute(delete(keys).where(keys.c.key_id == gone))
    (finding,) = verify(archive, nothing).findings
    assert (finding.code, finding.table, finding.row) == ("key-lost", "keys", gone)


def test_one_changed_head_accuses_two_entries_at_most(archive):
    fill(archive, 40)
    with archive.store.maintain() as connection:
        head = connection.execute(select(entries.c.head).where(entries.c.seq == 21)).scalar()
        new = head.replace(b"IM-9.3", b"IM-9.2")
        connection.execute(update(entries).where(entries.c.seq == 21).values(head=new))
    report = verify(archive, nothing)
    assert [(f.code, f.table, f.row) for f in report.findings] == [("tree", "entries", "20–21")]


def test_an_entry_whose_row_was_rewritten_with_it_is_found_by_the_checkpoint(archive):
    """Whoever rewrites entry, row, nodes and edge consistently is caught by what was signed."""
    fill(archive, 1)
    kept = archive.settings.evidence.checkpoint_folder / checkpoints.LATEST
    checkpoints.sign(archive)
    with archive.store.maintain() as connection:
        for table in [*RECORDS, entries, content_table(archive)]:
            connection.execute(delete(table))
        connection.execute(update(ledger_head).values(size=0, edge=b""))
    archive.writer.commit_now(admitted(555), admitted(556))
    report = verify(archive, nothing, [kept])
    assert codes(report) == [("rewritten", "checkpoints")] * 2


def test_a_dropped_month_needs_an_entry_that_says_so(archive):
    fill(archive, 3)
    table = content_table(archive)
    with archive.store.maintain() as connection:
        table.drop(connection)
    assert ("period-lost", "periods") in codes(verify(archive, nothing))
    archive.writer.commit_now(
        Entry(PERIOD_DROPPED, ("IM-11.1",), str(table.name), {"table": str(table.name)})
    )
    assert verify(archive, nothing).findings == []


def test_a_table_of_bodies_that_nobody_listed_is_named(archive):
    name = body_table_name("content", "199901")
    with archive.store.maintain() as connection:
        body_table(name).create(connection)
    assert codes(verify(archive, nothing)) == [("period-unlisted", "periods")]


def test_a_ledger_longer_than_a_batch_and_progress(archive, monkeypatch):
    monkeypatch.setattr("hegui.evidence.verify._BATCH", 7)
    fill(archive, 10)
    steps = []
    report = verify(archive, lambda done, total: steps.append((done, total)), unseal=True)
    assert steps == [(7, 20), (14, 20), (20, 20)]
    assert (report.size, report.bodies, report.rows, report.keys) == (20, 20, 20, 3)
    assert (report.unsealed, report.verified) == (20, True)


def test_a_checkpoint_file_that_cannot_be_read_is_a_problem(archive, tmp_path):
    with pytest.raises(Problem, match="cannot be read"):
        verify(archive, nothing, [tmp_path / "none"])
    (tmp_path / "odd").write_text("odd")
    (finding,) = verify(archive, nothing, [tmp_path / "odd"]).findings
    assert finding.code == "checkpoint-unsigned"
    assert "give the whole text" in finding.say()


def test_findings_are_counted_but_not_all_kept(archive):
    fill(archive, 150)
    with archive.store.maintain() as connection:
        connection.execute(delete(content_table(archive)))
    report = verify(archive, nothing)
    assert (report.found, len(report.findings), report.verified) == (300, 200, False)


def test_every_record_can_be_owed_and_every_message_has_plain_values():
    assert sorted(NUMBERS) == sorted(table.name for table in RECORDS)
    assert max(NUMBERS.values()) < 256
    for text in MESSAGES.values():
        assert text.isascii()
