import os
import shutil
import sqlite3
from contextlib import closing

import pytest
from sqlalchemy import text

import postgres
from archive import fill, make_archive, nothing
from hegui.evidence.merkle import Edge
from hegui.evidence.verify import verify
from hegui.language import Problem
from hegui.store import backup


@pytest.fixture
def with_tools(monkeypatch):
    """Put the client programs of the tests' own PostgreSQL first in the path."""
    programs = postgres._package() / "pginstall18" / "bin"
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")


def test_what_was_backed_up_comes_back(archive, tmp_path, with_tools):
    fill(archive, 20)
    root = verify(archive, nothing).root
    manifest = backup.backup(archive.store, "store", tmp_path / "copy", nothing)
    assert (manifest.name, manifest.size) == ("store", 40)
    assert Edge(40, bytes.fromhex(manifest.edge)).root() == root
    fill(archive, 5, start=100)
    archive.close()
    assert backup.restore(archive.store, "store", tmp_path / "copy") == manifest
    report = verify(archive, nothing, unseal=True)
    assert (report.size, report.root, report.findings) == (40, root, [])


def test_store_and_vault_are_apart_and_not_mistaken(archive, tmp_path, with_tools):
    fill(archive, 2)
    backup.backup(archive.vault_database, "vault", tmp_path / "copy", nothing)
    with pytest.raises(Problem, match="holds the vault") as caught:
        backup.restore(archive.store, "store", tmp_path / "copy")
    assert caught.value.code == "backup_other"
    archive.close()
    backup.restore(archive.vault_database, "vault", tmp_path / "copy")
    assert verify(archive, nothing, unseal=True).unsealed == 4


def test_what_stood_there_is_set_aside(tmp_path):
    archive = make_archive(tmp_path)
    fill(archive, 3)
    backup.backup(archive.store, "store", tmp_path / "copy", nothing)
    fill(archive, 3, start=10)
    archive.close()
    backup.restore(archive.store, "store", tmp_path / "copy")
    (aside,) = tmp_path.glob("hegui.db.before-*")
    with closing(sqlite3.connect(aside)) as old:
        assert old.execute("SELECT size FROM ledger_head").fetchone() == (12,)
    assert (tmp_path / "hegui.db").stat().st_mode & 0o777 == 0o600


def test_a_database_in_use_is_not_replaced(on_sqlite, tmp_path):
    fill(on_sqlite, 1)
    backup.backup(on_sqlite.store, "store", tmp_path / "copy", nothing)
    other = make_archive(tmp_path)
    fill(other, 1, start=5)
    on_sqlite.close()
    with pytest.raises(Problem, match="is in use"):
        backup.restore(on_sqlite.store, "store", tmp_path / "copy")
    assert verify(other, nothing).size == 4
    other.close()


def test_a_damaged_or_foreign_folder_is_refused(on_sqlite, tmp_path):
    fill(on_sqlite, 1)
    backup.backup(on_sqlite.store, "store", tmp_path / "copy", nothing)
    with pytest.raises(Problem, match="is not empty"):
        backup.backup(on_sqlite.store, "store", tmp_path / "copy", nothing)
    (tmp_path / "copy" / "store.db").write_bytes(b"else")
    with pytest.raises(Problem, match="take another backup"):
        backup.restore(on_sqlite.store, "store", tmp_path / "copy")
    (tmp_path / "copy" / backup.MANIFEST).write_text("{}")
    with pytest.raises(Problem, match="holds no readable"):
        backup.restore(on_sqlite.store, "store", tmp_path / "copy")


@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
def test_without_the_tools_of_postgresql_the_cure_is_named(archive, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Problem, match="pg_dump is not installed"):
        backup.backup(archive.store, "store", tmp_path / "copy", nothing)
    broken = tmp_path / "pg_dump"
    broken.write_text(f"#!{shutil.which('sh', path='/bin:/usr/bin')}\necho no good >&2; exit 1\n")
    broken.chmod(0o755)
    with pytest.raises(Problem, match="no good"):
        backup.backup(archive.store, "store", tmp_path / "copy2", nothing)


def test_health(archive):
    fill(archive, 2)
    health = backup.check(archive.store, "store")
    assert (health.intact, health.current, health.lost_periods) == ("ok", True, [])
    assert health.size > 4_096
    assert backup.check(archive.vault_database, "vault").well
    with archive.store.maintain() as connection:
        connection.execute(text("DROP TABLE body_account_all"))
        connection.execute(text("UPDATE alembic_version SET version_num = version_num"))
    assert not (ill := backup.check(archive.store, "store")).well
    assert ill.lost_periods == ["body_account_all"]


def test_a_damaged_file_is_not_well(on_sqlite, tmp_path):
    fill(on_sqlite, 200)
    on_sqlite.close()
    backup._fold(tmp_path / "hegui.db")
    raw = bytearray((tmp_path / "hegui.db").read_bytes())
    raw[-60_000:-20_000] = bytes(40_000)
    (tmp_path / "hegui.db").write_bytes(raw)
    health = backup.check(on_sqlite.store, "store")
    assert health.intact != "ok"
    assert not health.well
