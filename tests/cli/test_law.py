import json

import pytest
from typer.testing import CliRunner

from hegui.cli.law import app
from hegui.language import Problem
from hegui.law import register


@pytest.fixture
def run(monkeypatch):
    def call(*arguments, language="en"):
        monkeypatch.setenv("HEGUI_LANGUAGE", language)
        monkeypatch.setenv("COLUMNS", "120")
        return CliRunner().invoke(app, list(arguments))

    return call


def test_list_has_a_line_for_every_row_and_disclaims(run):
    result = run("list")
    assert result.exit_code == 0
    first_words = [line.split(" ")[0] for line in result.output.splitlines()]
    assert [word for word in first_words if word.startswith("IM-")] == [
        row.id for row in register().provisions
    ]
    assert "not legal advice" in result.output


def test_list_of_one_article_marks_what_is_uncertain(run):
    result = run("list", "--article", "14")
    assert [line[:7] for line in result.output.splitlines() if line.startswith("IM-")] == [
        "IM-14.1",
        "IM-14.2",
    ]
    assert result.output.count("T?") == 2
    assert "T?" not in run("list", "--article", "13").output
    assert "no duty" in run("list", "--article", "1").output


def test_list_as_json_holds_all_fields(run):
    rows = json.loads(run("list", "--article", "9", "--json").output)
    assert [row["id"] for row in rows["obligations"]] == ["IM-9.1", "IM-9.2", "IM-9.3"]
    assert rows["obligations"][2]["duty"]["zh"] == register().obligation("IM-9.3").duty.zh
    assert len(json.loads(run("list", "--json").output)["obligations"]) == len(register())


@pytest.mark.parametrize("language", ["zh", "en"])
def test_show_speaks_both_languages_whoever_asks(run, language):
    result = run("show", "im-14.1", language=language)
    duty = register().obligation("IM-14.1")
    assert duty.duty.zh in result.output
    assert duty.duty.en in result.output
    assert "IM-14.2" not in result.output
    assert register().term("mark", "T").say(language) in result.output
    assert duty.interpretations[0].question.say(language) in result.output


def test_show_gives_figures_with_their_marks(run):
    result = run("show", "IM-11.2")
    assert "15 days, working days of the PRC calendar" in result.output
    assert "AP-1, X: only an excerpt" in result.output
    assert "fine of ≤ 50,000,000 yuan; or ≤ 5 % of last year's turnover" in result.output
    assert "Needs check" in result.output
    assert "not legal advice" in result.output
    assert "P-LB13 (LB-13)" in run("show", "IM-12").output
    assert "Checked: M: from general knowledge" in run("show", "IM-12").output


def test_show_of_an_article_holds_all_its_rows(run):
    result = run("show", "IM-19")
    assert "IM-19.1" in result.output
    assert "IM-19.2" in result.output
    assert "carries no duty of its own" in result.output


def test_show_names_a_settled_row_without_warning(run):
    result = run("show", "IM-23")
    assert "Needs check" not in result.output
    assert "copy of the licence" in result.output
    assert "foreign-investment law" in result.output


def test_an_unknown_row_is_a_problem_with_near_rows(run):
    result = run("show", "IM-4.9")
    assert isinstance(result.exception, Problem)
    assert "IM-4." in str(result.exception)


def test_help_teaches_with_an_example(run):
    assert "hegui law show IM-14.1" in run("show", "--help").output
    assert "hegui law list --article 14" in run("list", "--help").output
