"""The exports are read back and counted against the register."""

import re
import sys
from collections import Counter
from datetime import date

import pytest
import yaml
from openpyxl import load_workbook

from hegui.language import Problem
from hegui.law import export_ciso, export_xlsx, register
from hegui.law.exports import Shown, evidence_text, proof_text, question_text

pytestmark = pytest.mark.once

# As CISO Assistant's own loader has it (backend/library/utils.py and core/models.py).
URN = re.compile(
    r"^urn:([a-zA-Z0-9_-]+):([a-zA-Z0-9_-]+):([a-zA-Z0-9_-]+)(?::([a-zA-Z0-9_-]+))?"
    r":([0-9A-Za-z\[\]\(\)\-\._:]+)$"
)
DAY = date(2026, 11, 24)
STANDINGS = {
    duty.id: Shown("met", ("=1+1 of 2 since 2026-01-01.",), "@wang", "2027-01-01")
    for duty in register()
}


def by_instrument(ids):
    return Counter(each.partition("-")[0] for each in ids)


def duties():
    return by_instrument(duty.id for duty in register())


@pytest.fixture(scope="module", params=["zh", "en"])
def workbook(request, tmp_path_factory):
    out = tmp_path_factory.mktemp("export") / "register.xlsx"
    export_xlsx.write(register(), out, request.param, STANDINGS)
    return load_workbook(out)


def rows(sheet):
    return list(sheet.iter_rows(min_row=2, values_only=True))


def test_the_workbook_counts_as_the_register_does(workbook):
    duty, instrument, provision, sanction, _ = workbook.worksheets
    assert by_instrument(row[0] for row in rows(duty)) == duties()
    assert [row[0] for row in rows(instrument)] == [each.code for each in register().instruments]
    assert sum(row[8] for row in rows(instrument)) == 289
    assert {row[0]: row[11] for row in rows(instrument) if row[11]} == duties()
    assert [row[0] for row in rows(provision)] == [row.id for row in register().provisions]
    steps = Counter(row[0] for row in rows(sanction))
    assert steps == {each.code: len(each.tiers) for each in register().sanctions}


def test_amounts_and_days_are_values_and_not_text(workbook):
    _, instrument, provision, sanction, _ = workbook.worksheets
    top = [row for row in rows(sanction) if row[0] == "P-CSL69"][-1]
    assert top[6:13] == (2_000_000, 10_000_000, None, None, None, 200_000, 1_000_000)
    old = next(row for row in rows(provision) if row[0] == "CSL-23")
    assert old[4].date() == date(2026, 1, 1)
    assert old[6] == "CSL-21: 2017-06-01 – 2025-12-31"
    measures = rows(instrument)[0]
    assert measures[7].date() == date(2023, 8, 15)


def test_the_state_and_its_proof_stand_beside_every_duty(workbook):
    sheet = workbook.worksheets[0]
    for row in rows(sheet):
        assert row[-2] == "met"
        assert row[-1].startswith("=1+1 of 2")
        assert "@wang" in row[-1]


def test_no_text_can_become_a_formula(workbook):
    texts = 0
    for sheet in workbook:
        for row in sheet.iter_rows():
            for cell in row:
                assert cell.data_type != "f", cell.coordinate
                if isinstance(cell.value, str):
                    assert cell.quotePrefix, cell.coordinate
                    texts += 1
    assert texts > 9_000


def test_every_sheet_is_ready_for_the_screen_and_for_a4(workbook):
    assert len(workbook.worksheets) == 5
    for sheet in workbook:
        assert sheet.freeze_panes == "B2"
        assert sheet.auto_filter.ref == sheet.dimensions
        assert sheet.print_title_rows == "$1:$1"
        assert (sheet.page_setup.orientation, sheet.page_setup.paperSize) == ("landscape", 9)
        assert sheet.sheet_properties.pageSetUpPr.fitToPage
        assert sheet.page_setup.fitToHeight == 0
        assert sheet["A2"].alignment.wrap_text
        assert sheet["A1"].font.bold
        assert all(sheet.column_dimensions[cell.column_letter].width >= 6 for cell in sheet[1])


def test_without_a_state_there_is_no_column_for_it(tmp_path):
    export_xlsx.write(register(), tmp_path / "plain.xlsx", "en")
    plain = load_workbook(tmp_path / "plain.xlsx", read_only=True).worksheets[0]
    heads = [cell.value for cell in next(plain.iter_rows())]
    assert heads[-1] == "Question for counsel"
    assert len(heads) == len(set(heads)) == 16


