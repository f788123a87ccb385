"""The page "is this AI?", through the whole application: what it says of a file, and what it keeps."""

import asyncio
import re
import threading
from html import unescape

import pytest
from structlog.testing import capture_logs

from browsing import visitor
from hegui.labels import Label, write_bytes
from hegui.web import app
from hegui.web.pages.labels import LABEL_ROUTES
from hegui.web.routing import Route

PATH = "/is-this-ai"
PRODUCER = "001191110102MACQD9K64010000"
TEXT = b"---\ntitle: kept\n---\nwords\n"


def send(pages, data: bytes, name: str = "notes.md", language: str = "en"):
    return pages.post(f"{PATH}?lang={language}", files={"file": (name, data)})


def labelled(value: str = "1") -> bytes:
    return write_bytes(TEXT, Label.new(PRODUCER, "number-1", label=value), name="a.md")


def stamp(page: str) -> str:
    return re.search(r'<span class="stamp[^"]*">([^<]+)</span>', page)[1]


@pytest.mark.parametrize("path", ["/", "/register", "/agreement"])
def test_every_public_page_leads_there(pages, path):
    assert f'href="{PATH}"' in pages.get(path).text
    assert 'type="file"' in pages.get(PATH).text


@pytest.mark.parametrize(
    ("value", "notice", "article"),
    [
        ("1", "This content is AI-generated", "LB-6.1"),
        ("2", "This content may be AI-generated (declared by its publisher)", "LB-6.2"),
        ("3", "This content is suspected to be AI-generated", "LB-6.3"),
    ],
)
def test_a_label_is_told_with_its_grade_its_notice_and_its_fields(pages, value, notice, article):
    answer = send(pages, labelled(value))
    assert answer.status_code == 200
    assert stamp(answer.text) == "compliant"
    assert f"<h2>{notice}</h2>" in answer.text
    assert f"<code>{article}</code>" in answer.text
    assert answer.text.count(f"<code>{PRODUCER}</code>") == 2
    assert answer.text.count("<code>number-1</code>") == 2
    assert "and no more" in answer.text
    assert "Why it is not called compliant" not in answer.text


@pytest.mark.parametrize(
    ("data", "name", "verdict", "told"),
    [
        (TEXT, "a.md", "no label found", ["no implicit label was found", "Labelling Measures, Art. 5"]),
        (TEXT.replace(b"kept", b"kept\nAIGC: '{}'"), "a.md", "not compliant", ["Annex E", "missing_field"]),
        (b"\x89PNG\r\n\x1a\n\0\0", "a.png", "cannot be said", ["<code>truncated</code>"]),
        (b"\0\1\2\3", "a", "cannot be said", ["a format that is not known"]),
        (b"", "empty.bin", "cannot be said", ["a format that is not known"]),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_with_its_clause(pages, data, name, verdict, told):
    page = send(pages, data, name).text
    assert stamp(page) == verdict
    assert all(each in page for each in told)


def test_the_reasons_are_in_the_language_of_the_page(pages):
    page = send(pages, TEXT, language="zh").text
    assert "没有找到隐式标识" in page
    assert "《人工智能生成合成内容标识办法》第五条" in page
    assert "no implicit label" not in page


def test_a_missing_label_is_never_called_human_work(pages):
    assert "does not mean that a person did" in unescape(send(pages, TEXT).text)


def test_what_a_file_says_is_text_and_no_markup(pages):
    bad = TEXT.replace(b"kept", b"""kept\nAIGC: '{"Label":"<script>x</script>","<b>":"1"}'""")
    page = send(pages, bad, "<i>.md").text
    assert "<script>" not in page
    assert "<b>" not in page
    assert "&lt;script&gt;" in page
    assert "&lt;b&gt;" in page


def test_without_a_file_the_page_says_so(pages):
    for answer in (
        pages.post(PATH, files={"file": ("", b"")}),
        pages.post(PATH, files={"other": ("a", b"x")}),
    ):
        assert answer.status_code == 400
        assert "Choose a file first." in answer.text
    assert "could not be read" in pages.post(PATH, data={"file": "x"}).text


def test_a_file_that_is_too_large_is_refused(service):
    route = LABEL_ROUTES[1]
    small = Route(route.path, route.methods, route.role, route.handler, 1000, route.at_once)
    with visitor(served(service, small)) as pages:
        answer = send(pages, TEXT * 100)
        assert answer.status_code == 400
        assert "64 MB" in answer.text
        assert "hegui verify" in answer.text
        assert stamp(send(pages, TEXT).text) == "no label found"


def served(service, *routes: Route) -> app.Application:
    """The application with these routes in place of others of the same path and method."""
    application = app.Application(service)
    mounted = application._pages.router.routes
    mounted[:0] = [route.mounted() for route in routes]
    return application


def test_one_more_than_may_be_at_it_is_told_to_wait(service):
    begun, go_on = threading.Event(), threading.Event()

    async def wait(request):
        begun.set()
        await asyncio.to_thread(go_on.wait, 30)
        return await LABEL_ROUTES[1].handler(request)

    one = Route(PATH, ("POST",), "public", wait, upload=1000, at_once=1)
    with visitor(served(service, one)) as pages:
        answers = []
        first = threading.Thread(target=lambda: answers.append(send(pages, TEXT)))
        first.start()
        assert begun.wait(30)
        late = send(pages, TEXT)
        assert late.status_code == 503
        assert "try again in a minute" in late.text
        go_on.set()
        first.join(30)
        assert stamp(answers[0].text) == "no label found"
        assert send(pages, TEXT).status_code == 200


def test_nothing_of_the_file_is_kept_or_logged(pages, service, tmp_path):
    secret = b"only-in-this-file"
    data = TEXT.replace(b"kept", b'kept\nAIGC: \'{"Label":"' + secret + b"\"}'")
    with capture_logs() as logs:
        assert secret.decode() in send(pages, data, "my-own-name.md").text
    assert "my-own-name" not in str(logs)
    assert secret.decode() not in str(logs)
    for path in tmp_path.rglob("*"):
        if path.is_file():
            kept = path.read_bytes()
            assert secret not in kept, path
            assert b"my-own-name" not in kept, path


def test_a_form_from_elsewhere_is_refused(pages):
    foreign = {"sec-fetch-site": "cross-site"}
    assert pages.post(PATH, files={"file": ("a", b"x")}, headers=foreign).status_code == 403
