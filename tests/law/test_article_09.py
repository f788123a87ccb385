"""Art. 9: who uses the service is known, and has accepted the agreement that is in force."""

import json

import pytest
import yaml

from articles import asking, heads, standing
from hegui.people.agreement import Agreements
from routing import routed
from saying import choice

pytestmark = pytest.mark.once

CHAT = "/v1/chat/completions"


@pytest.fixture
def gateway(tmp_path):
    with routed(tmp_path, accept=False) as found:
        found.model.says(choice("an answer"))
        yield found


def archive_of(gateway):
    return gateway.serving.service.archive


def ask(gateway):
    return gateway.serving.ask(gateway.secret, asking(CHAT))


def accept(gateway):
    """Read the agreement over the API and accept the version that was read."""
    _, _, shown = gateway.serving.ask(gateway.secret, path="/v1/agreement")
    body = {"version": shown["version"]}
    status, _, told = gateway.serving.ask(gateway.secret, body, "/v1/agreement")
    assert status == 200, told
    return shown["version"]


def test_without_acceptance_there_is_no_service_and_with_it_there_is(gateway):
    status, _, told = ask(gateway)
    assert (status, told["error"]["code"]) == (403, "agreement_required")
    assert told["error"]["obligations"] == ["IM-4.0", "IM-9.3"]
    assert "/agreement" in told["error"]["message"]
    assert gateway.model.asked == []
    assert heads(archive_of(gateway), "exchange.admitted") == []
    version = accept(gateway)
    assert ask(gateway)[0] == 200
    [accepted] = heads(archive_of(gateway), "agreement.accepted")
    assert (accepted.facts["version"], accepted.facts["by"]) == (version, "api")
    # The ledger names the acceptance's person by a key's id, which only the vault can resolve.
    person = archive_of(gateway).vault.person_of(accepted.key)
    assert archive_of(gateway).vault.person_of(accepted.facts["account"]) == person
    [admitted] = heads(archive_of(gateway), "exchange.admitted")
    assert archive_of(gateway).vault.person_of(admitted.key) == person
    assert person not in json.dumps(accepted.facts) + accepted.subject
    assert standing(archive_of(gateway), "IM-9.3").state == "met"


def test_a_new_version_is_asked_for_anew(gateway):
    old = accept(gateway)
    assert ask(gateway)[0] == 200
    agreements = gateway.serving.service.agreements
    text = yaml.safe_load(agreements.current()[2])
    text["title"]["en"] += ", second version"
    new = agreements.publish(yaml.safe_dump(text, allow_unicode=True).encode())
    assert ask(gateway)[2]["error"]["code"] == "agreement_required"
    stale = gateway.serving.ask(gateway.secret, {"version": old}, "/v1/agreement")
    assert (stale[0], stale[2]["error"]["code"]) == (409, "agreement_stale")
    assert accept(gateway) == new
    assert ask(gateway)[0] == 200
    versions = [each.facts["version"] for each in heads(archive_of(gateway), "agreement.accepted")]
    assert versions == [old, new]


def test_what_was_accepted_can_be_shown_again(gateway):
    version = accept(gateway)
    current = Agreements(archive_of(gateway)).current()
    assert current[0] == version
    _, _, shown = gateway.serving.ask(gateway.secret, path="/v1/agreement")
    assert shown["accepted"] > shown["since"]


@pytest.mark.parametrize("headers", [{}, {"authorization": "Bearer hg-nobody"}])
def test_who_is_not_known_is_not_served(gateway, headers):
    status, received = gateway.bare(CHAT, asking(CHAT), **headers)
    assert status == 401
    assert json.loads(received)["error"]["obligations"] == ["IM-9.1"]
    assert gateway.model.asked == []
