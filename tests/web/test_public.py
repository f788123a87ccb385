import pytest

from browsing import join
from hegui.web.routes import ROUTES
from hegui.web.sessions import COOKIE, Sessions


def post(pages, path, **data):
    return pages.post(path, data=data, follow_redirects=False)


@pytest.mark.parametrize("path", ["/", "/register", "/agreement"])
def test_public_pages_open_for_everyone(pages, path):
    answer = pages.get(path)
    assert answer.status_code == 200
    assert "script-src 'self'" in answer.headers["content-security-policy"]


def test_language_by_address_cookie_and_browser(pages):
    assert 'lang="en"' in pages.get("/").text
    assert 'lang="zh-Hans"' in pages.get("/?lang=zh").text
    assert 'lang="zh-Hans"' in pages.get("/").text
    pages.cookies.clear()
    assert 'lang="zh-Hans"' in pages.get("/", headers={"accept-language": "zh-CN"}).text


def test_registration_leads_to_the_agreement(pages):
    answer = post(pages, "/register", name="李某")
    assert (answer.status_code, answer.headers["location"]) == (303, "/agreement")
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    assert "李某" in pages.get("/agreement").text


def test_who_registered_before_signs_in_again_by_name(pages, service):
    join(pages, service)
    person = service.archive.vault.person("development", "李某")
    assert "no password" in pages.get("/register").text
    assert post(pages, "/leave").headers["location"] == "/"
    again = post(pages, "/register", name=" 李某 ")
    assert again.headers["location"] == "/chat"
    assert Sessions(service.archive).find(pages.cookies[COOKIE], "person") == person


def test_of_two_who_register_one_name_at_once_one_is_told(pages, service, monkeypatch):
    service.archive.vault.add_person("development", "李某", "2026")
    monkeypatch.setattr(service.archive.vault, "person", lambda issuer, subject: None)
    late = post(pages, "/register", name="李某")
    assert late.status_code == 400
    assert "sign in" in late.text


def test_names_that_nobody_may_have(pages):
    assert post(pages, "/register", name=" ").status_code == 400
    assert post(pages, "/register", name="x" * 65).status_code == 400


def test_an_old_version_is_not_accepted(pages, service):
    post(pages, "/register", name="李某")
    assert post(pages, "/agreement", version="0" * 64).status_code == 409
    assert pages.get("/chat", follow_redirects=False).headers["location"] == "/agreement"


def test_acceptance_is_shown_with_its_time(pages, service):
    post(pages, "/register", name="李某")
    version = service.agreements.current()[0]
    assert post(pages, "/agreement", version=version).headers["location"] == "/chat"
    assert "+08:00" in pages.get("/agreement").text


def test_signing_out_ends_the_session_itself(pages, service):
    post(pages, "/register", name="李某")
    token = pages.cookies[COOKIE]
    assert Sessions(service.archive).find(token, "person")
    assert '<form method="post" action="/leave">' in pages.get("/agreement").text
    post(pages, "/leave")
    assert "/leave" not in pages.get("/agreement").text
    assert Sessions(service.archive).find(token, "person") is None


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site", "origin": "http://testserver"},
        {"sec-fetch-site": "cross-site", "origin": "http://testserver"},
    ],
)
def test_a_form_from_elsewhere_is_refused(pages, headers):
    answer = pages.post("/register", data={"name": "x"}, headers=headers)
    assert answer.status_code == 403
    assert "data-problem" in answer.text


def test_without_fetch_metadata_the_origin_decides(pages):
    del pages.headers["sec-fetch-site"]
    data = {"name": "x"}
    assert pages.post("/register", data=data).status_code == 403
    foreign = {"origin": "http://evil.example"}
    assert pages.post("/register", data=data, headers=foreign).status_code == 403
    own = {"origin": "http://testserver"}
    assert pages.post("/register", data=data, headers=own).status_code == 200


def test_every_page_of_a_role_is_closed_without_it(pages):
    for route in ROUTES:
        path = route.path.replace("{", "").replace("}", "")
        for method in route.methods:
            answer = pages.request(method, path, follow_redirects=False)
            if route.role == "person":
                assert answer.headers["location"] == "/register"
            elif route.role != "public":
                assert answer.status_code == 403


def test_an_unknown_address_is_a_page(pages):
    for answer in (pages.get("/nothing"), pages.post("/")):
        assert answer.status_code in {404, 405}
        assert "data-problem" in answer.text


def test_a_form_that_is_too_large_is_refused(pages):
    answer = post(pages, "/register", name="x" * 1_100_000)
    assert answer.status_code == 400
    assert "larger than" in answer.text


def test_a_failure_shows_no_traceback(pages, service, monkeypatch):
    monkeypatch.setattr(service.agreements, "current", lambda: 1 / 0)
    answer = pages.get("/agreement")
    assert answer.status_code == 500
    assert "ZeroDivisionError" not in answer.text


def test_a_link_is_used_once(pages, service):
    sessions = Sessions(service.archive)
    token = sessions.create("link", "staff1", 60)
    assert sessions.find(token, "staff") is None
    assert sessions.use_link(token) == "staff1"
    assert sessions.use_link(token) is None
    assert sessions.use_link(sessions.create("link", "staff1", 0)) is None
