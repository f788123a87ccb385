"""Provider codes: codes met in real files pass, every single slip is caught."""

import pytest

from hegui.labels import build_producer_code, check_producer_code
from hegui.labels.provider import is_credit_code
from hegui.language import Problem

# Met in public files; the companies are named there.
MET = ["001191110102MACQD9K64010000", "00119144030008867405X210001", "001191440300708461136T1XGW3"]
CREDIT = "91440300708461136T"


def code_of(call, *arguments):
    with pytest.raises(Problem) as caught:
        call(*arguments)
    return caught.value.code


@pytest.mark.parametrize("code", MET)
def test_codes_of_real_files_pass_and_are_built_from_their_parts(code):
    check_producer_code(code)
    service = {"0": "none", "1": "generation", "2": "propagation"}[code[22]]
    assert build_producer_code(code[4:22], service, code[23:]) == code


def test_every_wrong_character_of_a_credit_code_is_caught():
    for place, right in enumerate(CREDIT):
        for other in "0123456789ABCDEFGHJKLMNPQRTUWXY":
            if other != right:
                assert not is_credit_code(CREDIT[:place] + other + CREDIT[place + 1 :])


def test_neighbours_that_are_swapped_are_caught():
    for place in range(17):
        a, b = CREDIT[place : place + 2]
        assert a == b or not is_credit_code(CREDIT[:place] + b + a + CREDIT[place + 2 :])


@pytest.mark.parametrize(
    "code",
    ["", MET[0][:-1], MET[0] + "0", MET[0].lower(), "01" + MET[0][2:], "0021" + MET[0][4:],
     MET[0][:22] + "01234", MET[0][:22] + "31234", MET[0][:22] + "1ab01", MET[0] + "\n"],
)  # fmt: skip
def test_what_is_no_code_is_refused(code):
    assert code_of(check_producer_code, code) == "labels.producer"


def test_a_code_is_built_or_the_mistake_named():
    assert build_producer_code(f" {CREDIT.lower()} ") == f"0011{CREDIT}00000"
    assert build_producer_code(CREDIT, "propagation", "A0B1") == f"0011{CREDIT}2A0B1"
    assert code_of(build_producer_code, CREDIT[:-1] + "X") == "labels.credit-code"
    assert code_of(build_producer_code, CREDIT, "generation") == "labels.model"
    assert code_of(build_producer_code, CREDIT, "generation", "ab01") == "labels.model"
