import json

import pytest

from hegui.labels.implicit import aigc, check_producer_code
from hegui.language import Problem

# Codes met in public files (their holders are the companies named there), none of them ours.
REAL = [
    "001191110102MACQD9K64010000",
    "00119144030008867405X210001",
    "00119144030008867405X220001",
    "001191330106MA2CFLDG4R10001",
    "001191440300MA5G49LC9K1YO01",
]


def test_the_seven_fields_stand_in_their_order_and_repeat_the_producer():
    label = aigc(REAL[0], "0123abcd")
    assert list(label) == [
        "Label",
        "ContentProducer",
        "ProduceID",
        "ReservedCode1",
        "ContentPropagator",
        "PropagateID",
        "ReservedCode2",
    ]
    assert label["Label"] == "1"
    assert label["ContentProducer"] == label["ContentPropagator"] == REAL[0]
    assert label["ProduceID"] == label["PropagateID"] == "0123abcd"
    assert "\\" not in json.dumps(label)


@pytest.mark.parametrize("code", REAL)
def test_real_codes_pass_and_any_changed_character_of_the_company_fails(code):
    check_producer_code(code)
    for place in range(4, 22):
        other = "1" if code[place] != "1" else "2"
        with pytest.raises(Problem, match="no provider code"):
            check_producer_code(code[:place] + other + code[place + 1 :])


@pytest.mark.parametrize(
    "code",
    [
        "",
        REAL[0][:-1],
        REAL[0] + "0",
        REAL[0].lower(),
        "01" + REAL[0][2:],
        REAL[0][:22] + "31234",
        REAL[0][:22] + "00001",
        REAL[0] + "\n",
    ],
)
def test_what_has_not_the_form_is_refused(code):
    with pytest.raises(Problem) as caught:
        aigc(code, "1")
    assert caught.value.code == "labels.producer"


@pytest.mark.parametrize("content_id", ["", "a b", 'a"b', "a\\b", "编号", "a\n"])
def test_an_id_keeps_to_the_characters_of_the_standard(content_id):
    with pytest.raises(Problem) as caught:
        aigc(REAL[0], content_id)
    assert caught.value.code == "labels.content-id"
