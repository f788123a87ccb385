import json
from datetime import datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from hegui.cli import app
from hegui.language import Problem
from hegui.safety import sources
from hegui.safety.risks import risks

SAMPLE = Path(sources.__file__).with_name("sample_lexicon.csv")
run = CliRunner(env={"HEGUI_LANGUAGE": "en", "COLUMNS": "140"}).invoke


@pytest.fixture
def built(tmp_path):
    path = tmp_path / "service.lexicon"
    result = run(app, ["lexicon", "build", str(SAMPLE), "-o", str(path)])
    assert result.exit_code == 0
    assert "24 entries (0 duplicates, 0 expired left out)" in result.output
    assert [file.name for file in tmp_path.iterdir()] == ["service.lexicon"]
    return path


@pytest.mark.parametrize("command", ["build", "check", "test"])
def test_help_teaches_with_an_example(command):
    told = run(app, ["lexicon", command, "--help"]).output
    assert f"Example: hegui lexicon {command} " in told.replace("`", "")


def test_faulty_rows_stop_a_build_and_are_all_shown(tmp_path):
    source = tmp_path / "words.csv"
    source.write_text("term,category\n" + "z,A.1.f\n" * 25)
    result = run(app, ["lexicon", "build", str(source), "-o", str(tmp_path / "out")])
    assert isinstance(result.exception, Problem)
    assert "25 rows have faults" in str(result.exception)
    assert "words.csv, line 21" in result.stderr
    assert "and 5 more faulty rows" in result.stderr
    assert not (tmp_path / "out").exists()


def test_an_output_that_cannot_be_written_is_a_problem(tmp_path):
    result = run(app, ["lexicon", "build", str(SAMPLE), "-o", str(tmp_path / "no" / "out")])
    assert isinstance(result.exception, Problem)
    assert "cannot be written" in str(result.exception)


def test_check_says_what_is_below_the_standard(built):
    result = run(app, ["lexicon", "check", str(built)])
    assert result.exit_code == 1
    assert "TC260-003 8.1 (B)" in result.output
    assert "Risks without any entry: A.1.a, A.1.b, A.1.c, A.1.e" in result.output


def test_check_gives_the_same_for_a_source_and_its_build_as_json(built):
    reports = [
        json.loads(run(app, ["lexicon", "check", str(path), "--json"]).stdout)
        for path in (built, SAMPLE)
    ]
    assert reports[0] == reports[1]
    assert reports[0]["met"] is False
    assert reports[0]["missing"] == ["A.1.a", "A.1.b", "A.1.c", "A.1.e"]
    assert sum(risk["entries"] for risk in reports[0]["risks"]) == 24


def test_a_full_library_passes_unless_a_row_is_faulty(tmp_path):
    keys = [risk.key for risk in risks().values() if risk.minimum_keywords]
    day = datetime.now().astimezone().date()
    lines = [f"zorb{number},{keys[number % 17]},{day}" for number in range(10_000)]
    source = tmp_path / "words.csv"
    source.write_text("term,category,added\n" + "\n".join(lines))
    assert run(app, ["lexicon", "check", str(source)]).exit_code == 0
    source.write_text("term,category,added\n" + "\n".join([*lines, "z,A.1.f,", lines[0]]))
    result = run(app, ["lexicon", "check", str(source)])
    assert result.exit_code == 1
    assert "Duplicate: “zorb0” at words.csv:10003, first at words.csv:2" in result.stdout
    assert "line 10002" in result.stderr


def test_a_text_is_tried_from_the_argument_or_standard_input(built):
    text = "so z.o.r.b.l.e.f.a.x"
    for result in (
        run(app, ["lexicon", "test", str(built), text]),
        run(app, ["lexicon", "test", str(built)], input=text),
    ):
        assert result.exit_code == 0
        assert "z.o.r.b.l.e.f.a.x" in result.output
        assert "A.1.d terrorism and extremism" in result.output
    assert "No hit." in run(app, ["lexicon", "test", str(built), "nothing"]).output


def test_hits_as_json(built):
    result = run(app, ["lexicon", "test", str(built), "是咔噜 磨砂", "--json"])
    assert json.loads(result.stdout) == [
        {
            "start": 1,
            "end": 6,
            "found": "咔噜 磨砂",
            "term": "咔噜磨砂",
            "category": "A.1.d",
            "action": "withhold",
        }
    ]


def test_a_build_adds_the_variants_asked_for(tmp_path):
    source, path = tmp_path / "words.csv", tmp_path / "out"
    source.write_text("term,category\n发财国,A.3.e\n")
    asked = ["--variants", "traditional", "--variants", "pinyin"]
    assert run(app, ["lexicon", "build", str(source), "-o", str(path), *asked]).exit_code == 0
    for text in ("發財國", "facaiguo"):
        assert "发财国" in run(app, ["lexicon", "test", str(path), text]).output
