"""The register's pages, through the whole application: what is on record is what they show."""

import re
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from html.parser import HTMLParser

import msgspec
import pytest

from archive import settings_in
from browsing import join, make_service, visitor
from hegui.evidence.counting import Count
from hegui.evidence.signed import last_owners, list_signed
from hegui.gateway.service import Service
from hegui.law import register
from hegui.people.staff import make_link
from hegui.settings import Controls
from hegui.web import app
from hegui.web.pages.staff_changes import law_changes
from hegui.web.pages.staff_register import REGISTER_ROUTES
from hegui.web.pages.standing import SHOWN, linked, spark
from hegui.web.routes import ROUTES

TODAY = datetime.now(UTC).date()
LATER = (TODAY + timedelta(days=200)).isoformat()
EXCHANGE = f"{7:032x}"
FILE = b"signed and sealed"


@pytest.fixture(name="at_work")
def at_work_fixture(pages, service):
    assert pages.post(f"/staff/enter/{make_link(service.archive)}").url.path == "/staff"
    return pages


def ask(pages, service, name="李某"):
    """One exchange of a user of this service; returns its id."""
    user = visitor(pages.app)
    join(user, service, name)
    answered = user.post("/chat", data={"text": "Hello", "conversation": ""}).text
    assert 'data-state="finished"' in answered
    pages.post("/staff/check")
    return re.search("/report/([0-9a-f]{32})", answered)[1]


def article(page: str, number: int) -> str:
    """The row of an article on the home page."""
    head = f'<th scope="row" data-th="Article">{number}</th>'
    return page.partition(head)[2].partition("</tr>")[0]


def rows(page: str) -> list[str]:
    return re.findall(r'<th scope="row" data-th="Duty"><a href="/staff/duty/([^"]+)"', page)


# -- home ------------------------------------------------------------------------------------------


def test_the_console_opens_with_every_article_and_every_duty(at_work):
    page = at_work.get("/staff").text
    assert all(article(page, number) for number in range(1, 25))
    assert "No duty of its own" in article(page, 1)
    linked_duties = set(re.findall('href="/staff/duty/([^"]+)"', page))
    assert linked_duties == {duty.id for duty in register()}
    assert sum(map(int, re.findall(r"<b>(\d+)</b>", page))) == len(register())
    assert len(page.encode()) < 250_000


def test_an_article_turns_when_its_control_is_switched_off_and_names_the_exchange(tmp_path):
    settings = settings_in(tmp_path)
    service = make_service(settings)
    with visitor(app.Application(service)) as pages:
        pages.post(f"/staff/enter/{make_link(service.archive)}")
        ask(pages, service)
        assert ">IM-9.3</a> met" in article(pages.get("/staff").text, 9)
    off = msgspec.structs.replace(settings, controls=Controls(off=("agreement",)))
    service = Service(off)
    with visitor(app.Application(service)) as pages:
        pages.post(f"/staff/enter/{make_link(service.archive)}")
        exchange = ask(pages, service, "王某")
        after = article(pages.get("/staff").text, 9)
        assert ">not met</span>" in after
        assert ">IM-9.3</a> not met" in after
        assert f'href="/staff/exchanges/{exchange}"' in after
        duty = pages.get("/staff/duty/IM-9.3").text
        assert f"<code>{exchange}</code>" in duty
        assert "1 of 2 since" in duty
        assert 'class="wrong"' in duty


def test_checking_now_says_when(at_work):
    at_work.post("/staff/check")
    page = at_work.get("/staff").text
    assert "Nothing has been checked yet" not in page
    assert "Checked at" in page


@pytest.mark.parametrize(
    ("query", "chosen"),
    [
        ("instrument=LB", lambda duty: duty.id.startswith("LB-")),
        ("facet=minors&role=D", lambda duty: "minors" in duty.facets and "D" in duty.actors),
        ("role=D", lambda duty: "D" in duty.actors),
    ],
)
def test_filters_of_the_address_choose_the_duties(at_work, query, chosen):
    page = at_work.get(f"/staff?{query}").text
    assert rows(page) == [duty.id for duty in register() if chosen(duty)]
    assert len(rows(page)) > 0


def test_the_filter_of_a_state_agrees_with_its_count(at_work):
    page = at_work.get("/staff").text
    for state in SHOWN:
        count = re.search(rf'state={state}".*?<b>(\d+)</b>', page)[1]
        assert len(rows(at_work.get(f"/staff?state={state}").text)) == int(count)


def test_a_filter_that_nothing_fits_says_so(at_work):
    assert "No duty matches" in at_work.get("/staff?state=nonsense").text


# -- the whole -------------------------------------------------------------------------------------


