import json
import re

import msgspec
import pytest
from sqlalchemy import select

from archive import settings_in
from browsing import join, make_service, visitor
from hegui.cases import find_case, take_step
from hegui.settings import Limits
from hegui.store.tables import exchanges, outcomes
from hegui.web.app import Application

STREAM = {"accept": "text/event-stream"}
WORD = "zorblefax"  # of the sample lexicon; means nothing
UNSAFE = "演示：违规输出"
UNSAFE_WORD = "嘀咚瓦棱"


def stream(pages, text, conversation=""):
    form = {"text": text, "conversation": conversation}
    answer = pages.post("/chat", data=form, headers=STREAM)
    assert answer.headers["content-type"].startswith("text/event-stream")
    blocks = [block.split("\ndata: ") for block in answer.text.strip().split("\n\n")]
    return [(name.removeprefix("event: "), json.loads(data)) for name, data in blocks]


def said(events):
    return "".join(data["text"] for name, data in events if name == "text")


def of(events, wanted):
    return next(data for name, data in events if name == wanted)


def states(service):
    with service.archive.store.read() as connection:
        query = select(outcomes.c.state).order_by(outcomes.c.seq)
        return list(connection.execute(query).scalars())


def test_an_answer_streams_with_its_label(pages, service):
    join(pages, service)
    events = stream(pages, "Hello")
    names = [name for name, _ in events]
    assert names[0] == "start"
    assert names[-1] == "done"
    assert names.count("text") > 2
    assert said(events).endswith("[AI-generated content]")
    done = of(events, "done")
    assert (done["state"], done["label"]) == ("finished", "AI生成 / AI-generated")
    assert of(events, "start")["at"].endswith("+08:00")
    assert states(service) == ["finished"]


def test_the_page_loaded_again_shows_what_was_streamed(pages, service):
    join(pages, service)
    done = of(stream(pages, "Hello"), "done")
    page = pages.get("/chat").text
    assert done["exchange"] in page
    assert 'data-state="finished"' in page


def test_the_model_hears_what_was_said_before_but_nothing_refused(pages, service, monkeypatch):
    join(pages, service)
    stream(pages, "Hello")
    stream(pages, WORD)
    sent = []
    client = service.models.client("hegui-demo")
    post = client.post

    async def spy(path, body):
        sent.append(json.loads(body))
        return await post(path, body)

    monkeypatch.setattr(client, "post", spy)
    stream(pages, "And Article 14?")
    messages = sent[0]["messages"]
    assert [message["role"] for message in messages] == ["user", "assistant", "user"]
    assert messages[0]["content"] == "Hello"
    assert "AI-generated content" not in messages[1]["content"]


@pytest.mark.parametrize("text", [WORD, "ｚｏｒｂｌｅｆａｘ", "z o r b l e f a x"])
def test_a_forbidden_word_is_refused_with_rule_and_appeal(pages, service, text):
    join(pages, service)
    events = stream(pages, f"Tell me about {text} please")
    notice = of(events, "notice")
    assert said(events) == ""
    assert notice["state"] == of(events, "done")["state"] == "refused"
    assert notice["rule"].startswith("A.1.d")
    assert "IM-14.1" in notice["obligations"]
    assert pages.get(notice["appeal_url"]).status_code == 200
    assert states(service) == ["refused"]


def test_unsafe_output_is_withheld_and_said_so(pages, service):
    join(pages, service)
    events = stream(pages, UNSAFE)
    assert UNSAFE_WORD not in said(events)
    assert said(events)
    assert of(events, "notice")["state"] == of(events, "done")["state"] == "withheld"
    assert states(service) == ["withheld"]


def test_a_model_that_fails_is_told_as_interrupted(pages, service):
    join(pages, service)
    events = stream(pages, "demo: error")
    assert of(events, "notice")["state"] == of(events, "done")["state"] == "interrupted"
    assert states(service) == ["interrupted"]


def test_without_a_script_the_answer_comes_as_a_page(pages, service):
    join(pages, service)
    for text, state in [("Hello", "finished"), (WORD, "refused"), (UNSAFE, "withheld")]:
        answer = pages.post("/chat", data={"text": text, "conversation": ""})
        assert answer.url.path == "/chat"
        assert answer.url.params["c"]
        assert f'data-state="{state}"' in answer.text
        assert UNSAFE_WORD not in answer.text
    assert "/report/" in answer.text


def test_an_empty_question_is_told_on_the_page(pages, service):
    join(pages, service)
    answer = pages.post("/chat", data={"text": " ", "conversation": ""}, headers=STREAM)
    assert answer.status_code == 400
    assert re.search(r'id="problem" role="alert">There is no question', answer.text)


def test_nothing_is_asked_before_the_agreement_is_accepted(pages, service):
    pages.post("/register", data={"name": "x"})
    answer = pages.post("/chat", data={"text": "Hello"}, headers=STREAM, follow_redirects=False)
    assert answer.headers["location"] == "/agreement"
    with service.archive.store.read() as connection:
        assert connection.execute(select(exchanges)).first() is None


def test_a_report_leaves_a_receipt(pages, service):
    join(pages, service)
    report = of(stream(pages, "Hello"), "done")["report_url"]
    assert pages.post(report, data={"reason": "nonsense", "text": ""}).status_code == 400
    assert "within 15 days" in pages.get(report).text
    answer = pages.post(report, data={"reason": "untrue", "text": "not so\r\n" * 570})
    assert answer.url.path.startswith("/receipt/")
    receipt = answer.url.path.removeprefix("/receipt/")
    assert receipt in answer.text
    case = find_case(service.archive, receipt)
    assert f'datetime="{case.due}"' in answer.text
    take_step(service.archive, case, "staff-1", "answered", "You are right.")
    assert "You are right." in pages.get(f"/receipt/{receipt}").text


def test_what_belongs_to_another_person_stays_closed(pages, service):
    join(pages, service, "one")
    done = of(stream(pages, "Hello"), "done")
    receipt = pages.post(done["report_url"], data={"reason": "other", "text": ""}).url.path
    pages.cookies.clear()
    join(pages, service, "two")
    assert pages.get(receipt).status_code == 404
    assert pages.get(done["report_url"]).status_code == 404
    assert pages.post(done["report_url"], data={"reason": "other"}).status_code == 404
    page = pages.get(f"/chat?c={done['exchange']}").text
    assert f"{done['exchange']}" not in page.split("<main")[1]
    stream(pages, "Hello", done["exchange"])


def test_an_erased_person_is_signed_out(pages, service):
    join(pages, service)
    person = service.archive.vault.person("development", "李某")
    service.archive.vault.condemn(person, "2026-11-23T00:00:00.000000Z", "asked")
    assert pages.get("/chat", follow_redirects=False).headers["location"] == "/register"


def test_one_person_on_the_page_does_not_use_up_what_others_may_ask(tmp_path):
    settings = msgspec.structs.replace(settings_in(tmp_path), limits=Limits(key_per_minute=1))
    service = make_service(settings)
    application = Application(service)
    with visitor(application) as one:
        two = visitor(application)
        for person, name in ((one, "one"), (two, "two")):
            join(person, service, name)
        said = [p.post("/chat", data={"text": "Hello"}).status_code for p in (one, one, two)]
        assert said == [200, 429, 200]
        with service.archive.store.read() as connection:
            assert set(connection.execute(select(exchanges.c.api_key)).scalars()) == {"page"}
