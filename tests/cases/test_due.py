from datetime import date, datetime

import msgspec
import pytest

from archive import archive_fixture, nothing, on_sqlite_fixture  # noqa: F401 (two are fixtures)
from duties import WORDS, clock, duty, use
from hegui.cases import find_case, open_case, take_step
from hegui.cases.clocks import BEIJING
from hegui.cases.due import Due, Signed, complete, due_list, is_started
from hegui.cases.occurrences import list_occurrences, record
from hegui.evidence.verify import verify
from hegui.language import Problem, Text

NOW = datetime(2026, 11, 24, 12, tzinfo=BEIJING)
FILING = duty("ZZ-1", clock("max_delay", "service_start", 10, "day", "prc_working"))
AUDIT = duty("ZZ-2", clock("periodic", "last_audit", 2, "year", basis="ZZ-2"))
REPORT = duty("ZZ-3", clock("max_delay", "year_end", 1, "month", basis="ZZ-3"))
INCIDENT = duty("ZZ-4", clock("max_delay", "finding", 4, "hour", basis="ZZ-4", verified="X"))
UNREAD = duty("ZZ-5", clock("before", "launch", basis="ZZ-5", verified="M"), verified="M")
PROMPT = duty("ZZ-6", clock("max_delay", "finding", basis="ZZ-6"))
ECOLOGY = duty("ZZ-7", clock("periodic", "year_end", 1, "year", basis="ZZ-7"))


def at(text):
    return datetime.fromisoformat(text).replace(tzinfo=BEIJING)


def told(found):
    return {each.subject: (each.state, each.by) for each in found}


# -- events ----------------------------------------------------------------------------------------


def test_an_event_has_its_day_is_overdue_after_it_and_done_on_record(archive, monkeypatch):
    use(monkeypatch, FILING)
    assert due_list(archive, NOW) == []
    event = record(archive, "service_start", "2026-11-24", "staff-1", note="  the   start ")
    (found,) = due_list(archive, NOW)
    assert found == Due(
        f"ZZ-1@{event}", "ZZ-1", WORDS, "due", "2026-12-08", exact=True, kind="max_delay",
        basis="ZZ-1", verified="T", figure="statute", anchor="service_start", since="2026-11-24",
        occurrence=event,
    )  # fmt: skip
    assert due_list(archive, at("2026-12-08T23:59:59"))[0].state == "due"
    assert due_list(archive, at("2026-12-09T00:00"))[0].state == "overdue"
    complete(archive, event, "receipt 7", "staff-1", "2026-12-08T18:00", now=at("2026-12-09T09:00"))
    (done,) = due_list(archive, at("2027-01-01T00:00"))
    assert (done.state, done.by, done.reference, done.late) == (
        "done", "2026-12-08", "receipt 7", False,
    )  # fmt: skip
    assert list_occurrences(archive)[0].note == "the start"
    assert verify(archive, nothing).verified


def test_what_was_done_too_late_says_so(on_sqlite, monkeypatch):
    use(monkeypatch, FILING, INCIDENT)
    start = record(on_sqlite, "service_start", "2026-11-02", "s")
    first = record(on_sqlite, "finding", "2026-11-24T01:00", "s")
    second = record(on_sqlite, "finding", "2026-11-24T02:00", "s")
    complete(on_sqlite, start, "r", "s", now=NOW)
    complete(on_sqlite, first, "r", "s", "2026-11-24T05:00", now=NOW)
    complete(on_sqlite, second, "r", "s", "2026-11-24T06:01", now=NOW)
    late = {each.occurrence: each.late for each in due_list(on_sqlite, NOW)}
    assert late == {start: True, first: False, second: True}


