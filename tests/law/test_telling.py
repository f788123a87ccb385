import re
from datetime import date

import pytest

from hegui.law import register
from hegui.law.telling import (
    amounts,
    clock_text,
    mark_text,
    sanction_lines,
    sanction_title,
    standing_text,
    tier_text,
    validity_text,
)


def test_a_period_tells_its_figure_its_source_and_its_mark():
    promptly = register().obligation("IM-11.2").clocks[0]
    assert clock_text(promptly, "en") == (
        "at the latest · 15 days, working days of the PRC calendar · receipt of the request · "
        "taken from another instrument as a ceiling · "
        "AP-1, X: only an excerpt or official summary was read"
    )
    chinese = clock_text(promptly, "zh")
    assert "15" in chinese
    assert register().term("calendar", "prc_working").zh in chinese


def test_a_period_without_a_figure_names_none():
    operator = [c for duty in register() for c in duty.clocks if c.figure == "operator"]
    assert operator
    for clock in operator:
        assert not re.search(r"\d", clock_text(clock, "en").rpartition(" · ")[0])


def test_a_step_tells_what_it_costs():
    top = register().sanction("P-CSL69").tiers[-1]
    assert amounts(top, "en") == [
        "fine of 2,000,000–10,000,000 yuan",
        "those responsible 200,000–1,000,000 yuan",
    ]
    assert tier_text(top, "en").endswith(f"[{'; '.join(amounts(top, 'en'))}]")
    bare = register().sanction("P-IM21").tiers[0]
    assert amounts(bare, "en") == []
    assert "[" not in tier_text(bare, "en")


@pytest.mark.parametrize("language", ["zh", "en"])
def test_a_sanction_is_a_title_and_a_line_for_each_step(language):
    for sanction in register().sanctions:
        title, *steps = sanction_lines(sanction, language)
        assert title.startswith(f"{sanction.code} ({sanction.basis[0]}")
        assert len(steps) == len(sanction.tiers)


def test_only_a_sanction_that_was_not_read_carries_its_mark():
    assert sanction_title(register().sanction("P-CSL61"), "en") == "P-CSL61 (CSL-61)"
    assert sanction_title(register().sanction("P-LB13"), "en").endswith(mark_text("M", "en"))


def test_validity_tells_the_former_numbers():
    told = validity_text(register().provision("CSL-23"), "en")
    assert told == "valid since 2026-01-01; was CSL-21 from 2017-06-01 to 2025-12-31"
    assert "not law in force" in validity_text(register().provision("DH-7"), "en")


def test_an_instrument_that_comes_later_says_since_when():
    human_like = register().instrument("HI")
    assert "2026-07-15" in standing_text(human_like, date(2026, 7, 14), "en")
    assert standing_text(human_like, date(2026, 7, 15), "en") == "departmental rule, in force"
