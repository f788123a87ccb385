import pytest

from hegui.labels.carriers.keyed import is_label, site
from recordings import LABEL


@pytest.mark.parametrize(
    ("name", "value", "found"),
    [
        ("AIGC", "anything", True),
        ("aigc", "", True),
        ("comment", LABEL.json(), True),
        ("comment", f' {{"AIGC":{LABEL.json()}}}', True),
        ("comment", f"made with {LABEL.json()}", False),
        ("Label", '{"Label":"1"}', False),
        ("AIGC2", "anything", False),
    ],
)
def test_a_label_is_known_by_its_name_or_by_what_it_says(name, value, found):
    assert is_label(name, value) is found


def test_only_the_very_name_is_the_place_of_the_guide():
    assert site("Tags", "AIGC", "x").slot == "guide"
    assert site("Tags", "AIGC", "x", guide=False).slot == "met"
    met = site("Tags", "aigc", "x")
    assert (met.slot, met.place) == ("met", "Tags aigc")