def test_one_event_starts_every_clock_that_counts_from_it_or_that_of_one_duty(archive, monkeypatch):
    use(monkeypatch, INCIDENT, PROMPT)
    both = record(archive, "finding", "2026-11-24T11:00", "s")
    alone = record(archive, "finding", "2026-11-24", "s", "ZZ-4")
    found = due_list(archive, NOW)
    assert told(found) == {
        f"ZZ-4@{alone}": ("overdue", "2026-11-24T04:00+08:00"),
        f"ZZ-6@{both}": ("due", ""),
        f"ZZ-4@{both}": ("due", "2026-11-24T15:00+08:00"),
    }
    assert [each.exact for each in found] == [False, True, True]
    with pytest.raises(Problem, match=f"ZZ-6@{both}"):
        complete(archive, both, "r", "s", now=NOW)
    complete(archive, both, "r", "s", now=NOW, obligation="ZZ-6")
    assert [each.obligation for each in due_list(archive, NOW)] == ["ZZ-4", "ZZ-4", "ZZ-6"]


def test_a_figure_taken_from_another_duty_stands_in_the_list_once(on_sqlite, monkeypatch):
    general = duty("ZZ-9", clock("max_delay", "service_start", 10, "day", "prc_working"))
    use(monkeypatch, general, FILING)
    event = record(on_sqlite, "service_start", "2026-11-24", "s")
    alone = record(on_sqlite, "service_start", "2026-11-24", "s", "ZZ-9")
    assert {each.subject for each in due_list(on_sqlite, NOW)} == {f"ZZ-1@{event}", f"ZZ-9@{alone}"}


def test_two_clocks_of_a_duty_from_one_event_are_two_things(on_sqlite, monkeypatch):
    twice = duty(
        "ZZ-1", clock("max_delay", "finding", 1, "day"), clock("max_delay", "finding", 30, "day")
    )
    use(monkeypatch, twice)
    event = record(on_sqlite, "finding", "2026-11-24", "s")
    complete(on_sqlite, f"ZZ-1@{event}#2", "r", "s", now=NOW)
    assert told(due_list(on_sqlite, NOW)) == {
        f"ZZ-1@{event}": ("due", "2026-11-25"),
        f"ZZ-1@{event}#2": ("done", "2026-12-24"),
    }


def test_what_was_not_checked_is_shown_with_its_mark_and_never_as_stated_by_law(
    on_sqlite, monkeypatch
):
    use(monkeypatch, UNREAD, INCIDENT)
    record(on_sqlite, "launch", "2026-12-01", "s")
    record(on_sqlite, "finding", "2026-12-01", "s")
    unread, checked = due_list(on_sqlite, NOW)
    assert (unread.by, unread.verified, unread.uncertain) == ("2026-11-30", "M", True)
    assert unread.explain("en") == "ZZ-5 · M: from general knowledge, text not checked"
    assert checked.explain("en").endswith("summary was read · stated by the provision")
    assert not checked.uncertain


def test_how_long_somebody_may_go_on_is_no_event_for_people_to_record(on_sqlite, monkeypatch):
    use(monkeypatch, duty("ZZ-1", clock("max_delay", "session_start", 1, "hour")))
    with pytest.raises(Problem, match="No clock of"):
        record(on_sqlite, "session_start", "2026-11-24T09:00", "s")


@pytest.mark.parametrize(
    "other",
    [
        msgspec.structs.replace(FILING, id="ZD-1", provisions=("ZD-1",)),
        msgspec.structs.replace(FILING, actors=("A", "U")),
        msgspec.structs.replace(FILING, modality="may"),
        duty("ZZ-1", clock("min_retention", "service_start", 6, "month")),
        duty("ZZ-1", clock("periodic", "service_start", 2, "hour")),
        duty("ZZ-1", clock("periodic", "service_start")),
    ],
)
def test_what_has_no_day_or_is_nobodys_here_is_not_in_the_list(on_sqlite, monkeypatch, other):
    use(monkeypatch, other)
    record(on_sqlite, "service_start", "2026-11-24", "s")
    assert due_list(on_sqlite, NOW) == []


class NotOurs(msgspec.Struct):
    """A scope to which nothing applies but complaints."""

    counts: bool = False

    def applies(self, duty):
        return NotOurs(duty.id == "IM-15")


def test_what_the_scope_rules_out_is_not_in_the_list(on_sqlite, monkeypatch):
    use(monkeypatch, FILING, AUDIT)
    record(on_sqlite, "service_start", "2026-11-24", "s")
    assert len(due_list(on_sqlite, NOW)) == 2
    assert due_list(on_sqlite, NOW, NotOurs()) == []


