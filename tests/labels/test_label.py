import json
import struct
import time
import zlib

import msgspec
import pytest

from hegui.labels import FIELDS, Label, verify, write_bytes
from hegui.labels.label import LONGEST, new_id, read_value
from hegui.labels.provider import build_producer_code, check_producer_code, is_credit_code
from hegui.language import Problem

# Codes met in public files (their holders are the companies named there), none of them ours.
REAL = [
    "001191110102MACQD9K64010000",
    "00119144030008867405X210001",
    "00119144030008867405X220001",
    "001191330106MA2CFLDG4R10001",
    "001191440300MA5G49LC9K1YO01",
]
CREDIT = REAL[0][4:22]
WRONG = REAL[0].replace(CREDIT, CREDIT[:-1] + "5")


def test_the_seven_fields_stand_in_their_order_and_repeat_the_producer():
    label = Label.new(REAL[0], "0123abcd")
    fields = label.fields()
    assert list(fields) == [
        "Label",
        "ContentProducer",
        "ProduceID",
        "ReservedCode1",
        "ContentPropagator",
        "PropagateID",
        "ReservedCode2",
    ]
    assert tuple(fields) == FIELDS
    assert fields["Label"] == "1"
    assert fields["ContentProducer"] == fields["ContentPropagator"] == REAL[0]
    assert fields["ProduceID"] == fields["PropagateID"] == "0123abcd"
    assert list(json.loads(label.json()).items()) == list(fields.items())
    assert not set(label.json()) & set("\\\n ")
    assert Label.of(fields) == label


def test_a_platform_sets_its_own_fields_alone():
    label = Label.new(REAL[1], "1", reserved1="sum")
    passed = label.propagated(REAL[2], "2", "seal", label="2")
    assert (passed.propagator, passed.propagate_id, passed.reserved2) == (REAL[2], "2", "seal")
    assert (passed.producer, passed.produce_id, passed.reserved1) == (REAL[1], "1", "sum")
    assert passed.label == "2"
    assert label.propagated(REAL[2], "2").label == "1"


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
        check_producer_code(code)
    assert caught.value.code == "labels.producer"


def test_a_code_is_built_from_a_credit_code():
    assert build_producer_code(CREDIT) == f"0011{CREDIT}00000"
    assert build_producer_code(CREDIT, "generation", "0000") == REAL[0]
    assert build_producer_code(f" {REAL[1][4:22].lower()}\n", "generation", "0001") == REAL[1]
    assert build_producer_code(REAL[2][4:22], "propagation", "0001") == REAL[2]
    check_producer_code(build_producer_code(CREDIT, "generation", "AB12"))


@pytest.mark.parametrize(
    ("credit", "service", "model", "code"),
    [
        (CREDIT[:-1] + "5", "none", "", "labels.credit-code"),
        (CREDIT[:-1], "none", "", "labels.credit-code"),
        ("", "none", "", "labels.credit-code"),
        (CREDIT, "generation", "", "labels.model"),
        (CREDIT, "generation", "ab12", "labels.model"),
        (CREDIT, "propagation", "12345", "labels.model"),
    ],
)
def test_a_code_is_not_built_from_anything_else(credit, service, model, code):
    with pytest.raises(Problem) as caught:
        build_producer_code(credit, service, model)
    assert caught.value.code == code


def test_the_check_character_finds_two_that_changed_places():
    assert is_credit_code(CREDIT)
    for place in range(17):
        changed = CREDIT[:place] + CREDIT[place + 1] + CREDIT[place] + CREDIT[place + 2 :]
        assert is_credit_code(changed) == (changed == CREDIT)


def test_a_name_may_stand_for_a_code_but_not_a_wrong_code():
    assert Label.new("kling", "1").producer == "kling"
    with pytest.raises(Problem, match="no provider code"):
        Label.new(WRONG, "1")
    with pytest.raises(Problem, match="no provider code"):
        Label.new("kling", "1", propagator=WRONG)


