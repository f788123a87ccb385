"""Art. 4: what may not be asked is refused, what may not be said stops, minors are guarded more."""

import json

import pytest

from articles import ROUTES, asking, heads, standing
from routing import HIT, REFUSED, leaked, routed, said
from saying import choice

pytestmark = pytest.mark.once

COVERED = "啵呐釉铃"  # a word of the sample lexicon that adults see covered


@pytest.fixture(scope="module")
def gateway(tmp_path_factory):
    with routed(tmp_path_factory.mktemp("article4")) as found:
        yield found


def archive_of(gateway):
    return gateway.serving.service.archive


def chat(gateway, profile, text="hello"):
    body = asking("/v1/chat/completions", text)
    headers = {"x_hegui_profile": profile, "accept_language": "en"}
    return gateway.serving.ask(gateway.secret, body, **headers)[2]


@pytest.mark.parametrize("path", ROUTES)
def test_a_forbidden_request_is_refused_with_its_rule_and_the_way_to_appeal(gateway, path):
    gateway.model.says(choice("an answer"))
    status, received = gateway.post(path, asking(path, REFUSED))
    told = said(received)
    assert (status, gateway.model.asked) == (400, [])
    assert "refused under the published rule on" in told
    assert "A.1.d" in told
    last = heads(archive_of(gateway))[-1]
    assert f"/report/{last.subject}" in told
    assert (last.facts["state"], last.facts["category"]) == ("refused", "A.1.d")
    assert "IM-4.1" in last.carries


@pytest.mark.parametrize("streamed", [True, False])
@pytest.mark.parametrize("path", ROUTES)
def test_a_forbidden_answer_stops_before_its_first_character(gateway, path, streamed):
    gateway.model.says(choice(f"before {HIT} after"))
    status, received = gateway.post(path, asking(path, stream=streamed))
    told = said(received)
    assert status == 200
    assert leaked(received) == set()
    assert "after" not in told
    assert "withheld under the published rule" in told
    last = heads(archive_of(gateway), "exchange.finished")[-1]
    assert (last.facts["state"], last.facts["category"]) == ("withheld", "A.1.f")


def test_a_minor_gets_less_than_an_adult(gateway):
    gateway.model.says(choice(f"see {COVERED} here, or write to zhang@example.com"))
    adult, minor = (chat(gateway, profile)["choices"][0] for profile in ("adult", "minor"))
    assert adult["finish_reason"] == "stop"
    assert adult["message"]["content"].startswith("see **** here, or write to zhang@example.com")
    assert minor["finish_reason"] == "content_filter"
    assert minor["message"]["content"].startswith("see \n\n")
    gateway.model.says(choice("write to zhang@example.com"))
    assert "zhang" not in json.dumps(chat(gateway, "minor"))
    assert heads(archive_of(gateway), "exchange.finished")[-1].facts["profile"] == "minor"


def test_an_empty_answer_counts_as_judged(gateway):
    gateway.model.says(choice(""))
    assert gateway.post("/v1/chat/completions", asking("/v1/chat/completions"))[0] == 200
    assert heads(archive_of(gateway), "exchange.finished")[-1].facts["watched"] == "moderation"


def test_the_duty_is_proved_in_part_by_every_exchange_so_far(gateway):
    found = standing(archive_of(gateway), "IM-4.1")
    assert (found.state, found.missing) == ("partly", [])
    judged = {part.link.evidence: part.found.count for part in found.parts}
    assert judged["moderation_ran"].population == len(
        heads(archive_of(gateway), "exchange.admitted")
    )
