"""Verification: from what a reader found to a verdict with reasons."""

import json

import pytest

from hegui.labels import FIELDS, Label, read, verify
from hegui.labels.carriers.carrier import Found, Site
from hegui.labels.label import Defect
from hegui.labels.reasons import REASONS
from hegui.labels.verify import judge
from labels.documents import LABEL, OTHER
from labels.mutations import FILES

GOOD = LABEL.json()


def value(**changes):
    fields = LABEL.fields() | changes
    return json.dumps({name: given for name, given in fields.items() if given is not None})


def site(text=GOOD, slot="guide", place="here"):
    return Site(place, text, slot)


@pytest.mark.parametrize(
    ("sites", "faults", "verdict", "codes"),
    [
        ([], [], "not_found", {"missing"}),
        ([], ["no_slot"], "not_found", {"missing", "no_slot"}),
        ([], ["truncated"], "inconclusive", {"truncated"}),
        ([], ["encrypted"], "inconclusive", {"encrypted"}),
        ([site("")], [], "inconclusive", {"wiped"}),
        ([site(" \0 ")], [], "inconclusive", {"wiped"}),
        ([site()], [], "compliant", set()),
        ([site('{"AIGC":' + GOOD + "}")], [], "compliant", set()),
        ([site()], ["malformed"], "inconclusive", {"malformed"}),
        ([site(), site("")], [], "inconclusive", {"wiped"}),
        ([site(slot="met")], [], "noncompliant", {"wrong_slot"}),
        ([site(slot="own")], [], "inconclusive", {"own_convention"}),
        ([site(value(Label="9"), "own")], [], "noncompliant", {"own_convention", "enum"}),
        ([site(), site()], [], "noncompliant", {"duplicate"}),
        ([site(), site(OTHER.json())], [], "noncompliant", {"disagreement"}),
        ([site("not json")], [], "noncompliant", {"syntax"}),
        ([site("[" * 9000)], [], "noncompliant", {"syntax"}),
        ([site(value(Label=1))], [], "noncompliant", {"type"}),
        ([site(value(Label="4"))], [], "noncompliant", {"enum"}),
        ([site(value(ProduceID=""))], [], "noncompliant", {"missing_field"}),
        ([site(value(ReservedCode1=None))], [], "noncompliant", {"missing_field"}),
        ([site(value(More="x"))], [], "noncompliant", {"unknown_field"}),
        ([site(value(ProduceID="编号"))], [], "noncompliant", {"charset"}),
        ([site(value(ContentProducer="001191440300088674050000000"))], [], "noncompliant", {"code_checksum"}),
        ([site("{" + " " * 20_000 + "}")], [], "inconclusive", {"over_limit"}),
    ],
)  # fmt: skip
def test_a_verdict_follows_from_what_was_found(sites, faults, verdict, codes):
    report = judge("png", Found(sites, [Defect(code) for code in faults]))
    assert (report.verdict, report.codes()) == (verdict, codes)
    assert codes <= set(REASONS)


def test_a_report_has_the_fields_as_they_stand_and_a_label_only_where_they_make_one():
    bad = judge("png", Found([site(value(Label="9"))]))
    assert bad.fields["Label"] == "9"
    assert bad.label is None
    good = judge("png", Found([site()]))
    assert list(good.fields) == list(FIELDS)
    assert good.label == LABEL
    assert judge("png", Found()).label is None


def test_a_misspelled_field_is_read_as_what_was_meant_and_told():
    text = GOOD.replace("ReservedCode1", "ReserveCode1")
    report = judge("png", Found([site(text)]))
    assert report.label == LABEL
    assert [(each.code, each.detail) for each in report.reasons] == [
        ("unknown_field", "ReserveCode1")
    ]


def test_what_is_no_known_file_is_inconclusive(tmp_path):
    for nothing in (b"", b"\0", b"rubbish " * 100):
        assert verify(nothing).codes() == {"unknown_format"}
    assert verify(tmp_path).verdict == "inconclusive"
    with pytest.raises(FileNotFoundError):
        verify(tmp_path / "none.png")


def test_read_gives_the_label_or_nothing():
    assert read(FILES["png-labelled-picture.png"]) == OTHER
    assert read(FILES["png-picture.png"]) is None
    assert isinstance(read(FILES["jpeg-exif.jpeg"]), Label)