def test_control_characters_and_long_texts_do_not_break_the_workbook(tmp_path):
    odd = Shown("met", ("a\x00b" + "x" * 40_000,))
    export_xlsx.write(register(), tmp_path / "odd.xlsx", "en", dict.fromkeys(STANDINGS, odd))
    sheet = load_workbook(tmp_path / "odd.xlsx", read_only=True).worksheets[0]
    proof = list(next(sheet.iter_rows(min_row=2, values_only=True)))[-1]
    assert proof.startswith("abx")
    assert len(proof) == 32_767


def test_without_openpyxl_the_way_out_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    with pytest.raises(Problem, match="pip install"):
        export_xlsx.write(register(), tmp_path / "none.xlsx", "en")


@pytest.fixture(scope="module", params=["zh", "en"])
def library(request, tmp_path_factory):
    out = tmp_path_factory.mktemp("export") / "library.yaml"
    export_ciso.write(register(), out, request.param)
    return yaml.safe_load(out.read_text("utf-8"))


def nodes(library, depth):
    every = library["objects"]["framework"]["requirement_nodes"]
    return [node for node in every if node["depth"] == depth]


def test_the_library_counts_as_the_register_does(library):
    assert by_instrument(node["ref_id"] for node in nodes(library, 3)) == duties()
    assert {node["ref_id"] for node in nodes(library, 1)} == set(duties())
    articles = {
        (duty.id.partition("-")[0], str(register().provision(duty.provisions[0]).path.article))
        for duty in register()
    }
    assert len(nodes(library, 2)) == len(articles)
    controls = library["objects"]["reference_controls"]
    assert [each["ref_id"] for each in controls] == list(register().vocabulary["control"])


def test_the_library_has_what_the_loader_asks_for(library):
    assert {"ref_id", "urn", "locale", "objects", "version"} <= set(library)
    assert isinstance(library["version"], int)
    framework = library["objects"]["framework"]
    things = [
        library, framework, *framework["requirement_nodes"],
        *library["objects"]["reference_controls"],
    ]  # fmt: skip
    urns = [thing["urn"] for thing in things]
    assert len(set(urns)) == len(urns)
    for thing in things:
        assert URN.match(thing["urn"]), thing["urn"]
        assert thing["urn"] == thing["urn"].lower()
        assert len(thing["urn"]) <= 255
        assert len(thing["name"]) <= 200
        assert len(thing["ref_id"]) <= 100


def test_the_tree_hangs_together_and_its_references_resolve(library):
    framework = library["objects"]["framework"]
    groups = {each["ref_id"] for each in framework["implementation_groups_definition"]}
    controls = {each["urn"] for each in library["objects"]["reference_controls"]}
    above = {}
    for node in framework["requirement_nodes"]:
        if node["depth"] > 1:
            assert above[node["parent_urn"]] == node["depth"] - 1
        above[node["urn"]] = node["depth"]
    for node in nodes(library, 3):
        duty = register().obligation(node["ref_id"])
        assert set(node["implementation_groups"]) == set(duty.actors) <= groups
        assert len(node.get("reference_controls", [])) == len(duty.controls)
        assert set(node.get("reference_controls", [])) <= controls


def test_every_node_speaks_both_languages(library):
    (other,) = {"zh", "en"} - {library["locale"]}
    for node in nodes(library, 3):
        duty = register().obligation(node["ref_id"])
        told = {library["locale"]: node, other: node["translations"][other]}
        for language, fields in told.items():
            assert duty.duty.say(language) in fields["description"]
            assert duty.evidence.say(language) in fields["typical_evidence"]


def test_dates_periods_and_sanctions_stand_in_the_annotation(library):
    node = next(each for each in nodes(library, 3) if each["ref_id"] == "CSL-23")
    for part in ("CSL-21", "2026-01-01", "2025-12-31", "P-CSL61", "2,000,000–10,000,000"):
        assert part in node["annotation"]


def test_a_draft_is_shown_and_not_assessed(library):
    for node in nodes(library, 3):
        assert node["assessable"] == (not node["ref_id"].startswith("DH-"))


def test_a_state_stands_in_the_annotation_with_its_day():
    made = export_ciso.library(register(), "en", DAY, STANDINGS)
    for node in nodes(made, 3):
        assert "State on 2026-11-24: met" in node["annotation"]
    assert made["version"] == 20261124


def test_the_words_of_a_duty_hold_what_people_sign_and_what_is_open():
    duty = register().obligation("IM-23")
    assert "Signed by a person" in evidence_text(register(), duty, "en")
    assert question_text(duty, "en") == ""
    asked = register().obligation("IM-14.1")
    assert asked.interpretations[0].question.en in question_text(asked, "en")
    assert proof_text(Shown("met"), "en") == ""
    assert proof_text(STANDINGS["IM-23"], "en").splitlines()[1:] == [
        "Responsible: @wang",
        "Holds until 2027-01-01",
    ]
