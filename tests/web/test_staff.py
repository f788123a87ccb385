"""The staff console, through the whole application."""

import pytest

from archive import admitted, fill, finished
from hegui.cases import open_case
from hegui.people.staff import make_link
from hegui.web.pages.staff import question_text

NAME = f"{1:032x}"
BODY = b'{"answer":"shown","withheld":"hidden"}'


@pytest.fixture(name="at_work")
def at_work_fixture(pages, service):
    answer = pages.post(f"/staff/enter/{make_link(service.archive)}")
    assert answer.url.path == "/staff/exchanges"
    return pages


def keep(service):
    question = b'{"messages":[{"role":"user","content":"why?"}]}'
    service.archive.writer.commit_now(admitted(1, body=question), finished(1, body=BODY))


def test_a_link_is_shown_often_and_used_once(pages, service):
    link = f"/staff/enter/{make_link(service.archive)}"
    assert pages.get(link).status_code == pages.get(link).status_code == 200
    assert pages.post(link).url.path == "/staff/exchanges"
    assert pages.post(link).status_code == pages.get(link).status_code == 404


@pytest.mark.parametrize("path", ["exchanges", f"exchanges/{NAME}", "reports", "ledger"])
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


def test_reports_are_listed(at_work, service):
    receipt = open_case(service.archive, "p", NAME, "untrue", "no")
    assert receipt in at_work.get("/staff/reports").text


def test_a_request_of_another_form_is_shown_as_it_came():
    assert question_text("not json") == "not json"
    assert question_text('{"messages":[{"role":"user","content":[1]}]}').startswith("{")
