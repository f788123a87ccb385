import pytest

from hegui.language import Problem, Text, choose, say


@pytest.mark.parametrize(
    ("header", "language"),
    [("", "zh"), ("en-GB,zh;q=0.5", "en"), ("fr,zh-CN", "zh"), ("fr", "zh"), (" EN ;q=1", "en")],
)
def test_first_language_that_we_speak(header, language):
    assert choose(header) == language


def test_values_are_filled_in_but_never_read_as_templates():
    assert say("en", "No {name}.", name="{path}") == "No {path}."
    assert say("en", "A {brace} without values") == "A {brace} without values"
    assert say("zh", "") == ""


def test_text_and_problem():
    assert Text(zh="甲", en="a").say("zh") == "甲"
    assert str(Problem("c", "Mend {x}.", x=1)) == "Mend 1."