class Page(HTMLParser):
    """What no page may have: scripts and inline styles (the policy forbids them), ids twice."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.faults: list[str] = []
        self.ids: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.faults += [f"<{tag}>" for bad in ("script", "style") if tag == bad]
        self.faults += [name for name in given if name == "style" or name.startswith("on")]
        self.ids += [given["id"]] if "id" in given else []


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize(
    "path",
    ["/staff?state=", "/staff?state=planned", "/staff/duty/IM-2.1?", "/staff/evidence?",
     "/staff/changes?", "/staff/ledger/0?"],
)  # fmt: skip
def test_every_page_in_both_languages_without_script(at_work, service, path, language):
    add(at_work, "IM-2.1")
    answer = at_work.get(f"{path}&lang={language}")
    assert answer.status_code == 200
    assert f'<html lang="{"zh-Hans" if language == "zh" else "en"}">' in answer.text
    page = Page(answer.text)
    assert page.faults == []
    assert len(page.ids) == len(set(page.ids))


@pytest.mark.parametrize("duty", [duty.id for duty in register()][::9])
def test_the_page_of_a_duty_has_its_text_in_both_languages(at_work, duty):
    found, page = register().obligation(duty), at_work.get(f"/staff/duty/{duty}").text
    text = page.replace("&#39;", "'").replace("&#34;", '"').replace("&amp;", "&")
    assert found.duty.zh in text
    assert found.duty.en in text
    assert all(code in text for code in found.sanctions)
    assert all(reading.question.en in text for reading in found.interpretations)


@pytest.mark.parametrize(
    "path", ["/staff", "/staff/duty/IM-12", "/staff/evidence", "/staff/changes", "/staff/ledger/0"]
)
def test_only_staff_come_in(pages, path):
    assert pages.get(path).status_code == 403


@pytest.mark.parametrize("path", ["duty/IM-1", "duty/none", "ledger/99999", "ledger/x"])
def test_what_is_not_there_is_not_found(at_work, path):
    assert at_work.get(f"/staff/{path}").status_code == 404


@pytest.mark.parametrize(
    "path",
    ["check", "duty/IM-12/owner", "duty/IM-12/review", "duty/IM-2.1/proof", "evidence/x/end"],
)
def test_a_form_from_elsewhere_is_refused(at_work, path):
    foreign = {"sec-fetch-site": "cross-site"}
    assert at_work.post(f"/staff/{path}", headers=foreign).status_code == 403


# -- what people add -------------------------------------------------------------------------------


def add(pages, duty, **given):
    data = {"signer": "Wang Fang", "owner": "legal", "valid_until": LATER, "about": "one"}
    return pages.post(
        f"/staff/duty/{duty}/proof", data=data | given, files={"file": ("signed.pdf", FILE)}
    )


def test_signed_evidence_turns_the_duty_that_waited_for_it(at_work, service):
    assert ">waits for people</span>" in at_work.get("/staff/duty/IM-2.2").text
    page = add(at_work, "IM-2.2").text
    assert ">waits for people</span>" not in page
    proof = list_signed(service.archive)[0]
    assert (proof.about, proof.sha256) == (("IM-2.2",), sha256(FILE).hexdigest())
    assert proof.staff.startswith("staff-")
    assert proof.sha256 in page
    assert f"/staff/ledger/{proof.seq}" in page
    assert "proof.added" in at_work.get(f"/staff/ledger/{proof.seq}").text
    assert ">Holds</span>" in at_work.get("/staff/evidence").text


def test_signed_evidence_may_count_for_every_duty_of_its_kind(at_work, service):
    add(at_work, "IM-2.2", about="all")
    asked = {duty.id for duty in register() if duty.human == register().obligation("IM-2.2").human}
    assert len(asked) > 1
    assert set(list_signed(service.archive)[0].about) == asked


def test_evidence_that_ends_soon_or_was_ended_is_shown_so(at_work, service):
    add(at_work, "IM-2.2", valid_until=(TODAY + timedelta(days=5)).isoformat())
    assert ">Ends soon</span>" in at_work.get("/staff/evidence").text
    proof = list_signed(service.archive)[0].proof
    empty = at_work.post(f"/staff/evidence/{proof}/end", data={"reason": " "})
    assert (empty.status_code, "Say why" in empty.text) == (400, True)
    ended = at_work.post(f"/staff/evidence/{proof}/end", data={"reason": "the licence was sold"})
    assert ">Ended</span>" in ended.text
    assert "the licence was sold" in ended.text
    assert ">due</span>" in at_work.get("/staff/duty/IM-2.2").text


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"valid_until": "soon"}, "Give the last day"),
        ({"valid_until": "2001-01-01"}, "must hold until a day after it begins"),
        ({"signer": " "}, "Name who signed it"),
    ],
)
def test_a_mistake_is_told_at_the_form_and_nothing_typed_is_lost(at_work, service, given, told):
    answer = add(at_work, "IM-2.2", note="typed by hand", **given)
    assert answer.status_code == 400
    assert told in answer.text
    assert 'value="typed by hand"' in answer.text
    assert list_signed(service.archive) == []


def test_a_form_without_a_file_is_told(at_work):
    data = {"signer": "Wang Fang", "owner": "legal", "valid_until": LATER}
    answer = at_work.post("/staff/duty/IM-2.2/proof", data=data, files={"file": ("", b"")})
    assert (answer.status_code, "Choose the signed file" in answer.text) == (400, True)
    assert at_work.post("/staff/duty/IM-2.2/proof", data=data).status_code == 400
    assert add(at_work, "IM-12").status_code == 400  # asks for none


def test_a_file_that_is_too_large_is_told_at_the_form(service, monkeypatch):
    small = [msgspec.structs.replace(each, upload=1000 if each.upload else 0) for each in ROUTES]
    monkeypatch.setattr(app, "ROUTES", small)
    with visitor(app.Application(service)) as pages:
        pages.post(f"/staff/enter/{make_link(service.archive)}")
        data = {"signer": "Wang Fang", "owner": "legal", "valid_until": LATER}
        answer = pages.post(
            "/staff/duty/IM-2.2/proof", data=data, files={"file": ("big.pdf", b"x" * 5_000_000)}
        )
    assert (answer.status_code, "hegui evidence add" in answer.text) == (400, True)
    assert 'value="Wang Fang"' in answer.text
    assert list_signed(service.archive) == []


def test_an_owner_is_named_and_shown(at_work, service):
    page = at_work.post("/staff/duty/IM-15/owner", data={"owner": "complaints desk"}).text
    assert "Owner: complaints desk" in page
    assert last_owners(service.archive) == {"IM-15": "complaints desk"}
    assert "complaints desk" in article(at_work.get("/staff").text, 15)


def test_a_review_of_an_open_reading_lets_it_be_met(at_work, service):
    ask(at_work, service)
    assert ">needs a review</span>" in article(at_work.get("/staff").text, 12)
    data = {"reviewer": "Chen & Partners", "capacity": "counsel", "valid_until": LATER}
    address = "/staff/duty/IM-12/review"
    wrong = at_work.post(address, data=data | {"finding": "as assumed", "capacity": "judge"})
    assert (wrong.status_code, ">as assumed</textarea>" in wrong.text) == (400, True)
    page = at_work.post(address, data=data | {"finding": "as assumed"}).text
    assert "Reviewed by Chen &amp; Partners (Counsel)" in page
    assert ">met</span>" in article(at_work.get("/staff").text, 12)
    needless = at_work.post("/staff/duty/IM-9.3/review", data=data | {"finding": "fine"})
    assert (needless.status_code, "needs no review" in needless.text) == (400, True)


# -- what changed ----------------------------------------------------------------------------------


def test_what_changed_is_listed_newest_first(at_work, service):
    at_work.post("/staff/duty/IM-15/owner", data={"owner": "complaints desk"})
    add(at_work, "IM-2.2")
    page = at_work.get("/staff/changes").text
    assert page.index("Signed evidence by Wang Fang") < page.index("Owner named: complaints desk")


def test_the_list_of_changes_turns_its_pages(at_work, service):
    for number in range(51):
        at_work.post("/staff/duty/IM-15/owner", data={"owner": f"desk {number:02}"})
    first = at_work.get("/staff/changes").text
    assert "desk 50" in first
    older = re.search(r'href="(/staff/changes\?before=\d+)" rel="next"', first)[1]
    second = at_work.get(older).text
    assert "desk 00" in second
    assert "desk 50" not in second
    assert at_work.get("/staff/changes?before=x").status_code == 200


def test_the_law_is_told_by_day_and_instrument():
    told = law_changes(date(2025, 12, 31), date(2026, 7, 15), "en")
    days = {(row["day"], row["code"]): row for row in told}
    assert ("CSL-21", "CSL-23") in days["2026-01-01", "CSL"]["renumbered"]
    assert days["2026-07-15", "HI"]["began"] == len(
        [row for row in register().provisions if row.instrument == "HI"]
    )
    assert days["2026-04-03", "DH"]["status"] == "draft"
    assert law_changes(date(2026, 7, 15), date(2026, 7, 16), "en") == []


# -- pieces ----------------------------------------------------------------------------------------


def test_exchanges_and_receipts_in_a_text_are_linked_and_nothing_else_is_markup():
    told = linked(f"<b> {EXCHANGE}, 1234-5678-90 and 2026-11-24")
    assert told.startswith("&lt;b&gt; <a href=")
    assert f'<a href="/staff/exchanges/{EXCHANGE}"><code>…{EXCHANGE[-8:]}</code></a>' in told
    assert 'href="/staff/reports/1234-5678-90"' in told
    assert told.endswith("and 2026-11-24")


def test_a_sparkline_has_a_bar_a_day_and_shows_the_smallest_fault():
    days = {
        TODAY.isoformat(): Count(1000, 999, [EXCHANGE]),
        (TODAY - timedelta(days=29)).isoformat(): Count(1, 1),
        (TODAY - timedelta(days=40)).isoformat(): Count(5, 5),
    }
    drawn = spark(days, TODAY, 30)
    assert [bar["x"] for bar in drawn["bars"]] == [0, 29 * 8]
    assert [bar["bad"] for bar in drawn["bars"]] == [0, 2]
    assert drawn["bars"][1]["high"] == drawn["tall"]


def test_the_home_of_the_console_is_the_register():
    assert REGISTER_ROUTES[0].path == "/staff"
