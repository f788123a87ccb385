import json
import re
from datetime import datetime

import pytest
import time_machine
from typer.testing import CliRunner

from hegui.cases.clocks import BEIJING
from hegui.cli import app
from hegui.cli import due as group
from hegui.language import Problem

NOW = datetime(2026, 11, 24, 12, tzinfo=BEIJING)
RECORD = ("record", "service_start", "--on", "2026-11-24", "--obligation", "IM-17")


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "250")

    def call(*arguments, code=0, language="en", command="due"):
        monkeypatch.setenv("HEGUI_LANGUAGE", language)
        result = CliRunner().invoke(app, [command, *arguments])
        assert result.exit_code == code, result.output + str(result.exception)
        return result.output

    call("--yes", command="init")
    with time_machine.travel(NOW, tick=False) as clock:
        call.clock = clock
        yield call


@pytest.mark.parametrize("command", [None, "record", "done", "events", "calendar"])
def test_help_teaches_with_an_example(command):
    path = ["due", command] if command else ["due"]
    shown = CliRunner().invoke(app, [*path, "--help"], env={"COLUMNS": "160"}).output
    assert f"hegui {' '.join(path)}" in shown


def test_an_event_starts_a_clock_that_is_listed_and_done(run):
    assert "service_start --on DATE" in run()
    occurrence = re.search(r"✓ (o\w+) is on record", told := run(*RECORD))[1]
    assert f"2026-12-08  To do  IM-17@{occurrence}" in told
    assert f"IM-17@{occurrence}" in run()
    assert f"IM-17@{occurrence}" in run("--days", "14")
    assert "Nothing of this is due" in run("--days", "13")
    assert f"IM-17@{occurrence} is done" in run("done", occurrence, "--reference", "receipt 7")
    assert occurrence not in run()
    assert "receipt 7" in json.dumps(json.loads(run("--all", "--json")))


def test_json_holds_every_field_for_other_programs(run):
    run(*RECORD, "--by", "staff-1")
    (found,) = [each for each in json.loads(run("--json")) if each["obligation"] == "IM-17"]
    assert found["duty"].keys() == {"zh", "en"}
    keys = ("state", "by", "exact", "basis", "verified", "figure", "owner", "since")
    assert [found[key] for key in keys] == [
        "due", "2026-12-08", True, "RA-24.1", "T", "statute", "", "2026-11-24",
    ]  # fmt: skip


def test_a_monitor_is_told_of_what_is_overdue(run):
    run(*RECORD)
    run("--fail-overdue")
    run.clock.move_to(datetime(2026, 12, 9, tzinfo=BEIJING))
    assert "Overdue" in run("--fail-overdue", code=1)
    assert json.loads(run("--fail-overdue", "--json", code=1))[0]["state"] == "overdue"


def test_what_is_only_the_earliest_and_what_was_not_checked_is_marked(run):
    run("record", "assessment_event", "--on", "2026-12-10", "--obligation", "IM-17")
    line = next(each for each in run().splitlines() if "IM-17@" in each)
    assert line.startswith("≥ 2027-01-")
    assert "SA-7 · M: from" in line
    assert "stated" not in run()


def test_a_date_has_no_default_and_a_mistake_says_what_to_do(run):
    result = CliRunner().invoke(app, ["due", "record", "service_start"])
    assert result.exit_code == 2
    result = CliRunner().invoke(app, ["due", "record", "launched", "--on", "2026-11-24"])
    assert isinstance(result.exception, Problem)
    assert result.exception.code == "clock.anchor"


def test_events_are_listed_with_the_duties_that_count_from_them(run):
    assert "IM-17" in next(e for e in run("events").splitlines() if e.startswith("launch:"))
    assert "开始提供服务" in run("events", language="zh")
    assert "IM-17" in json.loads(run("events", "--json"))["service_end"]


def test_the_calendar_of_a_year(run):
    told = run("calendar", "2026")
    assert "2026: 248 working days" in told
    assert "2026-10-05/07" in told
    assert "2026-09-20, 2026-10-10" in told
    assert json.loads(run("calendar", "2026", "--json"))["working"] == 248
    result = CliRunner().invoke(app, ["due", "calendar", "2101"])
    assert "chinesecalendar" in str(result.exception)


@pytest.mark.parametrize("count", [0, 1, 3])
def test_days_that_follow_each_other_are_one_stretch(count):
    days = tuple(datetime(2026, 10, day, tzinfo=BEIJING).date() for day in (1, 2, 5)[:count])
    assert group._runs(days) == ["", "2026-10-01", "", "2026-10-01/02, 2026-10-05"][count]
