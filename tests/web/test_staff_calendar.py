"""What is due, through the whole application."""

import re
from datetime import datetime

import pytest
import time_machine

from hegui.cases import find_case, open_case
from hegui.cases.clocks import BEIJING
from hegui.cases.due import due_list
from hegui.cases.occurrences import list_occurrences, record
from hegui.people.staff import make_link
from hegui.web.pages.staff_calendar import STAFF_CALENDAR_ROUTES

PAGE = "/staff/calendar"


@pytest.fixture(name="at_work")
def at_work_fixture(pages, service):
    pages.post(f"/staff/enter/{make_link(service.archive)}")
    return pages


@pytest.fixture(name="clock", autouse=True)
def clock_fixture():
    with time_machine.travel(datetime(2026, 11, 24, 12, tzinfo=BEIJING), tick=False) as clock:
        yield clock


def event(**more):
    return {"anchor": "service_start", "day": "2026-11-24", "obligation": "IM-17"} | more


def sections(text):
    """The heading of each month with the items below it."""
    parts = re.split(r'<section class="month" aria-label="', text.partition('id="event"')[0])[1:]
    return {
        part.partition('"')[0]: re.findall(r"<code>(\S+@\S+|\w{4}-\w{4}-\w{4})</code>", part)
        for part in parts
    }


@pytest.mark.parametrize("route", STAFF_CALENDAR_ROUTES, ids=lambda route: route.path)
def test_only_staff_come_in(pages, route):
    answer = pages.request(route.methods[0], route.path)
    assert (answer.status_code, "staff_only" in answer.text) == (403, True)


def test_an_event_is_recorded_stands_under_its_month_and_is_done(at_work, service):
    assert "Nothing is due" in (empty := at_work.get(PAGE).text)
    assert "Record it below" in empty
    answer = at_work.post(f"{PAGE}/events", data=event(note="the start"))
    assert answer.url.path == PAGE
    (known,) = list_occurrences(service.archive)
    assert (known.note, known.staff.startswith("staff-")) == ("the start", True)
    assert "Record it below" not in answer.text
    item = f"IM-17@{known.occurrence}"
    assert item in sections(answer.text)["2026-12"]
    at_work.post(f"{PAGE}/done", data={"item": item, "reference": "receipt 7"})
    assert item not in at_work.get(PAGE).text
    done = at_work.get(f"{PAGE}?show=done").text
    assert item in sections(done)["2026-11"]
    assert "receipt 7" in done


def test_overdue_comes_first_with_a_report_that_leads_to_its_page(at_work, service, clock):
    at_work.post(f"{PAGE}/events", data=event())
    person = service.archive.vault.add_person("test", "ann", "2026")
    receipt = open_case(service.archive, person, "0" * 32, "untrue", "why?")
    text = at_work.get(PAGE).text
    assert receipt in sections(text)["2026-12"]
    assert f'<a href="/staff/reports/{receipt}">' in text
    clock.move_to(datetime(2026, 12, 9, tzinfo=BEIJING))
    at_work.post(f"/staff/enter/{make_link(service.archive)}")
    late = at_work.get(PAGE).text
    assert next(iter(sections(late))) == "Overdue"
    assert [find_case(service.archive, receipt).due] == re.findall(
        r"<time datetime=\"(2026-12-09)\">", late
    )


def test_a_date_that_is_only_the_earliest_and_an_unchecked_figure_are_marked(at_work, service):
    record(service.archive, "assessment_event", "2026-12-10", "s", "IM-17")
    row = next(r for r in at_work.get(PAGE).text.split("<tr>") if "IM-17@" in r)
    assert ">≥</abbr>" in row
    assert "Needs check" in row
    assert "stated by the provision" not in row


def test_what_has_no_figure_has_no_day(at_work, service):
    record(service.archive, "finding", "2026-11-24", "s", "IM-14.1")
    assert list(sections(at_work.get(PAGE).text)) == ["No figure"]


@pytest.mark.parametrize(
    ("path", "data", "told"),
    [
        ("events", event(day=""), "is no date from 2000 to 2100"),
        ("events", event(time="9 o'clock"), "is no date from 2000 to 2100"),
        ("events", event(anchor="finding"), "No clock of IM-17 starts with finding"),
        ("events", event(note="<b>" * 100), "Write 1 to 200 characters"),
        ("events", {}, "is no date"),
        ("done", {"item": "IM-17@o0", "reference": "<i>"}, "Nothing that waits is called"),
    ],
)
def test_a_mistake_is_told_beside_the_form_which_keeps_what_was_typed(
    at_work, service, path, data, told
):
    record(service.archive, "service_start", "2026-11-24", "s", "IM-17")
    answer = at_work.post(f"{PAGE}/{path}", data=data)
    assert answer.status_code == 400
    assert told in answer.text
    assert "<b><b>" not in answer.text
    assert "<i>" not in answer.text
    assert len(list_occurrences(service.archive)) == 1
    if "note" in data:
        assert "&lt;b&gt;" in answer.text


def test_an_hour_counts_in_beijing(at_work, service):
    at_work.post(f"{PAGE}/events", data=event(anchor="launch", time="09:30"))
    found = due_list(service.archive, datetime.now(BEIJING))
    assert [each.by for each in found if each.obligation == "IM-17"] == ["2026-11-24T09:30+08:00"]
    assert "2026-11-24 09:30" in at_work.get(PAGE).text


def test_the_page_speaks_chinese_and_a_form_from_elsewhere_is_not_taken(at_work, service):
    at_work.post(f"{PAGE}/events", data=event())
    assert "开始提供服务" in at_work.get(f"{PAGE}?lang=zh").text
    foreign = at_work.post(f"{PAGE}/events", data=event(), headers={"sec-fetch-site": "cross-site"})
    assert foreign.status_code == 403
    assert len(list_occurrences(service.archive)) == 1