# -- what comes again ------------------------------------------------------------------------------


def test_a_periodic_duty_counts_from_the_start_then_from_when_it_was_last_done(
    archive, monkeypatch
):
    use(monkeypatch, AUDIT)
    assert due_list(archive, NOW) == []
    record(archive, "service_start", "2023-06-01", "s")
    (first,) = due_list(archive, NOW)
    assert told([first]) == {"ZZ-2@p1": ("overdue", "2025-06-01")}
    assert (first.anchor, first.since) == ("service_start", "2023-06-01")
    record(archive, "last_audit", "2024-12-01", "s")
    assert due_list(archive, NOW)[0].anchor == "last_audit"
    assert told(due_list(archive, NOW)) == {"ZZ-2@p1": ("due", "2026-12-01")}
    complete(archive, "ZZ-2@p1", "report 3", "s", "2026-11-20", now=NOW)
    assert told(due_list(archive, NOW)) == {
        "ZZ-2@p2": ("due", "2028-11-20"),
        "ZZ-2@p1": ("done", "2026-12-01"),
    }


def test_done_on_the_day_of_the_start_it_still_comes_again(on_sqlite, monkeypatch):
    use(monkeypatch, AUDIT)
    record(on_sqlite, "service_start", "2026-11-24", "s")
    complete(on_sqlite, "ZZ-2@p1", "r", "s", now=NOW)
    assert told(due_list(on_sqlite, NOW))["ZZ-2@p2"] == ("due", "2028-11-24")


def test_nothing_is_asked_for_before_the_law_or_the_service(on_sqlite, monkeypatch):
    use(monkeypatch, AUDIT, REPORT, valid_from=date(2026, 3, 1))
    record(on_sqlite, "service_start", "2020-01-01", "s")
    found = due_list(on_sqlite, NOW)
    assert told(found) == {"ZZ-3@2026": ("due", "2027-01-31"), "ZZ-2@p1": ("due", "2028-03-01")}
    assert [(each.anchor, each.since) for each in found] == [
        ("year_end", "2026-12-31"), ("", "2026-03-01"),
    ]  # fmt: skip


def test_a_later_record_of_the_start_corrects_an_earlier_one(on_sqlite, monkeypatch):
    use(monkeypatch, AUDIT)
    assert not is_started(on_sqlite)
    record(on_sqlite, "service_start", "2020-01-01", "s")
    record(on_sqlite, "service_start", "2026-01-01", "s")
    assert is_started(on_sqlite)
    assert told(due_list(on_sqlite, NOW)) == {"ZZ-2@p1": ("due", "2028-01-01")}


@pytest.mark.parametrize(
    ("now", "told_"),
    [
        ("2026-11-24T12:00", {"ZZ-3@2026": ("due", "2027-01-31"), "ZZ-7@2026": ("due", "2026-12-31")}),
        ("2027-01-31T23:00", {
            "ZZ-3@2026": ("due", "2027-01-31"), "ZZ-3@2027": ("due", "2028-01-31"),
            "ZZ-7@2026": ("overdue", "2026-12-31"), "ZZ-7@2027": ("due", "2027-12-31"),
        }),
        ("2027-02-01T00:00", {
            "ZZ-3@2026": ("overdue", "2027-01-31"), "ZZ-3@2027": ("due", "2028-01-31"),
            "ZZ-7@2026": ("overdue", "2026-12-31"), "ZZ-7@2027": ("due", "2027-12-31"),
        }),
    ],
)  # fmt: skip
def test_the_31st_of_january_and_the_31st_of_december_come_every_year(
    on_sqlite, monkeypatch, now, told_
):
    use(monkeypatch, REPORT, ECOLOGY)
    record(on_sqlite, "service_start", "2026-03-01", "s")
    assert told(due_list(on_sqlite, at(now))) == told_


# -- reports and signed evidence -------------------------------------------------------------------


