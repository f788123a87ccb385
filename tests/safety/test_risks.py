from collections import Counter

from hegui.safety.risks import keyword_rules, risks


def test_the_appendix_has_31_risks_in_five_groups():
    assert Counter(risk.group for risk in risks().values()) == {
        "A.1": 8, "A.2": 9, "A.3": 5, "A.4": 7, "A.5": 2,
    }  # fmt: skip
    assert next(iter(risks())) == "A.1.a"
    assert list(risks())[-1] == "A.5.b"


def test_both_languages_are_distinct_for_every_risk():
    for language in ("zh", "en"):
        assert len({risk.name.say(language) for risk in risks().values()}) == 31
    assert all(risk.name.en.isascii() and not risk.name.zh.isascii() for risk in risks().values())


def test_no_content_is_shipped_for_four_risks():
    own = [key for key, risk in risks().items() if risk.operator_only]
    assert own == ["A.1.a", "A.1.b", "A.1.c", "A.1.e"]


def test_minima_add_up_to_what_the_standard_implies():
    minima = [risk.minimum_keywords for risk in risks().values() if risk.minimum_keywords]
    assert len(minima) == 17
    assert sum(rule.minimum for rule in minima) == 8 * 200 + 9 * 100
    assert keyword_rules().total.minimum == 10_000
    assert keyword_rules().fresh.days == 7
    assert all(rule.clause and rule.confidence in "ABCD" for rule in minima)
