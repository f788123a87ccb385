from datetime import date

import msgspec
import pytest

from hegui.language import Problem, Text
from hegui.law import Provision, Register, Tables, model, register
from hegui.law.time import Moved, changes, find_on

BEFORE, AFTER = date(2025, 10, 1), date(2026, 11, 24)


def found(typed, day):
    return [
        (then.number, then.provision.id, then.stood) for then in find_on(register(), typed, day)
    ]


def test_an_old_number_means_what_it_meant_on_that_day():
    assert found("CSL-21", BEFORE) == [("CSL-21", "CSL-23", True)]
    assert found("csl-24", BEFORE) == [("CSL-24", "CSL-26", True)]
    assert {row for _, row, _ in found("CSL-24", AFTER)} == {
        "CSL-24", "CSL-24.1", "CSL-24.2", "CSL-24.3",
    }  # fmt: skip


def test_every_number_of_a_merged_article_leads_to_it():
    for old in ("CSL-64", "CSL-66", "CSL-70"):
        assert ("CSL-71", True) in [(row, stood) for _, row, stood in found(old, BEFORE)]
    assert {row for _, row, _ in found("CSL-69", BEFORE)} == {"CSL-69", "CSL-70"}


def test_what_is_not_yet_in_force_says_so():
    assert found("HI-19", date(2026, 7, 14)) == [("HI-19", "HI-19", False)]
    assert found("HI-19", date(2026, 7, 15)) == [("HI-19", "HI-19", True)]
    assert {stood for _, _, stood in found("CSL-20", BEFORE)} == {False}


def test_ids_are_found_however_they_are_typed():
    assert found(" lb-6.P2 ", AFTER) == [("LB-6.p2", "LB-6.p2", True)]
    assert found("ae-X", AFTER) == [("AE-x", "AE-x", True)]
    assert register().find("ae-x").provisions[0].id == "AE-x"


def test_an_old_number_without_a_day_names_the_new_one():
    with pytest.raises(Problem, match="CSL-23") as caught:
        register().find("CSL-21")
    assert caught.value.code == "law.renumbered"
    with pytest.raises(Problem, match="no entry IM-99"):
        find_on(register(), "IM-99", AFTER)


def amended():
    words = Text("网络日志", "network log")
    old = Provision("CSL-9", model.Path(9), date(2017, 6, 1), words, "T", valid_to=BEFORE)
    new = Provision("CSL-10", model.Path(10), date(2025, 10, 2), words, "T")
    book = register()
    return Register(Tables(instruments=book.instruments, provisions=(old, new)))


def test_what_ended_is_refused_afterwards():
    assert [then.stood for then in find_on(amended(), "CSL-9", BEFORE)] == [True]
    with pytest.raises(Problem, match="stood no more on 2025-10-02") as caught:
        find_on(amended(), "CSL-9", date(2025, 10, 2))
    assert caught.value.code == "law.ended"
    changed = changes(amended(), BEFORE, AFTER)
    assert [row.id for row in changed.ended] == ["CSL-9"]
    assert [row.id for row in changed.began] == ["CSL-10"]


def test_the_year_2026_brought_the_new_numbers_and_the_human_like_measures():
    changed = changes(register(), date(2025, 12, 31), AFTER)
    assert Moved("CSL-21", "CSL-23", register().provision("CSL-23")) in changed.renumbered
    assert len(changed.renumbered) == 30  # a part of article 69 kept its number
    assert {row.instrument for row in changed.began} == {"HI", "CSL", "MI", "AE"}
    assert [row.id for row in changed.began if row.instrument == "CSL"] == ["CSL-20", "CSL-73"]
    assert sum(row.instrument == "HI" for row in changed.began) == 47
    assert len([duty for duty in changed.duties if duty.id.startswith("HI-")]) == 35
    assert [entry.code for entry in changed.alone] == ["PS"]
    assert changed.ended == ()


def test_drafts_and_policies_are_published_and_never_come_into_force():
    changed = changes(register(), date(2025, 12, 31), AFTER)
    assert {row.instrument for row in changed.published} == {"AG", "DH"}
    duties = {duty.id.partition("-")[0] for duty in changed.duties}
    assert not duties & {"AG", "DH"}


def test_a_day_differs_from_itself_in_nothing_and_time_runs_forward():
    same = msgspec.to_builtins(changes(register(), AFTER, AFTER))
    assert not any(value for name, value in same.items() if name not in {"since", "until"})
    with pytest.raises(Problem, match="the earlier day first"):
        changes(register(), AFTER, BEFORE)


def test_all_that_binds_began_between_the_first_day_and_today():
    whole = changes(register(), date(1990, 1, 1), AFTER)
    binding = [row for row in register().provisions if register().instrument(row.instrument).binds]
    assert list(whole.began) == binding
    assert len(whole.began) + len(whole.published) == len(register().provisions)