@pytest.mark.parametrize("value", ["a b", "a\\b", "编号", "a\n", "a\0", "é"])
@pytest.mark.parametrize(
    "field", ["produce_id", "reserved1", "propagator", "propagate_id", "reserved2"]
)
def test_a_field_keeps_to_the_characters_of_the_standard(value, field):
    with pytest.raises(Problem) as caught:
        msgspec.structs.replace(Label.new("a", "b"), **{field: value})
    assert caught.value.code == "labels.characters"


def test_a_label_says_what_it_is_and_who_made_it():
    for value in ("", "4", "AIGC", "1 "):
        with pytest.raises(Problem) as caught:
            Label("a", "b", value)
        assert caught.value.code == "labels.value"
    for producer, number in (("", "b"), ("a", "")):
        with pytest.raises(Problem) as caught:
            Label(producer, number)
        assert caught.value.code == "labels.missing"


def test_security_data_is_json_within_json():
    inner = '{"SecurityData":{"Type":"TC260PG"}}'
    label = Label.new("a", "b", reserved1=inner)
    assert '\\"SecurityData\\"' in label.json()
    assert read_value(label.json()) == (label.fields(), [])


def test_numbers_are_unique_and_sorted_by_time():
    earlier = [new_id() for _ in range(500)]
    time.sleep(0.002)
    later = new_id()
    assert len(set(earlier)) == 500
    assert all(
        len(number) == 32 and number[12] == "7" and number[16] in "89ab" for number in earlier
    )
    assert max(earlier) < later
    assert abs(int(later[:12], 16) / 1000 - time.time()) < 5
    assert Label.new("a").produce_id != Label.new("a").produce_id


FULL = Label.new("a", "b").fields()


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        (json.dumps(FULL), set()),
        (json.dumps({"AIGC": FULL}), set()),
        (f"\0 {json.dumps(FULL)}\n\0", set()),
        ("", {"syntax"}),
        ("{", {"syntax"}),
        ("{'Label': '1'}", {"syntax"}),
        ("[" * 100_000, {"over_limit"}),
        ("[" * 10_000, {"syntax"}),
        ('"text"', {"syntax"}),
        ('{"AIGC":1}', {"unknown_field", "missing_field"}),
        ("\ud800", {"syntax"}),
        ("x" * (LONGEST + 1), {"over_limit"}),
        (json.dumps(FULL | {"Label": 1}), {"type"}),
        (json.dumps(FULL | {"Label": "AIGC"}), {"enum"}),
        (json.dumps(FULL | {"ProduceID": ""}), {"missing_field"}),
        (json.dumps(FULL | {"ContentPropagator": "", "PropagateID": ""}), set()),
        (json.dumps({k: v for k, v in FULL.items() if k != "PropagateID"}), {"missing_field"}),
        (json.dumps(FULL | {"Extra": "x"}), {"unknown_field"}),
        (json.dumps(FULL | {"ContentProducer": "某公司"}), {"charset"}),
        (json.dumps(FULL | {"ContentProducer": WRONG}), {"code_checksum"}),
    ],
)  # fmt: skip
def test_a_value_is_read_and_weighed(text, codes):
    fields, defects = read_value(text)
    assert {defect.code for defect in defects} == codes
    assert bool(fields) == (not codes & {"syntax", "over_limit"} and text != '{"AIGC":1}')


def test_misspelt_names_are_read_as_what_was_meant():
    given = {
        name.replace("Reserved", "Reserve").replace("ContentPropagator", "Propagator"): value
        for name, value in FULL.items()
    }
    fields, defects = read_value(json.dumps(given))
    assert fields == FULL
    assert {defect.code for defect in defects} == {"unknown_field"}
    assert len(defects) == 3


def test_what_c2pa_has_signed_is_labelled_before_not_after():
    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)
    rows = zlib.compress(b"\0\0")
    signed = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"caBX", b"....jumb....jumdc2pa") + chunk(b"IDAT", rows) + chunk(b"IEND", b"")  # fmt: skip
    with pytest.raises(Problem) as problem:
        write_bytes(signed, Label.new("someone"))
    assert problem.value.code == "labels.c2pa"
    plain = signed.replace(chunk(b"caBX", b"....jumb....jumdc2pa"), b"")
    assert verify(write_bytes(plain, Label.new("someone"))).verdict == "compliant"
