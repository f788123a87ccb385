from datetime import UTC, datetime, timedelta
from io import BytesIO

import pytest

from archive import fill
from hegui.evidence.counting import count, daily
from hegui.evidence.history import list_changes
from hegui.evidence.signed import add, assign, end, review

LATER = datetime.now(UTC).date() + timedelta(days=100)


def proof(archive, name="paper.pdf"):
    return add(archive, BytesIO(b"x"), kind="licence_copy", name=name, signer="Wang", owner="legal",
               valid_until=LATER)  # fmt: skip


def test_everything_that_can_turn_a_state_is_told_newest_first(archive):
    held = proof(archive)
    assign(archive, "IM-15", "desk")
    review(archive, "IM-12", "Chen", "counsel", "as assumed", LATER)
    end(archive, held.proof, "sold")
    told = list_changes(archive)
    assert [each.seq for each in told] == sorted((each.seq for each in told), reverse=True)
    assert [each.say("en") for each in told] == [
        "Signed evidence by Wang ended: copy of the licence",
        f"Reviewed by Chen, holds until {LATER}",
        "Owner named: desk",
        f"Signed evidence by Wang: copy of the licence, holds until {LATER}",
    ]
    assert [each.detail for each in told] == ["sold", "as assumed", "", "paper.pdf"]
    assert told[3].duties == held.about


def test_a_check_is_told_when_its_outcome_turns_with_the_duties_it_proves(archive):
    fill(archive, 2)  # admitted without a word of the controls that ran
    count(archive)
    told = {each.say("en"): each for each in list_changes(archive)}
    found = told[
        "the agreement had been accepted before every request: so it was in 0 of 2 cases only"
    ]
    assert found.duties == ("IM-9.3",)
    assert found.detail.split() == [f"{number:032x}" for number in range(2)]
    assert "a service agreement is published: it is not so" in told


@pytest.mark.parametrize(("limit", "names"), [(2, ["c", "b"]), (9, ["c", "b", "a"])])
def test_pages_of_changes_meet_without_a_gap(archive, limit, names):
    for name in "abcd":
        proof(archive, name)
    newest = list_changes(archive, limit=1)
    assert [each.detail for each in newest] == ["d"]
    assert [each.detail for each in list_changes(archive, newest[0].seq, limit)] == names


def test_the_days_of_a_check_are_those_with_a_count(archive):
    fill(archive, 3)
    count(archive)
    today = datetime.now(UTC).date()
    assert {day: found.population for day, found in daily(archive)["limits_ran"].items()} == {
        today.isoformat(): 3
    }
    assert "limits_ran" not in daily(archive, today + timedelta(days=31))
