"""Evidence that people hand in, on both databases."""

import io
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256

import pytest
import time_machine

from archive import nothing
from articles import heads
from hegui.evidence import signed
from hegui.evidence.signed import (
    add,
    assign,
    end,
    last_owners,
    last_reviews,
    list_signed,
    review,
)
from hegui.evidence.verify import verify
from hegui.language import Problem
from hegui.law import register
from hegui.store.tables import signed as table

TODAY = date(2026, 11, 2)
LATER = date(2027, 11, 1)
DATA = b"signed on paper"


@pytest.fixture(autouse=True)
def clock():
    with time_machine.travel(datetime(2026, 11, 2, 9, tzinfo=UTC), tick=True) as moment:
        yield moment


@pytest.fixture
def paper(tmp_path):
    file = tmp_path / "rules.pdf"
    file.write_bytes(DATA)
    return file


def hand_in(archive, file, **more):
    usual = {"kind": "annotation_rules", "signer": "Zhang San", "owner": "Li Si"}
    return add(archive, file, **usual | {"valid_until": LATER} | more)


def test_a_file_is_kept_by_its_digest_and_stands_in_the_ledger(archive, paper):
    proof = hand_in(archive, paper, note=" second edition ", staff="staff-7")
    assert (proof.kind, proof.about, proof.name) == ("annotation_rules", ("IM-8.1",), "rules.pdf")
    assert proof.sha256 == sha256(DATA).hexdigest()
    assert (proof.valid_from, proof.valid_until) == ("2026-11-02", "2027-11-01")
    assert (proof.signer, proof.owner, proof.note) == ("Zhang San", "Li Si", "second edition")
    [head] = heads(archive, "proof.added")
    assert (head.carries, head.subject) == (("IM-8.1",), proof.proof)
    assert head.facts["sha256"] == proof.sha256
    assert list_signed(archive) == [proof]
    assert verify(archive, nothing).findings == []


def test_an_open_file_needs_a_name_only(on_sqlite):
    proof = hand_in(on_sqlite, io.BytesIO(DATA * 200_000), name="from the form")
    assert proof.sha256 == sha256(DATA * 200_000).hexdigest()
    assert proof.name == "from the form"


def test_without_duties_it_counts_for_all_that_ask_for_its_kind(on_sqlite, paper):
    every = hand_in(on_sqlite, paper, kind="filing_receipt")
    assert every.about == tuple(duty.id for duty in register() if duty.human == "filing_receipt")
    assert len(every.about) > 10
    one = hand_in(on_sqlite, paper, kind="filing_receipt", about=["IM-17", "IM-17"])
    assert one.about == ("IM-17",)


def test_the_duties_of_every_kind_fit_the_record():
    for kind in register().vocabulary["human"]:
        asked = [duty.id for duty in register() if duty.human == kind]
        assert len(" ".join(asked)) <= table.c.about.type.length


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"kind": "a hunch"}, "proof.kind"),
        ({"about": ["IM-12"]}, "proof.about"),
        ({"about": ["IM-99"]}, "law.unknown"),
        ({"valid_until": date(2026, 11, 1)}, "proof.dates"),
        ({"valid_until": date(2037, 1, 1)}, "proof.dates"),
        ({"signer": " "}, "proof.signer"),
        ({"owner": ""}, "proof.signer"),
    ],
)
def test_what_is_no_evidence(on_sqlite, paper, more, code):
    with pytest.raises(Problem) as refused:
        hand_in(on_sqlite, paper, **more)
    assert refused.value.code == code
    assert heads(on_sqlite, "proof.added") == []


def test_a_file_must_be_there_and_say_something(on_sqlite, tmp_path, paper, monkeypatch):
    for file, code in ((tmp_path / "none", "proof.file"), (tmp_path, "proof.file")):
        with pytest.raises(Problem) as refused:
            hand_in(on_sqlite, file)
        assert refused.value.code == code
    monkeypatch.setattr(signed, "LARGEST", len(DATA) - 1)
    for file in (io.BytesIO(), paper):
        with pytest.raises(Problem) as refused:
            hand_in(on_sqlite, file)
        assert refused.value.code == "proof.size"


def test_it_holds_from_its_first_to_its_last_day(on_sqlite, paper):
    start = TODAY + timedelta(days=7)
    proof = hand_in(on_sqlite, paper, valid_from=start, valid_until=start + timedelta(days=1))
    days = [start + timedelta(days=offset) for offset in range(-1, 3)]
    assert [proof.holds(day) for day in days] == [False, True, True, False]


def test_what_is_ended_holds_no_more_and_stays_on_record(archive, paper):
    proof = hand_in(archive, paper)
    end(archive, proof.proof, " replaced ", "staff-7")
    [ended] = list_signed(archive)
    assert ended.ended == "replaced"
    assert proof.holds(TODAY)
    assert not ended.holds(TODAY)
    for name, reason, code in (
        (proof.proof, "again", "proof.ended"),
        ("proof_0", "why", "proof.unknown"),
        (proof.proof, " ", "proof.reason"),
    ):
        with pytest.raises(Problem) as refused:
            end(archive, name, reason)
        assert refused.value.code == code
    assert verify(archive, nothing).findings == []


def test_the_last_review_counts(archive):
    for finding in ("wait for counsel", "labelled as the default says"):
        review(archive, "IM-12", "Wang Wu", "counsel", finding, LATER)
    found = last_reviews(archive)["IM-12"]
    assert (found.step, found.reviewer, found.capacity) == (2, "Wang Wu", "counsel")
    assert found.finding == "labelled as the default says"
    assert (found.holds(LATER), found.holds(LATER + timedelta(days=1))) == (True, False)
    assert [head.carries for head in heads(archive, "review.added")] == [("IM-12",)] * 2
    assert verify(archive, nothing).findings == []


@pytest.mark.parametrize(
    ("duty", "reviewer", "until", "code"),
    [
        ("IM-15", "Wang Wu", LATER, "review.needless"),
        ("IM-12", " ", LATER, "proof.signer"),
        ("IM-12", "Wang Wu", date(2026, 11, 1), "proof.dates"),
        ("IM-1", "Wang Wu", LATER, "law.no-duty"),
    ],
)
def test_what_is_no_review(on_sqlite, duty, reviewer, until, code):
    with pytest.raises(Problem) as refused:
        review(on_sqlite, duty, reviewer, "internal", "fine", until)
    assert refused.value.code == code
    assert last_reviews(on_sqlite) == {}


def test_the_last_owner_counts(on_sqlite):
    for owner in ("Li Si", "Zhao Liu"):
        assign(on_sqlite, "IM-12", owner, "staff-7")
    assign(on_sqlite, "IM-15", "Li Si")
    assert last_owners(on_sqlite) == {"IM-12": "Zhao Liu", "IM-15": "Li Si"}
    assert verify(on_sqlite, nothing).findings == []


def test_of_two_who_change_the_same_at_once_one_is_told(on_sqlite, monkeypatch):
    def twice(*_entries):
        monkeypatch.undo()
        assign(on_sqlite, "IM-12", "Li Si")  # somebody is faster
        on_sqlite.writer.commit_now(*_entries)

    monkeypatch.setattr(on_sqlite.writer, "commit_now", twice)
    with pytest.raises(Problem) as late:
        assign(on_sqlite, "IM-12", "Zhao Liu")
    assert late.value.code == "step.taken"
    assert last_owners(on_sqlite) == {"IM-12": "Li Si"}
