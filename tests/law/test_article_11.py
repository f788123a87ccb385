"""Art. 11: what was asked and answered is sealed, opened for a reason only, and can be made unreadable."""

import json

import pytest

from articles import asking, heads, standing
from hegui.evidence.erase import erase
from hegui.evidence.opening import open_exchange
from hegui.language import Problem
from hegui.policy import Policies
from hostile import eventually
from routing import routed
from saying import choice

pytestmark = pytest.mark.once

CHAT = "/v1/chat/completions"
ASKED, ANSWERED = "the wombat asks about a marsupial", "the marsupial answers in full"
MOBILE = "13800138000"
PASSING = b"personal_information: {input: pass}\n"


@pytest.fixture
def gateway(tmp_path):
    with routed(tmp_path) as found:
        yield found


def archive_of(gateway):
    return gateway.serving.service.archive


def ask(gateway, text, answer):
    """Ask, and return the exchange and what the user read."""
    gateway.model.says(choice(answer))
    status, head, told = gateway.serving.ask(
        gateway.secret, asking(CHAT, text), accept_language="en"
    )
    assert status == 200, told
    return head["x-hegui-exchange"], told["choices"][0]["message"]["content"]


def test_nothing_that_was_said_stands_readable_in_any_file(gateway, tmp_path):
    exchange, read = ask(gateway, ASKED, ANSWERED)
    assert ANSWERED in read
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    kept = {path.name: path.read_bytes() for path in files}
    assert any(exchange.encode() in data for data in kept.values())  # the record itself is there
    for words in (ASKED, ANSWERED):
        for form in (words.encode(), words.encode("utf-16-le"), words[4:16].encode()):
            assert [name for name, data in kept.items() if form in data] == []


def test_opening_asks_for_a_reason_and_is_on_record_before_anything_is_read(gateway):
    exchange, _ = ask(gateway, ASKED, ANSWERED)
    with pytest.raises(Problem) as refused:
        open_exchange(archive_of(gateway), exchange, "staff-7", " ")
    assert refused.value.code == "opening_reason"
    assert heads(archive_of(gateway), "content.opened") == []
    opened = open_exchange(archive_of(gateway), exchange, "staff-7", "a complaint")
    assert ASKED in opened.question
    assert ANSWERED in opened.answer
    [head] = heads(archive_of(gateway), "content.opened")
    assert (head.subject, head.time) == (exchange, opened.at)
    assert (head.facts["staff"], head.facts["reason"]) == ("staff-7", "a complaint")
    [part] = standing(archive_of(gateway), "IM-11.1").parts
    assert (part.found.count.population, part.found.outcome) == (1, "good")


def test_an_erased_person_can_be_read_by_nobody_and_the_ledger_still_stands(gateway):
    exchange, _ = ask(gateway, ASKED, ANSWERED)
    archive = archive_of(gateway)
    person = archive.vault.person_of(heads(archive, "exchange.admitted")[0].key)
    erase(archive, person, "request", "staff-7")
    with pytest.raises(Problem) as gone:
        open_exchange(archive, exchange, "staff-7", "a complaint")
    assert gone.value.code == "erased"
    assert "exchange.finished" in {head.kind for head in heads(archive)}


def test_the_model_is_not_shown_whom_it_is_about_unless_the_policy_says_so(gateway):
    question = f"my number is {MOBILE}"
    _, read = ask(gateway, question, "I call [MOBILE_1]")
    assert MOBILE not in json.dumps(gateway.model.asked)
    assert "my number is [MOBILE_1]" in json.dumps(gateway.model.asked)
    assert read.startswith(f"I call {MOBILE}")  # the user reads the answer whole
    policies = Policies(archive_of(gateway))
    version = policies.draft(PASSING, "staff_1")
    policies.stage(version, "live", "staff_1", urgent="a test")

    def shown():
        ask(gateway, question, "noted")
        return MOBILE in json.dumps(gateway.model.asked)

    assert eventually(shown, 5)
    assert heads(archive_of(gateway), "exchange.finished")[-1].facts["policy"] == version