def test_a_report_is_due_until_it_is_answered(archive, monkeypatch):
    use(monkeypatch)
    person = archive.vault.add_person("test", "ann", "2026")
    receipt = open_case(archive, person, "0" * 32, "untrue", "why?")
    case = find_case(archive, receipt)
    (found,) = due_list(archive, NOW.replace(year=2020), owners={"IM-15": "the desk"})
    assert (found.subject, found.by, found.state) == (receipt, case.due, "due")
    assert (found.kind, found.figure, found.owner) == ("answer", "operator", "the desk")
    assert due_list(archive, NOW.replace(year=2099))[0].state == "overdue"
    with pytest.raises(Problem, match="by answering it"):
        complete(archive, receipt, "r", "s", now=NOW)
    take_step(archive, case, "s", "answered", "so it is")
    assert due_list(archive, NOW) == []


def test_signed_evidence_expires(on_sqlite):
    licence = Signed("licence-1", Text(zh="许可证", en="licence"), date(2026, 11, 24), "counsel")
    (found,) = due_list(on_sqlite, NOW, signed=[licence])
    assert (found.state, found.by, found.owner) == ("due", "2026-11-24", "counsel")
    assert due_list(on_sqlite, at("2026-11-25T00:00"), signed=[licence])[0].state == "overdue"
    assert found.explain("en") == ""


def test_overdue_comes_first_then_what_has_no_day_then_by_day_and_done_last(on_sqlite, monkeypatch):
    use(monkeypatch, FILING, AUDIT, PROMPT)
    record(on_sqlite, "service_start", "2026-11-20", "s")
    record(on_sqlite, "finding", "2026-11-24", "s")
    old = Signed("old", WORDS, date(2026, 1, 1), "")
    found = due_list(on_sqlite, NOW, signed=[old], owners={"ZZ-1": "counsel"})
    assert [each.by for each in found] == ["2026-01-01", "", "2026-12-04", "2028-11-20"]
    assert [each.owner for each in found] == ["", "", "counsel", ""]


# -- mistakes --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "told_"),
    [
        (("nothing", "2026-11-24", "s"), "Events that start one: .*service_start"),
        (("year_end", "2026-11-24", "s"), "No clock of"),
        (("finding", "2026-11-24", "s", "ZZ-1"), "No clock of ZZ-1 starts with finding"),
        (("finding", "2026-11-24", "s", "ZZ-99"), "no entry ZZ-99"),
        (("service_start", "soon", "s"), "soon is no date"),
        (("service_start", "2026-11-24", " "), "Write 1 to 80"),
        (("service_start", "2026-11-24", "s", "", "n" * 201), "Write 1 to 200"),
    ],
)
def test_what_is_no_event_is_not_recorded(on_sqlite, monkeypatch, values, told_):
    use(monkeypatch, FILING, INCIDENT)
    with pytest.raises(Problem, match=told_):
        record(on_sqlite, *values)
    assert list_occurrences(on_sqlite) == []


def test_what_is_not_done_is_not_recorded(archive, monkeypatch):
    use(monkeypatch, FILING)
    event = record(archive, "service_start", "2026-11-24", "s")
    for name, reference, happened, told_ in [
        ("ZZ-1", "r", "", "Nothing that waits is called ZZ-1"),
        (event, " ", "", "Write 1 to 200"),
        (event, "r", "2026-11-25", "after today"),
        (event, "r", "soon", "soon is no date"),
    ]:
        with pytest.raises(Problem, match=told_):
            complete(archive, name, reference, "s", happened, now=NOW)
    complete(archive, event, "r", "s", now=NOW)
    with pytest.raises(Problem, match="Nothing that waits"):
        complete(archive, event, "r", "s", now=NOW)


def test_of_two_who_do_the_same_one_is_told(archive, monkeypatch):
    use(monkeypatch, FILING)
    event = record(archive, "service_start", "2026-11-24", "s")
    stale = due_list(archive, NOW)
    complete(archive, event, "first", "s", now=NOW)
    monkeypatch.setattr("hegui.cases.due.due_list", lambda *_: stale)
    with pytest.raises(Problem, match="completed already"):
        complete(archive, event, "second", "s", now=NOW)
