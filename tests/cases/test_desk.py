from datetime import UTC, datetime, timedelta

import msgspec
import pytest
import time_machine

from archive import (  # (two are fixtures)
    archive_fixture,  # noqa: F401
    nothing,
    on_sqlite_fixture,  # noqa: F401
    settings_in,
)
from hegui.cases import (
    desk,
    find_case,
    list_cases,
    list_steps,
    next_states,
    open_case,
    read_answer,
    take_step,
)
from hegui.evidence.archive import Archive
from hegui.evidence.erase import erase
from hegui.evidence.verify import verify
from hegui.language import Problem

EXCHANGE = "0" * 32
LATE_EVENING = datetime(2026, 11, 23, 17, 30, tzinfo=UTC)  # the 24th in Beijing


def opened(archive, person="ann", reason="untrue"):
    known = archive.vault.person("test", person)
    holder = known or archive.vault.add_person("test", person, "2026")
    receipt = open_case(archive, holder, EXCHANGE, reason, "why?")
    return find_case(archive, receipt)


def step(archive, case, state, answer=""):
    take_step(archive, case, "staff-1", state, answer)
    return find_case(archive, case.receipt)


def test_receipt_finds_the_case(on_sqlite):
    case = opened(on_sqlite, reason="appeal")
    assert (case.kind, case.reason, case.exchange) == ("appeal", "appeal", EXCHANGE)
    assert (case.state, case.step) == ("received", 0)
    assert find_case(on_sqlite, "none") is None


@pytest.mark.parametrize(("reason", "text"), [("whim", "a"), ("other", "a" * 4001)])
def test_what_no_case_is_opened_for(on_sqlite, reason, text):
    with pytest.raises(Problem):
        open_case(on_sqlite, "p", EXCHANGE, reason, text)
    assert list_cases(on_sqlite, settled=False, skip=0, limit=9) == []


def test_the_promised_day_counts_in_beijing_and_ends_with_it(on_sqlite, monkeypatch):
    with time_machine.travel(LATE_EVENING, tick=False) as clock:
        case = opened(on_sqlite)
        assert case.due == "2026-12-09"
        clock.shift(timedelta(days=15))
        assert not case.late
        clock.shift(timedelta(days=1))
        assert case.late
        assert not step(on_sqlite, case, "answered", "so it is").late


def test_the_promise_may_be_in_working_days(tmp_path):
    settings = settings_in(tmp_path)
    promised = msgspec.structs.replace(settings.service, report_calendar="prc_working")
    archive = Archive(msgspec.structs.replace(settings, service=promised))
    archive.prepare()
    with time_machine.travel(datetime(2026, 9, 30, 4, tzinfo=UTC), tick=False):
        assert opened(archive).due == "2026-10-27"  # with the week of National Day and a Saturday
    archive.close()


def test_a_case_is_taken_up_answered_and_closed_with_evidence(archive):
    case = opened(archive)
    case = step(archive, case, "working")
    assert read_answer(archive, case.receipt) is None
    case = step(archive, case, "answered", "  You are right. ")
    assert read_answer(archive, case.receipt) == "You are right."
    case = step(archive, case, "closed")
    assert (case.state, case.step) == ("closed", 3)
    assert [s.state for s in list_steps(archive, case.receipt)] == ["working", "answered", "closed"]
    assert {s.staff for s in list_steps(archive, case.receipt)} == {"staff-1"}
    assert verify(archive, nothing, unseal=True).verified


def test_nobodys_case_is_closed_unanswered_unless_they_were_erased(archive):
    case = opened(archive)
    with pytest.raises(Problem, match="look at its state"):
        step(archive, case, "closed")
    erase(archive, archive.vault.person_of(case.key_id), "request", "a")
    assert next_states(archive, case) == ("closed",)
    assert step(archive, case, "closed").state == "closed"


@pytest.mark.parametrize("answer", ["", "  ", "a" * 4001])
def test_an_answer_says_something(on_sqlite, answer):
    case = opened(on_sqlite)
    with pytest.raises(Problem) as caught:
        step(on_sqlite, case, "answered", answer)
    assert caught.value.code == "report_answer"
    assert find_case(on_sqlite, case.receipt) == case


def test_of_two_who_take_the_same_step_one_is_told(archive):
    case = opened(archive)
    step(archive, case, "working")
    with pytest.raises(Problem) as caught:
        step(archive, case, "answered", "meanwhile")
    assert caught.value.code == "report_changed"


def test_those_that_wait_come_by_their_deadline_apart_from_the_settled(archive, monkeypatch):
    days = [datetime(2026, 11, day, tzinfo=UTC) for day in (3, 1, 2)]
    found = []
    for day in days:
        with monkeypatch.context() as patch:
            patch.setattr(desk, "_today", lambda day=day: day.date())
            found.append(opened(archive))
    late, first, second = found
    second = step(archive, second, "working")
    assert list_cases(archive, settled=False, skip=0, limit=9) == [first, second, late]
    assert list_cases(archive, settled=False, skip=1, limit=1) == [second]
    answered = step(archive, first, "answered", "yes")
    assert list_cases(archive, settled=False, skip=0, limit=9) == [second, late]
    assert list_cases(archive, settled=True, skip=0, limit=9) == [answered]
