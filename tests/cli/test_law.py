import json
from datetime import date

import msgspec
import pytest
import yaml
from openpyxl import load_workbook
from typer.testing import CliRunner

from hegui.cli import db
from hegui.cli.law import app
from hegui.cli.law_text import change_lines
from hegui.evidence.archive import Archive
from hegui.evidence.status import NAMES, board
from hegui.language import Problem
from hegui.law import register
from hegui.law.time import Changes
from hegui.settings import load


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
    known = {row.id for row in register().provisions}
    assert [word for word in first_words if word in known] == [
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
    assert "P-LB13 (LB-13) · M: from general knowledge" in run("show", "IM-12").output


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
    assert "hegui law diff 2025-12-31" in run("diff", "--help").output
    assert "hegui law export --format xlsx" in run("export", "--help").output


def test_list_keeps_to_an_instrument_a_role_and_a_facet(run):
    rows = json.loads(run("list", "--instrument", "lb", "--role", "d", "--json").output)
    assert {row["id"].partition("-")[0] for row in rows["obligations"]} == {"LB"}
    assert all("D" in row["actors"] for row in rows["obligations"])
    minors = json.loads(run("list", "--facet", "minors", "--json").output)
    assert {"IM", "HI", "MC", "ML"} <= {row["id"].partition("-")[0] for row in minors["provisions"]}
    assert "none of the codes" in str(run("list", "--role", "Q").exception)


def test_summary_adds_up(run):
    lines = run("list", "--summary").output.splitlines()
    assert next(line for line in lines if line.startswith("IM ")).split()[-5:] == [
        "44", "44", "0", "35", "44/0/0",
    ]  # fmt: skip
    total = next(line for line in lines if line.strip().startswith("All ")).split()
    assert total[1:5] == ["289", "396", "41", "332"]
    assert sum(map(int, total[5].split("/"))) == len(register().provisions)
    counted = json.loads(run("list", "--summary", "--json").output)
    assert sum(entry["rows"] for entry in counted.values()) == 289


def test_show_on_a_day_reads_the_numbers_of_that_day(run):
    old = run("show", "CSL-21", "--on", "2025-10-01").output
    assert "CSL-21  (CSL-23, art_23)" in old
    assert "it is CSL-23 since 2026-01-01" in old
    assert "may differ from the older" in old
    assert "may differ from the older" in run("show", "CSL-69", "--on", "2025-10-01").output
    early = run("show", "HI-19", "--on", "2026-01-01").output
    assert "Not yet in force on 2026-01-01; it is since 2026-07-15." in early
    draft = run("show", "DH-7", "--on", "2026-01-01").output
    assert "Not yet published on 2026-01-01" in draft
    assert "⚠ Not yet" not in run("show", "HI-19", "--on", "2026-07-15").output
    assert "CSL-23" in str(run("show", "CSL-21").exception)


def test_diff_names_what_began_and_what_was_renumbered(run):
    shown = run("diff", "2025-12-31", "2026-11-24").output
    assert "Came into force: 55" in shown
    assert "CSL-21 → CSL-23  2026-01-01" in shown
    assert register().provision("HI-19").gloss.zh in shown
    assert register().provision("HI-19").gloss.en in shown
    assert register().instrument("PS").title.zh in shown
    assert "Nothing changed." in run("diff", "2026-11-01", "2026-11-24").output
    found = json.loads(run("diff", "2025-12-31", "2026-11-24", "--json").output)
    moved = {move["before"]: move["after"] for move in found["renumbered"]}
    assert moved["CSL-21"] == "CSL-23"
    assert isinstance(run("diff", "2026-11-24", "2025-12-31").exception, Problem)


def test_diff_prints_what_ended():
    row = msgspec.structs.replace(register().provision("IM-1"), valid_to=date(2026, 1, 31))
    nothing = ((), (), ())
    changed = Changes(date(2026, 1, 1), date(2026, 3, 1), *nothing, (row,), (), ())
    assert any("IM-1  2026-01-31" in line for line in change_lines(changed))


@pytest.mark.parametrize(("form", "name"), [("xlsx", "register.xlsx"), ("ciso", "register.yaml")])
def test_export_writes_the_whole_register(run, tmp_path, form, name):
    out = tmp_path / name
    told = run("export", "--format", form, "--language", "zh", "--out", str(out))
    assert told.exit_code == 0, told.exception
    assert "332 duties" in told.output
    if form == "xlsx":
        duties = load_workbook(out, read_only=True).worksheets[0]
        assert sum(1 for _ in duties.iter_rows()) == 1 + len(register())
    else:
        assert yaml.safe_load(out.read_text("utf-8"))["locale"] == "zh"
    gone = run("export", "--out", str(tmp_path / "no" / name)).exception
    assert gone.code == "law.no-folder"


def test_export_joins_the_state_of_the_service(run, tmp_path):
    config = tmp_path / "hegui.toml"
    config.write_text("[store]\nurl = 'sqlite:///hegui.db'\nvault_url = 'sqlite:///vault.db'\n")
    CliRunner().invoke(db.app, ["upgrade", "--config", str(config)])
    archive = Archive(load(config))
    standings = board(archive).standings
    archive.close()
    out = tmp_path / "register.xlsx"
    told = run("export", "--out", str(out), "--with-status", "--config", str(config))
    assert told.exit_code == 0, told.exception
    rows = list(load_workbook(out, read_only=True).worksheets[0].iter_rows(values_only=True))
    assert rows[0][-2:] == ("State", "Proof")
    assert [row[-2] for row in rows[1:]] == [NAMES[each.state] for each in standings.values()]
    assert len({row[-2] for row in rows[1:]}) > 2
