from datetime import date

import msgspec
import pytest

from hegui.safety.coverage import coverage
from hegui.safety.lexicon import Entry
from hegui.safety.risks import risks

TODAY = date(2026, 11, 23)


def library(missing=0, added=TODAY):
    """Just enough entries for every minimum, `missing` of them left out of A.2.i."""
    entries = [
        Entry(f"{key} {number}", key, added=added)
        for key, risk in risks().items()
        if risk.minimum_keywords
        for number in range(risk.minimum_keywords.minimum)
    ]
    rest = [
        Entry(f"rest {number}", "A.1.f", added=added) for number in range(10_000 - len(entries))
    ]
    return (rest + entries)[: 10_000 - missing]


def test_a_library_at_every_minimum_is_enough():
    state = coverage(library(), TODAY)
    assert state.met
    assert state.missing == []
    assert [(check.rule.id, check.found, check.met) for check in state.checks] == [
        ("kw-total", 10_000, True),
        ("kw-cover", 17, True),
        ("kw-fresh", 0, True),
    ]
    assert {c.met for c in state.counts if c.risk.group in {"A.3", "A.4", "A.5"}} == {None}


def test_one_entry_less_is_not():
    state = coverage(library(missing=1), TODAY)
    assert not state.met
    assert [check.met for check in state.checks] == [False, True, True]
    assert [count.risk.key for count in state.counts if count.met is False] == ["A.2.i"]
    assert state.missing == []


def test_a_risk_without_entries_is_missing():
    state = coverage(library(missing=100), TODAY)
    assert state.missing == ["A.2.i"]
    assert state.checks[1].found == 16


def test_expired_entries_do_not_count():
    entries = [msgspec.structs.replace(entry, expires=TODAY) for entry in library()]
    assert coverage(entries, TODAY).met
    assert coverage(entries, date(2026, 11, 24)).checks[0].found == 0


@pytest.mark.parametrize(
    ("added", "age", "met"),
    [
        (date(2026, 11, 16), 7, True),
        (date(2026, 11, 15), 8, False),
        (None, None, False),
        (date(2027, 1, 1), None, False),  # a date to come proves nothing
    ],
)
def test_freshness_is_a_week(added, age, met):
    check = coverage(library(added=added), TODAY).checks[2]
    assert (check.found, check.met) == (age, met)
