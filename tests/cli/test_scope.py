import json

import pytest
from typer.testing import CliRunner

from hegui.cli import app, scope
from hegui.cli.scope import _typed, _value
from hegui.evidence.archive import Archive
from hegui.evidence.scope import history
from hegui.law import register
from hegui.settings import load

runner = CliRunner(env={"HEGUI_LANGUAGE": "en", "COLUMNS": "140"})
FACTS = {fact.id: fact for fact in register().tables.facts}
TOOL = {
    "generates": "content", "offered": "hosted", "internal": True, "reach": "nobody",
    "provider_abroad": False, "sector": False, "personal": True,
}  # fmt: skip


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "hegui.toml"
    path.write_text("[store]\nurl = 'sqlite:///hegui.db'\nvault_url = 'sqlite:///vault.db'\n")
    archive = Archive(load(path, {}))
    archive.prepare()
    archive.close()
    return path


@pytest.fixture
def given(tmp_path):
    path = tmp_path / "answers.json"
    path.write_text(json.dumps(TOOL))
    return path


def call(*arguments, code=0, typed="", language="en"):
    given = [str(each) for each in arguments]
    environment = {"HEGUI_LANGUAGE": language}
    result = runner.invoke(app, ["law", "scope", *given], input=typed, env=environment)
    assert result.exit_code == code, result.output + str(result.exception)
    return result.exception if code else result.stdout


def steps(config):
    archive = Archive(load(config, {}))
    found = history(archive)
    archive.close()
    return found


def test_a_file_of_answers_is_shown_without_an_archive(given):
    shown = call("--dry-run", "--answers", given)
    for said in ("a3  No: a tool for own staff", "(IM-2.3, DS-17.1, LB-10.1; M)", "For counsel",
                 "c20", "Until answered", "network operator", "Not known, so they count",
                 "not legal advice"):  # fmt: skip
        assert said in shown
    assert "本单位员工" in call("--dry-run", "--answers", given, language="zh")


def test_a_file_of_answers_as_json(given):
    told = json.loads(call("--dry-run", "--json", "--answers", given))
    assert told["rows"]["measures"] == ["a3"]
    assert told["outcomes"]["measures"] is False
    assert told["duties"]["IM-9.3"]["applies"] == "no"
    assert "a3" in told["duties"]["IM-9.3"]["why"]
    assert told["counsel"][0]["id"] == "c20"
    assert "forum_functions" in told["open"]
    assert len(told["version"]) == 64


def test_answers_become_evidence_and_are_shown_again(config, given):
    assert call("--show", "--config", config, code=1).code == "scope.none"
    call("--answers", given, "--by", "counsel", "--config", config)
    call("--answers", given, "--by", "counsel", "--config", config)
    (step,) = steps(config)
    assert (step.staff, step.scope.answers["internal"]) == ("counsel", True)
    assert "a3  No" in call("--show", "--config", config)
    assert len(steps(config)) == 1


def test_a_dry_run_records_nothing(config, given):
    call("--dry-run", "--answers", given, "--config", config)
    assert steps(config) == []


@pytest.mark.parametrize(
    ("text", "code"),
    [("[]", "scope.unreadable"), ("{", "scope.unreadable"), ('{"reach": "mars"}', "law.answer"),
     ('{"colour": 1}', "law.no-fact")],
)  # fmt: skip
def test_a_bad_file_is_named_with_the_cure(tmp_path, text, code):
    file = tmp_path / "bad.json"
    file.write_text(text)
    problem = call("--dry-run", "--answers", file, code=1)
    assert problem.code == code
    missing = call("--dry-run", "--answers", tmp_path / "none.json", code=1)
    assert (missing.code, "No such file" in str(missing)) == ("scope.unreadable", True)


def test_questions_are_asked_one_by_one_and_explained(config):
    # Content, hosted, own staff, nobody; then a wrong answer, "?" and whatever is still asked: no.
    typed = "1\n1\ny\nmaybe\n4\nn\n?\n" + "?\n" * 40
    shown = call("--by", "staff-7", "--config", config, typed=typed)
    assert "Does the service generate content with a model?" in shown
    assert "generative AI" in shown  # why it is asked
    assert "(IM-22, RA-2)" in shown
    assert "That is no answer to this question." in shown
    assert shown.index("→ a3  No") < shown.index("Do the Interim Measures apply?")
    (step,) = steps(config)
    answers = step.scope.answers
    assert (answers["internal"], answers["reach"], answers["sector"]) == (True, "nobody", "unknown")
    assert answers["registered_users"] == 0  # counted, never asked
    assert "How many registered users" not in shown
    assert "minors_use" not in answers  # a staff tool is not asked about minors


def test_the_last_answers_are_offered_again(config, given):
    call("--answers", given, "--by", "counsel", "--config", config)
    shown = call("--by", "staff-7", "--config", config, typed="\n" * 7 + "?\n" * 40)
    assert "[4]" in shown  # the fourth choice was answered before
    last = steps(config)[-1]
    assert (last.staff, last.scope.answers["reach"]) == ("staff-7", "nobody")


@pytest.mark.parametrize(
    ("fact", "typed", "value"),
    [
        ("internal", "Y", True), ("internal", "no", False), ("internal", "1", None),
        ("reach", "3", "customer"), ("reach", "9", None), ("reach", "", None),
        ("activities", "0", []), ("activities", "5,1", ["posts", "sells"]),
        ("activities", "1,99", None), ("registered_users", "12", 12),
        ("registered_users", "-1", None), ("registered_users", "many", None),
        ("service_start", "2026-01-31", "2026-01-31"), ("service_start", "31.1.2026", None),
    ],
)  # fmt: skip
def test_what_is_typed_is_read_and_offered_in_the_same_form(fact, typed, value):
    assert _value(FACTS[fact], typed) == value
    if value is not None:
        assert _value(FACTS[fact], _typed(FACTS[fact], value)) == value


def test_unknown_is_offered_as_a_question_mark():
    assert _typed(FACTS["reach"], "unknown") == "?"
    assert _typed(FACTS["internal"], "unknown") == "?"


def test_the_facts_can_be_listed():
    shown = call("--facts")
    assert shown.count("\n") == len(FACTS)
    assert "reach  [public | invited" in shown
    assert {each["id"] for each in json.loads(call("--facts", "--json"))} == set(FACTS)


def test_the_command_has_an_example():
    help_text = runner.invoke(app, ["law", "scope", "--help"]).output
    assert "Example: hegui law scope" in help_text.replace("`", "")
    assert scope.scope.__doc__
