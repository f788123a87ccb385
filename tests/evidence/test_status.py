"""How a state comes about: every one is reached, and the worse goes before the better."""

import io
from datetime import UTC, date, datetime, timedelta
from typing import get_args

import msgspec
import pytest
import time_machine

from archive import finished
from articles import standing
from hegui.evidence.counting import count
from hegui.evidence.signed import add, assign, end, review
from hegui.evidence.status import NAMES, ORDER, State, board, worst
from hegui.law import register
from hegui.people.agreement import Agreements
from hegui.store.writer import Entry

TODAY = date(2026, 11, 2)
YEAR = timedelta(days=365)


@pytest.fixture(autouse=True)
def clock():
    with time_machine.travel(datetime(2026, 11, 2, 9, tzinfo=UTC), tick=True) as moment:
        yield moment


@pytest.fixture(name="archive")
def archive_fixture(on_sqlite):
    return on_sqlite


def state(archive, duty, today=TODAY, applies=None):
    return board(archive, applies, today).standings[duty].state


def why(archive, duty, today=TODAY):
    """The reasons in English; they must be sayable in Chinese too."""
    reasons = board(archive, today=today).standings[duty].reasons
    assert all(reason.say("zh") for reason in reasons)
    return " ".join(reason.say("en") for reason in reasons)


def hand_in(archive, kind, until=TODAY + YEAR, **more):
    usual = {"signer": "Zhang San", "owner": "Li Si", "name": "a.pdf"}
    return add(
        archive, io.BytesIO(b"signed"), kind=kind, valid_until=until, **usual | more
    )  # fmt: skip


def opening(reason):
    return Entry("content.opened", ("IM-11.1",), "0" * 32, {"reason": reason})


# -- the states ------------------------------------------------------------------------------------


def test_nothing_is_met_before_anything_was_shown(archive):
    states = {each.state for each in board(archive).standings.values()}
    assert states == {"not_met", "human_pending", "planned", "not_applicable"}


def test_planned_while_nothing_carries_it(archive):
    assert state(archive, "IM-2.3") == "planned"
    assert "No part of hegui carries it yet" in why(archive, "IM-2.3")


def test_not_applicable_where_it_is_not_this_services(archive):
    assert state(archive, "IM-16") == "not_applicable"  # an authority's
    assert state(archive, "IM-10.1", applies=lambda duty: False) == "not_applicable"
    assert state(archive, "IM-16", applies=lambda duty: True) == "human_pending"


def test_full_proof_is_met_and_a_part_of_it_partly(archive):
    assert standing(archive, "IM-10.2").state == "partly"  # no stop yet, so none unexplained
    assert standing(archive, "IM-15").state == "met"
    assert "none was called for" in why(archive, "IM-15")


def test_supporting_evidence_alone_proves_nothing(archive):
    Agreements(archive).publish_sample()
    found = standing(archive, "IM-9.3")
    assert {part.link.evidence: part.found.outcome for part in found.parts} == {
        "agreement_ran": "empty", "agreement_published": "good",
    }  # fmt: skip
    assert found.state == "not_met"
    assert "nothing has happened yet that could show it" in why(archive, "IM-9.3")


def test_a_failed_check_is_not_met_and_names_what_failed(archive):
    archive.writer.commit_now(opening("why"), opening(""))
    found = standing(archive, "IM-11.1")
    assert (found.state, found.missing) == ("not_met", ["0" * 32])
    assert "1 of 2" in why(archive, "IM-11.1")


def test_a_check_that_has_not_run_of_late_is_due(archive):
    assert standing(archive, "IM-15").state == "met"
    assert standing(archive, "IM-15").stale_on == "2026-11-04"
    assert state(archive, "IM-15", TODAY + timedelta(days=1)) == "met"
    assert state(archive, "IM-15", TODAY + timedelta(days=2)) == "due"
    assert "Run `hegui tick`" in why(archive, "IM-15", TODAY + timedelta(days=2))


def test_what_people_must_show_waits_is_met_goes_stale_and_is_due(archive):
    assert state(archive, "IM-8.1") == "human_pending"
    proof = hand_in(archive, "annotation_rules", TODAY + timedelta(days=60))
    last = date.fromisoformat(proof.valid_until)
    found = board(archive).standings["IM-8.1"]
    assert (found.state, found.stale_on) == ("met", (last + timedelta(days=1)).isoformat())
    assert "goes stale" not in why(archive, "IM-8.1")
    assert "goes stale on" in why(archive, "IM-8.1", TODAY + timedelta(days=30))
    assert state(archive, "IM-8.1", last) == "met"
    assert state(archive, "IM-8.1", last + timedelta(days=1)) == "due"
    assert last.isoformat() in why(archive, "IM-8.1", last + timedelta(days=1))


