import pytest

from hegui.language import Problem
from hegui.law import register
from hegui.law.overview import choose, tally


def test_nothing_given_is_everything():
    chosen = choose(register())
    assert chosen.provisions == register().provisions
    assert chosen.obligations == register().obligations


def test_an_article_is_of_the_interim_measures_unless_told_otherwise():
    assert [row.id for row in choose(register(), article="14").provisions] == ["IM-14.1", "IM-14.2"]
    assert [duty.id for duty in choose(register(), "pipl", "25").obligations] == ["PIPL-25"]
    assert [row.id for row in choose(register(), "AE", "X").provisions] == ["AE-x"]


def test_a_role_keeps_its_duties_and_what_carries_them():
    chosen = choose(register(), "LB", role="d")
    assert chosen.obligations
    assert all("D" in duty.actors for duty in chosen.obligations)
    carrying = {row for duty in chosen.obligations for row in duty.provisions}
    assert {row.id for row in chosen.provisions} == carrying


def test_a_facet_keeps_provisions_without_duty_too():
    chosen = choose(register(), "IM", facet="enforcement")
    ids = {row.id for row in chosen.provisions}
    assert "IM-21" in ids
    assert all("enforcement" in duty.facets for duty in chosen.obligations)
    assert ids < {row.id for row in choose(register(), "IM").provisions}
    both = choose(register(), "IM", facet="enforcement", role="P")
    assert {row.id for row in both.provisions} < ids


@pytest.mark.parametrize(
    "wanted", [{"instrument": "ZZ"}, {"facet": "taste"}, {"role": "Q"}, {"article": "99"}]
)
def test_what_the_register_does_not_know_is_refused(wanted):
    with pytest.raises(Problem):
        choose(register(), **wanted)


def test_the_instruments_add_up_to_the_whole():
    parts = [tally(register(), entry) for entry in register().instruments]
    whole = tally(register())
    assert (whole.rows, whole.provisions, whole.added, whole.duties) == (289, 396, 41, 332)
    for name in ("rows", "provisions", "added", "duties"):
        assert sum(getattr(part, name) for part in parts) == getattr(whole, name)
    assert sum(whole.marks.values()) == len(register().provisions)
