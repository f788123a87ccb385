"""What matters most, once on PostgreSQL; the other tests of pages use SQLite."""

import re

from archive import nothing, settings_in
from browsing import join, make_service, visitor
from hegui.evidence.verify import verify
from hegui.people.staff import make_link
from hegui.web.app import Application


def test_from_registration_to_the_answer_of_staff(postgres_server, tmp_path):
    with postgres_server.fresh() as store, postgres_server.fresh() as vault:
        service = make_service(settings_in(tmp_path, store, vault))
        application = Application(service)
        with visitor(application) as user:
            staff = visitor(application)
            travel(service, user, staff)
            assert verify(service.archive, nothing, unseal=True).findings == []


def travel(service, user, staff):
    join(user, service)
    answered = user.post("/chat", data={"text": "Hello", "conversation": ""}).text
    assert 'data-state="finished"' in answered
    exchange = re.search("/report/([0-9a-f]{32})", answered)[1]
    reported = user.post(f"/report/{exchange}", data={"reason": "untrue", "text": "not so"})
    receipt = reported.url.path.removeprefix("/receipt/")

    staff.post(f"/staff/enter/{make_link(service.archive)}")
    assert exchange in staff.get("/staff/exchanges").text
    opened = staff.post(f"/staff/exchanges/{exchange}/open", data={"reason": "to handle a report"})
    assert ">Hello</p>" in opened.text
    assert opened.text.count("Content opened by staff-") == 1
    assert receipt in staff.get("/staff/reports").text
    words = staff.post(f"/staff/reports/{receipt}/open", data={"reason": "to handle a report"})
    assert "not so" in words.text
    data = {"state": "answered", "answer": "You are right."}
    staff.post(f"/staff/reports/{receipt}/step", data=data)
    assert ">Sound<" in staff.post("/staff/ledger/verify").text

    assert "You are right." in user.get(f"/receipt/{receipt}").text
    user.post("/leave")
    assert user.get(f"/receipt/{receipt}", follow_redirects=False).status_code == 303
    assert user.post("/register", data={"name": "李某"}).url.path == "/chat"
