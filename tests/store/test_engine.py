import re

import pytest
from sqlalchemy import insert, text
from sqlalchemy.exc import DatabaseError, InternalError

from archive import admitted, fill
from hegui.language import Problem
from hegui.store.engine import Database, make_engine
from hegui.store.tables import tombstones

CHANGES = [
    "UPDATE entries SET head = x'00'",
    "UPDATE exchanges SET model = 'other'",
    "UPDATE checkpoints SET note = ''",
    "DELETE FROM entries",
    "DELETE FROM outcomes",
    "INSERT INTO exchanges SELECT * FROM exchanges WHERE true ON CONFLICT DO UPDATE SET model = ''",
    "DROP TABLE entries",
    "ALTER TABLE entries ADD COLUMN x",
    "CREATE TABLE x (y)",
    "CREATE TEMP TABLE x (y)",
    "CREATE TRIGGER t AFTER INSERT ON entries BEGIN SELECT 1; END",
    "CREATE INDEX i ON entries (head)",
    "ATTACH ':memory:' AS other",
    "PRAGMA writable_schema = ON",
    "PRAGMA synchronous = OFF",
    "PRAGMA user_version = 9",
]


@pytest.mark.parametrize("kind", ["writer", "reader"])
@pytest.mark.parametrize("change", CHANGES)
def test_a_connection_of_the_running_service_cannot_change_history(on_sqlite, kind, change):
    fill(on_sqlite, 1)
    with on_sqlite.store.engine(kind).connect() as connection:
        with pytest.raises(DatabaseError, match=r"not authorized|prohibited|readonly"):
            connection.execute(text(change))
        connection.rollback()
        assert connection.execute(text("SELECT count(*) FROM entries")).scalar() == 2


def test_a_writer_inserts_and_moves_the_head_and_a_reader_does_neither(on_sqlite):
    fill(on_sqlite, 1)
    change = text("UPDATE ledger_head SET size = size")
    with on_sqlite.store.engine("writer").begin() as connection:
        connection.execute(change)
    with pytest.raises(DatabaseError), on_sqlite.store.read() as connection:
        connection.execute(change)
    grave = {"key_id": "k", "at": "", "reason": ""}
    with pytest.raises(DatabaseError), on_sqlite.vault_database.read() as connection:
        connection.execute(insert(tombstones), grave)


@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
def test_a_reader_of_postgresql_only_reads(archive):
    archive.writer.commit_now(admitted(1))
    with pytest.raises(InternalError, match="read-only"), archive.store.read() as connection:
        connection.execute(text("DELETE FROM entries"))


def test_what_is_answered_survives_a_power_cut(on_sqlite):
    with on_sqlite.store.engine("maintenance").connect() as connection:
        settings = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "trusted_schema", "secure_delete")
        }
    assert settings == {
        "journal_mode": "wal",
        "synchronous": 2,
        "trusted_schema": 0,
        "secure_delete": 0,
    }
    with on_sqlite.vault_database.engine("maintenance").connect() as connection:
        assert connection.exec_driver_sql("PRAGMA secure_delete").scalar() == 1


@pytest.mark.parametrize("url", ["mysql://u:pw@h/d", "sqlite://", "nonsense", "://u:pw@h"])
def test_a_useless_address_is_a_problem_that_hides_the_password(url):
    with pytest.raises(Problem, match="is not one hegui can use") as caught:
        make_engine(url, "reader")
    assert caught.value.code == "store_url"
    assert not re.search("pw", str(caught.value))


def test_a_new_database_is_for_its_owner_only(tmp_path):
    database = Database(f"sqlite:///{tmp_path / 'new' / 'x.db'}")
    with database.maintain() as connection:
        connection.execute(text("CREATE TABLE x (y)"))
    database.close()
    assert (tmp_path / "new").stat().st_mode & 0o077 == 0
