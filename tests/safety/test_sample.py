from hegui.safety.risks import risks
from hegui.safety.sample import sample_lexicon


def test_the_sample_holds_no_word_of_a_risk_that_only_the_operator_fills():
    entries = list(sample_lexicon().entries())
    assert len(entries) >= 20
    assert not [entry for entry in entries if risks()[entry.category].operator_only]


def test_the_sample_finds_its_own_word_however_it_is_written():
    for text in ("zorblefax", "ｚｏｒｂｌｅｆａｘ", "z o r b l e f a x"):
        assert [hit.entry.term for hit in sample_lexicon().scan(text)] == ["zorblefax"]
