from datetime import date

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import insert, select, text

from archive import admitted, make_archive
from hegui.language import Problem
from hegui.store.engine import Database
from hegui.store.periods import make_periods, period_of
from hegui.store.schema import is_current, upgrade
from hegui.store.statements import insert_rows, select_range
from hegui.store.tables import RECORDS, STORE, VAULT, body_table_name, entries, ledger_head, periods


@pytest.mark.parametrize(("name", "metadata"), [("store", STORE), ("vault", VAULT)])
def test_the_migrations_make_what_the_tables_say(database_url, name, metadata):
    database = Database(database_url, shred=name == "vault")
    assert not is_current(database, name)
    upgrade(database, name)
    upgrade(database, name)
    assert is_current(database, name)
    with database.maintain() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    database.close()


def test_a_new_store_has_the_head_of_an_empty_ledger(archive):
    with archive.store.read() as connection:
        assert connection.execute(select(ledger_head)).all() == [(1, 0, b"", 0)]


def test_an_old_schema_is_refused_with_the_cure(tmp_path):
    archive = make_archive(tmp_path)
    archive.require_current()
    with archive.store.maintain() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = 'store_0000'"))
    with pytest.raises(Problem, match="hegui db upgrade"):
        archive.require_current()
    archive.close()


def test_periods_are_made_ahead_and_once(archive):
    made = make_periods(archive.store, date(2031, 12, 31))
    assert made == ["body_content_203112", "body_content_203201"]
    assert make_periods(archive.store, date(2031, 12, 31)) == []
    with archive.store.read() as connection:
        names = set(connection.execute(select(periods.c.name)).scalars())
    assert names >= {*made, "body_account_all"}
    assert period_of("content", "2026-11-23T09:00:00.000000Z") == "202611"
    assert period_of("account", "2026-11-23T09:00:00.000000Z") == "all"


def test_without_a_table_for_its_month_nothing_is_recorded(archive):
    with archive.store.maintain() as connection:
        for name in connection.execute(select(periods.c.name)).scalars().all():
            connection.execute(text(f"DROP TABLE {name}"))
    with pytest.raises(Exception, match=r"body_content|does not exist|no such table"):
        archive.writer.commit_now(admitted(1))
    with archive.store.read() as connection:
        assert connection.execute(select(entries)).all() == []


def test_rows_written_by_the_quick_statements_read_back_as_they_were(archive):
    rows = [(seq, bytes([seq]), b"") for seq in range(5)]
    with archive.store.maintain() as connection:
        cursor = connection.connection.cursor()
        dialect = connection.dialect.name
        insert_rows(cursor, entries, dialect, rows)
        cursor.execute(select_range(entries, dialect), (1, 4))
        assert [tuple(row) for row in cursor.fetchall()] == rows[1:4]


def test_each_record_ends_with_what_every_record_has():
    for table in RECORDS:
        assert table.columns.keys()[-3:] == ["seq", "at", "key_id"]
    assert body_table_name("content", "202611") == "body_content_202611"
    assert str(insert(entries).compile()).startswith("INSERT INTO entries (seq, head, nodes)")
