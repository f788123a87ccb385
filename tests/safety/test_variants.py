import builtins
from datetime import date

import pytest

from hegui.language import Problem
from hegui.safety.lexicon import Entry, Lexicon
from hegui.safety.variants import VARIETIES, widen

TERM = Entry("发财国", "A.3.e", variants=("facai",))


def found(text, *varieties):
    lexicon = Lexicon.build(widen([TERM], varieties), date(2026, 11, 23))
    return [text[hit.start : hit.end] for hit in lexicon.scan(text)]


def test_variants_are_added_to_the_entrys_own():
    [entry] = widen([TERM], VARIETIES)
    assert entry.variants == ("facai", "發財國", "fa cai guo")
    assert widen([TERM], []) == [TERM]
    assert widen([Entry("zorb", "A.3.e")], VARIETIES) == [Entry("zorb", "A.3.e")]


def test_each_variety_finds_its_own_writing():
    assert found("說發財國呀") == []
    assert found("說發財國呀", "traditional") == ["發財國"]
    assert found("so Facaiguo!", "traditional") == []
    assert found("so Facaiguo, fa cai guo", "pinyin") == ["Facaiguo", "fa cai guo"]


def test_a_traditional_term_gets_its_simplified_form():
    [entry] = widen([Entry("發財國", "A.3.e")], ["traditional"])
    assert "发财国" in entry.variants


def test_what_would_be_too_short_or_too_long_is_left_out():
    assert widen([Entry("阿鹅", "A.3.e")], ["pinyin"])[0].variants == ()
    assert widen([Entry("双" * 30, "A.3.e")], ["pinyin"])[0].variants == ()


def test_an_unknown_variety_is_a_problem():
    with pytest.raises(Problem, match="Use traditional, pinyin"):
        widen([TERM], ["rot13"])


@pytest.mark.parametrize("variety", VARIETIES)
def test_without_the_packages_the_cure_is_named(variety, monkeypatch):
    from hegui.safety import variants

    real = builtins.__import__

    def absent(name, *rest):
        if name in {"opencc", "pypinyin"}:
            raise ImportError(name)
        return real(name, *rest)

    variants._converters.cache_clear()
    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(Problem, match=r"hegui\[variants\]"):
        widen([TERM], [variety])
