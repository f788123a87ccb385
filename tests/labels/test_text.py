import unicodedata

import pytest

from hegui.labels.text import after, before, corner, explicit, place, prefix, suffix

ELEMENTS = [("zh", ("人工智能", "AI"), "生成"), ("en", ("AI",), "generated")]


@pytest.mark.parametrize(("language", "ai", "made"), ELEMENTS)
def test_label_names_ai_and_generation(language, ai, made):
    for label in (prefix(language), suffix(language), corner(language)):
        plain = unicodedata.normalize("NFKC", label)
        assert any(each in plain for each in ai)
        assert made in plain
    assert prefix(language).strip() == suffix(language).strip()
    assert len(explicit().version) == 16


def test_a_corner_mark_is_small_and_stands_on_the_last_character():
    assert corner("zh").startswith("ᴬᴵ")
    assert len(corner("zh")) < len(suffix("zh"))
    assert after("corner", "zh", "答案。") == "ᴬᴵ生成"


@pytest.mark.parametrize("position", ["prefix", "suffix", "corner"])
def test_each_position_labels_a_text_once(position):
    labels = [before(position, "zh"), after(position, "zh", "text")]
    assert [bool(label) for label in labels] == [position == "prefix", position != "prefix"]


@pytest.mark.parametrize("kind", ["code", "json", "tool"])
@pytest.mark.parametrize("position", ["prefix", "suffix", "corner"])
def test_no_label_stands_inside_what_a_program_reads(kind, position):
    where = place(kind, position)
    assert where == "envelope"
    assert before(where, "zh") + after(where, "zh", '{"a": 1}') == ""
    assert place("prose", position) == position


CUT = "```python\nprint(1)"


@pytest.mark.parametrize(
    ("answer", "end"),
    [
        (CUT, "\n```"),
        (CUT + "\n", "```"),
        ("````\n```\n", "````"),
        ("~~~ a\n```\n", "~~~"),
        ("1. x\n   ```\n   y", "\n```"),
        (CUT + "\n```", ""),
        (CUT + "\n```\nthat is all", ""),
        (CUT + "\n``` no end\n```  ", ""),
        ("`a ``` b` is inline", ""),
        ("```inline``` at the start", ""),
        ("    ``` indented by four", ""),
        ("plain", ""),
        ("", ""),
    ],
)
def test_a_block_of_code_is_closed_before_the_label(answer, end):
    assert after("suffix", "en", answer) == end + suffix("en")


@pytest.mark.parametrize("answer", [CUT, CUT + "\n```", CUT + "\n~~~\n", "~~~\nx\n~~~ "])
def test_a_corner_mark_never_stands_on_the_line_of_a_fence(answer):
    whole = answer + after("corner", "en", answer)
    assert whole.splitlines()[-1] == corner("en")
    assert whole.splitlines()[-2].strip(" ") in {"```", "~~~"}