def test_what_was_ended_is_due_with_its_reason_and_what_has_yet_to_begin_is_awaited(archive):
    hand_in(archive, "training_record", valid_from=TODAY + timedelta(days=9))
    assert state(archive, "IM-8.3") == "human_pending"
    assert state(archive, "IM-8.3", TODAY + timedelta(days=9)) == "met"
    proof = hand_in(archive, "annotation_rules")
    end(archive, proof.proof, "withdrawn by its author")
    assert state(archive, "IM-8.1") == "due"
    assert "withdrawn by its author" in why(archive, "IM-8.1")
    hand_in(archive, "annotation_rules")
    assert state(archive, "IM-8.1") == "met"


# -- what is open ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("duty", "kind"), [("IM-17", "filing_receipt"), ("DS-4", None)])
def test_an_open_reading_and_an_unread_row_are_never_met_without_a_review(archive, duty, kind):
    kind = kind or register().obligation(duty).human
    hand_in(archive, kind)
    assert register().obligation(duty).needs_check
    assert state(archive, duty) == "uncertain"
    assert "Nobody has reviewed" in why(archive, duty)
    until = TODAY + timedelta(days=90)
    review(archive, duty, "Wang Wu", "counsel", "as the default says", until)
    assert state(archive, duty) == "met"
    assert state(archive, duty, until + timedelta(days=1)) == "uncertain"


def test_a_review_alone_proves_nothing(archive):
    until = TODAY + YEAR
    review(archive, "IM-17", "Wang Wu", "counsel", "must be filed", until)
    assert state(archive, "IM-17") == "human_pending"
    review(archive, "IM-12", "Wang Wu", "counsel", "as the default says", until)
    assert standing(archive, "IM-12").state == "not_met"


def test_no_open_row_is_met_whatever_is_handed_in(archive):
    for kind in register().vocabulary["human"]:
        hand_in(archive, kind)
    archive.writer.commit_now(finished(1))
    count(archive)
    open_rows = [each for each in board(archive, lambda duty: True).standings.values()
                 if each.duty.needs_check]  # fmt: skip
    assert len(open_rows) > 50
    assert [each.duty.id for each in open_rows if each.state == "met"] == []


# -- what goes before what -------------------------------------------------------------------------


def test_a_failure_goes_before_staleness_staleness_before_people_and_people_before_doubt(archive):
    duty = "IM-19.1"  # needs people, has a check, and its reading is open
    count(archive)
    assert state(archive, duty) == "not_met"  # no checkpoint yet
    assert state(archive, duty, TODAY + timedelta(days=5)) == "not_met"
    standing(archive, duty)  # signs one
    assert state(archive, duty, TODAY + timedelta(days=5)) == "due"
    assert state(archive, duty) == "human_pending"
    hand_in(archive, "handover_record")
    assert state(archive, duty) == "uncertain"
    review(archive, duty, "Wang Wu", "internal", "the least that was asked for", TODAY + YEAR)
    assert state(archive, duty) == "met"


def test_signed_evidence_does_not_outweigh_a_failed_check(archive):
    hand_in(archive, "handover_record")
    review(archive, "IM-19.1", "Wang Wu", "internal", "the least", TODAY + YEAR)
    count(archive)  # without a checkpoint
    assert state(archive, "IM-19.1") == "not_met"


def stand(archive, *states):
    """A standing for each of the states."""
    any_one = board(archive).standings["IM-15"]
    return [msgspec.structs.replace(any_one, state=each) for each in states]


@pytest.mark.parametrize(
    ("states", "shown"),
    [
        (("met", "met"), "met"),
        (("met", "not_applicable"), "met"),
        (("not_applicable",), "not_applicable"),
        ((), "not_applicable"),
        (("met", "planned"), "partly"),
        (("met", "human_pending"), "partly"),
        (("met", "due"), "due"),
        (("met", "not_met", "due"), "not_met"),
        (("planned", "human_pending"), "human_pending"),
        (("uncertain", "partly"), "partly"),
        (("uncertain", "planned"), "uncertain"),
    ],
)
def test_what_several_duties_show_together(archive, states, shown):
    assert worst(stand(archive, *states)) == shown


# -- the board -------------------------------------------------------------------------------------


def test_every_state_has_a_place_and_a_name():
    assert set(ORDER) == set(NAMES) == set(get_args(State))


def test_the_board_holds_every_duty_in_the_order_of_the_register(archive):
    made = board(archive)
    assert list(made.standings) == [duty.id for duty in register()]
    assert made.at == ""
    assert sum(made.counts().values()) == len(register())
    assert [each.duty.id for each in made.of("IM", 14)] == ["IM-14.1", "IM-14.2"]
    assert {each.duty.id.split("-")[0] for each in made.of("LB")} == {"LB"}
    assert made.counts(made.of("IM", 14))["not_met"] == 2
    assert made.counts([])["not_met"] == 0
    count(archive)
    assert board(archive).at.startswith("2026-11-02T09:")


def test_an_owner_is_who_was_named_else_who_sees_to_the_evidence(archive):
    assert board(archive).standings["IM-8.1"].owner == ""
    hand_in(archive, "annotation_rules")
    assert board(archive).standings["IM-8.1"].owner == "Li Si"
    assign(archive, "IM-8.1", "Zhao Liu")
    assert board(archive).standings["IM-8.1"].owner == "Zhao Liu"
