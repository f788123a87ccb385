import re
from pathlib import Path

import pytest
import yaml

import hegui
from hegui.law import register

FILE = Path(hegui.__file__).parent / "people" / "agreement.yaml"
SAMPLE = yaml.safe_load(FILE.read_text("utf-8"))
CLAUSES = SAMPLE["clauses"]


def clause(heading):
    return next(entry for entry in CLAUSES if entry["heading"]["en"] == heading)


def test_it_is_marked_as_a_sample_for_counsel():
    assert "示范文本" in SAMPLE["title"]["zh"]
    assert "counsel" in SAMPLE["title"]["en"]


@pytest.mark.parametrize("entry", CLAUSES, ids=lambda entry: entry["heading"]["en"])
def test_a_clause_speaks_both_languages_and_carries_known_duties(entry):
    assert set(entry) == {"heading", "text", "carries"}
    for part in (entry["heading"], entry["text"]):
        assert re.search(r"[一-鿿]{2}", part["zh"])
        assert not re.search(r"[一-鿿]", part["en"])
        assert len(part["en"]) > len("Minors") - 1
    assert entry["carries"]
    for row in entry["carries"]:
        assert register().obligation(row).actors


def test_the_agreement_carries_what_a_user_has_to_be_told():
    carried = {row for entry in CLAUSES for row in entry["carries"]}
    assert carried >= {
        "IM-4.0", "IM-4.1", "IM-9.3", "IM-10.1", "IM-10.3", "IM-11.1", "IM-11.2", "IM-12",
        "IM-14.1", "IM-14.2", "IM-15",
    }  # fmt: skip


def test_periods_are_those_of_the_register():
    rights = clause("Personal information and your rights")["text"]
    assert register().obligation("IM-11.2").clocks[0].amount == 15
    assert "15 working days" in rights["en"]
    assert "十五个工作日" in rights["zh"]
    records = clause("Records and how long they are kept")["text"]
    assert register().obligation("IM-14.2").clocks[1].amount == 6
    assert records["en"].count("six months") == 2
    assert records["zh"].count("六个月") == 2
