import pytest

from hegui.labels.text import explicit, prefix, suffix


@pytest.mark.parametrize(
    ("language", "ai", "made"), [("zh", "人工智能", "生成"), ("en", "AI", "generated")]
)
def test_label_names_ai_and_generation(language, ai, made):
    for label in (prefix(language), suffix(language)):
        assert ai in label
        assert made in label
    assert prefix(language).strip() == suffix(language).strip()
    assert len(explicit().version) == 16
