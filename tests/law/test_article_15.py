"""Art. 15: whoever complains finds the way in, a receipt with the promised day, and an answer."""

import re
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
import time_machine

from archive import settings_in
from articles import standing
from browsing import join, make_service, visitor
from hegui.cases import BEIJING
from hegui.evidence.archive import Archive
from hegui.people.staff import make_link
from hegui.settings import Service
from hegui.web.app import Application

pytestmark = pytest.mark.once

DAYS = 4
NOON = datetime(2026, 11, 2, 4, tzinfo=UTC)


@pytest.fixture
def service(tmp_path):
    told = Service(report_address="hear@wombat.example", report_days=DAYS)
    return make_service(msgspec.structs.replace(settings_in(tmp_path), service=told))


def complain(pages, service, text="not so"):
    """Ask, report the answer, and return the receipt's number."""
    join(pages, service)
    answered = pages.post("/chat", data={"text": "Hello", "conversation": ""}).text
    exchange = re.search("/report/([0-9a-f]{32})", answered)[1]
    assert "<form" in pages.get(f"/report/{exchange}").text
    sent = pages.post(f"/report/{exchange}", data={"reason": "untrue", "text": text})
    return sent.url.path.removeprefix("/receipt/")


def test_way_in_and_time_are_published_to_everybody(service):
    with visitor(Application(service)) as pages:
        page = pages.get("/").text
    assert "hear@wombat.example" in page
    assert f"within {DAYS} days" in page


def test_the_receipt_promises_the_published_day_and_shows_the_answer(service):
    application = Application(service)
    with visitor(application) as user:
        staff = visitor(application)
        receipt = complain(user, service)
        due = (datetime.now(BEIJING) + timedelta(days=DAYS)).date().isoformat()
        assert f'datetime="{due}"' in user.get(f"/receipt/{receipt}").text
        waiting = standing(service.archive, "IM-15")
        assert waiting.parts[0].found.count.population == 0  # nothing is late, nothing answered
        staff.post(f"/staff/enter/{make_link(service.archive)}")
        assert receipt in staff.get("/staff/reports").text
        data = {"state": "answered", "answer": "You are right."}
        staff.post(f"/staff/reports/{receipt}/step", data=data)
        assert "You are right." in user.get(f"/receipt/{receipt}").text
        answered = standing(service.archive, "IM-15")
        assert answered.parts[0].found.count.population == 1
        assert (answered.state, answered.missing) == ("met", [])
        stranger = visitor(application)
        join(stranger, service, "王某")
        assert stranger.get(f"/receipt/{receipt}").status_code == 404


def stands(settings, later):
    """How the duty stands that long after NOON, as a new process finds it."""
    with time_machine.travel(NOON + later, tick=True):
        archive = Archive(settings)
        try:
            return standing(archive, "IM-15")
        finally:
            archive.close()


def test_an_overdue_complaint_turns_the_duty_until_it_is_answered(service):
    with time_machine.travel(NOON, tick=True), visitor(Application(service)) as user:
        receipt = complain(user, service)
        assert standing(service.archive, "IM-15").state == "met"
    within = timedelta(days=DAYS, hours=11)  # 23:00 of the promised day in Beijing
    assert stands(service.settings, within).state == "met"
    late = stands(service.settings, within + timedelta(hours=1, minutes=1))
    assert (late.state, late.missing) == ("not_met", [receipt])
    assert receipt in late.reasons[0].say("en")
    assert stands(service.settings, timedelta(days=90)).missing == [receipt]
