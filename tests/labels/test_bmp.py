import pytest

import pictures
from hegui.labels import verify, write_bytes
from hegui.labels.carriers.bmp import Bmp
from hegui.language import Problem


def test_bmp_is_refused_with_advice():
    data = pictures.picture("BMP")
    report = verify(data)
    assert (report.verdict, report.carrier) == ("not_found", "bmp")
    assert "no_slot" in report.codes()
    with pytest.raises(Problem, match="PNG") as caught:
        write_bytes(data, pictures.LABEL)
    assert caught.value.code == "labels.no-slot"
    assert pictures.media(data)


def test_a_text_that_begins_with_its_letters_is_none():
    assert not Bmp().matches(b"BMW is a maker of cars, and this is no picture", "a.txt")
