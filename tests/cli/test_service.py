import json

import pytest
from typer.testing import CliRunner

from hegui.cli import app
from hegui.language import Problem
from hegui.settings import load

runner = CliRunner(env={"HEGUI_LANGUAGE": "en", "COLUMNS": "160"})


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def call(*arguments, code=0):
    result = runner.invoke(app, list(arguments))
    assert result.exit_code == code, result.output + str(result.exception)
    return result.output


def test_init_writes_settings_that_load_and_makes_what_is_missing(folder):
    call("init", "--yes")
    assert load(folder / "hegui.toml").upstream[0].url == "demo:"
    assert (folder / "data" / "keys" / "master.key").stat().st_mode & 0o777 == 0o600
    result = runner.invoke(app, ["init", "--yes"])
    assert isinstance(result.exception, Problem)
    assert result.exception.code == "init.exists"


def test_check_says_what_is_missing_and_what_the_register_makes_of_the_upstream(folder):
    call("init", "--yes")
    ready = call("check")
    assert "development adapter" in ready
    config = folder / "hegui.toml"
    text = config.read_text().replace('"demo:"', '"http://127.0.0.1:9/v1"')
    config.write_text(text.replace('place = "CN"', 'place = "SG"'))
    abroad = call("check")
    assert "IM-7.1" in abroad
    assert "PIPL Art. 38" in abroad
    (folder / "data" / "keys" / "master.key").unlink()
    assert "master key" in call("check", code=1)


def test_keys_are_made_listed_and_ended(folder):
    call("init", "--yes")
    name, secret = call("keys", "create", "shop", "--accepted").split()[:2]
    assert secret.startswith("hg-")
    assert name in call("keys", "list")
    assert secret not in call("keys", "list")
    call("keys", "revoke", name)
    assert "revoked" in call("keys", "list")
    result = runner.invoke(app, ["keys", "revoke", "key_nothing"])
    assert isinstance(result.exception, Problem)


def test_tick_runs_every_clock(folder):
    call("init", "--yes")
    call("keys", "create", "shop")
    assert "1 checkpoints signed" in call("tick")


def test_verify_agrees_after_all_this(folder):
    call("init", "--yes")
    call("keys", "create", "shop", "--accepted")
    assert json.loads(call("ledger", "verify", "--json"))["findings"] == []
