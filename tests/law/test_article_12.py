"""Art. 12: every answer that a person or program reads says that it is AI-generated."""

import json

import pytest

from articles import ROUTES, asking, heads, standing
from hegui.labels.text import explicit, suffix
from hostile import reply
from routing import SCHEMA, routed, said
from saying import choice
from serving import MODEL, raw

pytestmark = pytest.mark.once

TOOL = {"type": "function", "function": {"name": "weather", "parameters": SCHEMA}}
VECTORS = {"data": [{"embedding": [0.5, 0.25], "index": 0}], "usage": {}}


@pytest.fixture(scope="module")
def gateway(tmp_path_factory):
    with routed(tmp_path_factory.mktemp("article12")) as found:
        yield found


def archive_of(gateway):
    return gateway.serving.service.archive


def post(gateway, path, body, language="en"):
    headers = {"authorization": f"Bearer {gateway.secret}", "accept-language": language}
    return raw(gateway.serving.port, "POST", path, json.dumps(body).encode(), headers)


def envelopes(received):
    """Every machine-readable label in what was received, streamed or whole."""
    found = []

    def walk(value):
        if isinstance(value, dict):
            found.extend([value["aigc"]] if value.get("aigc") else [])
            for each in value.values():
                walk(each)
        elif isinstance(value, list):
            for each in value:
                walk(each)

    blocks = received.decode().split("\n\n") if b"data: " in received else [received.decode()]
    texts = [block.partition("data: ")[2] or block for block in blocks if block.strip()]
    walk([json.loads(text) for text in texts if text.strip() != "[DONE]"])
    return found


@pytest.mark.parametrize("streamed", [True, False])
@pytest.mark.parametrize("path", ROUTES)
def test_every_answer_is_labelled_in_its_text_its_envelope_and_its_header(gateway, path, streamed):
    gateway.model.says(choice("one two"))
    for language in ("en", "zh"):
        _, head, received = post(gateway, path, asking(path, stream=streamed), language)
        exchange = head["x-hegui-exchange"]
        assert head["x-aigc-label"] == "1"
        marks = envelopes(received)
        assert marks
        assert {mark["ProduceID"] for mark in marks} == {exchange}
        assert "".join(_letters(received, path, streamed)) == f"one two{suffix(language)}"
        last = heads(archive_of(gateway), "exchange.finished")[-1]
        assert (last.subject, last.facts["label"]) == (exchange, explicit().version)


def _letters(received, path, streamed):
    """The answer as a client puts it together."""
    if not streamed:
        body = json.loads(received)
        if path == "/v1/responses":
            return [part["text"] for item in body["output"] for part in item["content"]]
        if path == "/v1/messages":
            return [part["text"] for part in body["content"]]
        return [each["message"]["content"] if "message" in each else each["text"]
                for each in body["choices"]]  # fmt: skip
    blocks = [block.partition("data: ")[2] for block in received.decode().split("\n\n")]
    events = [json.loads(block) for block in blocks if block and block != "[DONE]"]
    if path == "/v1/responses":
        return [e["delta"] for e in events if e["type"] == "response.output_text.delta"]
    if path == "/v1/messages":
        return [e["delta"]["text"] for e in events if e["type"] == "content_block_delta"]
    choices = [each for event in events for each in event["choices"]]
    return [each["delta"].get("content") or "" if "delta" in each else each["text"]
            for each in choices]  # fmt: skip


@pytest.mark.parametrize("streamed", [True, False])
def test_what_a_program_reads_is_labelled_beside_it_and_not_inside(gateway, streamed):
    gateway.model.says(choice(calls=[("weather", '{"city":"Paris"}')]))
    body = asking("/v1/chat/completions", stream=streamed, tools=[TOOL])
    _, head, received = post(gateway, "/v1/chat/completions", body)
    assert head["x-aigc-label"] == "1"
    assert envelopes(received)
    assert explicit().text.en not in said(received)


def test_a_withheld_answer_is_labelled_too(gateway):
    gateway.model.says(choice("before quindrasp after"))
    _, head, received = post(
        gateway, "/v1/chat/completions", asking("/v1/chat/completions", stream=True)
    )
    assert head["x-aigc-label"] == "1"
    assert explicit().text.en in "".join(_letters(received, "/v1/chat/completions", streamed=True))


def test_vectors_are_no_answer_and_bear_no_label(gateway):
    before = len(envelopes_counted(gateway))
    gateway.model.sends(reply(json.dumps(VECTORS).encode()))
    status, head, received = post(gateway, "/v1/embeddings", {"model": MODEL, "input": "a"})
    gateway.model.says(choice("ok"))
    assert (status, head["x-aigc-label"], envelopes(received)) == (200, None, [])
    assert heads(archive_of(gateway), "exchange.finished")[-1].facts["label"] == ""
    assert len(envelopes_counted(gateway)) == before


def envelopes_counted(gateway):
    """The answers that the duty is counted over: vectors are not among them."""
    found = heads(archive_of(gateway), "exchange.finished")
    return [head for head in found if head.facts["label"]]


def test_the_duty_counts_every_answer_and_waits_for_a_review_of_the_open_questions(gateway):
    found = standing(archive_of(gateway), "IM-12")
    [part] = found.parts
    assert (found.state, found.missing) == ("uncertain", [])
    assert part.found.count.population == part.found.count.good == len(envelopes_counted(gateway))
