"""Policies at work: masked answers, minimised questions, minors, hot rules, shadows, parts unseen."""

import json
import time

import pytest
from sqlalchemy import select

from hegui.evidence.archive import Archive
from hegui.evidence.ledger import read_head
from hegui.policy import Policies
from hegui.policy.body import Hot
from hegui.settings import Limits
from hegui.store.tables import entries
from hostile import eventually
from scripted import ScriptedModel
from serving import HELLO, Serving, prepared, raw, serving_settings

MOBILE = "13800138000"
WORD = "zorblefax"


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    with ScriptedModel() as model:
        limits = Limits(key_per_minute=10**6, user_per_minute=10**6)
        settings = serving_settings(tmp_path_factory.mktemp("policy"), model.url, limits=limits)
        secret = prepared(settings)
        with Serving(settings) as serving:
            yield model, serving, secret


def ask(house, text="hello", profile="adult", **fields):
    _, serving, secret = house
    body = HELLO | {"messages": [{"role": "user", "content": text}]} | fields
    return serving.ask(secret, body, accept_language="en", x_hegui_profile=profile)


def answer_of(answer):
    return answer[2]["choices"][0]["message"]["content"].split("\n\n[AI")[0]


def stream(house, text):
    _, serving, secret = house
    body = HELLO | {"messages": [{"role": "user", "content": text}], "stream": True}
    headers = {"authorization": f"Bearer {secret}"}
    _, _, data = raw(
        serving.port, "POST", "/v1/chat/completions", json.dumps(body).encode(), headers
    )
    events = [json.loads(e[6:]) for e in data.decode().split("\n\n") if e.startswith("data: {")]
    return "".join(c["delta"].get("content") or "" for e in events for c in e["choices"]).split(
        "\n\n["
    )[0]


def facts(house):
    """What the ledger says publicly of the last exchange that ended."""
    with house[1].service.archive.store.read() as connection:
        heads = connection.execute(
            select(entries.c.head).order_by(entries.c.seq.desc()).limit(4)
        ).scalars()
        found = [read_head(head) for head in heads]
    return next(head.facts for head in found if head.kind == "exchange.finished")


def test_personal_information_in_an_answer_is_covered(house):
    house[0].chat({"content": f"Call {MOBILE} now."})
    assert answer_of(ask(house)) == "Call *********** now."
    assert facts(house)["found"] == ["mobile"]
    house[0].chat_stream(*[(0, {"content": letter}) for letter in f"Call {MOBILE} now."])
    assert stream(house, "hello") == "Call *********** now."


def test_the_model_is_asked_without_personal_information_and_the_user_reads_it_all(house):
    model = house[0]
    model.chat({"content": "I shall call [MOBILE_1] at once."})
    assert answer_of(ask(house, f"my number is {MOBILE}")) == f"I shall call {MOBILE} at once."
    sent = json.dumps(model.requests[-1][1])
    assert MOBILE not in sent
    assert "my number is [MOBILE_1]" in sent
    model.chat_stream(*[(0, {"content": letter}) for letter in "It is [MOBILE_1]. And [MOBILE_2]?"])
    assert stream(house, f"my number is {MOBILE}") == f"It is {MOBILE}. And [MOBILE_2]?"


def test_what_one_user_wrote_is_given_back_to_nobody_else(house):
    house[0].chat({"content": "It was [MOBILE_1]."})
    assert answer_of(ask(house, "what was the number?")) == "It was [MOBILE_1]."


@pytest.fixture
def policies(house):
    archive = Archive(house[1].settings)
    yield Policies(archive)
    archive.close()


def test_a_hot_rule_acts_within_a_second_and_ends_as_soon(house, policies):
    house[0].chat({"content": "all about snirkle"})
    assert answer_of(ask(house)) == "all about snirkle"
    began = time.monotonic()
    policies.add_hot(Hot(term="snirkle", category="A.1.f"), "staff_1")
    withheld = lambda: ask(house)[2]["choices"][0]["finish_reason"] == "content_filter"  # noqa: E731
    assert eventually(withheld, 5)
    assert time.monotonic() - began < 3  # a second for the refresh; the rest is a slow machine's
    assert ask(house, "tell me of snirkle")[2]["error"]["code"] == "input_refused"
    policies.remove_hot("snirkle", "staff_1")
    assert eventually(lambda: not withheld(), 5)


def test_a_policy_in_shadow_decides_nothing_and_leaves_its_mark(house, policies):
    body = b"actions:\n  mobile: {adult: withhold}\n"
    version = policies.draft(body, "staff_1")
    policies.stage(version, "shadow", "staff_1")
    house[0].chat({"content": f"Call {MOBILE} now."})
    assert eventually(lambda: ask(house) and "shadow" in facts(house), 5)
    assert answer_of(ask(house)) == "Call *********** now."
    assert facts(house)["shadow"] == ["A.4.f mask withhold"]
    policies.stage(version, "live", "staff_1")
    assert eventually(lambda: ask(house)[2]["choices"][0]["finish_reason"] == "content_filter", 5)
    assert facts(house)["policy"] == version
    policies.stage(version, "retired", "staff_1")
    assert eventually(lambda: ask(house)[2]["choices"][0]["finish_reason"] == "stop", 5)


def test_minors_have_rules_of_their_own(house, policies):
    version = policies.draft(b"actions:\n  email: {adult: pass, minor: mask}\n", "staff_1")
    policies.stage(version, "live", "staff_1", urgent="a test")
    house[0].chat({"content": "Write to zhang@example.com today."})
    assert eventually(lambda: "zhang" in answer_of(ask(house)), 5)
    assert answer_of(ask(house, profile="minor")) == "Write to ***************** today."
    assert facts(house)["profile"] == "minor"
    assert ask(house, profile="child")[0] == 400
    policies.stage(version, "retired", "staff_1")


def test_parts_that_cannot_be_read_pass_only_by_name(house, policies):
    image = [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]
    house[0].chat({"content": "a cat"})
    assert ask(house, image)[2]["error"]["code"] == "unscannable"
    body = b"unscanned:\n  image: {action: pass, owner: staff_7, reason: checked elsewhere}\n"
    version = policies.draft(body, "staff_1")
    policies.stage(version, "live", "staff_1", urgent="a test")
    assert eventually(lambda: ask(house, image)[0] == 200, 5)
    assert house[0].requests[-1][1]["messages"][0]["content"] == image
    with house[1].service.archive.store.read() as connection:
        heads = connection.execute(
            select(entries.c.head).order_by(entries.c.seq.desc()).limit(2)
        ).scalars()
        admitted = [read_head(head) for head in heads][-1]
    assert admitted.facts["unscanned"] == [
        {"kind": "image", "owner": "staff_7", "reason": "checked elsewhere"}
    ]
    policies.stage(version, "retired", "staff_1")
