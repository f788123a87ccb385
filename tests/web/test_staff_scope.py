"""The page on which staff scope the service, through the whole application."""

import re

import pytest
from starlette.testclient import TestClient

from browsing import OWN, visitor
from hegui.evidence import scope
from hegui.evidence.scope import history
from hegui.law import register
from hegui.people.staff import make_link
from hegui.web.app import Application
from hegui.web.pages.staff_scope import read_answers

TOOL = {
    "generates": "content", "offered": "hosted", "internal": "true", "reach": "nobody",
    "provider_abroad": "false", "sector": "false", "outputs.chat": "on", "activities.": "on",
    "registered_users": "12", "service_start": "",
}  # fmt: skip


@pytest.fixture(name="at_work")
def at_work_fixture(pages, service):
    pages.post(f"/staff/enter/{make_link(service.archive)}")
    return pages


def test_only_staff_come_in(pages, service):
    assert pages.get("/staff/scope").status_code == 403
    assert pages.post("/staff/scope", data=TOOL).status_code == 403
    assert history(service.archive) == []


def test_a_form_of_a_foreign_page_is_refused(at_work, service):
    headers = {"sec-fetch-site": "cross-site"}
    assert at_work.post("/staff/scope", data=TOOL, headers=headers).status_code == 403
    assert history(service.archive) == []


def test_everything_that_may_matter_is_asked_at_first(at_work):
    page = at_work.get("/staff/scope").text
    assert "Nothing is on record yet." in page
    assert "Do the Interim Measures apply?" not in page  # nothing follows from nothing
    assert "Does the service generate content with a model?" in page
    assert "IM-22, RA-2" in page
    assert 'type="checkbox" name="outputs.chat"' in page
    assert 'type="radio" name="reach" value="hmt"' in page
    assert 'href="/staff/scope" aria-current="page"' in page
    assert "What happened?" not in page  # an event is no fact of the service


def test_answers_are_put_on_record_and_shown_with_what_follows(at_work, service):
    answer = at_work.post("/staff/scope", data=TOOL)
    assert (answer.status_code, answer.url.path) == (200, "/staff/scope")
    page = answer.text
    for said in ("a3", "a tool for own staff", "only an excerpt", "For counsel", "c20",
                 "Until answered", "The first answers", "network operator"):  # fmt: skip
        assert said in page
    assert "<code>c18</code>" not in page
    assert "Will minors" not in page  # of no matter for a staff tool
    assert re.search(r'name="reach" value="nobody" checked', page)
    assert re.search(r'name="activities." checked', page)
    assert 'name="registered_users" inputmode="numeric" value="12"' in page
    (step,) = history(service.archive)
    assert step.staff.startswith("staff-")
    assert step.scope.answers == {
        "generates": "content", "offered": "hosted", "internal": True, "reach": "nobody",
        "provider_abroad": False, "sector": False, "outputs": ["chat"], "activities": [],
        "registered_users": 12, "monthly_users": 0,
    }  # fmt: skip


def test_the_history_says_what_changed(at_work, service):
    at_work.post("/staff/scope", data=TOOL)
    at_work.post("/staff/scope", data=TOOL | {"internal": "false", "reach": "public"})
    page = at_work.get("/staff/scope").text
    assert "a6" in page
    assert "Answered otherwise: Is it only for your own" in page
    assert "a3 → a6" in page
    assert page.index("a3 → a6") < page.index("The first answers")
    assert "Answer again after: a new function" in page


def test_a_wrong_answer_is_said_and_nothing_recorded(at_work, service):
    answer = at_work.post("/staff/scope", data=TOOL | {"registered_users": "many"})
    assert (answer.status_code, 'role="alert"' in answer.text) == (400, True)
    assert "registered_users" in answer.text
    assert re.search(r'name="reach" value="nobody" checked', answer.text)  # the rest is kept
    assert history(service.archive) == []


def test_older_tables_and_counted_numbers_are_told(at_work, service, monkeypatch):
    companion = TOOL | {"internal": "false", "reach": "public", "companionship": "companion"}
    at_work.post("/staff/scope", data=companion)
    counted = {"registered_users": 2_000_000, "monthly_users": 3}
    monkeypatch.setattr(scope, "counters", lambda _: counted)
    assert scope.reopened(service.archive) > 0
    page = at_work.get("/staff/scope").text
    assert "A counted number crossed a threshold" in page
    assert "b10-scale" in page
    assert "The tables were renewed" not in page
    monkeypatch.setattr("hegui.law.scoping.version", lambda _book: "0" * 64)
    assert "The tables were renewed" in at_work.get("/staff/scope").text


def test_the_page_speaks_both_languages(at_work):
    at_work.post("/staff/scope", data=TOOL)
    page = at_work.get("/staff/scope?lang=zh").text
    for said in ("暂行办法是否适用？", "只供本单位员工使用", "标识"):
        assert said in page
    assert "Do the Interim Measures apply?" not in page


def test_every_field_of_the_form_can_be_sent_at_once(service):
    """The most a browser sends: every box ticked, every fact answered."""
    boxes = {
        f"{fact.id}.{choice.id}": "on"
        for fact in register().tables.facts
        if fact.kind == "several"
        for choice in fact.choices
    }
    values = {"yes_no": "true", "number": "1", "date": "2026-01-31"}
    fields = {
        fact.id: values.get(fact.kind) or fact.choices[0].id
        for fact in register().tables.facts
        if fact.kind != "several"
    }
    with visitor(Application(service)) as pages:
        assert isinstance(pages, TestClient)
        pages.post(f"/staff/enter/{make_link(service.archive)}")
        answer = pages.post("/staff/scope", data=boxes | fields, headers=OWN)
    assert answer.status_code == 200
    assert len(history(service.archive)[0].scope.answers) == len(register().tables.facts)


@pytest.mark.parametrize(
    ("form", "answers"),
    [
        ({}, {}),
        ({"internal": "unknown"}, {"internal": "unknown"}),
        ({"internal": "false", "reach": ""}, {"internal": False}),
        ({"outputs.": "on"}, {"outputs": []}),
        ({"outputs.": "on", "outputs.video": "on"}, {"outputs": ["video"]}),
        ({"outputs.unknown": "on", "outputs.video": "on"}, {"outputs": "unknown"}),
        ({"people": " 5 ", "service_start": "2026-01-31"},
         {"people": 5, "service_start": "2026-01-31"}),
        ({"people": "-5", "other": "x"}, {"people": "-5"}),
    ],
)  # fmt: skip
def test_a_form_is_read_field_by_field(form, answers):
    assert read_answers(form) == answers
