import json
import re

import pytest
from typer.testing import CliRunner

from archive import admitted, finished
from hegui.cli import app, hot, policy
from hegui.evidence.archive import Archive
from hegui.language import Problem
from hegui.settings import load

runner = CliRunner(env={"HEGUI_LANGUAGE": "en", "COLUMNS": "140"})
COMMANDS = [command.name or command.callback.__name__ for command in policy.app.registered_commands]
COMMANDS += [f"hot {command.name}" for command in hot.app.registered_commands]


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "hegui.toml"
    path.write_text("[store]\nurl = 'sqlite:///hegui.db'\nvault_url = 'sqlite:///vault.db'\n")
    archive = Archive(load(path, {}))
    archive.prepare()
    asked = b'{"messages": [{"role": "user", "content": "a plonkish [b]word"}]}'
    for number in range(30):
        archive.writer.commit_now(admitted(number, "p", asked), finished(number, "p", b"{}"))
    archive.close()
    return path


@pytest.fixture
def run(config):
    def call(*arguments, code=0):
        given = [str(each) for each in arguments]
        own = [] if given[0] == "check" else ["--config", str(config)]
        result = runner.invoke(app, ["policy", *given, *own])
        assert result.exit_code == code, result.output + str(result.exception)
        return result.exception if code else result.stdout

    return call


def test_every_command_has_an_example_that_is_its_own():
    assert len(COMMANDS) == 9
    for command in COMMANDS:
        shown = runner.invoke(app, ["policy", *command.split(), "--help"]).output
        assert f"Example: hegui policy {command}" in re.sub(r"[\s│`]+", " ", shown)


def test_from_a_new_file_to_live_and_back(run, tmp_path):
    file = tmp_path / "mine.yaml"
    assert "hegui policy check" in run("new", file)
    assert run("new", file, code=1).code == "policy.there"
    file.write_text(file.read_text().replace("position: suffix", "position: corner"))
    assert "Label: corner" in run("check", file)
    version = json.loads(run("check", file, "--json"))["version"]
    refused = run("stage", file, "live", code=1)
    assert refused.code == "policy.untried"
    assert f"hegui policy stage {version[:12]} shadow" in str(refused)
    assert "shadow" in run("stage", file, "shadow")
    assert run("show", "shadow", "--body") == file.read_text()
    assert version[:12] in run("stage", "shadow", "live")
    assert run("show", "shadow", code=1).code == "policy.no-shadow"
    told = json.loads(run("list", "--json"))
    assert [(each["version"], each["stage"], each["author"]) for each in told] == [
        (version, "live", "operator")
    ]
    assert version[:12] in run("list")
    run("stage", version[:8], "retired", "--author", "staff-1")
    assert "The default policy acts" in run("list")


def test_urgency_and_author_are_shown(run, tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text("actions: {A.2.d: refuse}\n")
    run("stage", file, "draft")
    assert json.loads(run("list", "--json"))[0]["stage"] == "draft"
    run("stage", file, "live", "--urgent", "flood of it", "--author", "staff-7")
    shown = run("list")
    assert "flood of it" in shown
    told = json.loads(run("show", "live", "--json"))["actions"]["A.2.d"]
    assert told["minor"] == {"input": "refuse", "output": "withhold"}


def test_hot_terms_come_and_go(run):
    assert "No hot term" in run("hot", "list")
    added = run("hot", "add", "zorblefax", "--category", "A.1.h", "--until", "2099-12-31")
    assert "“zorblefax” acts now" in added
    run("hot", "add", "[b]plonk", "--category", "A.1.h", "--action", "mask")
    shown = run("hot", "list")
    assert "2099-12-31" in shown
    assert "[b]plonk" in shown
    assert "“zorblefax” (A.1.h), —, until 2099-12-31" in run("show")
    assert run("hot", "add", "ab", "--category", "A.9.h", code=1).code == "policy.category"
    assert run("hot", "add", "a", "--category", "A.1.h", code=1).code == "lexicon.term-length"
    run("hot", "remove", "zorblefax")
    assert [each["term"] for each in json.loads(run("hot", "list", "--json"))] == ["[b]plonk"]
    assert run("hot", "remove", "zorblefax", code=1).code == "policy.no-hot"


def test_what_lets_pass_unscanned_is_shown_with_its_owner(run, tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text("unscanned: {image: {action: pass, owner: safety team, reason: seen before}}\n")
    assert "image passes unscanned: safety team answers for it (seen before)" in run("check", file)


def test_a_faulty_or_missing_file_is_a_problem_with_the_cure(run, tmp_path):
    file = tmp_path / "mine.yaml"
    missing = run("check", file, code=1)
    assert missing.code == "policy.unreadable"
    assert "hegui policy new" in str(missing)
    file.write_text("\nactions: {A.1.f: stop}\n")
    faulty = run("stage", file, "shadow", code=1)
    assert str(faulty).startswith(f"{file}:2: actions.A.1.f.adult")
    assert run("show", "0123456789", code=1).code == "policy.unknown"
    assert isinstance(run("new", tmp_path / "no" / "x.yaml", code=1), Problem)


def test_a_backtest_names_exchanges_and_never_text(run, tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text("hot: [{term: plonkish, category: A.2.d}]\n")
    result = runner.invoke(app, ["policy", "test", str(file)])
    assert result.exit_code == 2
    assert "--reason" in result.output
    shown = run("test", file, "--reason", "trying the command")
    assert f"{29:032x}  adult  Newly stopped" in shown
    assert "30 exchanges judged; 0 were erased" in shown
    assert "… and 40 more" in shown
    assert "plonkish" not in shown
    told = json.loads(run("test", file, "--reason", "trying it", "--limit", "2", "--json"))
    row = next(each for each in told["rows"] if each["category"] == "A.2.d")
    assert row["stopped"] == [f"{29:032x}", f"{28:032x}"]
    assert run("test", file, "--reason", "x", code=1).code == "opening_reason"
    none = run("test", file, "--reason", "trying it", "--since", "2099-01-01")
    assert "0 exchanges judged" in none
