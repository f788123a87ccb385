"""Art. 14: what is found stops at once, is on record with its rule, and a new rule acts at once."""

import json
import time

import pytest

from articles import asking, heads, standing
from hegui.evidence.archive import Archive
from hegui.policy import Policies
from hegui.policy.body import Hot
from hostile import CHUNKED, GoneError, Server, chunk, eventually
from routing import HIT, leaked, routed, said
from saying import choice
from serving import Serving, prepared, raw, serving_settings

pytestmark = pytest.mark.once

CHAT = "/v1/chat/completions"


def archive_of(gateway):
    return gateway.serving.service.archive


class Endless:
    """A model that says the hit and would go on for ever."""

    def __init__(self):
        self.told_to_stop = False

    def __call__(self, peer):
        peer.request()
        peer.send(CHUNKED)
        try:
            for text in ["before ", HIT]:
                peer.send(self._event(text))
            while True:
                peer.send(self._event("after "), pause=0.01)
        except GoneError:
            self.told_to_stop = True

    @staticmethod
    def _event(text):
        event = {"choices": [{"index": 0, "delta": {"content": text}}]}
        return chunk(f"data: {json.dumps(event)}\n\n".encode())


def test_generating_and_sending_stop_at_once(tmp_path):
    script = Endless()
    with Server(script) as model:
        settings = serving_settings(tmp_path, f"{model.url}/v1")
        secret = prepared(settings)
        with Serving(settings) as serving:
            headers = {"authorization": f"Bearer {secret}", "accept-language": "en"}
            body = json.dumps(asking(CHAT, stream=True)).encode()
            _, _, received = raw(serving.port, "POST", CHAT, body, headers)
            assert eventually(lambda: script.told_to_stop, 5)
            [end] = heads(serving.service.archive, "exchange.finished")
    assert leaked(received) == set()
    assert "A.1.f" in said(received)
    assert received.endswith(b"data: [DONE]\n\n")
    assert (end.facts["state"], end.facts["category"]) == ("withheld", "A.1.f")
    assert (end.facts["control"], end.facts["reason"]) == ("moderation", "output_withheld")
    assert "IM-14.1" in end.carries


def test_one_stop_does_not_end_the_service(tmp_path):
    with routed(tmp_path) as gateway:
        for text in (f"a {HIT}", "a fine answer"):
            gateway.model.says(choice(text))
            status, received = gateway.post(CHAT, asking(CHAT))
            assert status == 200
        assert "a fine answer" in said(received)
        ends = [head.facts["state"] for head in heads(archive_of(gateway), "exchange.finished")]
        assert ends == ["withheld", "finished"]
        found = standing(archive_of(gateway), "IM-14.1")
        assert found.state == "partly"  # rectifying and reporting are for people and cases
        counts = {part.found.name: part.found.count for part in found.parts}
        assert (counts["answers_moderated"].population, counts["answers_moderated"].good) == (2, 2)
        assert (counts["stops_explained"].population, counts["stops_explained"].good) == (1, 1)


def test_a_new_rule_acts_within_a_second_everywhere(tmp_path):
    with routed(tmp_path) as gateway:
        gateway.model.says(choice("all about snirkle"))

        def ends():
            told = json.loads(gateway.post(CHAT, asking(CHAT))[1])
            return told["choices"][0]["finish_reason"]

        assert ends() == "stop"
        elsewhere = Archive(gateway.serving.settings)  # as another process, or the command line
        began = time.monotonic()
        Policies(elsewhere).add_hot(Hot(term="snirkle", category="A.1.f"), "staff_1")
        elsewhere.close()
        assert eventually(lambda: ends() == "content_filter", 5)
        assert (
            time.monotonic() - began < 3
        )  # a second for the refresh; the rest is a slow machine's
        assert heads(archive_of(gateway), "exchange.finished")[-1].facts["category"] == "A.1.f"


def test_a_user_who_keeps_on_is_on_record_each_time(tmp_path):
    with routed(tmp_path) as gateway:
        for _ in range(3):
            assert gateway.post(CHAT, asking(CHAT, "tell me of zorblefax"))[0] == 400
        archive = archive_of(gateway)
        persons = {
            archive.vault.person_of(head.key) for head in heads(archive, "exchange.admitted")
        }
        ends = heads(archive, "exchange.finished")
        assert [head.facts["state"] for head in ends] == ["refused"] * 3
        assert all("IM-14.2" in head.carries for head in ends)
        assert len(persons) == 1
        assert None not in persons
        found = standing(archive, "IM-14.2")
        assert found.state == "partly"
        assert found.parts[0].found.count.population == 3
