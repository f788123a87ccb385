import json

import pytest
import typer
from sqlalchemy import delete, text, update
from typer.testing import CliRunner

from archive import fill, make_archive
from hegui.cli import archive as shared
from hegui.cli import db, ledger, master
from hegui.evidence import verifier
from hegui.evidence.archive import Archive
from hegui.evidence.erase import erase
from hegui.language import Problem
from hegui.settings import load
from hegui.store.tables import entries, exchanges, keys

app = typer.Typer()
for group, name in ((ledger, "ledger"), (db, "db"), (master, "master")):
    app.add_typer(group.app, name=name)
runner = CliRunner(env={"HEGUI_LANGUAGE": "en", "COLUMNS": "140"})


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "hegui.toml"
    path.write_text("[store]\nurl = 'sqlite:///hegui.db'\nvault_url = 'sqlite:///vault.db'\n")
    return path


@pytest.fixture
def run(config):
    def call(*arguments: object, code: int = 0):
        result = runner.invoke(app, [*map(str, arguments), "--config", str(config)])
        assert result.exit_code == code, result.output + str(result.exception)
        return result

    call("db", "upgrade")
    return call


@pytest.fixture
def archive(run, config):
    archive = Archive(load(config))
    fill(archive, 6)
    yield archive
    archive.close()


def commands():
    return [
        (name, command.name or command.callback.__name__)
        for group, name in ((ledger, "ledger"), (db, "db"), (master, "master"))
        for command in group.app.registered_commands
    ]


@pytest.mark.parametrize(("group", "command"), commands())
def test_help_teaches_with_an_example(group, command):
    shown = runner.invoke(app, [group, command, "--help"]).output
    assert f"hegui {group} {command}" in shown


def test_a_sound_ledger_is_verified(run, archive, tmp_path):
    run("ledger", "checkpoint")
    kept = archive.settings.evidence.checkpoint_folder / "checkpoint-12.txt"
    result = run("ledger", "verify", "--unseal", "--checkpoint", kept)
    assert "12 entries, 12 rows, 12 bodies, 3 keys, 2 checkpoints" in result.output
    assert "✓ Verified" in result.output
    told = json.loads(run("ledger", "verify", "--json", "--unseal").stdout)
    assert (told["verified"], told["unsealed"], told["findings"]) == (True, 12, [])
    assert "a rebuilt ledger would not show" in run("ledger", "verify").output


def test_findings_are_shown_and_end_with_one(run, archive):
    with archive.store.maintain() as connection:
        connection.execute(update(exchanges).where(exchanges.c.seq == 4).values(model="x"))
    result = run("ledger", "verify", code=1)
    assert "model is x, but entry 4 says m" in result.output
    told = json.loads(run("ledger", "verify", "--json", code=1).stdout)
    assert [(each["code"], each["table"]) for each in told["findings"]] == [
        ("row-changed", "exchanges")
    ]
    with archive.store.maintain() as connection:
        connection.execute(delete(entries))
    fill_up = run("ledger", "verify", code=1)
    assert "entries 0: Entry 0 is missing" in fill_up.output


def test_a_proof_is_printed_or_written_with_its_entry(run, archive, tmp_path):
    key = run("ledger", "checkpoint", "--key").stdout.strip()
    printed = run("ledger", "prove", 3).stdout
    target = tmp_path / "3.tlog-proof"
    run("ledger", "prove", 3, "-o", target)
    assert target.read_text() == printed
    assert verifier.verify_proof(printed, (tmp_path / "3.entry").read_bytes(), key).seq == 3
    result = run("ledger", "prove", 3, "-o", tmp_path / "no" / "where", code=1)
    assert isinstance(result.exception, Problem)
    assert isinstance(run("ledger", "prove", 12, code=1).exception, Problem)


def test_a_checkpoint_is_printed_again_when_nothing_is_new(run, archive):
    first = run("ledger", "checkpoint").stdout
    assert archive.signer.open(first).size == 12
    assert run("ledger", "checkpoint").stdout == first


def test_an_export_passes_the_verifier(run, archive, tmp_path, capsys):
    target = tmp_path / "out.zip"
    run("ledger", "export", target, "--bodies", "--proof", 2, "--proof", 5)
    key = archive.signer.verifier_key()
    assert verifier.main([str(target), "--key", key]) == 0
    assert "Sealed bodies matched: 12" in capsys.readouterr().out


def test_a_backup_and_what_was_erased_since(run, archive, tmp_path):
    shown = run("db", "backup", tmp_path / "copy").output
    assert "Ledger of 12 entries, root " in shown
    assert "vault of" in run("db", "backup", tmp_path / "copy-v", "--vault").output
    erase(archive, "p1", "request")
    archive.close()
    result = run("db", "restore", tmp_path / "copy", code=1)
    assert "Nothing was done" in str(result.exception)
    assert "2 keys and persons erased since" in run("db", "restore", tmp_path / "copy",
                                                    "--yes").output  # fmt: skip
    assert json.loads(run("ledger", "verify", "--json").stdout)["size"] == 13


def test_health_is_told(run, archive):
    assert run("db", "check").output.count("✓ ") == 2
    with archive.store.maintain() as connection:
        connection.execute(text("DROP TABLE body_account_all"))
    assert "missing: body_account_all" in run("db", "check", code=1).output
    told = json.loads(run("db", "check", "--json", code=1).stdout)
    assert [each["name"] for each in told] == ["store", "vault"]


def test_the_master_key(run, archive, tmp_path):
    assert "3 wrapped" in run("master", "status").output
    shown = run("master", "rotate").output
    assert "3 data keys are now wrapped" in shown
    assert archive.vault.master.current in shown
    assert "Nothing was printed" in str(run("master", "export", code=1).exception)
    path = archive.vault.master.path
    assert run("master", "export", "--yes").stdout == path.read_text()
    path.chmod(0o644)
    assert "chmod 600" in run("master", "status", code=1).output
    path.chmod(0o600)
    with archive.vault_database.maintain() as connection:
        connection.execute(update(keys).values(master="gone"))
    told = json.loads(run("master", "status", "--json", code=1).stdout)
    assert (told["missing"], told["wrapped"]) == (["gone"], {"gone": 3})
    assert "gone: wraps 3 keys" in run("master", "status", code=1).output


def test_databases_of_another_version_are_refused(run, archive):
    with archive.vault_database.maintain() as connection:
        connection.execute(text("DELETE FROM alembic_version"))
    result = run("ledger", "verify", code=1)
    assert isinstance(result.exception, Problem)
    assert result.exception.code == "schema"


def test_the_archive_is_closed_after_a_command(tmp_path, config):
    make_archive(tmp_path).close()
    with shared.opened(config) as archive:
        writer = archive.store.engine("reader")
    assert archive.store.engine("reader") is not writer
    archive.close()
