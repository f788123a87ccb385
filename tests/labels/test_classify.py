"""What a platform does with an upload: the grades of Art. 6, what it shows, the label that goes on."""

import msgspec
import pytest

from hegui.labels import Label, classify, write_bytes
from hegui.labels.classify import NOTICES
from hegui.language import Problem
from labels.documents import CODE, LABEL
from labels.mutations import FILES

PLAIN = FILES["png-picture.png"]


def said(value):
    return write_bytes(PLAIN, msgspec.structs.replace(LABEL, label=value))


@pytest.mark.parametrize(
    ("data", "more", "grade", "article"),
    [
        (said("1"), {}, "confirmed", "LB-6.1"),
        (said("1"), {"traces": ["corner mark"]}, "confirmed", "LB-6.1"),
        (said("2"), {}, "possible", "LB-6.2"),
        (PLAIN, {"declared": True}, "possible", "LB-6.2"),
        (said("3"), {"declared": True}, "possible", "LB-6.2"),
        (said("3"), {}, "suspected", "LB-6.3"),
        (PLAIN, {"traces": ["corner mark"]}, "suspected", "LB-6.3"),
        (PLAIN, {}, "none", ""),
        (b"rubbish", {}, "none", ""),
    ],
)
def test_the_grade_follows_metadata_then_declaration_then_traces(data, more, grade, article):
    found = classify(data, **more)
    assert (found.grade, found.article) == (grade, article)
    assert found.notice == NOTICES.get(grade)


def test_an_emptied_place_is_a_trace():
    found = classify(b"---\nAIGC:\n---\n", name="a.md")
    assert found.report.codes() == {"wiped"}
    assert found.grade == "suspected"


def test_every_notice_names_ai_and_generation_in_both_languages():
    for notice in NOTICES.values():
        assert "人工智能" in notice.zh
        assert "生成" in notice.zh
        assert "AI" in notice.en
        assert "generated" in notice.en
    assert len({notice.zh for notice in NOTICES.values()}) == 3


def test_the_label_goes_on_with_the_platform_s_fields_and_grade():
    found = classify(said("3"), declared=True, platform="platform", number="p-1")
    assert found.update == msgspec.structs.replace(
        LABEL, label="2", propagator="platform", propagate_id="p-1", reserved2=""
    )
    assert found.update.producer == CODE
    assert write_bytes(said("3"), found.update, on_existing="replace")


def test_no_producer_is_guessed():
    assert classify(PLAIN, declared=True, platform="platform", number="p-1").update is None
    assert classify(said("1")).update is None


def test_a_platform_with_a_wrong_name_is_told():
    with pytest.raises(Problem) as caught:
        classify(said("1"), platform="平台", number="1")
    assert caught.value.code == "labels.characters"
    assert isinstance(classify(said("1"), platform="p", number="1").update, Label)
