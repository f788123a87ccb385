"""The staff console, through the whole application."""

from datetime import date

import pytest

from archive import admitted, fill, finished
from hegui.cases import desk, open_case
from hegui.people.staff import make_link
from hegui.web.pages import staff_reports
from hegui.web.pages.staff import question_text

NAME = f"{1:032x}"
BODY = b'{"answer":"shown","withheld":"hidden"}'


@pytest.fixture(name="at_work")
def at_work_fixture(pages, service):
    answer = pages.post(f"/staff/enter/{make_link(service.archive)}")
    assert answer.url.path == "/staff"
    return pages


def keep(service):
    question = b'{"messages":[{"role":"user","content":"why?"}]}'
    service.archive.writer.commit_now(admitted(1, body=question), finished(1, body=BODY))


def test_a_link_is_shown_often_and_used_once(pages, service):
    link = f"/staff/enter/{make_link(service.archive)}"
    assert pages.get(link).status_code == pages.get(link).status_code == 200
    assert pages.post(link).url.path == "/staff"
    assert pages.post(link).status_code == pages.get(link).status_code == 404


@pytest.mark.parametrize(
    "path", ["exchanges", f"exchanges/{NAME}", "reports", "reports/none", "ledger"]
)
def test_only_staff_come_in(pages, path):
    answer = pages.get(f"/staff/{path}")
    assert (answer.status_code, "staff_only" in answer.text) == (403, True)


def test_leaving_ends_the_session(at_work):
    at_work.post("/staff/leave")
    assert at_work.get("/staff/exchanges").status_code == 403


def test_the_register_turns_its_pages_there_and_back(at_work, service):
    fill(service.archive, 120)
    first = at_work.get("/staff/exchanges?state=finished").text
    assert f"{119:032x}" in first
    older = f"/staff/exchanges?state=finished&before={70:032x}"
    assert older.replace("&", "&amp;") in first
    second = at_work.get(older).text
    assert f"{69:032x}" in second
    assert f"{70:032x}</code>" not in second
    third = at_work.get(f"/staff/exchanges?before={20:032x}").text
    assert f'/staff/exchanges?before={70:032x}" rel="prev"' in third


@pytest.mark.parametrize(
    ("query", "there"),
    [("decision=pass", True), ("decision=refuse", False), ("state=running", False), ("", True)],
)
def test_the_filters_of_the_address_choose_the_rows(at_work, service, query, there):
    keep(service)
    assert (NAME in at_work.get(f"/staff/exchanges?{query}").text) is there


def test_an_exchange_is_sealed_until_a_reason_is_given(at_work, service):
    keep(service)
    sealed = at_work.get(f"/staff/exchanges/{NAME}").text
    assert "Proved" in sealed
    assert "why?" not in sealed
    refused = at_work.post(f"/staff/exchanges/{NAME}/open", data={"reason": "abc"})
    assert (refused.status_code, "why?" in refused.text) == (400, False)
    opened = at_work.post(f"/staff/exchanges/{NAME}/open", data={"reason": "a complaint"})
    assert [word in opened.text for word in ("user: why?", "shown", "hidden")] == [True] * 3


def test_an_unknown_exchange_is_not_found(at_work):
    assert at_work.get(f"/staff/exchanges/{NAME}").status_code == 404


def test_the_ledger_is_verified_and_a_change_is_shown(at_work, service):
    keep(service)
    assert "exchange.admitted" in at_work.get("/staff/ledger").text
    assert ">Sound<" in at_work.post("/staff/ledger/verify").text
    with service.archive.store.maintain() as connection:
        connection.exec_driver_sql("UPDATE outcomes SET state = 'refused'")
    found = at_work.post("/staff/ledger/verify").text
    assert ">Not sound<" in found
    assert NAME in found


def test_the_timeline_tells_each_opening_in_order(at_work, service):
    keep(service)
    for reason in ("first reason", "second reason"):
        at_work.post(f"/staff/exchanges/{NAME}/open", data={"reason": reason})
    page = at_work.get(f"/staff/exchanges/{NAME}").text
    order = ["Admitted", "End recorded", "first reason", "second reason"]
    assert order == sorted(order, key=page.index)
    assert page.count("Content opened by staff-") == 2
    assert 'maxlength="200"' in page
    assert "name no person" in page


@pytest.mark.parametrize(
    ("request_body", "shown"),
    [
        ('{"text":"why?"}', "why?"),
        ('{"messages":[{"role":"user","content":"why?"}]}', "user: why?"),
        (
            '{"messages":[{"role":"user","content":[{"type":"text","text":"a"},{"text":"b"}]}]}',
            "user: a\nb",
        ),
        ("not json", "not json"),
        ('{"messages":[{"role":"user","content":[1]}]}',) * 2,
    ],
)
def test_a_question_is_shown_as_text_and_another_form_as_it_came(request_body, shown):
    assert question_text(request_body) == shown


# -- reports ---------------------------------------------------------------------------------------


@pytest.fixture(name="receipt")
def receipt_fixture(service):
    person = service.archive.vault.add_person("test", "ann", "2026")
    return open_case(service.archive, person, NAME, "untrue", "the words of a person")


def test_reports_are_listed_and_the_late_ones_marked(at_work, service, receipt, monkeypatch):
    page = at_work.get("/staff/reports").text
    assert f'href="/staff/reports/{receipt}"' in page
    assert ">Late<" not in page
    monkeypatch.setattr(desk, "_today", lambda: date(2126, 1, 1))
    assert ">Late<" in at_work.get("/staff/reports").text
    assert receipt not in at_work.get("/staff/reports?show=settled").text


def test_the_list_of_reports_turns_its_pages(at_work, service, monkeypatch, receipt):
    monkeypatch.setattr(staff_reports, "_ROWS", 1)
    later = open_case(service.archive, "p", NAME, "other", "")
    first = at_work.get("/staff/reports").text
    second = at_work.get("/staff/reports?show=waiting&page=2").text
    assert (receipt in first, later in first) == (True, False)
    assert "show=waiting&amp;page=2" in first
    assert (receipt in second, later in second) == (False, True)
    assert at_work.get("/staff/reports?page=-1").status_code == 200


def test_the_words_of_a_report_are_sealed_until_a_reason_is_given(at_work, receipt):
    address = f"/staff/reports/{receipt}"
    assert "the words of a person" not in at_work.get(address).text
    assert at_work.post(f"{address}/open", data={"reason": "x"}).status_code == 400
    opened = at_work.post(f"{address}/open", data={"reason": "to handle it"}).text
    assert "the words of a person" in opened
    assert "Content opened by staff-" in opened


def test_a_report_is_taken_up_answered_and_closed(at_work, receipt):
    address = f"/staff/reports/{receipt}"
    assert "Taken up by staff-" in at_work.post(f"{address}/step", data={"state": "working"}).text
    empty = at_work.post(f"{address}/step", data={"state": "answered", "answer": " "})
    assert (empty.status_code, "Write an answer" in empty.text) == (400, True)
    data = {"state": "answered", "answer": "You are right.\r\nThank you."}
    assert "You are right.\nThank you." in at_work.post(f"{address}/step", data=data).text
    assert "Closed by staff-" in at_work.post(f"{address}/step", data={"state": "closed"}).text
    assert at_work.post(f"{address}/step", data={"state": "working"}).status_code == 400


def test_an_unknown_report_is_not_found(at_work):
    assert at_work.get("/staff/reports/none").status_code == 404
